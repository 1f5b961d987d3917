"""Tiles of a result, and the loader that fills a buffer with the input of a tile.

A tile is a rectangle of outputs that are computed together. The loader casts the input that
it needs, fills the border and adds the halo: a strategy sees a padded tile, and computes only
"valid" outputs.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.borders import (
    FromImage,
    FromTile,
    Stretch,
    fill_rows,
    sides_of,
    source_indices,
    stretches,
)
from convcli.engine.buffers import Values, flat_rows
from convcli.engine.problem import Problem
from convcli.geometry.window import Axis
from convcli.values import Record

Load: TypeAlias = Callable[[Values, int], None]
"""Fills a buffer from an image of shape (H, W, C), for tiles that start at an output row."""


class Tile(Record):
    """Outputs that are computed together: of one channel, or of all (None)."""

    rows: slice
    columns: slice
    channel: int | None = None


class Block(Record):
    """A part of a result, and the part of the image that it is computed from.

    The same tiles compute it as the whole, so it is equal to the last bit.

    Attributes
    ----------
    rows, columns : slice
        The outputs.
    held_rows, held_columns : ndarray of intp
        The rows and columns of the image that are held, in order: at least those that the
        tiles of the outputs read.
    """

    rows: slice
    columns: slice
    held_rows: NDArray[np.intp]
    held_columns: NDArray[np.intp]


def tiles_of(
    problem: Problem,
    rows: int,
    columns: int,
    *,
    planar: bool = False,
    block: Block | None = None,
) -> list[Tile]:
    """Cut a result into tiles of at most `rows` by `columns`, of one channel if `planar`.

    They go channel by channel, from the top, from the left. With a block, only the tiles
    that hold its outputs are returned.
    """
    height, width, channels = problem.result_shape
    down, across = slice(0, height), slice(0, width)
    if block is not None:
        down = covered(block.rows, rows, height)
        across = covered(block.columns, columns, width)
    return [
        tile
        for channel in (range(channels) if planar else (None,))
        for tile in split_tile(down, across, channel, rows, columns)
    ]


def covered(outputs: slice, step: int, size: int) -> slice:
    """Return the outputs of all tiles, `step` long each, that hold some outputs of an axis.

    Examples
    --------
    >>> covered(slice(5, 9), 4, 10)
    slice(4, 10, None)
    """
    return slice(outputs.start // step * step, min(-(-outputs.stop // step) * step, size))


def sources_of(axis: Axis, outputs: slice, padded: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the sources of the padded inputs of some outputs, -1 for the constant."""
    first = outputs.start * axis.stride
    return padded[first : first + input_extent(axis, outputs.stop - outputs.start)]


def padded_sources(problem: Problem) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the sources of the rows and of the columns of the padded image."""
    down, across = problem.window.axes
    return (
        source_indices(problem.border, problem.shape[0], down.before, down.after),
        source_indices(problem.border, problem.shape[1], across.before, across.after),
    )


def split_tile(
    down: slice, across: slice, channel: int | None, rows: int, columns: int
) -> list[Tile]:
    """Cut some rows and columns of outputs into tiles of at most `rows` by `columns`.

    Examples
    --------
    >>> [tile.rows for tile in split_tile(slice(0, 5), slice(0, 4), None, 3, 4)]
    [slice(0, 3, None), slice(3, 5, None)]
    """
    return [
        Tile(
            slice(y, min(y + rows, down.stop)), slice(x, min(x + columns, across.stop)), channel
        )
        for y in range(down.start, down.stop, rows)
        for x in range(across.start, across.stop, columns)
    ]


def input_extent(axis: Axis, outputs: int) -> int:
    """Return the number of padded inputs that neighbouring outputs of an axis need.

    Examples
    --------
    >>> input_extent(Axis(kernel=3, stride=2), 4)
    9
    """
    return (outputs - 1) * axis.stride + axis.extent


class Loader:
    """Fills one buffer, of shape (rows, pitch), with the padded input of tiles.

    The values of a pixel's `channels` are neighbours in a row. Values that a tile does not
    need are set to 0. With a block, only its rows and columns of the image are held.
    """

    def __init__(
        self, problem: Problem, buffer: Values, channels: int, block: Block | None = None
    ) -> None:
        self._window, self._channels = problem.window, channels
        self._fill = problem.fill
        self._buffer = buffer
        self._rows, self._columns = padded_sources(problem)
        if block is not None:
            self._rows = _places(self._rows, block.held_rows)
            self._columns = _places(self._columns, block.held_columns)
        self._stretches: dict[tuple[int, int], list[Stretch]] = {}
        self._width = problem.shape[1]
        # Padded rows from `top` on are rows of the image, if all of it is held.
        self._height = problem.shape[0] if block is None else 0

    def bind(self, tile: Tile) -> Load:
        """Return the function that fills the buffer for tiles of that height and columns.

        The function never modifies the image; of a tile of one channel it takes (H, W, 1).
        """
        down = self._window.rows
        step, top = down.stride, down.before
        count = input_extent(down, tile.rows.stop - tile.rows.start)
        most = self._height - count
        middle, columns, (within, beyond), unused = self._views(tile, count)

        def load(image: Values, start: int) -> None:
            first = start * step
            if 0 <= first - top <= most:
                middle[...] = image[first - top : first - top + count, columns]
            elif middle.size:
                rows = self._stretches.get((first, count))
                if rows is None:
                    rows = stretches(self._rows[first : first + count])
                    self._stretches[first, count] = rows
                fill_rows(middle, image[:, columns], rows, self._fill)
            for rest in unused:
                rest.fill(0)
            for target, values in within:
                target[...] = values
            for target, sources in beyond:
                target[...] = image[np.ix_(self._rows[first : first + count], sources)]

        return load

    def _views(
        self, tile: Tile, count: int
    ) -> tuple[Values, slice, tuple[FromTile, FromImage], list[Values]]:
        """Return the views that `bind` fills, and the columns of the image that fill the first.

        To make them for each tile took as long as sobel-x itself.
        """
        sources, inside, column = self._across(tile)
        width = len(sources) * self._channels
        padded = self._buffer[:count, :width].reshape(count, -1, self._channels, copy=False)
        unused = (self._buffer[count:], self._buffer[:count, width:])
        return (
            padded[:, inside],
            slice(column, column + inside.stop - inside.start),
            sides_of(padded, sources, inside, self._fill),
            [rest for rest in unused if rest.size],
        )

    def _across(self, tile: Tile) -> tuple[NDArray[np.intp], slice, int]:
        """Return the sources of columns, those within the image, and the first of these."""
        across = self._window.columns
        sources = sources_of(across, tile.columns, self._columns)
        first = tile.columns.start * across.stride - across.before
        start = min(max(-first, 0), len(sources))
        inside = slice(start, max(min(len(sources), self._width - first), start))
        return sources, inside, int(sources[start]) if start < inside.stop else 0


class ImageRows(Loader):
    """Shows where the input of a tile is in the image, for strategies that read it there.

    `place` has the values of rows, flat; the distance of two rows; the row and the column of
    each padded one of the tile, -1 for the constant; and what to add to a padded column for its
    place in the image. `inside` has the padded columns within the image.
    """

    place: tuple[Values, int, NDArray[np.intp], NDArray[np.intp], int]
    inside: tuple[int, int]

    @classmethod
    def of(cls, tile: Values, channels: int) -> "ImageRows":
        """Return the place of a tile that is loaded."""
        self, width = cls.__new__(cls), tile.shape[1] // channels
        self.place = (*flat_rows(tile), np.arange(len(tile)), np.arange(width), 0)
        self.inside = (0, width)
        return self

    def bind(self, tile: Tile) -> Load:
        """Return the function that finds tiles of that height and columns in an image."""
        down = self._window.rows
        count = input_extent(down, tile.rows.stop - tile.rows.start)
        columns, inside, column = self._across(tile)

        def load(image: Values, start: int) -> None:
            rows = self._rows[start * down.stride : start * down.stride + count]
            has_rows = image.dtype.isnative and image.strides[0] >= 0
            has_rows = has_rows and image.strides[0] % image.itemsize == 0
            if not has_rows or not image[0].flags.c_contiguous:
                # Only the rows of the tile are copied.
                first, last = max(int(rows.min()), 0), max(int(rows.max()), 0)
                part = image[first : last + 1]
                image = np.ascontiguousarray(part, part.dtype.newbyteorder("="))
                rows = np.where(rows < 0, -1, rows - first)
            flat, pitch = flat_rows(image.reshape(len(image), -1, copy=False))
            self.place = (flat, pitch, rows, columns, column - inside.start)
            self.inside = (inside.start, inside.stop)

        return load


def _places(sources: NDArray[np.intp], held: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the positions of sources among those that are held; -1 stays."""
    return np.where(sources < 0, -1, np.searchsorted(held, sources))
