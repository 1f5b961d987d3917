"""What becomes of sums: bias, range, rounding, pixels."""

import enum
import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.engine.buffers import Scratch, strided
from convcli.engine.rounding import limits_of, saturating
from convcli.values import Record

Values: TypeAlias = NDArray[Any]


class ValueRange(enum.Enum):
    """What becomes of raw values before they are stored as pixels."""

    CLIP = "clip"
    ABS = "abs"
    SHIFT = "shift"


class ValueStats(Record):
    """What a store saw.

    Attributes
    ----------
    low, high : float
        The smallest and the largest raw value.
    clipped : int
        Values that did not fit after they were mapped.
    """

    low: float = np.inf
    high: float = -np.inf
    clipped: int = 0

    def __init__(self, low: float = np.inf, high: float = -np.inf, clipped: int = 0) -> None:
        # Written out: one is made for each tile.
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        object.__setattr__(self, "clipped", clipped)

    def __add__(self, other: "ValueStats") -> "ValueStats":
        return ValueStats(
            min(self.low, other.low), max(self.high, other.high), self.clipped + other.clipped
        )


Finish: TypeAlias = Callable[[Values], ValueStats | None]
"""Stores the accumulators that it is bound to: takes the part of the result for them. It
returns what it saw where raw values become pixels; others it does not look at."""

_NEARLY_HALF = 0.49


class Accumulators(Record):
    """What is stored of a tile.

    Attributes
    ----------
    values : ndarray, shape (rows, columns·O), or (rows, columns) of a channel
        The accumulators; may be overwritten.
    around : ndarray, shape (values,)
        The contiguous buffer that they are rows of, or they themselves. What is done to
        each value is done to all of it: on sobel-x to 8 bits that takes 9.5 ms where rows
        of 4000 values take 12.7.
    spare : ndarray, shape (values,), optional
        Another buffer like it, that nobody needs any more: it is in the cache.
    """

    values: Values
    around: Values
    spare: Values | None = None

    def cast(self, result: np.dtype[Any], scratch: Scratch) -> "Accumulators":
        """Return a place for whole numbers as floats, laid out like them.

        Accumulators of 32 bits may have more digits than a float32 keeps, and a quotient
        has more than it for a result in float64.
        """
        wide = self.values.dtype.itemsize > 2 or result.itemsize > 4  # noqa: PLR2004
        kind = np.float64 if wide else np.float32
        floats = scratch.take("floats", (self.around.size,), kind)
        whole = self.around is self.values
        pitch = (
            self.values.shape[1] if whole else self.values.strides[0] // self.values.itemsize
        )
        return Accumulators(strided(floats, 0, self.values.shape, (pitch, 1)), floats)


def pixels_of(
    block: Accumulators, values: Values, dtype: np.dtype[Any], pixels: ValueRange
) -> Finish:
    """Bind raw values to the way that they become pixels, without a look at them."""
    middle, raw = _middle(dtype, pixels)
    store = saturating(values, block.around, dtype, raw, fits=False)
    if pixels is ValueRange.CLIP:
        return store

    def finish(out: Values) -> None:
        if pixels is ValueRange.ABS:
            np.abs(block.around, out=block.around)
        store(out)
        if middle:
            np.add(out, out.dtype.type(middle), out=out)

    return finish


def _middle(dtype: np.dtype[Any], pixels: ValueRange) -> tuple[int, tuple[int, int]]:
    """Return the pixel that a raw value of 0 becomes, and which raw values pixels hold.

    It is added after rounding, where it loses no digit: modulo 2^bits a negative number is
    one of the upper half, and comes back.
    """
    least, most = limits_of(dtype)
    middle = (most + 1) // 2 if pixels is ValueRange.SHIFT else 0
    return middle, (least - middle, most - middle)


def seen_pixels_of(
    block: Accumulators, values: Values, dtype: np.dtype[Any], pixels: ValueRange
) -> Finish:
    """Bind raw values to the way that they become pixels, and are looked at."""
    middle, raw = _middle(dtype, pixels)
    as_they_are, clipped = (
        saturating(values, block.around, dtype, raw, fits=fits) for fits in (True, False)
    )

    def finish(out: Values) -> ValueStats:
        low, high = float(values.min()), float(values.max())
        unknown = math.isnan(low)
        if unknown:
            low, high = _known(values)
        lowest, highest = low, high
        if pixels is ValueRange.ABS and low < 0:
            np.abs(block.around, out=block.around)
            lowest, highest = 0.0, max(-low, high)
        # What rounds to a pixel at ½ is looked at.
        within = raw[0] - _NEARLY_HALF <= lowest and highest <= raw[1] + _NEARLY_HALF
        fits = within and not unknown
        outside = 0 if fits else _count_outside(values, (lowest, highest), *raw)
        (as_they_are if fits else clipped)(out)
        if middle:
            np.add(out, out.dtype.type(middle), out=out)
        return ValueStats(low, high, outside)

    return finish


def _known(values: Values) -> tuple[float, float]:
    """Return the smallest and the largest of floats that are numbers."""
    low = np.fmin.reduce(values, axis=None, initial=np.inf)
    return float(low), float(np.fmax.reduce(values, axis=None, initial=-np.inf))


def _count_outside(values: Values, extremes: tuple[float, float], least: int, most: int) -> int:
    """Count the values that no pixel can hold, rounding allowed for."""
    if values.dtype.kind == "f":
        # What rounds half to even to `most` lies at most at most + ½ (odd) or below (even).
        return int(np.count_nonzero((values < least - 0.5) | (values >= most + 0.5)))
    if least == 0 and values.dtype.kind == "i":
        # As a number without sign, what is negative lies above all pixels.
        return int(np.count_nonzero(values.view(f"u{values.itemsize}") > most))
    below = np.count_nonzero(values < least) if extremes[0] < least else 0
    above = np.count_nonzero(values > most) if extremes[1] > most else 0
    return int(below + above)


class StoreRule(Record):
    """What accumulators go through before they are stored.

    Attributes
    ----------
    dtype : dtype
        Of the result. Integers are rounded half to even and saturated.
    divisor : float
        What the accumulators are divided by.
    bias : tuple of float
        Added after the division: none, one, or one per output channel.
    pixels : ValueRange or None
        How raw values are brought into the range of an integer dtype, for pictures; None
        stores them as they are.
    limits : (float, float)
        Between which all raw values are known to lie, rounding errors aside: what cannot
        overflow is not clipped.
    collect_stats : bool
        Tell what was seen of raw values that become pixels.
    """

    dtype: np.dtype[Any]
    divisor: float = 1.0
    bias: tuple[float, ...] = ()
    pixels: ValueRange | None = None
    limits: tuple[float, float] = (-np.inf, np.inf)
    collect_stats: bool = True

    def is_raw(self, working: np.dtype[Any]) -> bool:
        """Tell whether accumulators of a dtype are the result as they are."""
        changed = self.pixels is not None or self.divisor != 1.0 or any(self.bias)
        return not changed and working == self.dtype

    def finish(
        self,
        accumulators: Accumulators,
        shape: tuple[int, ...],
        channel: int | None,
        scratch: Scratch,
    ) -> Finish:
        """Bind accumulators to what becomes of them.

        Parameters
        ----------
        accumulators : Accumulators
            Always computed in the same place.
        shape : (int, int) or (int, int, int)
            Of the part of the result that they go to.
        channel : int or None
            Which output they are of, where that is one of several.
        scratch : Scratch
            Buffers of the worker.

        Returns
        -------
        Finish
        """
        steps: list[Callable[[], object]] = []
        last: Finish
        block = self._divided(accumulators, steps, scratch)
        values = block.values.reshape(shape, copy=False)
        if any(self.bias):
            steps.append(self._add_bias(block, values, channel))
        if self.pixels is not None:
            bind = seen_pixels_of if self.collect_stats else pixels_of
            last = bind(block, values, self.dtype, self.pixels)
        else:
            fits = _fits(self.limits, self.dtype)
            last = saturating(values, block.around, self.dtype, fits=fits)
        return functools.partial(_after, steps, last) if steps else last

    def _divided(
        self, block: Accumulators, steps: list[Callable[[], object]], scratch: Scratch
    ) -> Accumulators:
        """Divide: in floats, unless whole numbers stay whole."""
        if self.divisor == 1.0 and not any(self.bias):
            return block
        if self._divides_whole(block.values.dtype):
            steps.append(_whole_division(block, int(self.divisor), scratch))
            return block
        if block.values.dtype.kind in "iu":
            floats = block.cast(self.dtype, scratch)
            same = floats.around.reshape(block.around.shape)
            steps.append(functools.partial(np.copyto, same, block.around))
            block = floats
        if self.divisor != 1.0:
            steps.append(_division(block.around, self.divisor))
        return block

    def _divides_whole(self, dtype: np.dtype[Any]) -> bool:
        """Tell whether whole numbers can be divided as such."""
        whole = dtype.kind in "iu" and self.dtype.kind in "iu"
        if self.pixels is not None or not whole or any(self.bias) or self.divisor <= 1:
            return False
        low, high = self.limits
        if self.divisor * (high + 1) > np.iinfo(dtype).max:
            return False
        return _is_power_of_two(self.divisor) or (self.divisor % 2 == 1 and low >= 0)

    def _add_bias(
        self, block: Accumulators, values: Values, channel: int | None
    ) -> Callable[[], object]:
        bias = np.array(self.bias, block.values.dtype)
        if bias.size == 1:
            return functools.partial(np.add, block.around, bias[0], out=block.around)
        added = bias if channel is None else bias[channel]
        return functools.partial(np.add, values, added, out=values)


class Store(Record):
    """Where a result goes, and what accumulators go through before.

    Attributes
    ----------
    out : ndarray, shape (H', W', O)
        The result.
    rule : StoreRule
        Of its dtype.
    """

    out: Values
    rule: StoreRule


def _after(steps: list[Callable[[], object]], last: Finish, out: Values) -> ValueStats | None:
    for step in steps:
        step()
    return last(out)


def _fits(limits: tuple[float, float], dtype: np.dtype[Any]) -> bool:
    """Tell whether rounded values between the limits fit an integer dtype."""
    if dtype.kind == "f":
        return True
    least, most = limits_of(dtype)
    return least <= limits[0] and limits[1] <= most


# ------------------------------------------------------------------ division


def _whole_division(
    block: Accumulators, divisor: int, scratch: Scratch
) -> Callable[[], object]:
    """Bind whole numbers to their division in place, rounding half to even.

    By an odd divisor, which they are not negative for, no quotient lies half-way between
    two whole numbers; NumPy divides unsigned integers by a scalar as fast as it adds them.
    """
    values = block.around
    if divisor % 2:
        unsigned = values.view(f"u{values.itemsize}")
        kind = unsigned.dtype.type
        return functools.partial(_divide_by_odd, unsigned, kind(divisor // 2), kind(divisor))
    odd = block.spare
    if odd is None:
        odd = scratch.take("odd", values.shape, values.dtype)
    return functools.partial(_shift_down, values, odd, divisor)


def _divide_by_odd(values: Values, half: Any, divisor: Any) -> None:
    np.add(values, half, out=values)
    np.floor_divide(values, divisor, out=values)


def _shift_down(values: Values, odd: Values, divisor: int) -> None:
    """Shift down by k bits, which rounds down.

    What makes that the nearest is half of 2^k, less 1 where the quotient is even.
    """
    kind = values.dtype.type
    bits = kind(divisor.bit_length() - 1)
    np.right_shift(values, bits, out=odd)
    np.bitwise_and(odd, kind(1), out=odd)
    np.add(values, odd, out=values)
    np.add(values, kind(divisor // 2 - 1), out=values)
    np.right_shift(values, bits, out=values)


def _is_power_of_two(number: float) -> bool:
    return math.frexp(number)[0] == 0.5  # noqa: PLR2004 - the mantissa of a power of two


def _division(values: Values, divisor: float) -> Callable[[], object]:
    """Divide floats in place; a power of two is multiplied, as exact and twice as fast."""
    kind = values.dtype.type
    if _is_power_of_two(divisor):
        return functools.partial(np.multiply, values, kind(1 / divisor), out=values)
    return functools.partial(np.divide, values, kind(divisor), out=values)
