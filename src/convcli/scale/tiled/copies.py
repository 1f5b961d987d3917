"""Copies of a picture that are smaller: the means of squares of its pixels."""

import functools
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.images.codecs.tiff import PageLayout, TiffWriter, packed
from convcli.images.codecs.tiff_pages import TiffPage
from convcli.images.codecs.tiff_segments import decoder_of, read_part, spans_of
from convcli.scale.tiled.source import fast_codecs
from convcli.values import replace

_SQUARES = 32  # rows of a smaller copy that are made together


def with_copies(
    pages: Sequence[PageLayout], factors: Sequence[int], *, nested: bool
) -> list[PageLayout]:
    """Return each page and its copies, each smaller than the one before by its factor.

    The directories of copies that are `nested` lie within that of their page.
    """
    layouts = list[PageLayout]()
    for page in pages:
        first = len(layouts) + 1
        within = range(first, first + len(factors)) if nested else ()
        layouts.append(replace(page, within=tuple(within)))
        for by in factors:
            rows, columns = layouts[-1].size
            size = (-(-rows // by), -(-columns // by))
            layouts.append(replace(page, size=size, reduction=by))
    return layouts


def tiles_of(
    samples: NDArray[Any], at: tuple[int, int], layout: PageLayout
) -> Iterator[tuple[int, bytes]]:
    """Cut what begins `at` a row and a column of a page; yield each tile's index and bytes."""
    codecs, (rows, columns) = fast_codecs(), layout.tile
    compress = codecs.deflate_encode if codecs else zlib.compress
    for y in range(0, samples.shape[0], rows):
        for x in range(0, samples.shape[1], columns):
            part = samples[y : y + rows, x : x + columns]
            # Repeating the last pixels fills a tile with few bytes.
            missing = [(0, rows - len(part)), (0, columns - part.shape[1]), (0, 0)]
            tile = np.pad(part, missing, mode="edge")
            index = (at[0] + y) // rows * layout.grid[1] + (at[1] + x) // columns
            yield index, packed(tile, layout, compress)


class CopyingWriter(TiffWriter):
    """Writes a TIFF with copies, which it makes of the tiles that it has written."""

    def finish_by(self, map_tiles: Callable[..., Iterable[Any]]) -> None:
        """Write the copies, a tile at a time by `map_tiles`, and the directories."""
        for number, layout in enumerate(self._pages):
            if layout.reduction > 1:
                reduce = functools.partial(self._reduced, self._page(number - 1), layout)
                for index, data in map_tiles(reduce, range(math.prod(layout.grid))):
                    self.add(number, index, data)
        self.finish()

    def _reduced(self, before: TiffPage, layout: PageLayout, index: int) -> tuple[int, bytes]:
        """Make a tile of a copy, of the pixels that are under it in the one before."""
        factor = layout.reduction
        step = factor * _SQUARES
        row, column = divmod(index, layout.grid[1])
        at = (row * layout.tile[0], column * layout.tile[1])
        rows, columns = (
            slice(first * factor, min((first + side) * factor, end))
            for first, side, end in zip(at, layout.tile, before.size, strict=True)
        )
        fetch = functools.partial(spans_of, self._file, self._lock)
        decode = decoder_of(before, self._file, fast_codecs())
        samples = read_part(before, fetch, decode, rows, columns)
        # Some rows at a time: the sums of all take ten times the memory.
        strips = (samples[y : y + step] for y in range(0, len(samples), step))
        nodata = self._metadata.nodata
        small = [shrunk(strip, factor, alpha=layout.alpha, nodata=nodata) for strip in strips]
        return next(tiles_of(np.vstack(small), at, layout))


def shrunk(
    samples: NDArray[Any], factor: int, *, alpha: bool = False, nodata: str | None = None
) -> NDArray[Any]:
    """Return a picture of the means of squares, which may be smaller at the end of an axis.

    Pixels of no data weigh nothing; with `alpha`, others weigh as much as their last sample.
    """
    values = samples.astype(np.float64)
    weights = values[..., -1:].copy() if alpha else np.ones((*samples.shape[:2], 1))
    number = float(nodata or 0)
    if nodata is not None:
        lost = (np.isnan(samples) if np.isnan(number) else samples == number).all(axis=2)
        weights[lost], values[lost] = 0, 0
    fill = number if nodata is not None and lost.any() else 0.0
    by = (factor, factor)
    sums, total = block_sums(values * weights, by), block_sums(weights, by)
    means = np.divide(sums, total, out=np.full_like(sums, fill), where=total > 0)
    if alpha:
        means[..., -1:] = mean_of(values[..., -1:], by)
    whole = samples.dtype.kind in "ui"
    result: NDArray[Any] = (np.rint(means) if whole else means).astype(samples.dtype)
    return result


def block_sums(
    values: NDArray[Any], factors: Sequence[int], dtype: type = np.float64
) -> NDArray[Any]:
    """Return the sums of so many values along each axis; fewer at an end."""
    for axis, by in enumerate(factors):
        starts = np.arange(0, values.shape[axis], by)
        values = np.add.reduceat(values, starts, axis, dtype) if by > 1 else values
    return values


def mean_of(values: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Return the means of so many values along each axis, rounded if they are whole numbers."""
    is_whole = values.dtype.kind in "biu"
    means = block_sums(values, factors, np.int64 if is_whole else np.float64)
    for axis, by in enumerate(factors):
        left = values.shape[axis] - np.arange(0, values.shape[axis], by)
        means = np.moveaxis(np.moveaxis(means, axis, -1) / np.minimum(by, left), -1, axis)
    made: NDArray[Any] = (np.rint(means) if is_whole else means).astype(values.dtype)
    return made
