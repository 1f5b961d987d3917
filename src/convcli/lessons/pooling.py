"""The largest value, or the mean, of each window: by doubling, whatever the window's size."""

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import Border, source_indices
from convcli.errors import GeometryError
from convcli.geometry import Axis, Window

Values = NDArray[Any]

_FEW_BITS = 2
"""Bytes of pixels whose sums are kept in 32 bits where those are enough."""


class Kind(enum.Enum):
    """What becomes of the values in a window."""

    MAX = "max"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class Pooling:
    """What is pooled, and how.

    Attributes
    ----------
    kind : Kind
        What becomes of the values in a window.
    window : Window
        How it slides.
    border : Border or None
        What the padding holds. With None it never wins a maximum, and counts as zeros in a
        mean: as torch's `MaxPool2d` and `AvgPool2d` (with ``count_include_pad``).

    Raises
    ------
    GeometryError
        If the padding is wider than half of the window, which torch refuses, too.
    """

    kind: Kind
    window: Window
    border: Border | None = None

    def __post_init__(self) -> None:
        for axis in self.window.axes:
            if max(axis.before, axis.after) > axis.extent // 2:
                raise GeometryError(
                    f"padding: expected at most half of the window, {axis.extent // 2} px for "
                    f"{axis.extent}, got {max(axis.before, axis.after)}: pad less, or use a "
                    "larger window"
                )


def pooled(values: Values, pooling: Pooling) -> Values:
    """Pool each channel of a picture.

    Parameters
    ----------
    values : ndarray, shape (H, W, C)
        Never modified.
    pooling : Pooling
        How.

    Returns
    -------
    ndarray, shape (H', W', C)
        A maximum has the values' dtype, a mean is float64.

    Raises
    ------
    GeometryError
        If the window does not fit.

    Examples
    --------
    >>> from convcli import window
    >>> row = np.array([[[3], [1], [2], [8]]])
    >>> pooled(row, Pooling(Kind.MAX, window((1, 2), stride=(1, 2))))[0, :, 0].tolist()
    [3, 8]
    >>> pooled(row, Pooling(Kind.AVERAGE, window((1, 2), stride=(1, 2))))[0, :, 0].tolist()
    [2.0, 5.0]
    """
    shape = pooling.window.output_shape((values.shape[0], values.shape[1]))
    mean = pooling.kind is Kind.AVERAGE
    result = np.empty((*shape, values.shape[2]), np.float64 if mean else values.dtype)
    for channel in range(values.shape[2]):
        plane = np.ascontiguousarray(values[..., channel])
        if mean:
            plane = plane.astype(_sum_dtype(plane.dtype, math.prod(pooling.window.kernel)))
        for number, axis in enumerate(pooling.window.axes):
            plane = _along(plane, number, axis, pooling)
        result[..., channel] = plane
    if mean:
        result /= math.prod(pooling.window.kernel)
    return result


def _sum_dtype(dtype: np.dtype[Any], count: int) -> np.dtype[Any]:
    """Return a dtype that holds sums of so many values: of whole numbers exactly."""
    small = dtype.kind == "u" and dtype.itemsize <= _FEW_BITS
    if small and count * int(np.iinfo(dtype).max) <= int(np.iinfo(np.uint32).max):
        return np.dtype(np.uint32)
    return np.dtype(np.float64)


def _along(plane: Values, number: int, axis: Axis, pooling: Pooling) -> Values:
    """Pool one axis of a plane: windows are rectangles, so that the axes do not mix."""
    padded = _padded(np.moveaxis(plane, number, 0), axis, pooling)
    join = np.add if pooling.kind is Kind.AVERAGE else np.maximum
    answers = running(padded, axis.kernel, axis.dilation, join)
    return np.moveaxis(answers[:: axis.stride], 0, number)


def _padded(lines: Values, axis: Axis, pooling: Pooling) -> Values:
    if not (axis.before or axis.after):
        return lines
    border = pooling.border or Border.ZERO
    sources = source_indices(border, len(lines), axis.before, axis.after)
    padded: Values = lines[sources]
    ignored = pooling.kind is Kind.MAX and pooling.border is None
    padded[sources < 0] = _lowest(lines.dtype) if ignored else 0
    return padded


def _lowest(dtype: np.dtype[Any]) -> float:
    """Return what never wins a maximum."""
    if dtype.kind == "b":
        return 0
    return -math.inf if dtype.kind == "f" else int(np.iinfo(str(dtype)).min)


def running(
    lines: Values, taps: int, dilation: int, join: Callable[[Values, Values], Values]
) -> Values:
    """Join what each window of an axis sees, in about 2·log2(taps) steps.

    Windows of 1, 2, 4, … taps are made of two of half the size each, and those whose sizes
    add up to `taps` are joined.

    Parameters
    ----------
    lines : ndarray, shape (N, …)
        The axis comes first; at least dilation·(taps - 1) + 1 long.
    taps, dilation : int
        Of the window.
    join : callable
        Of two values: any that is associative.

    Returns
    -------
    ndarray, shape (N - dilation·(taps - 1), …)

    Examples
    --------
    >>> running(np.arange(8), 5, 1, np.add).tolist()
    [10, 15, 20, 25]
    """
    count = len(lines) - dilation * (taps - 1)
    total: Values | None = None
    span, done = 1, 0
    while True:
        if taps & span:
            part = lines[done * dilation : done * dilation + count]
            total = part if total is None else join(total, part)
            done += span
        if total is not None and done == taps:
            return total
        lines = join(lines[: len(lines) - span * dilation], lines[span * dilation :])
        span *= 2
