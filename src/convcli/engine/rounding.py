"""Rounding half to even and saturation: the one place where values change their dtype."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from convcli.engine.buffers import Values

Whole: TypeAlias = tuple[int, int]
Copy: TypeAlias = Callable[[Values], None]
"""Copies the values that it is bound to into an array of their shape."""


def saturate(values: Values, out: Values) -> None:
    """Copy values into an array of another dtype; what does not fit saturates.

    Parameters
    ----------
    values : ndarray
        Real numbers; may be overwritten.
    out : ndarray of the same shape
        Integers are rounded half to even and saturated; NaN becomes 0.

    Examples
    --------
    >>> out = np.empty(4, np.uint8)
    >>> saturate(np.array([-3.0, 0.5, 1.5, 300.0]), out)
    >>> out.tolist()
    [0, 0, 2, 255]
    """
    with np.errstate(over="ignore"):
        saturating(values, values, out.dtype, fits=False)(out)


def saturating(
    values: Values,
    around: Values,
    dtype: np.dtype[Any],
    limits: Whole | None = None,
    *,
    fits: bool,
) -> Copy:
    """Return the function that copies values into an array of another dtype.

    A value beyond float16 or float32 becomes infinite there, as in any cast. `values` are
    part of the contiguous buffer `around`, all of which may be overwritten. `limits` are the
    least and the most integer that is stored, those of `dtype` by default; `fits` says that
    the rounded values are known to be within them.
    """
    if dtype.kind == "f":
        return functools.partial(_copy, values)
    bounds = limits or integer_limits(dtype)
    if values.dtype.kind in "iu":
        narrower = None if fits else _narrower(values.dtype, bounds)
        return functools.partial(_copy_whole, values, around, narrower)
    if dtype.itemsize * 2 <= values.dtype.itemsize:
        bits = values.view(f"u{values.dtype.itemsize}")
        return functools.partial(_copy_rounded, bits, around, None if fits else bounds)
    return functools.partial(_copy_wide, values)


@functools.cache
def integer_limits(dtype: np.dtype[Any]) -> Whole:
    """Return the smallest and the largest number of an integer dtype.

    Examples
    --------
    >>> integer_limits(np.dtype(np.int16))
    (-32768, 32767)
    """
    return (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


@functools.cache
def _narrower(dtype: np.dtype[Any], limits: Whole) -> tuple[Any, Any] | None:
    """Return the limits to clip integers of a dtype to; None where all of them fit.

    They are scalars of the dtype: each clip converts Python's integers, for 2 µs.
    """
    least, most = integer_limits(dtype)
    if limits[0] <= least and most <= limits[1]:
        return None
    return (dtype.type(max(least, limits[0])), dtype.type(min(most, limits[1])))


def _copy(values: Values, out: Values) -> None:
    out[...] = values


def _copy_whole(
    values: Values, around: Values, narrower: tuple[Any, Any] | None, out: Values
) -> None:
    if narrower is not None:
        around.clip(*narrower, out=around)
    out[...] = values


def _copy_rounded(bits: Values, around: Values, limits: Whole | None, out: Values) -> None:
    """Round by adding 1.5·2^m, where m is the number of digits of the mantissa.

    The processor rounds the sum half to even; its low bytes are then the whole number in
    two's complement. It takes 0.34 ns a value, rint and a cast from float take 0.42.
    """
    if limits is not None:
        around.clip(*limits, out=around)
        # The mantissa of a NaN may hold anything.
        if np.isnan(around.min()):
            around[np.isnan(around)] = 0
    np.add(around, _shift_of(around.dtype), out=around)
    out[...] = bits


@functools.cache
def _shift_of(dtype: np.dtype[Any]) -> Any:
    return dtype.type(1.5 * 2 ** np.finfo(dtype).nmant)


def _copy_wide(values: Values, out: Values) -> None:
    """Round to integers nearly as wide as the floats: no float may equal their limits."""
    limits = np.iinfo(out.dtype)
    rounded = np.rint(values, out=values)
    highest = values.dtype.type(limits.max)
    if int(highest) > limits.max:
        highest = np.nextafter(highest, values.dtype.type(0))
    above, nan = rounded > highest, np.isnan(rounded)
    np.clip(rounded, values.dtype.type(limits.min), highest, out=rounded)
    rounded[nan] = 0
    np.copyto(out, rounded, casting="unsafe")
    out[above] = limits.max
