"""A picture through a chain of kernels."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import Seen, ValueRange, run
from convcli.errors import GeometryError, ImageError
from convcli.filtering import colormaps, direction
from convcli.filtering.alpha import alpha_way
from convcli.filtering.options import Options, Range
from convcli.filtering.ranges import as_depth, mapped, meanings, rescaled
from convcli.filtering.report import Report, Step, Swatch
from convcli.filtering.stages import Operand, Stage, plan_chain
from convcli.geometry import Axis
from convcli.images import Depth, Picture, from_linear, to_linear

Values = NDArray[Any]

_STORED = (Range.CLIP, Range.ABS, Range.SHIFT)
"""What the engine's store does tile by tile."""


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
    colormap : Colormap or None
        What each output channel is to be coloured by.
    """

    values: Values
    alpha: Values | None
    format: str | None
    report: Report
    colormap: colormaps.Colormap | None = None

    def picture(self) -> Picture:
        """Return the values as one picture of 1 or 3 channels."""
        if self.colormap is not None:
            return self.maps()[0]
        return Picture(self.values, self.alpha, self.format)

    def maps(self) -> list[Picture]:
        """Return each output channel as a picture of its own: grey, or coloured."""
        return [self._map(index) for index in range(self.values.shape[2])]

    def _map(self, index: int) -> Picture:
        values = self.values[..., index : index + 1]
        if self.colormap is not None:
            values = colormaps.colored(values[..., 0], self.colormap)
        return Picture(values, self.alpha, self.format)


def filter_picture(
    picture: Picture, kernels: Sequence[Operand], options: Options, *, raw: bool = False
) -> Filtered:
    """Filter a picture by one kernel after another, unrounded between the steps.

    Parameters
    ----------
    picture : Picture
        Never modified.
    kernels : sequence of Kernel or Operator
        At least one. A 2-D kernel filters each colour channel on its own; a bank takes
        all channels at once; an operator combines the answers of several.
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
    depth = Depth.FLOAT if raw else options.depth_for(source)
    pixels = working_pixels(source, options)
    stages = plan_chain(pixels, kernels, options)
    way = alpha_way(source, stages, options)
    mapping = None if depth is Depth.FLOAT else _mapping(stages, options)
    warnings = _remainders(stages, options)
    if _is_streamed(stages[-1], mapping, depth, source, options) and way.is_apart:
        values, seen = _streamed(stages, pixels, mapping)
        alpha = way.alpha(stages, source)
    elif options.direction:
        values, seen = _directed(stages, pixels, source, mapping, options)
        alpha = way.alpha(stages, source)
    else:
        floats, alpha = way.colour_and_alpha(stages, pixels, source)
        light = from_linear(floats, source.white) if options.linear else floats
        if options.relu:
            np.maximum(light, 0, out=light)
        values, seen = mapped(rescaled(light, source.depth, depth), mapping, depth)
    if alpha is not None:
        alpha = as_depth(rescaled(alpha, source.depth, depth), depth)
    report = Report(
        input_shape=(*source.shape, source.channels),
        output_shape=(values.shape[0], values.shape[1], values.shape[2]),
        steps=tuple(_step(stage) for stage in stages),
        border=options.border.value,
        range=None if mapping is None else mapping.value,
        low=seen.low,
        high=seen.high,
        clipped=seen.clipped / values.size,
        alpha=alpha is not None,
        alpha_way=None if alpha is None else way.name,
        depth=depth.value,
        legend=_legend(mapping, seen, options),
        warnings=warnings,
        seconds=time.perf_counter() - started,
    )
    return Filtered(values, alpha, picture.format, report, None if raw else options.colormap)


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
    source = picture.gray() if options.wants_gray else picture
    return source.scaled_to(options.depth or source.depth)


def working_pixels(source: Picture, options: Options) -> Values:
    """Return the pixels that the first kernel slides over."""
    return to_linear(source.pixels, source.white) if options.linear else source.pixels


def _mapping(stages: Sequence[Stage], options: Options) -> Range:
    if options.range is not Range.AUTO:
        return options.range
    if options.colormap is not None:
        signed = options.colormap is colormaps.Colormap.DIVERGING
        return Range.BALANCE if signed else Range.STRETCH
    # A chain answers 0 on flat areas as soon as one of its kernels does.
    return Range.ABS if any(stage.is_signed for stage in stages) else Range.CLIP


def _remainders(stages: Sequence[Stage], options: Options) -> tuple[str, ...]:
    """Say which rows and columns no window looks at; raise where that is not wanted."""
    found: list[str] = []
    for number, step in enumerate(stages, start=1):
        shape, slide = step.problem.shape[:2], step.problem.window
        whose = "the picture" if number == 1 else f"step {number}'s input"
        for name, axis, size in zip(("row", "column"), slide.axes, shape, strict=True):
            left = axis.unseen(size)
            if options.strict and left.total:
                raise GeometryError(_not_clean(step.name, name, axis, size))
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


def _is_streamed(
    last: Stage, mapping: Range | None, depth: Depth, source: Picture, options: Options
) -> bool:
    """Whether pixels can be stored as they are computed, tile by tile."""
    whole = options.linear or options.relu or options.direction or last.combine is not None
    return mapping in _STORED and depth is source.depth and not whole


def _streamed(
    stages: Sequence[Stage], values: Values, mapping: Range | None
) -> tuple[Values, Seen]:
    """Store pixels as they are computed, without a float picture in between."""
    dtype, last = values.dtype, stages[-1]
    for earlier in stages[:-1]:
        values = earlier.raw(values)
    result = np.empty(last.problem.result_shape, dtype)
    (step,) = last.plans
    how = None if mapping is None else ValueRange(mapping.value)
    return result, run(step, values, step.store(result, how), last.jobs)


def _directed(
    stages: Sequence[Stage],
    values: Values,
    source: Picture,
    mapping: Range | None,
    options: Options,
) -> tuple[Values, Seen]:
    if mapping is None or options.colormap is not None:
        raise ImageError(
            "--direction: expected a picture in its own colours to write, got "
            + ("raw floats: name a .png" if mapping is None else "a colour map: drop one")
        )
    for earlier in stages[:-1]:
        values = earlier.raw(values)
    answer, right, up = direction.followed(stages[-1], values)
    scaled = rescaled(answer, source.depth, Depth.EIGHT)
    strength, seen = mapped(scaled, mapping, Depth.EIGHT)
    return direction.hue_picture(right, up, strength[..., 0]), seen


def _legend(mapping: Range | None, seen: Seen, options: Options) -> tuple[Swatch, ...]:
    if mapping is None:
        return ()
    if options.direction:
        return direction.legend()
    if options.colormap is None:
        return ()
    return colormaps.legend(options.colormap, meanings(mapping, seen))


def _step(stage: Stage) -> Step:
    shape = stage.problem.kernel.weights.shape
    how = None if stage.combine is None else stage.combine.value
    chosen = [step.strategy for step in stage.plans]
    methods = "+".join(dict.fromkeys(strategy.method.value for strategy in chosen))
    names = "+".join(dict.fromkeys(strategy.name for strategy in chosen))
    return Step(stage.name, shape, stage.problem.window, methods, names, how)
