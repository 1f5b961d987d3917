"""The direct strategy: one shifted, weighted view a tap, added up.

It serves every problem, which makes it the floor that faster strategies stand on.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.problem import Problem
from convcli.engine.tiles import Tile

Values = NDArray[Any]


def accumulate(tile: Tile, weights: Values, problem: Problem, rows: int) -> Values:
    """Correlate a padded tile, "valid" outputs only.

    Parameters
    ----------
    tile : ndarray, shape (rows_in, W + p1 + p2, C)
        The padded input, in the working dtype.
    weights : ndarray, shape (kh, kw) or (O, I, kh, kw)
        In the working dtype. A weight of 0 does not look at its pixel, so that a NaN
        below it does not spread (as in OpenCV and SciPy).
    problem : Problem
        Window and groups.
    rows : int
        Output rows.

    Returns
    -------
    ndarray, shape (rows, W', O)
    """
    columns = problem.result_shape[1]
    total = np.zeros((rows, columns, problem.outputs), tile.dtype)
    for row, column in np.ndindex(problem.kernel.size):
        tap = weights[..., row, column]
        if tap.any():
            total += _weighted(
                _shifted(tile, problem, (row, column), (rows, columns)), tap, problem
            )
    return total


def _shifted(tile: Tile, problem: Problem, tap: tuple[int, int], size: tuple[int, int]) -> Tile:
    """Return the tile's values under one tap, shape (rows, W', C): a view."""
    slices = (
        slice(
            at * axis.dilation, at * axis.dilation + (count - 1) * axis.stride + 1, axis.stride
        )
        for at, axis, count in zip(tap, problem.window.axes, size, strict=True)
    )
    return tile[tuple(slices)]


def _weighted(view: Tile, tap: Values, problem: Problem) -> Values:
    if not problem.kernel.is_bank:
        return view * tap
    rows, columns, channels = view.shape
    grouped = view.reshape(rows, columns, problem.groups, channels // problem.groups)
    weights = tap.reshape(problem.groups, -1, channels // problem.groups)
    summed: Values = np.einsum("hwgi,goi->hwgo", grouped, weights, optimize=True)
    return summed.reshape(rows, columns, problem.outputs)
