"""Strips of an image: the loader that every strategy is fed by.

A tile is a strip of output rows over the full width. The loader casts the input rows
that it needs, fills the border and adds the halo, so that a strategy sees a padded tile
and computes only "valid" outputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import fill_columns, fill_rows, source_indices
from convcli.engine.problem import Problem

Tile = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Strip:
    """Output rows start … stop - 1, which are computed together."""

    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many output rows."""
        return self.stop - self.start


def strips(total: int, rows: int) -> Iterator[Strip]:
    """Cut `total` output rows into strips of `rows`, the last one shorter.

    Examples
    --------
    >>> [strip.rows for strip in strips(10, 4)]
    [4, 4, 2]
    """
    for start in range(0, total, rows):
        yield Strip(start, min(start + rows, total))


class Loader:
    """Makes the padded tile of a strip, in one buffer that is used again.

    Parameters
    ----------
    image : ndarray, shape (H, W, C)
        Any strides; never modified.
    problem : Problem
        Window, border and fill.
    working : dtype
        What the tile is cast to.
    rows : int
        The most output rows that a strip has.
    """

    def __init__(
        self, image: NDArray[Any], problem: Problem, working: np.dtype[Any], rows: int
    ) -> None:
        (top, bottom), (self._left, right) = problem.window.padding
        height, width, channels = problem.shape
        self._image = image
        self._axis = problem.window.rows
        self._fill = problem.fill
        self._rows = source_indices(problem.border, height, top, bottom)
        self._columns = source_indices(problem.border, width, self._left, right)
        self._middle = slice(self._left, self._left + width)
        self._buffer = np.empty(
            (input_rows(problem, rows), self._left + width + right, channels), working
        )

    def load(self, strip: Strip) -> Tile:
        """Return the padded tile of a strip: valid until the next call."""
        first = strip.start * self._axis.stride
        count = (strip.rows - 1) * self._axis.stride + self._axis.extent
        tile = self._buffer[:count]
        sources = self._rows[first : first + count]
        fill_rows(tile[:, self._middle], self._image, sources, self._fill)
        fill_columns(tile, self._columns, self._left, self._fill)
        return tile


def input_rows(problem: Problem, rows: int) -> int:
    """Return how many padded input rows a strip of so many output rows needs."""
    axis = problem.window.rows
    return (rows - 1) * axis.stride + axis.extent
