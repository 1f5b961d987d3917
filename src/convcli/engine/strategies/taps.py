"""Tap by tap: for each weight a shifted view of the tile, weighted and added up.

It serves every problem, exactly as the definition of a correlation says. Other strategies
fall back on it for tiles with a NaN or an infinity.
"""

import numpy as np

from convcli.choices import Method
from convcli.engine.buffers import Scratch, Values
from convcli.engine.problem import Problem
from convcli.engine.store import Accumulators
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_TILE_BYTES = 2**19
"""Padded input of one tile, and its accumulators: they leave room in a common L2 cache."""

_COLUMNS = 4096
"""Columns of a tile at the most."""


class Taps(Strategy):
    """One multiplication and one addition a tap, on views of the tile.

    A weight of 0 is left out, so that a NaN below it does not spread (as in OpenCV and SciPy).
    """

    name = "taps"
    method = Method.DIRECT
    local = True

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate two passes a tap, or a product whose operands einsum gathers."""
        kernel = problem.kernel
        taps = max(int(np.count_nonzero(kernel.weights)), 1) / kernel.filters
        if kernel.is_bank:
            working, places = problem.natural_working, kernel.size[0] * kernel.size[1]
            sums = places * costs.SCATTERED_SUM[working]
            return float(sums + taps * costs.SCATTERED_PRODUCT[working])
        jump = problem.window.columns.stride
        passes = costs.STRIDED_PASS if jump > 1 else costs.LINE_PASS
        return float(2 * taps * passes[problem.natural_working])

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._weights = problem.exact_weights[0].astype(self.working)
        height, width, outputs = problem.result_shape
        self.columns = even_tile(width, _COLUMNS)
        row = self.columns * max(problem.shape[2], outputs) * self.working.itemsize
        self.rows = max(1, min(height, _TILE_BYTES // row))

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make a view of the tile for each tap."""
        channels = self.problem.shape[2]
        padded = tile.reshape(tile.shape[0], -1, channels, copy=False)
        shape = (self.rows, self.columns, self.problem.outputs)
        total = scratch.take("taps.total", shape, self.working)
        product = scratch.take("taps.product", shape, self.working)
        views = [
            (self._shifted(padded, row, column), self._weights[..., row, column])
            for row, column in np.ndindex(self.problem.kernel.size)
            if self._weights[..., row, column].any()
        ]

        def compute() -> None:
            total.fill(0)
            for view, tap in views:
                np.add(total, self._weighted(view, tap, product), out=total)

        sums = total.reshape(self.rows, -1)
        return [OutputRows(0, Accumulators(sums, sums), compute)]

    def _shifted(self, padded: Values, row: int, column: int) -> Values:
        """Return the values under one tap, shape (rows, columns, C)."""
        down, across = (
            slice(
                at * axis.dilation,
                at * axis.dilation + (count - 1) * axis.stride + 1,
                axis.stride,
            )
            for at, axis, count in zip(
                (row, column), self.problem.window.axes, (self.rows, self.columns), strict=True
            )
        )
        return padded[down, across]

    def _weighted(self, view: Values, tap: Values, out: Values) -> Values:
        if not self.problem.kernel.is_bank:
            return np.multiply(view, tap, out=out)
        groups = self.problem.groups
        rows, columns, channels = view.shape
        grouped = view.reshape(rows, columns, groups, channels // groups)
        weights = tap.reshape(groups, -1, channels // groups)
        summed = out.reshape(rows, columns, groups, -1)
        if self.problem.dtype.kind == "f" and not tap.all():
            # 0 times a NaN is NaN: pixels below a weight of 0 are left out.
            summed.fill(0)
            for group, output, inner in np.argwhere(weights):
                weight = weights[group, output, inner]
                summed[..., group, output] += grouped[..., group, inner] * weight
            return out
        np.einsum("hwgi,goi->hwgo", grouped, weights, out=summed, optimize=True)
        return out
