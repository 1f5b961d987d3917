"""Rounded half to even, and saturated: values as those of another dtype. The one place."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[Any]
Whole: TypeAlias = tuple[int, int]
Copy: TypeAlias = Callable[[Values], None]
"""Stores values that it is bound to: takes the array, of their shape, that they go to."""


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
    """Bind a buffer of values to the way that they take into an array of another dtype.

    A value beyond float16 or float32 is infinite there, as in any cast.

    Parameters
    ----------
    values : ndarray
        Of the shape of what they go to.
    around : ndarray
        The contiguous buffer that they are part of; all of it may be overwritten.
    dtype : dtype
        Of the array that they go to.
    limits : (int, int), optional
        How far out whole numbers may lie; those of the dtype where none are given.
    fits : bool
        Whether the rounded values are known to lie between them.
    """
    if dtype.kind == "f":
        return functools.partial(_copy, values)
    bounds = limits or limits_of(dtype)
    if values.dtype.kind in "iu":
        narrower = None if fits else _narrower(values.dtype, bounds)
        return functools.partial(_copy_whole, values, around, narrower)
    if dtype.itemsize * 2 <= values.dtype.itemsize:
        return functools.partial(
            _copy_rounded,
            values.view(f"u{values.dtype.itemsize}"),
            around,
            None if fits else bounds,
        )
    return functools.partial(_copy_wide, values)


@functools.cache
def limits_of(kind: np.dtype[Any]) -> Whole:
    """Return the smallest and the largest number of an integer dtype.

    Examples
    --------
    >>> limits_of(np.dtype(np.int16))
    (-32768, 32767)
    """
    return (int(np.iinfo(kind).min), int(np.iinfo(kind).max))


@functools.cache
def _narrower(have: np.dtype[Any], limits: Whole) -> tuple[Any, Any] | None:
    """Return what to clip integers to; None where all of their type lie between the limits.

    As scalars of their dtype: Python's integers are looked at anew by every clip, for 2 µs.
    """
    given = np.iinfo(have)
    if limits[0] <= given.min and given.max <= limits[1]:
        return None
    return (have.type(max(given.min, limits[0])), have.type(min(given.max, limits[1])))


def _copy(values: Values, out: Values) -> None:
    out[...] = values


def _copy_whole(
    values: Values, around: Values, narrower: tuple[Any, Any] | None, out: Values
) -> None:
    if narrower is not None:
        np.clip(around, *narrower, out=around)
    out[...] = values


def _copy_rounded(bits: Values, around: Values, limits: Whole | None, out: Values) -> None:
    """Round by adding 1.5·2^m: the low bits are then the whole number.

    With m the digits of the mantissa the sum is rounded half to even by the processor;
    its low bytes, in two's complement, are what is to be copied out. 0.34 ns a value
    against 0.42 for rint and a cast from float.
    """
    if limits is not None:
        np.clip(around, *limits, out=around)
        _forget_unknown(around)
    np.add(around, _shift_of(around.dtype), out=around)
    out[...] = bits


@functools.cache
def _shift_of(kind: np.dtype[Any]) -> Any:
    return kind.type(1.5 * 2 ** np.finfo(kind).nmant)


def _forget_unknown(values: Values) -> None:
    """Make NaN 0: its mantissa may hold anything."""
    if np.isnan(values.min()):
        values[np.isnan(values)] = 0


def _copy_wide(values: Values, out: Values) -> None:
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
