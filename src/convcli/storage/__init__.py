"""Where bytes come from and go: paths and URLs; the floor below pictures and kernels."""

from convcli.storage.folders import is_zarr, replacing_folder
from convcli.storage.paths import remove_left_by
from convcli.storage.prefixes import replacing_prefix
from convcli.storage.ranges import Ranges, ranges_of, version_of
from convcli.storage.replacing import replacing
from convcli.storage.stores import ABSENT, NO_BUCKET, in_one_line
from convcli.storage.temporary import temporary_name
from convcli.storage.urls import (
    check_store,
    fetched,
    files_in,
    is_folder,
    is_pattern,
    is_there,
    is_url,
    local_path,
    matching,
    put,
    size_of,
)

__all__ = [
    "ABSENT",
    "NO_BUCKET",
    "Ranges",
    "check_store",
    "fetched",
    "files_in",
    "in_one_line",
    "is_folder",
    "is_pattern",
    "is_there",
    "is_url",
    "is_zarr",
    "local_path",
    "matching",
    "put",
    "ranges_of",
    "remove_left_by",
    "replacing",
    "replacing_folder",
    "replacing_prefix",
    "size_of",
    "temporary_name",
    "version_of",
]
