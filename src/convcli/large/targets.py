"""Where the blocks of a result go: tiles of a TIFF, or chunks of a Zarr array."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convcli.engine import Seen
from convcli.errors import ImageError
from convcli.filtering.maps import MAP
from convcli.images import (
    Document,
    EncodedTile,
    Metadata,
    Picture,
    Saving,
    TiledTiff,
    TileLayout,
    check_format,
    encoded_tiles,
    format_for,
)
from convcli.images.formats import DEFAULT_LEVEL
from convcli.large.extra import needed, uninterrupted
from convcli.large.source import cut
from convcli.large.work import Part, Work
from convcli.large.zarr_source import ZarrSource
from convcli.storage import is_url, is_zarr, replacing, replacing_folder

_FLAT = 2
"""Axes of an array without channels."""


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a block.

    Attributes
    ----------
    seen : Seen
        Of its raw values.
    tiles : list of EncodedTile
        What is still to be written, by the process that has the file open.
    """

    seen: Seen
    tiles: list[EncodedTile]


@dataclass(frozen=True, slots=True)
class TiffTiles:
    """Computes blocks and encodes them; can be pickled."""

    layout: TileLayout

    def __call__(self, work: Work, rows: slice, columns: slice) -> Written:
        """Compute a block, and return its tiles."""
        part = work.part(rows, columns)
        tiles = encoded_tiles(part.values, part.alpha, (rows.start, columns.start), self.layout)
        return Written(part.seen, tiles)


@dataclass(frozen=True, slots=True)
class ZarrChunks:
    """Computes blocks and stores them where they belong; can be pickled."""

    path: str

    def __call__(self, work: Work, rows: slice, columns: slice) -> Written:
        """Compute a block and store it."""
        part = work.part(rows, columns)
        array = needed("zarr", self.path).open_array(self.path, mode="r+")
        samples = _samples(part)
        values = samples[..., 0] if array.ndim == _FLAT else samples
        # Chunk by chunk: of several at once some are still written when one has failed.
        for down, across in cut(rows, columns, array.chunks[:_FLAT]):
            array[down, across] = values[
                down.start - rows.start : down.stop - rows.start,
                across.start - columns.start : across.stop - columns.start,
            ]
        return Written(part.seen, [])


@dataclass(frozen=True, slots=True)
class Target:
    """An output that is being written.

    Attributes
    ----------
    task : callable
        Computes a block, where the worker is.
    add : callable
        Writes a tile that came of it, here.
    """

    task: Callable[[Work, slice, slice], Written]
    add: Callable[[EncodedTile], None]


def check_target(
    work: Work, target: str, saving: Saving, max_pixels: int, kind: str | None
) -> None:
    """Check that a result can be written, before anything is computed.

    Raises
    ------
    ImageError
        If it cannot; the message says what to do.
    """
    rows, columns, channels = work.shape
    if rows * columns > max(max_pixels, work.source.shape[0] * work.source.shape[1]):
        raise ImageError(
            f"{work.course.stages[-1].name}: expected a result of at most {max_pixels:,} "
            f"pixels, got {rows * columns:,}: use less padding, or raise --max-pixels"
        )
    if MAP in target:
        raise ImageError(
            f"{target}: expected one file for all maps: a .tif gets a page for each"
        )
    if is_zarr(target):
        if is_url(target):
            raise ImageError(
                f"{target}: a .zarr is written to a disk only, where it is complete or "
                "absent: name a folder, and copy it to the store"
            )
        if kind is not None:
            raise ImageError(
                f"{target}: expected a .tif for --format, got a .zarr: leave it out"
            )
        if saving.quality is not None or saving.compress_level is not None:
            raise ImageError(
                f"{target}: Zarr has no quality and no level to set: leave --quality and "
                "--compress-level out"
            )
        return
    if (kind or format_for(target)) != "TIFF":
        raise ImageError(
            f"{target}: expected a .tif or .zarr for a picture that is filtered in tiles: "
            "name it so"
        )
    promised = Picture(np.zeros((1, 1, channels), work.course.depth.dtype))
    check_format(Document((promised,)), target, "TIFF", saving)


def target_for(
    target: str, work: Work, chunk: tuple[int, int], saving: Saving
) -> contextlib.AbstractContextManager[Target]:
    """Return what blocks are written to; the output is complete or absent.

    Parameters
    ----------
    target : str
        Its path: checked.
    work : Work
        What is written.
    chunk : (int, int)
        Rows and columns of its tiles.
    saving : Saving
        How.
    """
    rows, columns, channels = work.shape
    if is_zarr(target):
        flat = isinstance(work.source, ZarrSource) and work.source.is_flat
        alone = channels == 1 and not work.source.alpha
        flat = alone and (flat or not isinstance(work.source, ZarrSource))
        return _zarr(target, work, chunk, flat=flat)
    layout = TileLayout(
        size=(rows, columns),
        tile=chunk,
        channels=channels,
        alpha=work.source.alpha,
        depth=work.course.depth,
        paged=channels not in (1, 3),
        level=DEFAULT_LEVEL if saving.compress_level is None else saving.compress_level,
    )
    return _tiff(target, layout, Metadata() if saving.strip else work.source.metadata)


@contextlib.contextmanager
def _tiff(path: str, layout: TileLayout, metadata: Metadata) -> Iterator[Target]:
    """Write a TIFF: complete, or not at all."""
    with replacing(path) as file:
        tiff = TiledTiff(file, layout, metadata)
        yield Target(TiffTiles(layout), tiff.add)
        tiff.finish()


@contextlib.contextmanager
def _zarr(path: str, work: Work, chunk: tuple[int, int], *, flat: bool) -> Iterator[Target]:
    """Write a Zarr array (H', W', C), or (H', W') where it is flat: complete, or not at all."""
    zarr = needed("zarr", path)
    rows, columns, channels = work.shape
    shape: tuple[int, ...] = (rows, columns, channels + work.source.alpha)
    chunks: tuple[int, ...] = (*chunk, shape[2])
    with replacing_folder(path, _is_array) as folder:
        with uninterrupted():
            zarr.create_array(
                str(folder),
                shape=shape[:_FLAT] if flat else shape,
                chunks=chunks[:_FLAT] if flat else chunks,
                dtype=work.dtype,
            )
        yield Target(ZarrChunks(str(folder)), _no_tile)


def _is_array(folder: Path) -> bool:
    """Tell whether a folder is one array, of either version of the format."""
    if (folder / ".zarray").is_file():
        return True
    try:
        told = json.loads((folder / "zarr.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and told.get("node_type") == "array"


def _samples(part: Part) -> Any:
    return part.values if part.alpha is None else np.dstack([part.values, part.alpha])


def _no_tile(tile: EncodedTile) -> None:
    raise ImageError(f"expected a chunk that was stored, got tile {tile.index}")
