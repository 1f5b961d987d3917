"""A picture through a chain of kernels."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import (
    Plan,
    Problem,
    Seen,
    ValueRange,
    plan,
    problem_for,
    run,
)
from convcli.errors import GeometryError, ImageError, KernelError
from convcli.filtering.alpha import alpha_way, raw_values
from convcli.filtering.options import Options, Range
from convcli.filtering.ranges import as_depth, mapped, rescaled
from convcli.filtering.report import Report, Step
from convcli.geometry import Axis, window
from convcli.images import Depth, Picture, from_linear, to_linear
from convcli.kernels import Kernel

Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Filtered:
    """What came out.

    Attributes
    ----------
    values : ndarray, shape (H', W', O)
        Pixels of the depth that was asked for; or raw floats.
    alpha : ndarray, shape (H', W'), or None
        The opacity, of the same depth.
    format : str or None
        The file format that the picture came from.
    report : Report
        What was done.
    """

    values: Values
    alpha: Values | None
    format: str | None
    report: Report

    def picture(self) -> Picture:
        """Return the values as one picture of 1 or 3 channels."""
        return Picture(self.values, self.alpha, self.format)

    def maps(self) -> list[Picture]:
        """Return each output channel as a grey picture of its own."""
        return [
            Picture(self.values[..., index : index + 1], self.alpha, self.format)
            for index in range(self.values.shape[2])
        ]


def filter_picture(
    picture: Picture, kernels: Sequence[Kernel], options: Options, *, raw: bool = False
) -> Filtered:
    """Filter a picture by one kernel after another, unrounded between the steps.

    Parameters
    ----------
    picture : Picture
        Never modified.
    kernels : sequence of Kernel
        At least one. A 2-D kernel filters each colour channel on its own; a bank takes
        all channels at once.
    options : Options
        How.
    raw : bool
        Return floats as they are, not pixels; `Options.range` is not used.

    Returns
    -------
    Filtered

    Raises
    ------
    ConvcliError
        If the kernels do not fit the picture.

    Examples
    --------
    >>> from convcli import kernel_from
    >>> step = Picture(np.array([[[0], [0], [90], [90]]], dtype=np.uint8))
    >>> edges = filter_picture(step, [kernel_from("[[-1,0,1]]")], Options())
    >>> edges.values[..., 0].tolist()
    [[0, 90, 90, 90]]
    """
    started = time.perf_counter()
    source = prepared(picture, options)
    depth = Depth.FLOAT if raw else options.depth or source.depth
    pixels = working_pixels(source, options)
    plans = plan_chain(pixels, kernels, options)
    way = alpha_way(source, [step.problem.kernel for step in plans], options)
    mapping = None if depth is Depth.FLOAT else _mapping(plans, options.range)
    warnings = _remainders(plans, options)
    if mapping is not None and depth is source.depth and not options.linear and way.is_apart:
        values, seen = _finish(plans, pixels, mapping, options.jobs)
        alpha = way.alpha(plans, source)
    else:
        floats, alpha = way.colour_and_alpha(plans, pixels, source)
        light = from_linear(floats, source.white) if options.linear else floats
        values, seen = mapped(rescaled(light, source.depth, depth), mapping, depth)
    if alpha is not None:
        alpha = as_depth(rescaled(alpha, source.depth, depth), depth)
    report = Report(
        input_shape=(*source.shape, source.channels),
        output_shape=plans[-1].problem.result_shape,
        steps=tuple(_step(step) for step in plans),
        border=options.border.value,
        range=None if mapping is None else mapping.value,
        low=seen.low,
        high=seen.high,
        clipped=seen.clipped / values.size,
        alpha=alpha is not None,
        alpha_way=None if alpha is None else way.name,
        depth=depth.value,
        warnings=warnings,
        seconds=time.perf_counter() - started,
    )
    return Filtered(values, alpha, picture.format, report)


def prepared(picture: Picture, options: Options) -> Picture:
    """Return the picture that is filtered: grey, or of more bits, where that is wanted.

    Raises
    ------
    ImageError
        If linear light is wanted of floats.
    """
    if options.linear and picture.depth is Depth.FLOAT:
        raise ImageError(
            "linear light: expected pixels of 8 or 16 bits, got floats, which have no "
            "transfer function to undo: leave --linear out"
        )
    source = picture.gray() if options.gray else picture
    return source.scaled_to(options.depth or source.depth)


def working_pixels(source: Picture, options: Options) -> Values:
    """Return the pixels that the first kernel slides over."""
    return to_linear(source.pixels, source.white) if options.linear else source.pixels


def plan_chain(pixels: Values, kernels: Sequence[Kernel], options: Options) -> tuple[Plan, ...]:
    """Plan each step of a chain; nothing is computed.

    Parameters
    ----------
    pixels : ndarray, shape (H, W, C)
        Only the shape and the dtype are looked at.
    kernels, options
        As in `filter_picture`.

    Returns
    -------
    tuple of Plan, one for each kernel

    Raises
    ------
    ConvcliError
        If a kernel does not fit what comes to it.
    """
    plans: list[Plan] = []
    shape, dtype = pixels.shape, pixels.dtype
    for kernel in kernels:
        turned = kernel.flipped() if options.flip else kernel
        ready = turned if options.bias is None else turned.with_bias(options.bias)
        step = plan(_problem(shape, dtype, ready, options), options.method)
        shape, dtype = step.problem.result_shape, step.problem.result
        plans.append(step)
    return tuple(plans)


def _problem(
    shape: tuple[int, ...], dtype: np.dtype[Any], kernel: Kernel, options: Options
) -> Problem:
    slide = window(kernel.size, options.stride, options.padding, options.dilation)
    try:
        return problem_for(shape, dtype, kernel, slide, border=options.border)
    except GeometryError as error:
        remedy = _remedy(shape[2], kernel)
        raise GeometryError(f"{kernel.name}: {error}{remedy}") from None
    except KernelError as error:
        raise KernelError(f"{kernel.name}: {error}") from None


def _remedy(channels: int, kernel: Kernel) -> str:
    """Say what to do about a bank whose channels are not the picture's."""
    if not kernel.is_bank or kernel.channels == channels:
        return ""
    if kernel.channels == 1:
        return ": use --gray, or a 2-D kernel"
    if channels == 1:
        return ": give it a colour picture, or a bank with 1 input channel"
    return f": give it a bank with {channels} input channels"


def _mapping(plans: Sequence[Plan], wanted: Range) -> Range:
    if wanted is not Range.AUTO:
        return wanted
    # A chain answers 0 on flat areas as soon as one of its kernels does.
    zero = any(step.problem.kernel.is_zero_sum for step in plans)
    return Range.ABS if zero else Range.CLIP


def _remainders(plans: Sequence[Plan], options: Options) -> tuple[str, ...]:
    """Say which rows and columns no window looks at; raise where that is not wanted."""
    found: list[str] = []
    for number, step in enumerate(plans, start=1):
        shape, slide = step.problem.shape[:2], step.problem.window
        whose = "the picture" if number == 1 else f"step {number}'s input"
        for name, axis, size in zip(("row", "column"), slide.axes, shape, strict=True):
            left = axis.unseen(size)
            if options.strict and left.total:
                raise GeometryError(_not_clean(step.problem.kernel.name, name, axis, size))
            if left.picture:
                found.append(_unseen(name, axis.stride, size, left.picture, whose))
    return tuple(found)


def _not_clean(kernel: str, name: str, axis: Axis, size: int) -> str:
    left = axis.unseen(size)
    return (
        f"{kernel}: expected windows that tile {size} {name}s, got "
        f"{axis.exact_output_size(size)} outputs ({left.picture} {name}(s) of picture and "
        f"{left.padding} of padding left over): change the stride or the padding, or drop "
        "--strict"
    )


def _unseen(name: str, stride: int, size: int, count: int, whose: str) -> str:
    coordinate = "y" if name == "row" else "x"
    which = f"{size - 1}" if count == 1 else f"{size - count} to {size - 1}"
    lines = name if count == 1 else f"{count} {name}s"
    return f"stride {stride} leaves the last {lines} of {whose} ({coordinate} = {which}) unseen"


def _finish(
    plans: Sequence[Plan], values: Values, mapping: Range, jobs: int | None
) -> tuple[Values, Seen]:
    """Store pixels as they are computed, without a float picture in between."""
    step, dtype = plans[-1], values.dtype
    for earlier in plans[:-1]:
        values = raw_values(earlier, values, jobs)
    if mapping is Range.STRETCH:
        return mapped(raw_values(step, values, jobs), mapping, Depth.of(dtype))
    result = np.empty(step.problem.result_shape, dtype)
    return result, run(step, values, step.store(result, ValueRange(mapping.value)), jobs)


def _step(step: Plan) -> Step:
    kernel, method = step.problem.kernel, step.strategy.method.value
    return Step(
        kernel.name, kernel.weights.shape, step.problem.window, method, step.strategy.name
    )
