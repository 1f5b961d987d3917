"""Where bytes come from and go: paths and URLs; the floor below pictures and kernels."""

from convcli.storage.folders import replacing_folder
from convcli.storage.replacing import replacing
from convcli.storage.urls import fetched, is_there, is_url, local_path

__all__ = ["fetched", "is_there", "is_url", "local_path", "replacing", "replacing_folder"]
