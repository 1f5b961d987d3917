"""1×1 filter banks: the tile is the matrix."""

import functools

import numpy as np

from convcli.choices import Method
from convcli.engine import costs
from convcli.engine.buffers import UNPACKED, Scratch, Values, frozen, strided
from convcli.engine.problem import Problem
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile, has_no_zero

_COLUMNS, _TILE_BYTES = 4096, 2**20
"""Columns of a tile, and its input and output, at the most."""

_PART_BYTES = 2**20
"""Outputs that are stored at once: 256×64 on 56² takes 0.78 ms, with half of it 0.80."""

_PANEL = 128
"""Filters of a product."""

_FEWEST = 16
"""Pixels of a product at the least."""


class Pointwise(Strategy):
    """Pixels times filters: one matrix product; a stride changes only its row pitch."""

    name = "pointwise"
    method = Method.GEMM

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 1×1 banks."""
        serves = problem.kernel.is_bank and problem.kernel.size == (1, 1)
        return "" if serves else "not a bank of 1×1"

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate the products of all panels, and the transfer."""
        working = problem.natural_working
        height, width, outputs = problem.result_shape
        products = costs.bank_products(problem, working)
        rows, columns = _size(problem)
        tiles = -(-height // rows) * -(-width // columns)
        panels = max(problem.groups, outputs / _PANEL)
        moved = costs.transfer(problem, working)
        return products + moved + costs.calls(problem, panels * tiles)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.rows, self.columns = _size(problem)
        weights = problem.exact_weights[0]
        self.local = has_no_zero(weights)
        each, inputs = len(weights) // problem.groups, weights.shape[1]
        self._panels = [
            (group * inputs, first, frozen(panel, self.working))
            for group in range(problem.groups)
            for first in range(group * each, (group + 1) * each, _PANEL)
            for panel in (weights[first : min(first + _PANEL, (group + 1) * each), :, 0, 0].T,)
        ]
        most = max(_FEWEST, UNPACKED // (inputs * min(each, _PANEL)))
        self._together = -(-self.columns // -(-self.columns // most))
        self.columns = -(-self.columns // self._together) * self._together

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the matrices of each part, panel by panel."""
        row = self.columns * self.outputs
        together = even_tile(self.rows, max(1, _PART_BYTES // (row * self.working.itemsize)))
        total = scratch.take("pointwise.total", (together, row), self.working)
        return [
            self._part(tile, total[: self.rows - first], first)
            for first in range(0, self.rows, together)
        ]

    def _part(self, tile: Values, total: Values, first: int) -> OutputRows:
        rows = len(total)
        panels = [
            (self._pixels(tile, first, rows, channel, len(panel)), panel, at)
            for channel, at, panel in self._panels
        ]

        def direct(target: Values) -> None:
            results = target.reshape(*panels[0][0].shape[:3], self.outputs, copy=False)
            for pixels, panel, at in panels:
                np.matmul(pixels, panel, out=results[..., at : at + panel.shape[1]])

        return OutputRows.directly(first, total, direct)

    def _pixels(self, tile: Values, first: int, rows: int, channel: int, inputs: int) -> Values:
        """Return the input of some rows, shape (rows, products, pixels, I/groups)."""
        down, across = self.problem.window.stride
        row, step, together = down * tile.shape[1], across * self.channels, self._together
        shape = (rows, self.columns // together, together, inputs)
        return strided(tile, first * row + channel, shape, (row, together * step, step, 1))


@functools.lru_cache
def _size(problem: Problem) -> tuple[int, int]:
    """Return rows and columns of a tile whose input and output fit into the cache."""
    height, width, outputs = problem.result_shape
    down, across = problem.window.stride
    pixel = (down * across * problem.shape[2] + outputs) * problem.natural_working.itemsize
    columns = even_tile(width, max(1, min(_COLUMNS, _TILE_BYTES // pixel)))
    return even_tile(height, max(1, _TILE_BYTES // (pixel * columns))), columns
