"""Whole numbers, compiled: small kernels of whole weights, clipped as they are stored.

Numba compiles the functions below (the extra ``fast``). Their sums are exact, so results are
those of plain NumPy bit for bit.
"""
# ruff: noqa: FBT001, PLR0917, FURB136 - numba takes positions, and vectorises no min and max

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from convcli.choices import Method
from convcli.engine import costs
from convcli.engine.buffers import Scratch, Values
from convcli.engine.compiled import compiled
from convcli.engine.problem import Problem
from convcli.engine.store import StoreRule, integer_limits
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_MOST, _FEW = 5, 3
_TILE_VALUES = 2**20
"""Values of a tile: fewer calls pay more than a nearer cache (sobel-x to 8 bits on 12
megapixels takes 4.6 ms in tiles of 2^17, 3.5 in 2^19, 3.0 in 2^20)."""
_SHARES, _LEAST_VALUES = 8, 2**16
"""Tiles of a small picture, so that threads have equal work, and the least values of one."""

_COLUMNS = 8192
_TAP = {2: 0.012, 4: 0.03}
"""Nanoseconds of a tap, by the bytes of a sum."""


class Whole(Strategy):
    """Each output row at once: the taps of an input row are added to a line of sums.

    The line stays in the nearest cache; the last input row is added, clipped and stored in
    one pass. The tile has the dtype of the image, so that to load it is to copy it.
    """

    name = "whole"
    method = Method.DIRECT

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 2-D kernels of at most 5×5 whole numbers at stride 1, on 8 or 16 bits."""
        if problem.dense_refusal:
            return problem.dense_refusal
        small = problem.dtype.kind in "iu" and problem.dtype.itemsize <= 2  # noqa: PLR2004
        if not small or not problem.is_integer:
            return "not whole numbers of 8 or 16 bits"
        if max(problem.kernel.size) > _MOST or not problem.kernel.weights.any():
            return f"not a kernel of at most {_MOST}×{_MOST}"
        least, most = integer_limits(problem.dtype)
        if not least <= problem.fill <= most:
            return "a fill that no pixel holds"
        return "" if _sums(problem) is not None else "sums above 32 bits"

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate the taps, and the transfer of bytes."""
        sums = _sums(problem)
        assert sums is not None  # noqa: S101 - see refusal
        rows, columns = problem.kernel.size
        return rows * (columns + 1) * _TAP[sums.itemsize] + costs.STORE[sums] / 2

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.working = problem.dtype
        height, width, channels = problem.result_shape
        self.columns = even_tile(width, max(_COLUMNS // channels, 1))
        tile = max(min(height * width * channels // _SHARES, _TILE_VALUES), _LEAST_VALUES)
        most = max(1, tile // (self.columns * channels) - problem.window.rows.extent)
        self.rows = even_tile(height, min(height, most))
        sums = _sums(problem)
        assert sums is not None  # noqa: S101 - see refusal
        self._sums = sums
        self._weights = np.zeros((problem.kernel.size[0], _MOST), sums)
        self._weights[:, : problem.kernel.size[1]] = problem.exact_weights[0]

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the line of sums, and the buffer of those that the store finishes."""
        size = self.columns * self.channels
        line = scratch.take("whole.line", (size,), self._sums)
        values = scratch.take("whole.sums", (self.rows, size), self._sums)
        down, across = self.problem.window.axes
        gap = across.dilation * self.channels
        taps = [gap * tap if tap < across.kernel else 0 for tap in range(_MOST)]
        few = across.kernel <= _FEW
        correlate = _compiled()
        floats = (self._sums.type(0), self._sums.type(0), False)

        def direct(target: Values) -> None:
            limits = _clipped(self._sums, target.dtype) or floats
            weights, step = self._weights, down.dilation
            correlate(tile, target, line, weights, tuple(taps), step, few, *limits)

        return [OutputRows.directly(0, values, direct)]

    def stores_directly(self, rule: StoreRule) -> bool:
        """Store without divisor and bias in 8 or 16 bits, or in floats that hold every sum."""
        if self.divisor != 1.0 or any(rule.bias) or rule.pixels is not None:
            return False
        size = rule.dtype.itemsize
        if rule.dtype.kind in "iu":
            return size <= 2  # noqa: PLR2004 - 8 or 16 bits
        return size >= 2 * self._sums.itemsize


def _clipped(sums: np.dtype[Any], result: np.dtype[Any]) -> tuple[Any, Any, bool] | None:
    """Return the least and the most sum that a result holds; None where it holds all."""
    if result.kind == "f" or result == sums:
        return None
    own, limits = integer_limits(sums), integer_limits(result)
    return (sums.type(max(own[0], limits[0])), sums.type(min(own[1], limits[1])), True)


@functools.lru_cache(maxsize=256)
def _sums(problem: Problem) -> np.dtype[Any] | None:
    """Return the smallest dtype that holds the weights and all sums; None where none does."""
    weights = problem.exact_weights[0]
    low, high = problem.sum_limits
    for dtype in map(np.dtype, (np.int16, np.int32)):
        least, most = integer_limits(dtype)
        if least <= min(low, weights.min()) and max(high, weights.max()) <= most:
            return dtype
    return None


# The functions from here on are compiled. A loop has few arrays, all of them slices from 0:
# others are not vectorised.


def _three(line: Any, first: bool, w: Any, a: Any, b: Any, c: Any) -> None:
    """Put three taps of an input row into a line of sums."""
    p, q, r = w[0], w[1], w[2]
    if first:
        for j in range(line.size):
            line[j] = p * a[j] + q * b[j] + r * c[j]
    else:
        for j in range(line.size):
            line[j] += p * a[j] + q * b[j] + r * c[j]


def _two(line: Any, w: Any, a: Any, b: Any) -> None:
    p, q = w[0], w[1]
    for j in range(line.size):
        line[j] += p * a[j] + q * b[j]


def _store(line: Any, out: Any, low: Any, high: Any, clips: bool) -> None:
    if clips:
        for j in range(line.size):
            value = line[j]
            value = low if value < low else value
            out[j] = high if value > high else value
    else:
        for j in range(line.size):
            out[j] = line[j]


@functools.cache
def _compiled() -> Callable[..., None]:
    """Compile all of it: 64-bit products are narrowed to the sums, for these are stored."""
    three, two, store = compiled(_three), compiled(_two), compiled(_store)

    def whole(
        tile: Any,
        out: Any,
        line: Any,
        weights: Any,
        taps: Any,
        step: int,
        few: bool,
        low: Any,
        high: Any,
        clips: bool,
    ) -> None:
        n = line.size
        for y in range(out.shape[0]):
            first = True
            for k in range(weights.shape[0]):
                w, row = weights[k], tile[y + k * step]
                if not w.any():
                    continue
                a, b, c = row[:n], row[taps[1] : taps[1] + n], row[taps[2] : taps[2] + n]
                three(line, first, w, a, b, c)
                first = False
                if not few:
                    two(line, w[3:], row[taps[3] : taps[3] + n], row[taps[4] : taps[4] + n])
            store(line, out[y], low, high, clips)

    return compiled(whole)
