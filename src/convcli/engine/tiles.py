"""Tiles of an image, and the loader that every strategy is fed by.

A tile is a block of outputs that is computed together. The loader casts the input that
it needs, fills the border and adds the halo, so that a strategy sees a padded block and
computes only "valid" outputs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import Sides, fill_rows, source_indices
from convcli.engine.problem import Problem
from convcli.geometry import Axis

Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tile:
    """The outputs that are computed together, of one channel or (None) of all."""

    rows: slice
    columns: slice
    channel: int | None = None


def tiles_of(problem: Problem, rows: int, columns: int, *, planar: bool = False) -> list[Tile]:
    """Cut a problem's outputs into tiles of at most `rows` by `columns`.

    Parameters
    ----------
    problem : Problem
        Whose result is cut.
    rows, columns : int
        Outputs a tile.
    planar : bool
        Whether each channel is computed on its own.

    Returns
    -------
    list of Tile
        Channel by channel, from the top, from the left.
    """
    height, width, channels = problem.result_shape
    return [
        tile
        for channel in (range(channels) if planar else (None,))
        for tile in pieces(Tile(slice(0, height), slice(0, width), channel), rows, columns)
    ]


def pieces(tile: Tile, rows: int, columns: int) -> list[Tile]:
    """Cut a tile into smaller ones, of at most `rows` by `columns`.

    Examples
    --------
    >>> [piece.rows for piece in pieces(Tile(slice(0, 5), slice(0, 4)), 3, 4)]
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


def reach(axis: Axis, outputs: int) -> int:
    """Return how many padded inputs so many outputs of an axis need.

    Examples
    --------
    >>> reach(Axis(kernel=3, stride=2), 4)
    9
    """
    return (outputs - 1) * axis.stride + axis.extent


class Loader:
    """Fills one buffer with the padded input of a tile, again and again.

    Parameters
    ----------
    image : ndarray, shape (H, W, C)
        Any strides; never modified.
    problem : Problem
        Window, border and fill.
    buffer : ndarray, shape (rows, pitch)
        What is filled, in the working dtype: C values a pixel, or 1 where tiles have a
        channel. What the tile does not need is set to 0.
    """

    def __init__(self, image: Values, problem: Problem, buffer: Values) -> None:
        self._image = image
        self._window = problem.window
        self._fill = problem.fill
        self._buffer = buffer
        (top, bottom), (self._left, right) = problem.window.padding
        self._rows = source_indices(problem.border, problem.shape[0], top, bottom)
        self._columns = source_indices(problem.border, problem.shape[1], self._left, right)

        self._bound: dict[tuple[int, int, int], _Bound] = {}

    def load(self, tile: Tile) -> None:
        """Fill the buffer with what a tile needs."""
        image = self._image
        if tile.channel is not None:
            image = image[..., tile.channel : tile.channel + 1]
        rows = _sources(self._rows, self._window.rows, tile.rows)
        key = (tile.columns.start, tile.columns.stop, len(rows))
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bound[key] = self._bind(tile, len(rows), image.shape)
        for rest in bound.rest:
            rest.fill(0)
        if bound.middle.size:
            fill_rows(bound.middle, image[:, bound.columns], rows, self._fill)
        bound.sides.fill(image, rows)

    def _bind(self, tile: Tile, count: int, shape: tuple[int, ...]) -> "_Bound":
        """Make the views for all tiles of these columns and this height.

        They stay the same from tile to tile; made anew, they took as long as sobel-x.
        """
        sources = _sources(self._columns, self._window.columns, tile.columns)
        width = len(sources) * shape[2]
        padded = self._buffer[:count, :width].reshape(count, -1, shape[2], copy=False)
        first = tile.columns.start * self._window.columns.stride - self._left
        start = min(max(-first, 0), len(sources))
        inside = slice(start, max(min(len(sources), shape[1] - first), start))
        return _Bound(
            middle=padded[:, inside],
            columns=slice(first + inside.start, first + inside.stop),
            sides=Sides(padded, sources, inside, self._fill),
            rest=[r for r in (self._buffer[count:], self._buffer[:count, width:]) if r.size],
        )


@dataclass(frozen=True, slots=True)
class _Bound:
    """The views of a buffer that a tile fills: with rows, with columns, with 0."""

    middle: Values
    columns: slice
    sides: Sides
    rest: list[Values]


def _sources(padded: NDArray[np.intp], axis: Axis, outputs: slice) -> NDArray[np.intp]:
    first = outputs.start * axis.stride
    return padded[first : first + reach(axis, outputs.stop - outputs.start)]
