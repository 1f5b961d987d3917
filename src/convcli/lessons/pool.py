"""Pooling: the other way to make a picture smaller."""

import enum
import functools
import math
from typing import Any, Unpack

import numpy as np

from convcli.borders import source_indices
from convcli.choices import Alpha, Border, Range
from convcli.engine.problem import natural_result
from convcli.errors import GeometryError, ImageError
from convcli.geometry.window import Axis, Window
from convcli.lessons.find import running
from convcli.pipeline.files import FileSettings, run_on_file
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import (
    Pipeline,
    SourceInfo,
    pipeline_of,
    working_pixels,
)
from convcli.pipeline.report import Report, Step
from convcli.pipeline.steps import Field, PlannedStep, Values
from convcli.values import Record, replace

_FEW_BITS = 2
"""Pixels of at most this many bytes are summed in 32 bits, where the sums fit."""


class Reduction(enum.Enum):
    """Which value a window becomes."""

    MAX = "max"
    AVERAGE = "average"


class Pooling(Record):
    """How a picture is pooled: which value a window becomes, and how the window slides.

    `border` fills the padding. With None the padding never wins a maximum, and counts as zeros
    in a mean: as torch's `MaxPool2d` and `AvgPool2d` (with ``count_include_pad``). Padding
    wider than half of the window is a `GeometryError`: torch refuses it, too.
    """

    reduction: Reduction
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
    """Pool each channel of an array (H, W, C), which is never modified.

    A maximum has the dtype of the values, a mean is float64. A window that does not fit is a
    `GeometryError`.

    >>> from convcli.geometry.window import window
    >>> row = np.array([[[3], [1], [2], [8]]])
    >>> pooled(row, Pooling(Reduction.MAX, window((1, 2), stride=(1, 2))))[0, :, 0].tolist()
    [3, 8]
    >>> pooled(row, Pooling(Reduction.AVERAGE, window((1, 2), stride=(1, 2))))[0, :, 0].tolist()
    [2.0, 5.0]
    """
    shape = pooling.window.output_shape((values.shape[0], values.shape[1]))
    mean = pooling.reduction is Reduction.AVERAGE
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
    """Return a dtype for sums of `count` values; sums of whole numbers are exact."""
    small = dtype.kind == "u" and dtype.itemsize <= _FEW_BITS
    if small and count * int(np.iinfo(dtype).max) <= int(np.iinfo(np.uint32).max):
        return np.dtype(np.uint32)
    return np.dtype(np.float64)


def _along(plane: Values, number: int, axis: Axis, pooling: Pooling) -> Values:
    """Pool one axis of a plane; a window is a rectangle, so its axes are pooled one by one."""
    padded = _padded(np.moveaxis(plane, number, 0), axis, pooling)
    join = np.add if pooling.reduction is Reduction.AVERAGE else np.maximum
    answers = running(padded, axis.kernel, axis.dilation, join)
    return np.moveaxis(answers[:: axis.stride], 0, number)


def _padded(lines: Values, axis: Axis, pooling: Pooling) -> Values:
    if not (axis.before or axis.after):
        return lines
    border = pooling.border or Border.ZERO
    sources = source_indices(border, len(lines), axis.before, axis.after)
    padded: Values = lines[sources]
    ignored = pooling.reduction is Reduction.MAX and pooling.border is None
    padded[sources < 0] = _lowest(lines.dtype) if ignored else 0
    return padded


def _lowest(dtype: np.dtype[Any]) -> float:
    """Return a value that never wins a maximum."""
    if dtype.kind == "b":
        return 0
    return -math.inf if dtype.kind == "f" else int(np.iinfo(str(dtype)).min)


class PoolStep(PlannedStep, kw_only=True):
    """A pooling as the one step of a pipeline."""

    pooling: Pooling

    def part(self, field: Field, rows: slice, columns: slice) -> Values:
        """Pool a field, and return a rectangle of the result."""
        height, width, _ = self.shape
        return pooled(field(slice(0, height), slice(0, width)), self.pooling)[rows, columns]

    def fitted(self, *_: Any) -> "PoolStep":
        """Return the step itself: it takes any input."""
        return self


def plan_pooling(
    info: SourceInfo, pooling: Pooling, options: Options, *, raw: bool = False
) -> Pipeline:
    """Decide how a frame is pooled, without reading any pixel: see `plan_pipeline`."""
    largest = pooling.reduction is Reduction.MAX
    if options.alpha is Alpha.PREMULTIPLY and largest and info.alpha:
        raise ImageError(
            "alpha premultiply: expected an average, got a maximum, whose colours come from "
            "other pixels each: use --alpha keep"
        )
    if options.alpha is Alpha.AUTO and largest:
        options = replace(options, alpha=Alpha.KEEP)
    sample, info = info.sample(options), info.flattened(options)
    pixels = working_pixels(sample, options)
    shape, channels = info.shape[:2], pixels.shape[2]
    slide = pooling.window
    step = PoolStep(
        pooling=pooling,
        summary=Step(
            f"{pooling.reduction.value} pooling", slide.kernel, slide, "direct", "by doubling"
        ),
        shape=(*shape, channels),
        result_shape=(*slide.output_shape(shape), channels),
        border=_border(pooling),
        working=np.dtype(np.float64),
        raw_dtype=natural_result(pixels.dtype),
    )
    return pipeline_of(info, sample, [step], Range.CLIP, options, raw=raw)


def _border(pooling: Pooling) -> str:
    """Return the name of the border in the report: none, where padding never wins."""
    if pooling.border is not None:
        return pooling.border.value
    return "none" if pooling.reduction is Reduction.MAX else "zero"


def pool_file(
    pooling: Pooling,
    source: str,
    target: str,
    options: Options,
    **settings: Unpack[FileSettings],
) -> Report:
    """Pool the picture in a file, with all that `convcli.pipeline.files.filter_file` keeps.

    Of the options, those for the kernel and for the range are not used.
    """
    make_plan = functools.partial(plan_pooling, pooling=pooling, options=options)
    return run_on_file(make_plan, source, target, options, **settings)
