"""Pictures larger than memory: TIFF and Zarr, a block at a time, through Dask.

Nothing of the extra is imported before a picture is filtered.
"""

from convcli.large.filter import Progress, filter_large, plan_large
from convcli.large.tiling import Tiling

__all__ = ["Progress", "Tiling", "filter_large", "plan_large"]
