"""Filter banks of one kernel a channel."""

import functools

import numpy as np

from convcli.engine.matrices import call_cost, frozen, transfer_cost
from convcli.engine.problem import Problem
from convcli.engine.rates import RATES
from convcli.engine.scratch import Scratch, strided
from convcli.engine.strategies.base import Method, Part, Strategy, Values, spread
from convcli.engine.tiles import reach

_WEIGHT_VALUES = 2**17
"""Weights of a row, each written out once a pixel."""

_TILE_VALUES = 2**17


class Depthwise(Strategy):
    """One call of einsum for all taps: it multiplies and adds in one pass.

    The weights are repeated along the row, so that at stride 1 an inner loop is one long
    run. On 112²×64, 3×3, an output takes 2.4 ns; two ufuncs a tap take 3.4.
    """

    name = "depthwise"
    method = Method.DIRECT

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve banks with as many groups as channels, and as many filters."""
        kernel, groups = problem.kernel, problem.groups
        if not kernel.is_bank or kernel.channels > 1 or kernel.filters != groups:
            return "not one filter a channel"
        width = problem.window.columns.kernel * problem.window.rows.kernel * groups
        return "too many weights a pixel" if width > _WEIGHT_VALUES else ""

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate one pass a tap."""
        working = problem.natural_working
        height, width, _ = problem.result_shape
        taps = problem.window.rows.kernel * problem.window.columns.kernel
        rows, columns = _size(problem)
        tiles = -(-height // rows) * -(-width // columns)
        overlap = reach(problem.window.rows, rows) / (rows * problem.window.rows.stride)
        moved = transfer_cost(problem, working, overlap)
        runs = 0 if problem.window.columns.stride == 1 else taps * RATES.run / problem.shape[2]
        return taps * RATES.summed_pass[working] + runs + moved + call_cost(problem, tiles)

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.working = problem.natural_working
        self.rows, self.columns = _size(problem)
        weights, self.divisor = problem.exact_weights
        taps = weights[:, 0].transpose(1, 2, 0)[:, :, np.newaxis]
        shape = (*problem.kernel.size, self.columns, problem.shape[2])
        repeated = np.broadcast_to(taps, shape).reshape(*problem.kernel.size, -1)
        self._weights = frozen(repeated, self.working)

    def bind(self, tile: Values, scratch: Scratch) -> list[Part]:
        """Make one view of all windows."""
        width = self.columns * self.channels
        # At stride 1 the pixels of a row are one run: einsum would not join them itself.
        run = width if self.problem.window.columns.stride == 1 else self.channels
        windows = self._windows(tile, run)
        weights = self._weights.reshape(*self._weights.shape[:2], -1, run, copy=False)
        total = scratch.take("depthwise.total", (self.rows, width), self.working)

        def direct(target: Values) -> None:
            runs = target.reshape(self.rows, -1, run, copy=False)
            np.einsum("yabxc,abxc->yxc", windows, weights, out=runs)

        def compute() -> Values:
            direct(total)
            return total

        return [Part(0, self.rows, compute, direct=direct)]

    def _windows(self, tile: Values, run: int) -> Values:
        """Return the input, shape (rows, kh, kw, runs, values of a run)."""
        (down, across), row = self.problem.window.axes, tile.shape[1]
        runs = self.columns * self.channels // run
        return strided(
            tile,
            0,
            (self.rows, down.kernel, across.kernel, runs, run),
            (
                down.stride * row,
                down.dilation * row,
                across.dilation * self.channels,
                across.stride * self.channels,
                1,
            ),
        )


@functools.lru_cache
def _size(problem: Problem) -> tuple[int, int]:
    """Return rows and columns of a tile: its weights and its input fit into the cache."""
    height, width, channels = problem.result_shape
    down, across = problem.window.axes
    most = _WEIGHT_VALUES // (down.kernel * across.kernel * channels)
    columns = spread(width, max(1, most))
    row = reach(across, columns) * channels * down.stride
    return spread(height, max(1, min(height, _TILE_VALUES // row))), columns
