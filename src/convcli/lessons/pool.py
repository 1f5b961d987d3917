"""Pooling: the other way to make a picture smaller."""

import time
from typing import Any

import numpy as np

from convcli.engine.problem import natural_result
from convcli.errors import ImageError
from convcli.filtering import STANDARD, Alpha, Filtered, Options, Report
from convcli.filtering.course import prepared, working_pixels
from convcli.filtering.files import pipe_kind, read_source, write_filtered
from convcli.filtering.maps import written_channels
from convcli.filtering.ranges import rescaled
from convcli.filtering.remainders import remainders
from convcli.filtering.report import Step
from convcli.images import NPY, Depth, Picture, Reading, Saving, format_for, from_linear
from convcli.lessons.pooling import Kind, Pooling, Values, pooled

_UNSEEN = 1e-6
"""Below this opacity there is no colour to recover."""


def pool_file(
    pooling: Pooling,
    source: str,
    target: str,
    options: Options,
    *,
    reading: Reading,
    saving: Saving,
    file_format: str | None = None,
) -> Report:
    """Pool the pictures in a file, with all that `convcli.filtering.filter_file` keeps.

    Parameters
    ----------
    pooling : Pooling
        How.
    source, target, reading, saving, file_format
        As in `convcli.filtering.filter_file`.
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
    >>> from convcli import window
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
        alpha_way=None if alpha is None else way.value,
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
