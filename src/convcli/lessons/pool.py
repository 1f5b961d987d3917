"""Pooling: the other way to make a picture smaller."""

import enum
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import source_indices
from convcli.choices import Alpha, Border, Depth
from convcli.engine.problem import natural_result
from convcli.errors import GeometryError, ImageError
from convcli.geometry.window import Axis, Window
from convcli.images.formats import NPY, format_for
from convcli.images.picture import Picture, from_linear
from convcli.images.policy import ReadPolicy
from convcli.images.write import Saving
from convcli.pipeline.files import STANDARD, pipe_kind, read_source, write_filtered
from convcli.pipeline.maps import written_channels
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import prepared, working_pixels
from convcli.pipeline.range import rescaled
from convcli.pipeline.report import Report, Step
from convcli.pipeline.run import Filtered
from convcli.pipeline.steps import remainders
from convcli.values import Record

Values = NDArray[Any]

_FEW_BITS = 2
"""Bytes of pixels whose sums are kept in 32 bits where those are enough."""


class Kind(enum.Enum):
    """What becomes of the values in a window."""

    MAX = "max"
    AVERAGE = "average"


class Pooling(Record):
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


_UNSEEN = 1e-6
"""Below this opacity there is no colour to recover."""


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
        How.
    source, target, reading, saving, file_format
        As in `convcli.pipeline.files.filter_file`.
    options : Options
        What is done to pixels: depth, alpha, linear light, grey; and whether remainders are
        errors.

    Raises
    ------
    ConvcliError
        If the pictures cannot be read, pooled or written.
    """
    kind = file_format
    if kind is None and target != STANDARD:
        kind = format_for(target)
    document = read_source(source, reading)
    kind = kind or pipe_kind(document, options)
    written_channels(document, (), options, target, kind, sheet=False)
    raw = kind == NPY and options.depth is None
    results = [pool_picture(frame, pooling, options, raw=raw) for frame in document.frames]
    return write_filtered(results, document, target, kind, options, saving=saving)


def pool_picture(
    picture: Picture, pooling: Pooling, options: Options, *, raw: bool = False
) -> Filtered:
    """Pool a picture.

    Parameters
    ----------
    picture : Picture
        Never modified.
    pooling, options
        As in `pool_file`.
    raw : bool
        Return floats as they are, not pixels.

    Returns
    -------
    Filtered

    Raises
    ------
    ConvcliError
        If the window does not fit.

    Examples
    --------
    >>> from convcli.geometry.window import window
    >>> pixels = np.array([[[1], [9]], [[4], [2]]], np.uint8)
    >>> largest = Pooling(Kind.MAX, window(2, stride=2))
    >>> pool_picture(Picture(pixels), largest, Options()).values.tolist()
    [[[9]]]
    """
    started = time.perf_counter()
    source = prepared(picture, options)
    depth = Depth.FLOAT if raw else options.depth_for(source)
    name = f"{pooling.kind.value} pooling"
    warnings = remainders(name, pooling.window, source.shape, strict=options.strict)
    way = _way(source, pooling, options)
    pixels = working_pixels(source, options)
    colours, alpha = _colour_and_alpha(pixels, source, pooling, way)
    if options.linear:
        colours = from_linear(colours, source.white)
    colours = rescaled(colours, source.depth, depth)
    floats = natural_result(pixels.dtype)
    values = _stored(colours, depth, floats)
    if alpha is not None:
        alpha = _stored(rescaled(alpha, source.depth, depth), depth, floats)
    report = Report(
        input_shape=(*source.shape, source.channels),
        output_shape=(values.shape[0], values.shape[1], values.shape[2]),
        steps=(Step(name, pooling.window.kernel, pooling.window, "direct", "by doubling"),),
        border=_border(pooling),
        range=None if depth is Depth.FLOAT else "clip",
        low=float(colours.min()),
        high=float(colours.max()),
        clipped=0.0,
        alpha=alpha is not None,
        alpha_policy=None if alpha is None else way.value,
        depth=depth.value,
        warnings=tuple(warnings),
        seconds=time.perf_counter() - started,
    )
    return Filtered(values, alpha, picture.format, report)


def _border(pooling: Pooling) -> str:
    """Return what the report calls the border: none, where padding never wins."""
    if pooling.border is not None:
        return pooling.border.value
    return "none" if pooling.kind is Kind.MAX else "zero"


def _way(source: Picture, pooling: Pooling, options: Options) -> Alpha:
    """Decide how transparency is treated: the colours of a mean count by their opacity."""
    largest = pooling.kind is Kind.MAX
    if options.alpha is Alpha.AUTO:
        return Alpha.KEEP if largest or not source.is_translucent else Alpha.PREMULTIPLY
    if options.alpha is Alpha.PREMULTIPLY and largest and source.alpha is not None:
        raise ImageError(
            "alpha premultiply: expected an average, got a maximum, whose colours come from "
            "other pixels each: use --alpha keep"
        )
    return options.alpha


def _colour_and_alpha(
    pixels: Values, source: Picture, pooling: Pooling, way: Alpha
) -> tuple[Values, Values | None]:
    """Return pooled colours and opacity, on the scale of the source."""
    if source.alpha is None:
        return pooled(pixels, pooling), None
    if way is Alpha.KEEP:
        return pooled(pixels, pooling), _under_the_middle(source.alpha, pooling)
    if way is Alpha.FILTER:
        alpha = pooled(source.alpha[..., np.newaxis], pooling)
        return pooled(pixels, pooling), alpha[..., 0]
    part = source.alpha[..., np.newaxis] / np.float64(source.white)
    seen, opacity = pooled(pixels * part, pooling), pooled(part, pooling)
    known = opacity > _UNSEEN
    colours = np.divide(seen, opacity, out=np.zeros_like(seen), where=known)
    return colours, opacity[..., 0] * source.white


def _under_the_middle(alpha: Values, pooling: Pooling) -> Values:
    shape = pooling.window.output_shape((alpha.shape[0], alpha.shape[1]))
    rows, columns = (
        np.clip([axis.centre(output) for output in range(count)], 0, size - 1)
        for axis, count, size in zip(pooling.window.axes, shape, alpha.shape, strict=True)
    )
    return np.asarray(alpha[np.ix_(rows, columns)])


def _stored(values: Values, depth: Depth, floats: np.dtype[Any]) -> Values:
    """Return values as they are written: whole numbers are rounded half to even."""
    if depth is Depth.FLOAT:
        return values.astype(floats)
    if values.dtype == depth.dtype:
        return values
    return np.clip(np.rint(values), 0, depth.white).astype(depth.dtype)
