"""Tiles of an image, and the loader that every strategy is fed by.

A tile is a block of outputs that is computed together. The loader casts the input that
it needs, fills the border and adds the halo, so that a strategy sees a padded block and
computes only "valid" outputs.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.borders import Sides, Stretch, fill_rows, sides_of, source_indices, stretches
from convcli.engine.problem import Problem
from convcli.geometry.window import Axis
from convcli.values import Record

Values = NDArray[Any]
Load: TypeAlias = Callable[[Values, int], None]


class Tile(Record):
    """The outputs that are computed together, of one channel or (None) of all."""

    rows: slice
    columns: slice
    channel: int | None = None


class Block(Record):
    """A part of a result, and the part of the image that it is computed from.

    It is computed by the same tiles as the whole, so that it is equal to the last bit.

    Attributes
    ----------
    rows, columns : slice
        The outputs.
    held_rows, held_columns : ndarray of intp
        Which rows and columns of the image there are, in order: at least all that the
        tiles that the outputs lie in read (see `sources_of`).
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
    """Cut a problem's outputs into tiles of at most `rows` by `columns`.

    Parameters
    ----------
    problem : Problem
        Whose result is cut.
    rows, columns : int
        Outputs a tile.
    planar : bool
        Whether each channel is computed on its own.
    block : Block, optional
        Leave out the tiles that none of its outputs lies in.

    Returns
    -------
    list of Tile
        Channel by channel, from the top, from the left.
    """
    height, width, channels = problem.result_shape
    down, across = slice(0, height), slice(0, width)
    if block is not None:
        down = covered(block.rows, rows, height)
        across = covered(block.columns, columns, width)
    return [
        tile
        for channel in (range(channels) if planar else (None,))
        for tile in split(Tile(down, across, channel), rows, columns)
    ]


def covered(outputs: slice, step: int, size: int) -> slice:
    """Return the outputs of all tiles of an axis that some outputs lie in.

    Examples
    --------
    >>> covered(slice(5, 9), 4, 10)
    slice(4, 10, None)
    """
    return slice(outputs.start // step * step, min(-(-outputs.stop // step) * step, size))


def sources_of(axis: Axis, outputs: slice, padded: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where the padded inputs of some outputs come from, -1 for the constant."""
    first = outputs.start * axis.stride
    return padded[first : first + input_extent(axis, outputs.stop - outputs.start)]


def padded_sources(problem: Problem) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where each row and each column of the padded image comes from."""
    (top, bottom), (left, right) = problem.window.padding
    return (
        source_indices(problem.border, problem.shape[0], top, bottom),
        source_indices(problem.border, problem.shape[1], left, right),
    )


def split(tile: Tile, rows: int, columns: int) -> list[Tile]:
    """Cut a tile into smaller ones, of at most `rows` by `columns`.

    Examples
    --------
    >>> [piece.rows for piece in split(Tile(slice(0, 5), slice(0, 4)), 3, 4)]
    [slice(0, 3, None), slice(3, 5, None)]
    """
    return [
        Tile(
            slice(y, min(y + rows, tile.rows.stop)),
            slice(x, min(x + columns, tile.columns.stop)),
            tile.channel,
        )
        for y in range(tile.rows.start, tile.rows.stop, rows)
        for x in range(tile.columns.start, tile.columns.stop, columns)
    ]


def input_extent(axis: Axis, outputs: int) -> int:
    """Return how many padded inputs so many outputs of an axis need.

    Examples
    --------
    >>> input_extent(Axis(kernel=3, stride=2), 4)
    9
    """
    return (outputs - 1) * axis.stride + axis.extent


class Loader:
    """Fills one buffer with the padded input of a tile, again and again.

    Parameters
    ----------
    problem : Problem
        Window, border and fill.
    buffer : ndarray, shape (rows, pitch)
        What is filled, in the working dtype: C values a pixel, or 1 where tiles have a
        channel. What the tile does not need is set to 0.
    channels : int
        Of the image that it is filled from.
    block : Block, optional
        What of the image there is, where it is not all.
    """

    def __init__(
        self, problem: Problem, buffer: Values, channels: int, block: Block | None = None
    ) -> None:
        self._window, self._channels = problem.window, channels
        self._fill = problem.fill
        self._buffer = buffer
        self._left, self._width = problem.window.padding[1][0], problem.shape[1]
        self._step, self._extent = problem.window.rows.stride, problem.window.rows.extent
        self._rows, self._columns = padded_sources(problem)
        if block is not None:
            self._rows = _places(self._rows, block.held_rows)
            self._columns = _places(self._columns, block.held_columns)
        self._stretches: dict[tuple[int, int], list[Stretch]] = {}
        # Padded rows that are rows of the image, in order.
        self._top = problem.window.padding[0][0]
        self._height = problem.shape[0] if block is None else 0

    def bind(self, tile: Tile) -> Load:
        """Return what fills the buffer for all tiles of these columns and this height.

        Parameters
        ----------
        tile : Tile
            One of them: outputs that are computed from the buffer.

        Returns
        -------
        callable
            Takes an image of shape (H, W, C), or (H, W, 1) of a tile's channel, with any
            strides, which is never modified; and the first output row.
        """
        rows = tile.rows.stop - tile.rows.start
        step, top, count = self._step, self._top, (rows - 1) * self._step + self._extent
        most, bound = self._height - count, self._bound(tile, count)
        middle, columns, rest = bound.middle, bound.columns, bound.rest
        within, beyond = bound.sides.within, bound.sides.beyond

        def load(image: Values, start: int) -> None:
            source = start * step - top
            if 0 <= source <= most:
                middle[...] = image[source : source + count, columns]
            elif middle.size:
                parts = self._parts(start * step, count)
                fill_rows(middle, image[:, columns], parts, self._fill)
            for unused in rest:
                unused.fill(0)
            for target, values in within:
                target[...] = values
            for target, wanted in beyond:
                first = start * step
                target[...] = image[np.ix_(self._rows[first : first + count], wanted)]

        return load

    def _parts(self, first: int, count: int) -> list[Stretch]:
        """Return where rows come from that are not all rows of the image in their order."""
        parts = self._stretches.get((first, count))
        if parts is None:
            parts = stretches(self._rows[first : first + count])
            self._stretches[first, count] = parts
        return parts

    def _bound(self, tile: Tile, count: int) -> "_Bound":
        """Make the views; made anew for each tile they took as long as sobel-x."""
        sources = sources_of(self._window.columns, tile.columns, self._columns)
        width = len(sources) * self._channels
        padded = self._buffer[:count, :width].reshape(count, -1, self._channels, copy=False)
        first = tile.columns.start * self._window.columns.stride - self._left
        start = min(max(-first, 0), len(sources))
        inside = slice(start, max(min(len(sources), self._width - first), start))
        there = int(sources[start]) if start < inside.stop else 0
        return _Bound(
            middle=padded[:, inside],
            columns=slice(there, there + inside.stop - start),
            sides=sides_of(padded, sources, inside, self._fill),
            rest=[r for r in (self._buffer[count:], self._buffer[:count, width:]) if r.size],
        )


class _Bound(Record):
    """The views of a buffer that a tile fills: with rows, with columns, with 0."""

    middle: Values
    columns: slice
    sides: Sides
    rest: list[Values]


def _places(sources: NDArray[np.intp], held: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where sources stand among those that are held; -1 stays."""
    return np.where(sources < 0, -1, np.searchsorted(held, sources))
