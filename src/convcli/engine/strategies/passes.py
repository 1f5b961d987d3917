"""Passes: a kernel as a short program of ufunc calls over a flat tile.

Whole-number kernels on 8- and 16-bit pictures stay in the smallest integers that hold
their sums, so that they are exact; all others run in floats.
"""

import functools
import math
from typing import Any

import numpy as np

from convcli.engine.problem import Problem
from convcli.engine.program import Operation, Read, buffers_for, program_for
from convcli.engine.rates import RATES
from convcli.engine.scratch import Scratch, strided
from convcli.engine.strategies.base import Method, Part, Strategy, Values, spread
from convcli.engine.tiles import reach
from convcli.kernels import Kernel

_TILE_BYTES = 2**18
"""One buffer of a tile. On 12 megapixels sobel-x takes 13.1 ms with tiles of 98 KB, 9.3
with 262 KB, and no less with larger ones: below, calls dominate; above, the cache ends."""

_ROW = 6144
"""Values a row of a tile: longer rows leave so few of them that the halo is felt."""

_SHORT_ROW = 512
"""Values a row of a tile at the least: copying shorter rows takes longer than adding."""

_MOST_VALUES = 2**20
"""The most values of a tile, halo included."""

_MOST_TAPS = 64
"""More taps of a kernel without factors are no business of passes."""

_INTEGERS = (np.int16, np.uint16, np.int32)


class Passes(Strategy):
    """Shift and add, on buffers that are flat: a tap is an offset, a pass one call.

    What stands behind the end of a row is computed too, and dropped. Rows of 4000
    values as views take about twice the time of a flat buffer.
    """

    name = "passes"
    method = Method.DIRECT
    local = True

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 2-D kernels of few taps, or of rank 1, at stride 1."""
        kernel = problem.kernel
        if kernel.is_bank:
            return "a filter bank"
        if problem.window.stride != (1, 1):
            return "a stride above 1"
        taps = np.count_nonzero(kernel.weights)
        if taps == 0:
            return "no weight but 0"
        if taps > _MOST_TAPS and kernel.rank != 1:
            return f"{taps} taps without factors"
        rows, columns = _tile(problem, _working(problem))
        down, across = problem.window.axes
        if reach(down, rows) * reach(across, columns) * problem.shape[2] > _MOST_VALUES:
            return "a kernel whose halo alone fills the cache"
        return ""

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """One pass an operation, and the way in and out."""
        working = _working(problem)
        passes = len(_program_of(problem))
        halo = math.prod(
            reach(axis, part) / part if part < whole else 1.0
            for axis, part, whole in zip(
                problem.window.axes, _tile(problem, working), problem.result_shape, strict=False
            )
        )
        inside = passes * RATES.flat_pass[working] + RATES.load[working]
        return halo * inside + RATES.store[working]

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.working = _working(problem)
        self.divisor = problem.exact_weights[1]
        self._operations = _program_of(problem)
        self.rows, self.columns = _tile(problem, self.working)

    def bind(self, tile: Values, scratch: Scratch) -> list[Part]:
        """Turn each operation into a ufunc and its views."""
        places = buffers_for(self._operations)
        buffers = [tile.reshape(-1)] + [
            scratch.take(f"passes.{place}", (tile.size,), self.working)
            for place in range(1, max(places) + 1)
        ]
        # A value is shorter than its buffer: what lies behind it belongs to another.
        values = {0: buffers[0]}
        calls = []
        for operation, place in zip(self._operations, places, strict=True):
            left, right = self._operands(operation, values, tile.shape[1])
            target = buffers[place][: left.size]
            calls.append((operation.ufunc, left, right, target))
            values[operation.target] = target
        *calls, (last, left, right, around) = calls
        shape, pitch = (self.rows, self.columns * self.channels), tile.shape[1]
        crops = [
            strided(side, 0, shape, (pitch, 1)) if isinstance(side, np.ndarray) else side
            for side in (left, right, around)
        ]

        def advance() -> None:
            for ufunc, *operands in calls:
                ufunc(*operands)

        def compute() -> Values:
            advance()
            last(left, right, around)
            return crops[2]

        def direct(target: Values) -> None:
            advance()
            last(*crops[:2], target)

        return [Part(0, self.rows, compute, around, direct)]

    def _operands(
        self, operation: Operation, values: dict[int, Values], pitch: int
    ) -> tuple[Values, Any]:
        """Return views of equal length, or a view and a number."""
        down, across = self.problem.window.dilation

        def view(read: Read) -> Values:
            offset = read.dy * down * pitch + read.dx * across * self.channels
            return values[read.value][offset:]

        left = view(operation.left)
        if not isinstance(operation.right, Read):
            return left, self.working.type(operation.right)
        right = view(operation.right)
        size = min(left.size, right.size)
        return left[:size], right[:size]


def _tile(problem: Problem, working: np.dtype[Any]) -> tuple[int, int]:
    """Return rows and columns of a tile."""
    height, width, channels = problem.result_shape
    halo = problem.window.rows.extent - 1
    values = _TILE_BYTES // working.itemsize
    # Tall kernels take narrow tiles, so that at most a third of the rows is halo.
    most = min(_ROW, max(values // (3 * halo + 1), _SHORT_ROW))
    columns = spread(width, max(most // channels, 1))
    row = reach(problem.window.columns, columns) * channels
    return max(1, min(height, values // row - halo)), columns


def _working(problem: Problem) -> np.dtype[Any]:
    if problem.is_integer:
        low, high = problem.sum_limits
        for kind in _INTEGERS:
            limits = np.iinfo(kind)
            if limits.min <= min(low, problem.fill) and max(high, problem.fill) <= limits.max:
                return np.dtype(kind)
    return problem.natural_working


@functools.lru_cache(maxsize=256)
def _program(kernel: Kernel, *, whole: bool) -> tuple[Operation, ...]:
    """Return the program of a kernel: the same for every picture of its kind."""
    form = kernel.integer_form if whole else None
    weights = kernel.weights if form is None else form.integers
    return tuple(program_for(kernel, weights))


def _program_of(problem: Problem) -> tuple[Operation, ...]:
    return _program(problem.kernel, whole=problem.dtype.kind != "f")
