"""The store: from accumulators to results, by divisor, bias and range, rounded half to even."""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from convcli.choices import Range
from convcli.engine.buffers import Scratch, Values, strided
from convcli.values import Record


class ValueStats(Record):
    """The smallest and the largest raw value, and how many did not fit a pixel.

    `rim` is the largest magnitude at the rim of the result, where that was asked for.
    """

    low: float = np.inf
    high: float = -np.inf
    clipped: int = 0
    rim: float = 0.0

    def __init__(
        self, low: float = np.inf, high: float = -np.inf, clipped: int = 0, rim: float = 0.0
    ) -> None:
        # Written out, which takes 0.7 µs instead of 2.2: some are made for each tile.
        for name, value in (("low", low), ("high", high), ("clipped", clipped), ("rim", rim)):
            object.__setattr__(self, name, value)

    def __add__(self, other: "ValueStats") -> "ValueStats":
        low, high = min(self.low, other.low), max(self.high, other.high)
        return ValueStats(low, high, self.clipped + other.clipped, max(self.rim, other.rim))


Inner: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""The outputs that are not at the rim of a result: from which row up to which, and columns."""


def rim_magnitude(values: Values, inner: Inner, top: int = 0, left: int = 0) -> float:
    """Return the largest magnitude of outputs at the rim, or 0; the first is (top, left).

    NaN does not count.
    """
    (rows, last_row), (columns, last_column) = inner
    parts = (
        values[: max(rows - top, 0)],
        values[max(last_row - top, 0) :],
        values[:, : max(columns - left, 0)],
        values[:, max(last_column - left, 0) :],
    )
    ends = (np.fmin, np.fmax)
    return max(abs(float(end.reduce(p, axis=None, initial=0))) for p in parts for end in ends)


Finish: TypeAlias = Callable[[Values], ValueStats | None]
"""Stores the accumulators that it is bound to, and returns the statistics of pixels, if any."""

Change: TypeAlias = Callable[[], object]  # changes the values that it is bound to, in place
Whole: TypeAlias = tuple[int, int]
_NEARLY_HALF = 0.49


class Accumulators(Record):
    """The sums of output rows before they are stored. All of these arrays may be overwritten.

    `values` has the shape (rows, columns·O), or (rows, columns) of a channel. `around` is the
    contiguous buffer that starts with them, whose every value is changed with them: sobel-x to
    8 bits takes 9.5 ms so, in rows of 4000 values 12.7.
    """

    values: Values
    around: Values

    def cut(self, rows: slice, columns: slice) -> "Accumulators":
        """Return the accumulators of some rows and columns."""
        values = self.values[rows, columns]
        at_start = rows.start == columns.start == 0
        return Accumulators(values, self.around if at_start else values)

    def cast(self, result: np.dtype[Any], scratch: Scratch) -> "Accumulators":
        """Return accumulators in floats, not set yet, laid out like these integers."""
        # Integers of 32 bits, and quotients in float64, have more digits than a float32.
        wide = self.values.dtype.itemsize > 2 or result.itemsize > 4  # noqa: PLR2004
        dtype = np.float64 if wide else np.float32
        floats = scratch.take("floats", (self.around.size,), dtype)
        pitch = self.values.shape[1]
        if self.around is not self.values:
            pitch = self.values.strides[0] // self.values.itemsize
        return Accumulators(strided(floats, 0, self.values.shape, (pitch, 1)), floats)


def _extent(values: Values) -> tuple[float, float, bool]:
    """Return the smallest and the largest number, and whether all are numbers."""
    low, high = float(values.min()), float(values.max())
    if not math.isnan(low):
        return low, high, True
    low = float(np.fmin.reduce(values, axis=None, initial=np.inf))
    return low, float(np.fmax.reduce(values, axis=None, initial=-np.inf)), False


def _count_outside(values: Values, least: int, most: int) -> int:
    """Count the values that no pixel holds after rounding."""
    if values.dtype.kind == "f":
        # `most` is odd and `least` even: only most + ½ rounds half to even beyond them.
        return int(np.count_nonzero((values < least - 0.5) | (values >= most + 0.5)))
    if least == 0:
        # As an unsigned number a negative one is above all pixels.
        return int(np.count_nonzero(values.view(f"u{values.itemsize}") > most))
    return int(np.count_nonzero((values < least) | (values > most)))


def saturate(values: Values, out: Values) -> None:
    """Copy real numbers, which may be overwritten; integers are rounded, and NaN becomes 0."""
    with np.errstate(over="ignore"):
        saturating(values, values, out.dtype, fits=False)(out)


def saturating(
    values: Values,
    around: Values,
    dtype: np.dtype[Any],
    limits: Whole | None = None,
    *,
    fits: bool,
) -> Callable[[Values], None]:
    """Return the function that copies values into an array of another dtype.

    `values` are part of the contiguous buffer `around`, which may be overwritten. `fits` says
    that rounded values are within `limits`, by default those of `dtype`.
    """
    if dtype.kind == "f":
        return functools.partial(_copy, values, around, None)
    low, high = limits or integer_limits(dtype)
    if values.dtype.kind in "iu":
        least, most = integer_limits(values.dtype)
        number, narrower = values.dtype.type, None
        if not fits and (low > least or most > high):
            narrower = (number(max(least, low)), number(min(most, high)))
        return functools.partial(_copy, values, around, narrower)
    if dtype.itemsize * 2 <= values.dtype.itemsize:
        bits = values.view(f"u{values.dtype.itemsize}")
        shift = values.dtype.type(1.5 * 2 ** np.finfo(values.dtype).nmant)
        clipped = None if fits else (low, high)
        return functools.partial(_copy_rounded, bits, around, clipped, shift)
    return functools.partial(_copy_wide, values)


@functools.cache
def integer_limits(dtype: np.dtype[Any]) -> Whole:
    """Return the smallest and the largest number of a dtype of integers or booleans."""
    if dtype.kind == "b":
        return (0, 1)
    return (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


def holds(dtype: np.dtype[Any], low: float, high: float) -> bool:
    """Tell whether an integer dtype holds all whole numbers between two."""
    least, most = integer_limits(dtype)
    return least <= low and high <= most


def _copy(values: Values, around: Values, limits: Whole | None, out: Values) -> None:
    if limits is not None:
        around.clip(*limits, out=around)
    out[...] = values


def _copy_rounded(
    bits: Values, around: Values, limits: Whole | None, shift: Any, out: Values
) -> None:
    """Round by adding a shift, 1.5·2^m, where m is the number of digits of the mantissa.

    The sum is rounded half to even; its low bytes are the whole number in two's complement. It
    takes 0.34 ns a value, rint and a cast from float take 0.42.
    """
    if limits is not None:
        around.clip(*limits, out=around)
        # The mantissa of a NaN may hold anything.
        if np.isnan(around.min()):
            around[np.isnan(around)] = 0
    np.add(around, shift, out=around)
    out[...] = bits


def _copy_wide(values: Values, out: Values) -> None:
    """Round to integers nearly as wide as the floats, of which none may equal their limits."""
    limits, rounded = np.iinfo(out.dtype), np.rint(values, out=values)
    rounded[np.isnan(rounded)] = 0
    with np.errstate(invalid="ignore"):
        np.copyto(out, rounded, casting="unsafe")
    out[rounded <= limits.min], out[rounded >= limits.max] = limits.min, limits.max


def _whole_division(values: Values, divisor: int, scratch: Scratch) -> list[Change]:
    """Return the division of integers in place, rounded half to even."""
    if divisor % 2:
        # No quotient is half-way between two whole numbers, and no value is negative: NumPy
        # divides unsigned integers by a scalar as fast as it adds them.
        values = values.view(f"u{values.itemsize}")
        number = values.dtype.type
        return [
            functools.partial(np.add, values, number(divisor // 2), out=values),
            functools.partial(np.floor_divide, values, number(divisor), out=values),
        ]
    odd = scratch.take("odd", values.shape, values.dtype)
    number = values.dtype.type
    bits = number(divisor.bit_length() - 1)
    # A shift rounds down. Half of 2^k, less 1 where the quotient is even, is added before.
    return [
        functools.partial(np.right_shift, values, bits, out=odd),
        functools.partial(np.bitwise_and, odd, number(1), out=odd),
        functools.partial(np.add, values, odd, out=values),
        functools.partial(np.add, values, number(divisor // 2 - 1), out=values),
        functools.partial(np.right_shift, values, bits, out=values),
    ]


def is_power_of_two(number: float) -> bool:
    """Tell whether a number is 2^k for a whole k, which may be negative."""
    return math.frexp(number)[0] == 0.5  # noqa: PLR2004 - the mantissa of a power of two


class StoreRule(Record):
    """How accumulators become results of a dtype: they are divided, and then `bias` is added.

    `pixels` is how raw values become pixels of an integer dtype; None stores them raw. What is
    within `limits`, rounding errors aside, is not clipped. With `collect_stats` statistics of
    raw values that become pixels are returned; `inner` are the outputs that are not at the rim.
    """

    dtype: np.dtype[Any]
    divisor: float = 1.0
    bias: tuple[float, ...] = ()
    pixels: Range | None = None
    limits: tuple[float, float] = (-np.inf, np.inf)
    collect_stats: bool = True
    inner: Inner | None = None

    def is_raw(self, working: np.dtype[Any]) -> bool:
        """Tell whether accumulators of a dtype are the result without a change."""
        changed = self.pixels is not None or self.divisor != 1.0 or any(self.bias)
        return not changed and working == self.dtype

    def finish(
        self,
        accumulators: Accumulators,
        shape: tuple[int, ...],
        channel: int | None,
        scratch: Scratch,
        place: tuple[int, int] | None = None,
    ) -> Finish:
        """Return the function that stores accumulators in a part of the result, of a `shape`.

        `channel` is its output channel if it has but one of several, `place` its first row and
        column in a result whose rim is looked at.
        """
        steps: list[Change] = []
        last: Finish
        block = self._divided(accumulators, steps, scratch)
        values = block.values.reshape(shape, copy=False)
        if any(self.bias):
            bias = np.array(self.bias, values.dtype)
            # One number is added to the whole buffer, faster than to rows.
            target = block.around if bias.size == 1 else values
            added = bias[0] if bias.size == 1 else bias if channel is None else bias[channel]
            steps.append(functools.partial(np.add, target, added, out=target))
        if self.pixels is not None:
            last = self._pixels(block, values, self.pixels, place)
        else:
            fits = self.dtype.kind == "f" or holds(self.dtype, *self.limits)
            last = saturating(values, block.around, self.dtype, fits=fits)
        return functools.partial(_after, steps, last) if steps else last

    def _pixels(
        self, block: Accumulators, values: Values, pixels: Range, place: tuple[int, int] | None
    ) -> Finish:
        """Return the function that stores raw values as pixels, with statistics or None."""
        least, most = integer_limits(self.dtype)
        # The pixel of 0 is added after rounding.
        middle = (most + 1) // 2 if pixels is Range.SHIFT else 0
        raw, collects = (least - middle, most - middle), self.collect_stats
        store = saturating(values, block.around, self.dtype, raw, fits=True)
        clip = saturating(values, block.around, self.dtype, raw, fits=False)

        def finish(out: Values) -> ValueStats | None:
            low, high, fits = _extent(values) if collects else (-np.inf, np.inf, False)
            lowest, highest, rim = low, high, 0.0
            if self.inner and place:
                rim = rim_magnitude(values, self.inner, *place)
            if pixels is Range.ABS and low < 0:
                np.abs(block.around, out=block.around)
                lowest, highest = 0.0, max(-low, high)
            # Values near ½ beyond a limit may round to it: they are counted one by one.
            fits = fits and raw[0] - _NEARLY_HALF <= lowest and highest <= raw[1] + _NEARLY_HALF
            seen = None
            if collects:
                outside = 0 if fits else _count_outside(values, *raw)
                seen = ValueStats(low, high, outside, rim)
            (store if fits else clip)(out)
            if middle:
                np.add(out, out.dtype.type(middle), out=out)
            return seen

        return finish

    def _divided(
        self, block: Accumulators, steps: list[Change], scratch: Scratch
    ) -> Accumulators:
        """Add the steps of the division: in floats, unless integers can be divided."""
        if self.divisor == 1.0 and not any(self.bias):
            return block
        if self._divides_whole(block.values.dtype):
            steps.extend(_whole_division(block.around, int(self.divisor), scratch))
            return block
        if block.values.dtype.kind in "iu":
            floats = block.cast(self.dtype, scratch)
            target = floats.around.reshape(block.around.shape)
            steps.append(functools.partial(np.copyto, target, block.around))
            block = floats
        if self.divisor != 1.0:
            # A product with the reciprocal is twice as fast; of a power of two it is as exact.
            is_exact, number = is_power_of_two(self.divisor), block.around.dtype.type
            function = np.multiply if is_exact else np.divide
            operand = number(1 / self.divisor if is_exact else self.divisor)
            steps.append(functools.partial(function, block.around, operand, out=block.around))
        return block

    def _divides_whole(self, dtype: np.dtype[Any]) -> bool:
        """Tell whether accumulators of a dtype are divided as integers."""
        whole = dtype.kind in "iu" and self.dtype.kind in "iu"
        if self.pixels is not None or not whole or any(self.bias) or self.divisor <= 1:
            return False
        low, high = self.limits
        if self.divisor * (high + 1) > np.iinfo(dtype).max:
            return False
        return is_power_of_two(self.divisor) or (self.divisor % 2 == 1 and low >= 0)


def _after(steps: list[Change], last: Finish, out: Values) -> ValueStats | None:
    for step in steps:
        step()
    return last(out)
