"""Where the blocks of a result go: tiles of a TIFF, or chunks of a Zarr array."""

import contextlib

import numpy as np

from convcli.errors import ImageError
from convcli.images.codecs.tiff import TileLayout
from convcli.images.formats import DEFAULT_LEVEL, format_for
from convcli.images.picture import Frame, Picture
from convcli.images.write import Saving, check_format
from convcli.pipeline.files import check_single
from convcli.scale.tiled.journal import Journal
from convcli.scale.tiled.tiff import tiff_target
from convcli.scale.tiled.work import Target, TiledWork
from convcli.scale.tiled.zarr import ZarrSource, check_place, zarr_target
from convcli.storage.urls import check_store, first_output, is_url, is_zarr


def check_target(
    work: TiledWork, target: str, saving: Saving, max_pixels: int, file_format: str | None
) -> None:
    """Refuse a target that cannot be written, before anything is computed."""
    if is_url(target):
        check_store(target)
    pipeline = work.pipeline
    pipeline.check_size(max_pixels, pipeline.steps[-1:])
    if pipeline.options.colormap is not None:
        check_single(pipeline, target)
    if first_output(target) != target:
        raise ImageError(
            f"{target}: expected one file for all maps: a .tif gets a page for each"
        )
    if is_zarr(target):
        if file_format is not None:
            raise ImageError(
                f"{target}: expected a .tif for --format, got a .zarr: leave it out"
            )
        if saving.recipe is not None:
            raise ImageError(f"{target}: Zarr has no place for a recipe: leave --record out")
        if saving.quality is not None or saving.compress_level is not None:
            raise ImageError(
                f"{target}: Zarr has no quality and no level to set: leave --quality and "
                "--compress-level out"
            )
        check_place(target)
        return
    if (file_format or format_for(target)) != "TIFF":
        raise ImageError(
            f"{target}: expected a .tif or .zarr for a picture that is filtered in tiles: "
            "name it so"
        )
    promised = Frame(np.zeros((1, 1, pipeline.written_channels), pipeline.depth.dtype))
    check_format(Picture((promised,)), target, "TIFF", saving)


def target_for(
    target: str, work: TiledWork, chunk: tuple[int, int], saving: Saving, journal: Journal
) -> contextlib.AbstractContextManager[Target]:
    """Open the output for blocks, with tiles of `chunk` (rows, columns): complete or absent.

    The target has passed `check_target`.
    """
    channels = work.pipeline.written_channels
    if is_zarr(target):
        return zarr_target(target, work, chunk, flat=_is_flat(work), journal=journal)
    paged = channels not in (1, 3)
    layout = TileLayout(
        size=work.shape,
        tile=chunk,
        channels=channels,
        alpha=work.pipeline.info.alpha,
        depth=work.pipeline.depth,
        paged=paged,
        level=DEFAULT_LEVEL if saving.compress_level is None else saving.compress_level,
        factors=getattr(work.source, "factors", ()),
        # GDAL takes all copies that follow each other for those of the first page.
        nested=paged or getattr(work.source, "nested", False),
    )
    return tiff_target(target, layout, work.source.metadata, journal)


def _is_flat(work: TiledWork) -> bool:
    """Tell whether the array is (H', W'): for one channel, unless the input has three axes."""
    alone = work.pipeline.written_channels == 1 and not work.pipeline.info.alpha
    return alone and (not isinstance(work.source, ZarrSource) or work.source.is_flat)
