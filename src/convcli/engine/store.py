"""From accumulators to the result: divisor, bias, range, rounding, cast. The one place."""

import enum
import functools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convcli.engine.scratch import Scratch, strided
from convcli.engine.tiles import Tile

Values = NDArray[Any]
Whole = tuple[int, int]


class ValueRange(enum.Enum):
    """What becomes of raw values before they are stored as pixels."""

    CLIP = "clip"
    ABS = "abs"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class Seen:
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

    def __add__(self, other: "Seen") -> "Seen":
        if other is NOTHING:
            return self
        return Seen(
            min(self.low, other.low), max(self.high, other.high), self.clipped + other.clipped
        )


_NEARLY_HALF = 0.49

NOTHING = Seen()
"""What a store saw that does not look: raw values that stay raw."""


class Store:
    """Writes tiles into the result.

    Parameters
    ----------
    out : ndarray, shape (H', W', O)
        The result. An integer dtype is rounded half to even and saturated.
    divisor : float
        What the accumulators are divided by.
    bias : tuple of float
        Added after the division: none, one, or one per output channel.
    pixels : ValueRange, optional
        How raw values are brought into the range of an integer `out`, for pictures;
        None stores them as they are.
    limits : (float, float)
        Between which all raw values are known to lie, rounding errors aside: what
        cannot overflow is not clipped.
    """

    def __init__(
        self,
        out: Values,
        *,
        divisor: float = 1.0,
        bias: tuple[float, ...] = (),
        pixels: ValueRange | None = None,
        limits: tuple[float, float] = (-np.inf, np.inf),
    ) -> None:
        self._out = out
        self._divisor = divisor
        self._bias = np.array(bias) if any(bias) else None
        self._pixels = pixels
        self._limits = limits
        self._fits = _fits(limits, out.dtype)
        self._whole: dict[np.dtype[Any], bool] = {}
        self._finishes = pixels is not None or divisor != 1.0 or self._bias is not None

    def direct(self, tile: Tile, working: np.dtype[Any]) -> Values | None:
        """Return the part of the result that a tile's accumulators may be computed in.

        Parameters
        ----------
        tile : Tile
            Whose part.
        working : dtype
            Of the accumulators.

        Returns
        -------
        ndarray, shape (rows, columns·O), or None
            None where accumulators become something else before they are stored: what
            is computed here is the result.
        """
        if self._finishes or working != self._out.dtype:
            return None
        if tile.channel is not None and self._out.shape[2] > 1:
            return None
        part = self._out[tile.rows, tile.columns]
        return part.reshape(len(part), -1, copy=False)

    def write(
        self,
        accumulators: Values,
        tile: Tile,
        scratch: Scratch,
        around: Values | None = None,
        spare: Values | None = None,
    ) -> Seen:
        """Store the accumulators of a tile.

        Parameters
        ----------
        accumulators : ndarray, shape (rows, columns·O), or (rows, columns) of a channel
            May be overwritten.
        tile : Tile
            Where they belong.
        scratch : Scratch
            Buffers of the calling worker.
        around : ndarray, shape (values,), optional
            The contiguous buffer that the accumulators are rows of, if they do not fill
            it. What is done to each value is done to all of it: on sobel-x to 8 bits that
            takes 9.5 ms where rows of 4000 values take 12.7.
        spare : ndarray, shape (values,), optional
            Another buffer like it, that nobody needs any more: it is in the cache.

        Returns
        -------
        Seen
            Nothing, unless raw values became pixels.
        """
        part = self._out[tile.rows, tile.columns]
        if tile.channel is not None:
            part = part[..., tile.channel]
        block = _Block(accumulators, accumulators if around is None else around, spare)
        if self._finishes:
            block = self._finished(block, part.shape, tile, scratch)
        if self._pixels is None:
            _saturate(block, part, fits=self._fits)
            return NOTHING
        return _store_pixels(block, part, self._pixels)

    def _divides_whole(self, dtype: np.dtype[Any]) -> bool:
        """Tell whether whole numbers can be divided as such."""
        if dtype not in self._whole:
            self._whole[dtype] = self._pixels is None and self._can_divide(dtype)
        return self._whole[dtype]

    def _can_divide(self, dtype: np.dtype[Any]) -> bool:
        whole = dtype.kind in "iu" and self._out.dtype.kind in "iu"
        if not whole or self._bias is not None or self._divisor <= 1:
            return False
        low, high = self._limits
        if self._divisor * (high + 1) > np.iinfo(dtype).max:
            return False
        return _is_power_of_two(self._divisor) or (self._divisor % 2 == 1 and low >= 0)

    def _finished(
        self, block: "_Block", shape: tuple[int, ...], tile: Tile, scratch: Scratch
    ) -> "_Block":
        """Divide, and add the bias: in floats, unless whole numbers stay whole."""
        if self._divisor == 1.0 and self._bias is None:
            return block
        if self._divides_whole(block.values.dtype):
            _divide_whole(block, int(self._divisor), scratch)
            return block
        if block.values.dtype.kind in "iu":
            block = block.cast(self._out.dtype, scratch)
        kind = block.values.dtype
        if self._divisor != 1.0:
            _divide(block.around, self._divisor)
        if self._bias is None:
            return block
        if self._bias.size == 1:
            np.add(block.around, kind.type(self._bias[0]), out=block.around)
        else:
            alone = ... if tile.channel is None else tile.channel
            values = block.values.reshape(shape, copy=False)
            np.add(values, self._bias[alone].astype(kind), out=values)
        return block


class _Block(NamedTuple):
    """Accumulators, the contiguous buffer that they are rows of, and one to spare."""

    values: Values
    around: Values
    spare: Values | None = None

    def cast(self, result: np.dtype[Any], scratch: Scratch) -> "_Block":
        """Return whole numbers as floats.

        Accumulators of 32 bits may have more digits than a float32 keeps, and a quotient
        has more than it for a result in float64.
        """
        wide = self.values.dtype.itemsize > 2 or result.itemsize > 4  # noqa: PLR2004
        kind = np.float64 if wide else np.float32
        floats = scratch.take("floats", (self.around.size,), kind)
        np.copyto(floats, self.around.reshape(-1))
        whole = self.around is self.values
        pitch = (
            self.values.shape[1] if whole else self.values.strides[0] // self.values.itemsize
        )
        return _Block(strided(floats, 0, self.values.shape, (pitch, 1)), floats)


def _fits(limits: tuple[float, float], dtype: np.dtype[Any]) -> bool:
    """Tell whether rounded values between the limits fit an integer dtype."""
    if dtype.kind == "f":
        return True
    info = np.iinfo(dtype)
    return bool(info.min <= limits[0] and limits[1] <= info.max)


def _divide_whole(block: _Block, divisor: int, scratch: Scratch) -> None:
    """Divide whole numbers in place, rounding half to even.

    By an odd divisor, which they are not negative for, no quotient lies half-way between
    two whole numbers; NumPy divides unsigned integers by a scalar as fast as it adds them.
    Shifted down by k bits is rounded down: what makes that the nearest is half of 2^k,
    less 1 where the quotient is even.
    """
    values = block.around
    if divisor % 2:
        unsigned = values.view(f"u{values.itemsize}")
        unsigned += unsigned.dtype.type(divisor // 2)
        unsigned //= unsigned.dtype.type(divisor)
        return
    bits = values.dtype.type(divisor.bit_length() - 1)
    odd = block.spare
    if odd is None:
        odd = scratch.take("odd", values.shape, values.dtype)
    np.right_shift(values, bits, out=odd)
    np.bitwise_and(odd, values.dtype.type(1), out=odd)
    np.add(values, odd, out=values)
    np.add(values, values.dtype.type(divisor // 2 - 1), out=values)
    np.right_shift(values, bits, out=values)


def _is_power_of_two(number: float) -> bool:
    return math.frexp(number)[0] == 0.5  # noqa: PLR2004 - the mantissa of a power of two


def _divide(values: Values, divisor: float) -> None:
    """Divide floats in place; a power of two is multiplied, as exact and twice as fast."""
    if _is_power_of_two(divisor):
        np.multiply(values, values.dtype.type(1 / divisor), out=values)
    else:
        np.divide(values, values.dtype.type(divisor), out=values)


def _store_pixels(block: _Block, out: Values, pixels: ValueRange) -> Seen:
    low, high = float(block.values.min()), float(block.values.max())
    lowest, highest = low, high
    if pixels is ValueRange.ABS and low < 0:
        np.abs(block.around, out=block.around)
        lowest, highest = 0.0, max(-low, high)
    least, most = _limits(out.dtype)
    middle = (most + 1) // 2 if pixels is ValueRange.SHIFT else 0
    raw = (least - middle, most - middle)
    # What rounds to a pixel at ½ is looked at; so is NaN, which is not above anything.
    fits = raw[0] - _NEARLY_HALF <= lowest and highest <= raw[1] + _NEARLY_HALF
    clipped = 0 if fits else _count_outside(block.values, (lowest, highest), *raw)
    _saturate(block, out, raw, fits=fits)
    if middle:
        # After rounding, where it loses no digit: modulo 2^bits a negative number is one
        # of the upper half, and comes back.
        np.add(out, out.dtype.type(middle), out=out)
    return Seen(low, high, clipped)


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


def saturate(values: Values, out: Values, *, fits: bool = False) -> None:
    """Copy values into an array of another dtype without ever wrapping around.

    Parameters
    ----------
    values : ndarray
        Real numbers; may be overwritten.
    out : ndarray of the same shape
        Integer dtypes get values rounded half to even and saturated, NaN as 0.
    fits : bool
        Whether the rounded values are known to fit.

    Examples
    --------
    >>> out = np.empty(4, np.uint8)
    >>> saturate(np.array([-3.0, 0.5, 1.5, 300.0]), out)
    >>> out.tolist()
    [0, 0, 2, 255]
    """
    _saturate(_Block(values, values), out, fits=fits)


def _saturate(block: _Block, out: Values, raw: Whole | None = None, *, fits: bool) -> None:
    """Copy values, no further out than `raw`: by default the limits of the dtype."""
    values = block.values.reshape(out.shape, copy=False)
    if out.dtype.kind == "f":
        # A value beyond float16 or float32 is infinite there, as in any cast.
        with np.errstate(over="ignore"):
            np.copyto(out, values, casting="unsafe")
        return
    limits = raw or _limits(out.dtype)
    if values.dtype.kind in "iu":
        narrower = _narrower(values.dtype, limits)
        if narrower is not None and not fits:
            block.around.clip(*narrower, out=block.around)
        np.copyto(out, values, casting="unsafe")
    elif out.dtype.itemsize * 2 <= values.dtype.itemsize:
        if not fits:
            block.around.clip(*limits, out=block.around)
            _forget_unknown(block.around)
        _round_in_mantissa(block.around)
        np.copyto(out, values.view(f"u{values.dtype.itemsize}"), casting="unsafe")
    else:
        _round_wide(values, out)


@functools.cache
def _narrower(have: np.dtype[Any], limits: Whole) -> tuple[Any, Any] | None:
    """Return what to clip integers to; None where all of their type lie between the limits.

    As scalars of their dtype: Python's integers are looked at anew by every clip, for 2 µs.
    """
    given = np.iinfo(have)
    if limits[0] <= given.min and given.max <= limits[1]:
        return None
    return (have.type(max(given.min, limits[0])), have.type(min(given.max, limits[1])))


@functools.cache
def _limits(kind: np.dtype[Any]) -> Whole:
    return (int(np.iinfo(kind).min), int(np.iinfo(kind).max))


def _forget_unknown(values: Values) -> None:
    """Make NaN 0: its mantissa may hold anything."""
    if np.isnan(values.min()):
        values[np.isnan(values)] = 0


def _round_in_mantissa(values: Values) -> None:
    """Round in place by adding 1.5·2^m: the low bits are then the whole number.

    With m the digits of the mantissa the sum is rounded half to even by the processor;
    its low bytes, in two's complement, are what is to be copied out. 0.34 ns a value
    against 0.42 for rint and a cast from float.
    """
    np.add(values, _shift_of(values.dtype), out=values)


@functools.cache
def _shift_of(kind: np.dtype[Any]) -> Any:
    return kind.type(1.5 * 2 ** np.finfo(kind).nmant)


def _round_wide(values: Values, out: Values) -> None:
    """Round to integers nearly as wide as the floats, whose limits no float may equal."""
    limits = np.iinfo(out.dtype)
    rounded = np.rint(values, out=values)
    highest = values.dtype.type(limits.max)
    if int(highest) > limits.max:
        highest = np.nextafter(highest, values.dtype.type(0))
    above, unknown = rounded > highest, np.isnan(rounded)
    np.clip(rounded, values.dtype.type(limits.min), highest, out=rounded)
    rounded[unknown] = 0
    np.copyto(out, rounded, casting="unsafe")
    out[above] = limits.max
