"""Small dense kernels by columns of taps, compiled by numba (the extra ``fast``)."""

import numpy as np

from convcli.choices import Method
from convcli.engine import costs
from convcli.engine.buffers import BLOCK_PITCH, BLOCK_ROWS, Scratch, Values, flat_rows
from convcli.engine.problem import Problem
from convcli.engine.store import StoreRule, integer_limits
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_HEIGHTS = (5, 7)
"""Taps of a column: shorter ones are filled up with weights of 0."""

_TILE_VALUES, _ROW_VALUES = 2**18, 2**13
"""Values of a tile, and of its rows."""

_TAP, _COLUMN, _VALUE = 0.03, 0.05, 0.5
"""Nanoseconds of a tap, a column of taps, and all else."""


class Dense(Strategy):
    """A column of taps is added to four rows of outputs at once: each row is read once for it.

    A block of rows, as floats, and four rows of sums stay in the nearest cache.
    """

    name = "dense"
    method = Method.DIRECT
    takes_parts = True

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 2-D kernels of few rows and columns at stride 1, in floats of 32 bits."""
        if problem.dense_refusal:
            return problem.dense_refusal
        if problem.natural_working != np.float32:
            return "sums in float64"
        if max(problem.kernel.size) > _HEIGHTS[-1]:
            return f"more than {_HEIGHTS[-1]} rows or columns"
        down, across = problem.window.axes
        if down.dilation > 1 or (across.extent - 1) * problem.shape[2] > BLOCK_PITCH // 4:
            return "taps too far apart"
        return ""

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate the taps, and the transfer of bytes."""
        column = _height(problem) * _TAP + _COLUMN
        return problem.kernel.size[1] * column + _VALUE + problem.result.itemsize * costs.BYTE

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.working = problem.dtype if problem.fits_bytes else self.working
        height, width, channels = problem.result_shape
        self.columns = even_tile(width, max(_ROW_VALUES // channels, 1))
        most = max(_TILE_VALUES // (self.columns * channels) // BLOCK_ROWS, 1) * BLOCK_ROWS
        self.rows = even_tile(height, min(height, most))
        rows, columns = problem.kernel.size
        places = np.arange(columns) * problem.window.columns.dilation * channels
        weights = np.zeros((columns, _height(problem)), np.float32)
        weights[:, :rows] = problem.exact_weights[0].T
        self._taps = (places, weights)

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the buffers of a block and of its sums."""
        floats = np.dtype(np.float32)
        rows = BLOCK_ROWS + _height(self.problem)
        block = scratch.take("dense.block", (rows * BLOCK_PITCH,), floats)
        lines = scratch.take("dense.lines", (4 * BLOCK_PITCH,), floats)
        shape = (self.rows, self.columns * self.channels)
        values = scratch.take("dense.values", shape, floats)

        def direct(target: Values) -> None:
            # It needs numba: only runs that use it load it.
            from convcli.engine.compiled_tiles import filter_dense

            flat, pitch = flat_rows(target)
            limits = integer_limits(flat.dtype) if flat.dtype.kind != "f" else ()
            store = (flat, (pitch, *target.shape), block, lines)
            filter_dense(tile, *store, self._taps, np.array(limits, np.float32))

        return [OutputRows.directly(0, values, direct)]

    def stores_directly(self, rule: StoreRule) -> bool:
        """Store floats of 32 bits, and round to 8 or 16."""
        if any(rule.bias) or rule.pixels is not None or self.divisor != 1.0:
            return False
        return rule.dtype == np.float32 or rule.dtype.itemsize <= 2  # noqa: PLR2004


def _height(problem: Problem) -> int:
    return next(height for height in _HEIGHTS if height >= problem.kernel.size[0])
