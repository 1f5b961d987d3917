"""What kind of file a name stands for."""

import re

_ZARR = re.compile(r"\.zarr(?:[/\\]|$)", re.IGNORECASE)


def is_zarr(name: str) -> bool:
    """Tell whether a name is a Zarr array's: it ends in ``.zarr``, or lies in such a folder.

    Examples
    --------
    >>> is_zarr("scan.zarr"), is_zarr("scan.zarr/0"), is_zarr("scan.zarr.tif")
    (True, True, False)
    """
    return _ZARR.search(name) is not None
