"""Where bytes come from and go: paths and URLs; the floor below pictures and kernels."""

from typing import TYPE_CHECKING

from convcli.deferred import deferred
from convcli.storage.paths import remove_left_by
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
    is_zarr,
    local_path,
    matching,
    put,
    seen,
    size_of,
)

if TYPE_CHECKING:
    from convcli.storage.folders import replacing_folder
    from convcli.storage.prefixes import replacing_prefix
    from convcli.storage.ranges import Ranges, ranges_of, version_of

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
    "seen",
    "size_of",
    "temporary_name",
    "version_of",
]

# Most pictures are files, read and written as a whole.
__getattr__ = deferred(
    __name__,
    {
        "replacing_folder": "convcli.storage.folders",
        "replacing_prefix": "convcli.storage.prefixes",
        **dict.fromkeys(("Ranges", "ranges_of", "version_of"), "convcli.storage.ranges"),
    },
)
