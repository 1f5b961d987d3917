"""From accumulators to the result: divisor, bias, range, rounding, cast. The one place."""

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.tiles import Strip

Values = NDArray[Any]


class ValueRange(enum.Enum):
    """What becomes of raw values before they are stored as pixels."""

    CLIP = "clip"
    ABS = "abs"
    SHIFT = "shift"


class Store:
    """Writes strips into the result and keeps count of what it saw.

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
        None stores them as they are, and counts nothing.

    Attributes
    ----------
    low, high : float
        Smallest and largest raw value seen (with `pixels`).
    clipped : int
        Values that did not fit after the mapping (with `pixels`).
    """

    def __init__(
        self,
        out: Values,
        *,
        divisor: float = 1.0,
        bias: tuple[float, ...] = (),
        pixels: ValueRange | None = None,
    ) -> None:
        self._out = out
        self._divisor = divisor
        self._bias = np.array(bias) if any(bias) else None
        self._pixels = pixels
        self.low = np.inf
        self.high = -np.inf
        self.clipped = 0

    def write(self, accumulators: Values, strip: Strip) -> None:
        """Store the accumulators (rows, W', O) of a strip; they may be overwritten."""
        raw = self._finish(accumulators)
        part = self._out[strip.start : strip.stop]
        saturate(raw if self._pixels is None else self._map(raw, self._pixels), part)

    def _finish(self, values: Values) -> Values:
        if self._divisor != 1.0:
            values = np.divide(values, values.dtype.type(self._divisor), out=values)
        if self._bias is not None:
            values = np.add(values, self._bias.astype(values.dtype), out=values)
        return values

    def _map(self, raw: Values, pixels: ValueRange) -> Values:
        self.low = min(self.low, float(raw.min()))
        self.high = max(self.high, float(raw.max()))
        limits = np.iinfo(self._out.dtype)
        if pixels is ValueRange.ABS:
            raw = np.abs(raw, out=raw)
        elif pixels is ValueRange.SHIFT:
            raw = np.add(raw, raw.dtype.type((limits.max + 1) // 2), out=raw)
        rounded = np.rint(raw, out=raw)
        outside = (rounded < limits.min) | (rounded > limits.max)
        self.clipped += int(np.count_nonzero(outside))
        return rounded


def saturate(values: Values, out: Values) -> None:
    """Copy values into an array of another dtype without ever wrapping around.

    Parameters
    ----------
    values : ndarray
        Real numbers; may be overwritten.
    out : ndarray of the same shape
        Integer dtypes get values rounded half to even and saturated, NaN as 0.

    Examples
    --------
    >>> out = np.empty(4, np.uint8)
    >>> saturate(np.array([-3.0, 0.5, 1.5, 300.0]), out)
    >>> out.tolist()
    [0, 0, 2, 255]
    """
    if out.dtype.kind == "f":
        # A value beyond float16 or float32 is infinite there, as in any cast.
        with np.errstate(over="ignore"):
            out[...] = values
        return
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
