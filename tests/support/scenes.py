"""Pictures in files of other programs' making, and what they are filtered to in one piece."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convcli.choices import PlaneChoice
from convcli.images.picture import Frame
from convcli.images.policy import MAX_PIXELS, ReadPolicy
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import operand_from
from convcli.pipeline.options import Options
from convcli.pipeline.report import Report
from convcli.pipeline.run import Filtered, filter_frame

tifffile = pytest.importorskip("tifffile", reason="needs the extra cluster")
zarr = pytest.importorskip("zarr", reason="needs the extra cluster")

Values = NDArray[Any]

SMALL = 2**17
"""So little memory that a block is hardly more than a tile."""


def picture(
    shape: tuple[int, ...] = (211, 307, 3), dtype: str = "uint8", seed: int = 0
) -> Values:
    """Return noise; of floats some is beyond black and white."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.normal(120, 70, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def write_tiff(path: Path, values: Values, **settings: Any) -> str:
    settings = {"tile": (96, 112), "compression": "deflate"} | settings
    colour = values.ndim == 3 and values.shape[2] in (3, 4)
    settings.setdefault("photometric", "rgb" if colour else "minisblack")
    tifffile.imwrite(path, values, **settings)
    return str(path)


def write_zarr(path: Path, values: Values, chunk: tuple[int, int] = (100, 110)) -> str:
    chunks = (*chunk, *values.shape[2:])
    array = zarr.create_array(
        str(path),
        shape=values.shape,
        chunks=chunks,
        dtype=values.dtype,
        dimension_names=("y", "x", "c")[: values.ndim] if values.ndim < 4 else None,
    )
    array[...] = values
    return str(path)


def read(path: str) -> Values:
    values = zarr.open_array(path, mode="r")[...] if "zarr" in path else tifffile.imread(path)
    return np.asarray(values)


def whole(
    values: Values, kernels: list[str | Kernel], options: Options, *, alpha: bool = False
) -> Filtered:
    """Filter a picture that is in memory."""
    grid = values if values.ndim == 3 else values[..., np.newaxis]
    source = Frame(grid[..., :-1], grid[..., -1]) if alpha else Frame(grid)
    return filter_frame(source, operands(kernels), options)


def operands(kernels: list[str | Kernel]) -> list[Any]:
    return [operand_from(one) if isinstance(one, str) else one for one in kernels]


def large(
    kernels: Sequence[Any],
    options: Options,
    *,
    frame: int | None = None,
    max_pixels: int = MAX_PIXELS,
    planes: PlaneChoice | None = None,
    **settings: Any,
) -> Any:
    """Return how a picture is filtered block by block."""
    from convcli.scale.tiled.run import LargeFilter

    return LargeFilter(
        kernels=tuple(kernels),
        options=options,
        reading=ReadPolicy(frame=frame, max_pixels=max_pixels),
        planes=planes or PlaneChoice(),
        **settings,
    )


def filter_large(
    kernels: Sequence[Any],
    source: str,
    target: str,
    options: Options,
    *,
    progress: Any = None,
    **settings: Any,
) -> Report:
    """Filter a picture block by block."""
    report: Report = large(kernels, options, **settings).run(source, target, progress)
    return report


def plan_large(
    kernels: Sequence[Any], source: str, target: str, options: Options, **settings: Any
) -> Any:
    """Plan how `filter_large` would filter a picture."""
    return large(kernels, options, **settings).plan(source, target)
