"""Pooling: the other way to make a picture smaller."""

import enum
import functools
import math
from typing import Any

import numpy as np

from convcli.borders import source_indices
from convcli.choices import Alpha, Border, Range
from convcli.engine.problem import natural_result
from convcli.errors import GeometryError, ImageError
from convcli.geometry.window import Axis, Window
from convcli.images.picture import Frame
from convcli.images.policy import ReadPolicy
from convcli.images.write import Saving
from convcli.pipeline.files import run_on_file
from convcli.pipeline.find import running
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import (
    Pipeline,
    SourceInfo,
    pipeline_of,
    working_pixels,
)
from convcli.pipeline.report import Report, Step
from convcli.pipeline.run import Filtered, run_pipeline
from convcli.pipeline.steps import Field, PlannedStep, Values
from convcli.values import Record, replace

_FEW_BITS = 2
"""Sums of pixels with at most so many bytes are kept in 32 bits, where those are enough."""


class Kind(enum.Enum):
    """Which value a window becomes."""

    MAX = "max"
    AVERAGE = "average"


class Pooling(Record):
    """How a picture is pooled.

    Attributes
    ----------
    kind : Kind
        Which value a window becomes.
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
    """Pool each channel of a picture (H, W, C), which is never modified.

    Returns
    -------
    ndarray, shape (H', W', C)
        A maximum has the dtype of the values, a mean is float64.

    Raises
    ------
    GeometryError
        If the window does not fit.

    Examples
    --------
    >>> from convcli.geometry.window import window
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
    """Return a dtype for sums of `count` values; sums of whole numbers are exact."""
    small = dtype.kind == "u" and dtype.itemsize <= _FEW_BITS
    if small and count * int(np.iinfo(dtype).max) <= int(np.iinfo(np.uint32).max):
        return np.dtype(np.uint32)
    return np.dtype(np.float64)


def _along(plane: Values, number: int, axis: Axis, pooling: Pooling) -> Values:
    """Pool one axis of a plane; a window is a rectangle, so its axes are pooled one by one."""
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
    """Decide what pooling does; no pixel is looked at.

    Parameters
    ----------
    info : SourceInfo
        What is known of the picture.
    pooling, options, raw
        As in `pool_picture`.
    """
    largest = pooling.kind is Kind.MAX
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
            f"{pooling.kind.value} pooling", slide.kernel, slide, "direct", "by doubling"
        ),
        shape=(*shape, channels),
        result_shape=(*slide.output_shape(shape), channels),
        border=_border(pooling),
        working=np.dtype(np.float64),
        raw_dtype=natural_result(pixels.dtype),
    )
    return pipeline_of(info, sample, [step], Range.CLIP, options, raw=raw)


def _border(pooling: Pooling) -> str:
    """Return what the report calls the border: none, where padding never wins."""
    if pooling.border is not None:
        return pooling.border.value
    return "none" if pooling.kind is Kind.MAX else "zero"


def pool_file(
    pooling: Pooling,
    source: str,
    target: str,
    options: Options,
    *,
    reading: ReadPolicy,
    saving: Saving,
    file_format: str | None = None,
) -> Report:
    """Pool the pictures in a file, with all that `convcli.pipeline.files.filter_file` keeps.

    Parameters
    ----------
    pooling : Pooling
        How the pictures are pooled.
    source, target, reading, saving, file_format
        As in `convcli.pipeline.files.filter_file`, whose `kind` is `file_format`.
    options : Options
        Depth, alpha, linear light, grey; and whether remainders are errors.

    Raises
    ------
    ConvcliError
        If the pictures cannot be read, pooled or written.
    """
    make_plan = functools.partial(plan_pooling, pooling=pooling, options=options)
    return run_on_file(
        make_plan, source, target, options, reading=reading, saving=saving, kind=file_format
    )


def pool_picture(
    frame: Frame, pooling: Pooling, options: Options, *, raw: bool = False
) -> Filtered:
    """Pool a picture.

    Parameters
    ----------
    frame : Frame
        Never modified.
    pooling, options
        As in `pool_file`, whose errors it raises.
    raw : bool
        Return floats, not pixels.

    Examples
    --------
    >>> from convcli.geometry.window import window
    >>> pixels = np.array([[[1], [9]], [[4], [2]]], np.uint8)
    >>> largest = Pooling(Kind.MAX, window(2, stride=2))
    >>> pool_picture(Frame(pixels), largest, Options()).values.tolist()
    [[[9]]]
    """
    plan = plan_pooling(SourceInfo.of(frame), pooling, options, raw=raw)
    return run_pipeline(plan, frame)
