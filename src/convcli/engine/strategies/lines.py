"""Lines, compiled by numba: sums of rows of the picture, a line at a time, in the cache."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method, Range
from convcli.engine.buffers import Scratch, Values, flat_rows
from convcli.engine.problem import Problem
from convcli.engine.store import StoreRule, holds, integer_limits, is_power_of_two
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile
from convcli.kernels.kernel import outer_factors

_Taps: TypeAlias = tuple[Values, Values, Any]  # places and weights of taps; a sum of none
_MOST_DENSE, _MOST_SEPARABLE = 7, 31
# Values of a tile, of one that is loaded, and of rows; tiles of a small picture, at the least,
# so that threads have equal work, and the least values of one.
_TILE_VALUES, _LOADED_VALUES, _ROW_VALUES = 2**20, 2**18, 2**14
_SHARES, _LEAST_VALUES = 8, 2**16
_LEAST_LINE = 2**13  # values of a line of sums: many rows of the outputs at the edges
_AS_THEY_ARE, _CLIPPED, _MULTIPLIED, _DIVIDED, _QUOTIENT = range(5)
"""How sums are stored: see `compiled_lines.stored`."""
_RESULTS = tuple(np.empty(0, kind) for kind in ("u1", "u2", "i4", "f4", "f8"))
_SURE, _EXACT = 2**21, 2**24
"""Below the first, sums times the reciprocal of an odd divisor round as quotients do; below the
second, sums are floats of 32 bits."""
_LAST, _FUSED = (0, 3, 5, 6, 9), (5, 6, 9)
"""Taps of the last pass, after passes of nine; taps that one loop sums and clips."""
_RUNNING = 4  # equal rows from which their sums move from row to row
_TAP, _LINE = {2: 0.02, 4: 0.04}, {2: 0.05, 4: 0.2}
"""Nanoseconds of a tap, and of all else in a line, by the bytes of a sum."""
_ACROSS, _KEPT = 0.08, 1.0  # nanoseconds of a second pass, and to keep one column of several


class Lines(Strategy):
    """Each row of the result is a sum of taps of rows of the picture, read where they are."""

    name = "lines"
    method = Method.DIRECT
    takes_parts = True
    _passes = 0

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate the taps of all columns of a small kernel, and the transfer of bytes."""
        if problem.kernel.is_bank:
            return "a filter bank"
        whole = problem.dtype.kind in "iu" and problem.dtype.itemsize <= 2  # noqa: PLR2004
        if not whole and problem.dtype != np.float32:
            return "not pixels of 8 or 16 bits, or float32"
        if not problem.holds_fill:
            return "a constant that is no pixel"
        if not problem.kernel.weights.any():
            return "no weight but 0"
        reason, working = cls._shape_refusal(problem), _sums(problem)
        if reason or working is None:
            return reason or "sums in float64"
        size, stride = working.itemsize, problem.window.columns.stride
        kept = _KEPT if stride > 1 else 0.0
        # NumPy adds a bias.
        stored = costs.STORE[np.dtype(np.float32)] if any(problem.kernel.bias) else 0.0
        sums = cls._taps_of_output(problem) * _TAP[size] + _LINE[size] + cls._passes * _ACROSS
        return sums * stride + kept + stored + problem.result.itemsize * costs.BYTE

    @classmethod
    def _shape_refusal(cls, problem: Problem) -> str:
        largest = max(problem.kernel.size)
        return "" if largest <= _MOST_DENSE else f"not at most {_MOST_DENSE}×{_MOST_DENSE}"

    @classmethod
    def _taps_of_output(cls, problem: Problem) -> int:
        return _padded(np.count_nonzero(problem.kernel.weights))

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        sums = _sums(problem)
        assert sums is not None  # noqa: S101 - see cost
        self.working, self._sums = problem.dtype, sums
        # Floats go through a tile, which shows whether all of them are finite.
        self.reads_image = problem.dtype.kind != "f"
        height, width, channels = problem.result_shape
        self.columns = even_tile(width, max(_ROW_VALUES // channels, 1))
        most = _TILE_VALUES if self.reads_image else _LOADED_VALUES
        tile = max(min(height * width * channels // _SHARES, most), _LEAST_VALUES)
        self.rows = even_tile(height, max(1, tile // (self.columns * channels)))
        across = problem.window.columns
        line = (self.columns * across.stride + 2 * across.extent) * channels
        self._line = max(line, _LEAST_LINE)
        self._down, self._across = self._taps(problem.exact_weights[0])

    def _taps(self, weights: NDArray[Any]) -> tuple[_Taps, tuple[Any, ...]]:
        """Return the taps that read the image, and what the sums need beside."""
        return self._places(weights), ()

    def _places(self, weights: NDArray[Any]) -> _Taps:
        """Return the rows and columns of taps, as pairs, and their weights."""
        places, apart = np.argwhere(weights), self.problem.window.dilation
        return self._filled(places * apart, weights[weights != 0])

    def _filled(self, places: Values, weights: Values) -> _Taps:
        """Fill up the last pass by weights of 0 at the last place."""
        count = _padded(len(places))
        filled = np.zeros(count, self._sums)
        filled[: len(weights)] = weights
        chosen = np.minimum(np.arange(count), len(places) - 1)
        return places[chosen].astype(np.uint64), filled, self._sums.type(0)

    def bind(self, tile: Any, scratch: Scratch) -> list[OutputRows]:
        """Make the lines, and the buffer of sums that are stored in another way."""
        lines = (
            scratch.take("lines.down", (2 * self._line,), self._sums),
            scratch.take("lines.sums", (self._line,), self._sums),
        )
        channels, (down, across) = self.channels, self.problem.window.axes
        values = scratch.take("lines.values", (self.rows, self.columns * channels), self._sums)
        loaded = (tile, slice(0, self.rows), slice(0, self.columns))
        places, weights, base = self._down

        @functools.cache
        def taps(pitch: int) -> _Taps:
            return places @ np.array((pitch, channels), np.uint64), weights, base

        def direct(target: Values) -> None:
            flat, apart = flat_rows(target)
            store = self._store(target.dtype, raw=target is values)
            function = self._function(store)

            def filtered(image: Values, result: tuple[Any, ...], step: int) -> None:
                (source, pitch), (flat, *shape) = flat_rows(image), result
                how = (taps(pitch), store, lines, *self._across)
                function((source, pitch, step), (_shown(flat), *shape), *how)

            for image, rows, columns in tile.parts if self.reads_image else [loaded]:
                # A tile that is loaded may be larger than what is asked of it.
                first, last = columns.start * channels, columns.stop * channels
                place, size = rows.start * apart + first, target[rows, first:last].shape
                result = (flat[place:], apart, *size, channels, across.stride)
                filtered(image, result, down.stride)
            for part in tile.beside if self.reads_image else ():
                self._filter_edges(target, filtered, *part)

        return [OutputRows.directly(0, values, direct)]

    def _filter_edges(
        self,
        target: Values,
        filtered: Callable[..., None],
        image: Values,
        rows: slice,
        edges: list[tuple[slice, int]],
    ) -> None:
        """Compute so few columns as one line of all rows: what is between them is dropped."""
        (down, across), channels = self.problem.window.axes, self.channels
        height, width = len(image) - down.extent + 1, image.shape[1]
        sums = np.empty((height, width), target.dtype)
        count = self._line // width
        for top in range(0, height, count):
            part = sums[top : top + count]
            kept = part.size - (across.extent - 1) * channels
            filtered(image[top:], (part.reshape(-1), width, 1, kept, channels, 1), 1)
        pixels = sums.reshape(height, -1, channels)[:: down.stride]
        for columns, at in edges:
            edge = target[rows, columns.start * channels : columns.stop * channels]
            stop = at + (columns.stop - columns.start) * across.stride
            edge[...] = pixels[:, at : stop : across.stride].reshape(edge.shape)

    def _function(self, store: tuple[Any, ...]) -> Callable[..., None]:
        """Return the function that filters a tile, and stores in some way."""
        # It needs numba: only runs that use it load it.
        from convcli.engine import compiled_lines

        if self._across:
            return compiled_lines.filter_separable
        is_fused = store[0] == _CLIPPED and len(self._down[1]) in _FUSED
        if is_fused and self.problem.window.columns.stride == 1:
            return compiled_lines.filter_clipped
        return compiled_lines.filter_dense

    def _store(self, result: np.dtype[Any], *, raw: bool) -> tuple[int, Any, Any, Any]:
        """Return the way that sums are stored, their factor, the least and the most stored."""
        number, divisor = self._sums.type, np.float32(self.divisor)
        if raw or result.kind == "f":
            way = _AS_THEY_ARE if raw or self.divisor == 1.0 else _QUOTIENT
            return way, divisor, number(0), number(0)
        own = (-_EXACT, _EXACT) if self._sums.kind == "f" else integer_limits(self._sums)
        limits = integer_limits(result)
        low, high = number(max(own[0], limits[0])), number(min(own[1], limits[1]))
        if self._sums.kind != "f" and self.divisor == 1.0:
            return _CLIPPED, divisor, low, high
        is_sure = is_power_of_two(self.divisor)
        if not is_sure and self.divisor % 2 == 1:
            is_sure = max(map(abs, self.problem.sum_limits)) < _SURE
        if is_sure:
            return _MULTIPLIED, np.float32(1 / self.divisor), low, high
        return _DIVIDED, divisor, low, high

    def stores_directly(self, rule: StoreRule, _: object) -> bool:
        """Store in 8 or 16 bits, or in floats that hold every sum, without a bias."""
        if any(rule.bias) or rule.pixels not in (None, Range.CLIP) or self.divisor < 1.0:
            return False
        if rule.dtype.kind == "f":
            size = rule.dtype.itemsize
            return self._is_exact and (size == 4 or (size > 4 and self.divisor == 1.0))  # noqa: PLR2004
        return rule.dtype.itemsize <= 2 and (self.divisor == 1.0 or self._is_exact)  # noqa: PLR2004

    @functools.cached_property
    def _is_exact(self) -> bool:
        """Whether a float holds every sum."""
        return self._sums.kind == "f" or max(map(abs, self.problem.sum_limits)) <= _EXACT


class SeparableLines(Lines):
    """The same for kernels that are a column times a row: sums down, and then across.

    Sums of equal rows of the kernel move from row to row. A row of equal weights is summed
    twice: neighbours first, and then some of these sums.
    """

    name = "separable-lines"
    method = Method.SEPARABLE
    _passes = 1

    @classmethod
    def _shape_refusal(cls, problem: Problem) -> str:
        if problem.kernel.rank != 1:
            return f"rank {problem.kernel.rank}"
        largest = max(problem.kernel.size)
        return "" if largest <= _MOST_SEPARABLE else f"more than {_MOST_SEPARABLE} taps"

    @classmethod
    def _taps_of_output(cls, problem: Problem) -> int:
        column, row = _factors(problem.exact_weights[0])
        near, far = _doubled(row)
        both = (near, far + len(row) - near * far) if near > 1 else (0, np.count_nonzero(row))
        down = _RUNNING - 1 if _running(problem, column) else np.count_nonzero(column)
        return sum(map(_padded, (*both, down)))

    def _taps(self, weights: NDArray[Any]) -> tuple[_Taps, tuple[Any, ...]]:
        column, row = _factors(weights)
        near, far = _doubled(row)
        step = self.problem.window.columns.dilation * self.channels
        places, values = np.flatnonzero(row) * step, row[row != 0]
        first = np.arange(near if near > 1 else 0) * step
        if near > 1:
            # Sums of neighbours are in a line behind that of sums down.
            sums = np.arange(far) * near * step + self._line
            places = np.append(sums, places[near * far :])
            values = values[: len(places)]
        sides = self._line, (far - 1) * near * step, (len(row) - 1) * step
        across = (self._filled(first, np.ones(len(first))), self._filled(places, values), sides)
        return self._places(column[:, np.newaxis]), (across, _running(self.problem, column))


def _shown(flat: Values) -> tuple[Values, ...]:
    """Return a result, integers as bits, among empty arrays: one compiled form serves all."""
    is_small = flat.dtype.kind == "i" and flat.itemsize <= 2  # noqa: PLR2004
    bits = flat.view(f"u{flat.itemsize}") if is_small else flat
    return tuple(bits if each.dtype == bits.dtype else each for each in _RESULTS)


def _doubled(row: Values) -> tuple[int, int]:
    """Return how many neighbours are summed, and how many of these sums: the fewest taps."""
    size = len(row)
    if (row != row[0]).any():
        return 1, size
    pairs = [(near, size // near) for near in range(1, size + 1)]

    def taps(pair: tuple[int, int]) -> int:
        near, far = pair
        rest = size - near * far
        return _padded(far + rest) + (near > 1) * (_padded(near) + 2)

    return min(pairs, key=taps)


def _padded(taps: Any) -> int:
    """Return the taps of the passes that sum so many: weights of 0 fill up the last one."""
    return int(taps) // 9 * 9 + next(most for most in _LAST if most >= taps % 9)


def _running(problem: Problem, column: Values) -> int:
    """Return the rows whose sums move from row to row, or 0."""
    is_even = len(column) >= _RUNNING and bool((column == 1).all())
    return len(column) * (is_even and problem.is_integer and problem.window.rows.dilation == 1)


def _factors(weights: NDArray[Any]) -> tuple[Values, Values]:
    """Return the column and the row whose products are the weights: whole where these are."""
    whole = bool((weights == np.rint(weights)).all())
    column, row = outer_factors(weights.astype(np.float64), whole=whole)
    return (np.rint(column) if whole else column), row


@functools.lru_cache(maxsize=256)
def _sums(problem: Problem) -> np.dtype[Any] | None:
    """Return the dtype of sums: whole ones of 16 bits or 32 if these hold them, or float32."""
    if not problem.is_integer:
        floats = problem.natural_working
        return floats if floats == np.float32 else None
    fitting = (np.dtype(name) for name in (np.int16, np.uint16, np.int32))
    return next((dtype for dtype in fitting if holds(dtype, *problem.sum_limits)), None)
