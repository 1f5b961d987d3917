"""Tiles of an image, and the loader that every strategy is fed by.

A tile is a block of outputs that is computed together. The loader casts the input that
it needs, fills the border and adds the halo, so that a strategy sees a padded block and
computes only "valid" outputs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import fill_columns, fill_rows, source_indices
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

    def load(self, tile: Tile) -> None:
        """Fill the buffer with what a tile needs."""
        image = self._image
        if tile.channel is not None:
            image = image[..., tile.channel : tile.channel + 1]
        rows = _sources(self._rows, self._window.rows, tile.rows)
        columns = _sources(self._columns, self._window.columns, tile.columns)
        channels = image.shape[2]
        self._buffer[len(rows) :] = 0
        self._buffer[: len(rows), len(columns) * channels :] = 0
        needed = self._buffer[: len(rows), : len(columns) * channels]
        padded = needed.reshape(len(rows), len(columns), channels, copy=False)
        first = tile.columns.start * self._window.columns.stride - self._left
        inside = slice(max(-first, 0), max(min(len(columns), image.shape[1] - first), 0))
        if inside.start < inside.stop:
            part = image[:, first + inside.start : first + inside.stop]
            fill_rows(padded[:, inside], part, rows, self._fill)
        fill_columns(padded, image, (rows, columns), inside, self._fill)


def _sources(padded: NDArray[np.intp], axis: Axis, outputs: slice) -> NDArray[np.intp]:
    first = outputs.start * axis.stride
    return padded[first : first + reach(axis, outputs.stop - outputs.start)]
