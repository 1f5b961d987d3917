"""3×3 filter banks of many channels by Winograd's minimal filtering down the columns."""

import functools

import numpy as np

from convcli.choices import Method
from convcli.engine.buffers import UNPACKED, Scratch, Values, frozen, pitch, round_up, strided
from convcli.engine.problem import Problem
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

# F(4, 3): Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
# section 4.3: the points 0, ±1, ±2 and infinity.
_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_FILTER = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_OUTPUT = np.array(
    [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ]
)
_TOGETHER, _PLANES, _TAPS = 4, 6, 3
"""Output rows that are computed together, input rows that they need, taps of a column."""

_FEWEST = 8
"""Channels and filters at the least: fewer do not pay for the transforms."""

_LEAST_COLUMNS, _ROWS = 24, 8
"""Columns of a tile at the least, and its rows."""


class RowWinograd(Strategy):
    """Six input rows make four output rows, with half the multiply-adds.

    One product transforms the rows. Each of the six planes is then correlated with its own
    three taps along the row. Every third window is taken at a time: these do not overlap, so
    nothing is copied. 64×64×3×3 on 224² took 19 to 33 ms, im2col 25 to 61.
    """

    name = "row-winograd"
    method = Method.GEMM
    exact = False

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate the products of the planes, and the transforms there and back."""
        kernel, window = problem.kernel, problem.window
        if not kernel.is_bank or kernel.size != (_TAPS, _TAPS):
            return "not a bank of 3×3"
        if window.stride != (1, 1) or window.dilation != (1, 1) or problem.groups > 1:
            return "a stride, a dilation, or groups"
        if min(kernel.channels, kernel.filters) < _FEWEST:
            return f"fewer than {_FEWEST} channels"
        if kernel.channels * kernel.filters > UNPACKED // _LEAST_COLUMNS:
            return "too many channels for products that are not packed"
        if problem.rounding_refusal:
            return problem.rounding_refusal
        working = problem.rounded_working
        height, width, outputs = problem.result_shape
        share = problem.shape[2] / outputs
        inner = _PLANES * _TAPS * problem.shape[2] / _TOGETHER
        copies = _PLANES / _TOGETHER * (share + 1) * 2 * costs.COPY[working]
        groups = -(-height // _TOGETHER) * -(-width // _columns(problem))
        moved = costs.transfer(problem, working, 1 + 2 / _ROWS)
        return (
            inner * costs.PRODUCT[working] + copies + moved + costs.calls(problem, 5 * groups)
        )

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        height, width, _ = problem.result_shape
        self.rows = even_tile(height, _ROWS, _TOGETHER)
        self.columns = even_tile(width, _columns(problem))
        self._wide = round_up(self.columns + _TAPS - 1, _TAPS)
        weights = problem.exact_weights[0]
        planes = np.einsum("ta,oiab->tbio", _FILTER, weights)
        filters = planes.reshape(_PLANES, _TAPS * weights.shape[1], weights.shape[0])
        self._filters = frozen(filters, self.working)
        self._input, self._output = (frozen(m, self.working) for m in (_INPUT, _OUTPUT))

    @property
    def tile_shape(self) -> tuple[int, int]:
        """A multiple of three pixels, and the halo."""
        return (self.rows + _TAPS - 1, pitch(self._wide * self.channels, self.working))

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the windows, in three phases, and the planes of their outputs."""
        wide, inputs, outputs = self._wide, self.channels, self.outputs
        apart = pitch(wide * inputs, self.working)
        # The last windows of the last plane read beyond it; their outputs are dropped.
        size = _PLANES * apart + _TAPS * inputs
        flat = scratch.take("winograd.planes", (size,), self.working)
        product = scratch.take("winograd.product", (_PLANES, wide, outputs), self.working)
        total = scratch.take(
            "winograd.total", (_TOGETHER, self.columns * outputs), self.working
        )
        planes = strided(flat, 0, (_PLANES, wide * inputs), (apart, 1))
        phases = self._phases(flat, product)
        products = product.reshape(_PLANES, -1)[:, : total.shape[1]]

        def direct(rows: Values, target: Values) -> None:
            np.matmul(self._input, rows, out=planes)
            for windows, out in phases:
                np.matmul(windows, self._filters, out=out)
            np.matmul(self._output, products, out=target)
            self.round_whole(target)

        return [
            OutputRows.directly(
                first,
                total,
                functools.partial(direct, tile[first : first + _PLANES, : wide * inputs]),
            )
            for first in range(0, self.rows, _TOGETHER)
        ]

    def _phases(self, planes: Values, product: Values) -> list[tuple[Values, Values]]:
        """Return every third window of all planes, and where its outputs go."""
        inputs, apart = self.channels, pitch(self._wide * self.channels, self.working)
        shape = (_PLANES, self._wide // _TAPS, _TAPS * inputs)
        strides = (apart, _TAPS * inputs, 1)
        return [
            (strided(planes, phase * inputs, shape, strides), product[:, phase::_TAPS])
            for phase in range(_TAPS)
        ]


def _columns(problem: Problem) -> int:
    """Return the most columns of a tile: none of the three products is packed."""
    inputs, outputs = problem.kernel.channels, problem.kernel.filters
    planes = UNPACKED // (_PLANES * _PLANES * max(inputs, outputs))
    return max(min(planes, UNPACKED // (inputs * outputs)) - _TAPS, _LEAST_COLUMNS)
