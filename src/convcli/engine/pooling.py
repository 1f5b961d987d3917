"""Pooling of arrays: each window becomes its largest value, or the mean."""

import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import AnyBorder, Padder, fill_of, padder_for
from convcli.choices import Border, Depth
from convcli.engine.store import integer_limits
from convcli.errors import GeometryError
from convcli.geometry.window import Window
from convcli.values import Record

Values = NDArray[Any]


class Reduction(enum.Enum):
    """Which value a window becomes."""

    MAX = "max"
    AVERAGE = "average"


class Pooling(Record):
    """How a picture is pooled: which value a window becomes, and how the window slides.

    `border` fills the padding. With None it never wins a maximum, and counts as zeros in a
    mean, as in torch. Padding wider than half of the window is a `GeometryError`, as in torch.
    """

    reduction: Reduction
    window: Window
    border: AnyBorder | None = None

    def __post_init__(self) -> None:
        for axis in self.window.axes:
            if max(axis.before, axis.after) > axis.extent // 2:
                raise GeometryError(
                    f"padding: expected at most half of the window, {axis.extent // 2} px for "
                    f"{axis.extent}, got {max(axis.before, axis.after)}: pad less, or use a "
                    "larger window"
                )

    @property
    def name(self) -> str:
        """Its name in reports."""
        return f"{self.reduction.value} pooling"


def pooled(values: Values, pooling: Pooling) -> Values:
    """Pool each channel of an array (H, W, C): a maximum in its dtype, a mean in float64."""
    padder, bare = pool_padder(pooling, values.shape[:2], values.dtype)
    if padder is not None:
        values = padder.whole(values)
    shape = bare.output_shape((values.shape[0], values.shape[1]))
    mean = pooling.reduction is Reduction.AVERAGE
    result = np.empty((*shape, values.shape[2]), np.float64 if mean else values.dtype)
    join = np.add if mean else np.maximum
    for channel in range(values.shape[2]):
        plane = np.ascontiguousarray(values[..., channel])
        if mean:
            plane = plane.astype(_sum_dtype(plane.dtype, math.prod(bare.kernel)))
        for number, axis in enumerate(bare.axes):
            lines = running(np.moveaxis(plane, number, 0), axis.kernel, axis.dilation, join)
            plane = np.moveaxis(lines[:: axis.stride], 0, number)
        result[..., channel] = plane
    if mean:
        result /= math.prod(bare.kernel)
    return result


def pool_padder(
    pooling: Pooling, size: tuple[int, ...], dtype: np.dtype[Any], channels: int = 1
) -> tuple[Padder | None, Window]:
    """Return what lays the border around a picture, and the window that slides over that."""
    border, slide = pooling.border or Border.ZERO, pooling.window
    if not any(map(any, slide.padding)):
        return None, slide
    fill = fill_of(border, channels, Depth.EIGHT.white)
    if pooling.border is None and pooling.reduction is Reduction.MAX:
        # It never wins a maximum.
        fill = (-math.inf if dtype.kind == "f" else integer_limits(dtype)[0],)
    return padder_for(border, slide, (size[0], size[1]), fill)


def _sum_dtype(dtype: np.dtype[Any], count: int) -> np.dtype[Any]:
    """Return a dtype for sums of `count` values; sums of whole numbers are exact."""
    most = count * integer_limits(dtype)[1] if dtype.kind == "u" else math.inf
    return np.dtype(np.uint32 if most <= np.iinfo(np.uint32).max else np.float64)


def running(
    lines: Values, taps: int, dilation: int, join: Callable[[Values, Values], Values]
) -> Values:
    """Join the values in each window of the first axis, in about 2·log2(taps) operations."""
    count = len(lines) - dilation * (taps - 1)
    total: Values | None = None
    # A window of 2, 4, 8 … taps is two of half the size; those that add up to all are joined.
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
