"""Lines, compiled: rows of the picture go through a ring of lines in the cache.

Numba compiles the functions (the extra ``fast``). Whole numbers are summed exactly, so their
results are those of plain NumPy bit for bit.
"""

import functools
import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine import costs
from convcli.engine.buffers import Scratch, Values
from convcli.engine.division import is_power_of_two
from convcli.engine.problem import Problem
from convcli.engine.store import StoreRule, integer_limits
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_Taps: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp], Values]
"""Rows, columns and weights of taps that are not 0, a multiple of three of them."""

_MOST_DENSE, _MOST_SEPARABLE = 7, 31
_RING_BYTES, _LEAST_LINE = 2**18, 512
"""The ring of lines, and values of a line at the least."""
_TILE_VALUES, _ROW_VALUES = 2**19, 2**13
"""Values of a tile, and of its rows: fewer calls pay more than a nearer cache."""
_SHARES, _LEAST_VALUES = 8, 2**16
"""Tiles of a small picture, so that threads have equal work, and the least values of one."""
_AS_THEY_ARE, _CLIPPED, _ROUNDED = range(3)
_SURE = 2**21
"""Sums below it, times the reciprocal of an odd divisor, round as their quotients do."""

_TAP = {2: 0.02, 4: 0.06}
"""Nanoseconds of a tap, by the bytes of a sum."""
_LINE = {2: 0.25, 4: 0.85}
"""Nanoseconds of all else: to load, to convert, to store."""


class Lines(Strategy):
    """A ring of lines holds as many rows as the kernel has, as sums need them.

    Each output row is a sum of taps in the ring; its last pass also rounds, clips and stores.
    The tile has the dtype of the image, so that to load it is to copy it.
    """

    name = "lines"
    method = Method.DIRECT

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve small 2-D kernels at stride 1 on 8 and 16 bits, and on float32."""
        if problem.dense_refusal:
            return problem.dense_refusal
        whole = problem.dtype.kind in "iu" and problem.dtype.itemsize <= 2  # noqa: PLR2004
        if not whole and problem.dtype != np.float32:
            return "not pixels of 8 or 16 bits, or float32"
        if whole and not _holds(problem.dtype, problem.fill, problem.fill):
            return "a fill that no pixel holds"
        if not problem.kernel.weights.any():
            return "no weight but 0"
        return cls._shape_refusal(problem) or ("" if _sums(problem) else "sums in float64")

    @classmethod
    def _shape_refusal(cls, problem: Problem) -> str:
        largest = max(problem.kernel.size)
        return "" if largest <= _MOST_DENSE else f"not at most {_MOST_DENSE}×{_MOST_DENSE}"

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate the taps, and the transfer of bytes."""
        size = _working(problem).itemsize
        taps = sum(len(taps[2]) for taps in cls._taps(problem) if taps is not None)
        return taps * _TAP[size] + _LINE[size] + problem.result.itemsize * costs.BYTE

    @classmethod
    def _taps(cls, problem: Problem) -> tuple[_Taps | None, _Taps]:
        """Return the taps that make a line of a row, if any do, and those that read lines."""
        return None, _taps(problem, problem.exact_weights[0])

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.working = problem.dtype
        height, width, channels = problem.result_shape
        self.columns = even_tile(width, max(_ROW_VALUES // channels, 1))
        tile = max(min(height * width * channels // _SHARES, _TILE_VALUES), _LEAST_VALUES)
        most = max(1, tile // (self.columns * channels) - problem.window.rows.extent)
        self.rows = even_tile(height, min(height, most))
        self._sums = _working(problem)
        self._across, self._down = self._taps(problem)

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the ring, and the buffer of sums that are stored in another way."""
        count, size = self.problem.window.rows.extent, self.columns * self.channels
        most = max(_RING_BYTES // (count * self._sums.itemsize), _LEAST_LINE)
        width = even_tile(size, most)
        halo = tile.shape[1] - size
        ring = scratch.take("lines.ring", (count, width + halo), self._sums)
        line = scratch.take("lines.line", (width + halo,), self._sums)
        values = scratch.take("lines.sums", (self.rows, size), self._sums)
        # Without taps across, lines are the rows themselves.
        across = self._across or tuple(part[:0] for part in self._down)

        def direct(target: Values) -> None:
            # It needs numba: only runs that use it load it.
            from convcli.engine.compiled_lines import filter_lines

            flat, pitch = _flat(target)
            taps = (*across[1:], *self._down)
            filter_lines(
                tile, flat, (pitch, *target.shape), ring, line, *taps, *self._store(flat.dtype)
            )

        return [OutputRows.directly(0, values, direct)]

    def _store(self, result: np.dtype[Any]) -> tuple[int, Any, Any, Any]:
        """Return the way that sums are stored, their factor, the least and the most stored."""
        number = self._sums.type
        if result.kind == "f":
            return _AS_THEY_ARE, number(1), number(0), number(0)
        low, high = integer_limits(result)
        if self._sums.kind == "f":
            return _ROUNDED, number(1 / self.divisor), number(low), number(high)
        own = integer_limits(self._sums)
        return _CLIPPED, number(1), number(max(own[0], low)), number(min(own[1], high))

    def stores_directly(self, rule: StoreRule) -> bool:
        """Store in 8 or 16 bits, or in floats that hold every sum, without a bias."""
        if any(rule.bias) or rule.pixels is not None:
            return False
        if rule.dtype.kind == "f":
            least = 4 if self._sums.kind == "f" else 2 * self._sums.itemsize
            return self.divisor == 1.0 and rule.dtype.itemsize >= least
        if rule.dtype.itemsize > 2:  # noqa: PLR2004 - 8 or 16 bits
            return False
        return self.divisor == 1.0 or (self._sums.kind == "f" and _multiplies(self.problem))


class SeparableLines(Lines):
    """The same for kernels that are a column times a row: the ring holds sums along rows."""

    name = "separable-lines"
    method = Method.SEPARABLE

    @classmethod
    def _shape_refusal(cls, problem: Problem) -> str:
        if problem.kernel.rank != 1:
            return f"rank {problem.kernel.rank}"
        largest = max(problem.kernel.size)
        return "" if largest <= _MOST_SEPARABLE else f"more than {_MOST_SEPARABLE} taps"

    @classmethod
    def _taps(cls, problem: Problem) -> tuple[_Taps | None, _Taps]:
        column, row = _factors(problem.exact_weights[0], whole=problem.is_integer)
        return _taps(problem, row[np.newaxis]), _taps(problem, column[:, np.newaxis])


def _multiplies(problem: Problem) -> bool:
    """Tell whether sums times the reciprocal of their divisor round as quotients do."""
    divisor = problem.exact_weights[1]
    is_small = max(map(abs, problem.sum_limits)) < _SURE
    return is_power_of_two(divisor) or (divisor % 2 == 1 and is_small)


def _factors(weights: NDArray[Any], *, whole: bool) -> tuple[Values, Values]:
    """Return the column and the row whose products are the weights."""
    y, x = np.unravel_index(np.abs(weights).argmax(), weights.shape)
    row = weights[y].astype(np.float64)
    if whole:
        row = row / math.gcd(*(int(weight) for weight in row))
    column = weights[:, x] / row[x]
    return (np.rint(column) if whole else column), row


def _taps(problem: Problem, weights: NDArray[Any]) -> _Taps:
    """Return where taps are in the ring; weights of 0 fill up the last three."""
    down, across = problem.window.axes
    rows, columns = np.nonzero(weights)
    rest = -len(rows) % 3
    values = np.pad(weights[rows, columns], (0, rest)).astype(_working(problem))
    rows, columns = (np.pad(part, (0, rest), "edge") for part in (rows, columns))
    return rows * down.dilation, columns * across.dilation * problem.shape[2], values


def _working(problem: Problem) -> np.dtype[Any]:
    sums = _sums(problem)
    assert sums is not None  # noqa: S101 - see refusal
    return sums


@functools.lru_cache(maxsize=256)
def _sums(problem: Problem) -> np.dtype[Any] | None:
    """Return the dtype of sums: int16 or float32 if that is exact, else int32, if any is."""
    floats = problem.natural_working
    if not problem.is_integer:
        return floats if floats == np.float32 else None
    weights, divisor = problem.exact_weights
    low, high = problem.sum_limits
    low, high = min(low, weights.min()), max(high, weights.max())
    if divisor == 1.0 and _holds(np.dtype(np.int16), low, high):
        return np.dtype(np.int16)
    if floats == np.float32:
        return floats
    return np.dtype(np.int32) if _holds(np.dtype(np.int32), low, high) else None


def _holds(dtype: np.dtype[Any], low: float, high: float) -> bool:
    least, most = integer_limits(dtype)
    return least <= low and high <= most and low == round(low)


def _flat(target: Values) -> tuple[Values, int]:
    """Return a flat view of rows, and the distance of two of them: one dtype, one function."""
    if target.flags.c_contiguous:
        return target.reshape(-1), target.shape[1]
    pitch = target.strides[0] // target.itemsize
    size = (len(target) - 1) * pitch + target.shape[1]
    return np.lib.stride_tricks.as_strided(target, (size,), (target.itemsize,)), pitch
