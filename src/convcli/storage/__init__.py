"""Where bytes come from and go: paths and URLs; the floor below pictures and kernels."""

from convcli.storage.folders import is_zarr, replacing_folder
from convcli.storage.paths import remove_left_by
from convcli.storage.replacing import replacing
from convcli.storage.urls import (
    fetched,
    files_in,
    is_folder,
    is_pattern,
    is_there,
    is_url,
    local_path,
    matching,
    size_of,
)

__all__ = [
    "fetched",
    "files_in",
    "is_folder",
    "is_pattern",
    "is_there",
    "is_url",
    "is_zarr",
    "local_path",
    "matching",
    "remove_left_by",
    "replacing",
    "replacing_folder",
    "size_of",
]
