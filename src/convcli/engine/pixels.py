"""From accumulators to pixels: what becomes of raw values, and what was seen of them."""

import enum
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.engine.rounding import limits_of, saturating
from convcli.engine.scratch import Scratch, strided
from convcli.records import Record

Values: TypeAlias = NDArray[Any]


class ValueRange(enum.Enum):
    """What becomes of raw values before they are stored as pixels."""

    CLIP = "clip"
    ABS = "abs"
    SHIFT = "shift"


class Seen(Record):
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

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(
            min(self.low, other.low), max(self.high, other.high), self.clipped + other.clipped
        )


Finish: TypeAlias = Callable[[Values], Seen | None]
"""Stores the accumulators that it is bound to: takes the part of the result for them. It
returns what it saw where raw values become pixels; others it does not look at."""

_NEARLY_HALF = 0.49


class Accumulators(NamedTuple):
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

    def finish(out: Values) -> Seen:
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
        return Seen(low, high, outside)

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
