"""The plan of a run: what is read, computed, shown and written, before a pixel is read."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import fill_of
from convcli.choices import Border, Colormap, Combine, Depth, Edges, Range
from convcli.engine.planner import Plan
from convcli.engine.pooling import Pooling
from convcli.engine.problem import natural_result
from convcli.engine.store import Inner, ValueStats, magnitude, rim_of
from convcli.errors import ImageError, OptionError
from convcli.images.picture import Frame, Header, from_linear, to_linear
from convcli.pipeline.alpha import (
    AlphaPolicy,
    check_missing,
    number_at,
    plan_alpha,
    premultiplied,
)
from convcli.pipeline.chain import all_remainders, plan_chain
from convcli.pipeline.options import Options
from convcli.pipeline.range import Mix, as_depth, finite_extent, mapped, rescaled
from convcli.pipeline.report import Report, Swatch
from convcli.pipeline.steps import Link, MissingStep, PlannedStep, Shape, Values, rim_of_chain
from convcli.values import Record, replace

_COLOURS = 3


class Pipeline(Record, kw_only=True):
    """The planned way from the pixels of a file to the pixels of the result."""

    info: Header
    steps: tuple[PlannedStep, ...]
    alpha: AlphaPolicy
    mapping: Range | None  # how raw values become pixels; None for raw floats
    source_depth: Depth  # of the pixels that the steps get
    depth: Depth  # of the result
    options: Options
    warnings: tuple[str, ...]

    @property
    def output_shape(self) -> Shape:
        """Rows, columns and channels of the result, without alpha and colour map."""
        rows, columns, channels = self.steps[-1].result_shape
        return (rows, columns, _COLOURS if self.options.direction else channels)

    @property
    def written_channels(self) -> int:
        """Channels of the result once a colour map has coloured it, without alpha."""
        return self.output_shape[2] if self.options.colormap is None else _COLOURS

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the result."""
        return self.steps[-1].result_dtype if self.mapping is None else self.depth.dtype

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The plan of each kernel, in order."""
        return tuple(plan for step in self.steps for plan in step.plans)

    @property
    def missing(self) -> str | float | None:
        """What stands for a missing pixel in the result, in the depth of the result."""
        missing = self.options.missing
        if not isinstance(missing, float) or self.mapping is None:
            return missing
        return number_at(missing, self.source_depth, self.depth)

    @property
    def is_streamed(self) -> bool:
        """Whether the engine can store pixels tile by tile, without floats in between."""
        options = self.options
        changed = options.linear or options.relu or options.direction or options.is_blended
        return (
            not (changed or self.needs_extent or self.mapping is None)
            and options.missing is None
            and self.depth is self.source_depth
            and len(self.steps[-1].plans) == 1
            and self.alpha.is_separate
        )

    @property
    def needs_extent(self) -> bool:
        """Whether a pixel depends on the smallest and the largest value of all."""
        return self.mapping in (Range.STRETCH, Range.BALANCE)

    @functools.cached_property
    def inner(self) -> Inner | None:
        """The outputs that see no zeros beyond the edge; None where that is not asked."""
        options, (height, width, _) = self.options, self.output_shape
        is_zero = self.steps[0].border == Border.ZERO.value
        if not (is_zero and options.collect_stats) or options.direction:
            return None
        (top, bottom), (left, right) = rim_of_chain(self.steps)
        seen = any((top, bottom, left, right))
        return ((top, height - bottom), (left, width - right)) if seen else None

    @functools.cached_property
    def gradient(self) -> NDArray[np.float64]:
        """How the answers of the last step add up to the gradient, shape (2, N)."""
        from convcli.pipeline.colours import gradient_weights

        has_pixels = self.mapping is not None
        return gradient_weights(self.steps[-1], self.options, has_pixels=has_pixels)

    def for_translucent(self) -> "Pipeline":
        """Return the plan for a frame with at least one translucent pixel."""
        if not self.alpha.is_open:
            return self
        return replace(self, alpha=premultiplied(self.steps, self.options))

    def check_size(self, max_pixels: int, steps: Sequence[PlannedStep] = ()) -> None:
        """Refuse results of `steps`, or of all, larger than the picture and `max_pixels`."""
        for step in steps or self.steps:
            rows, columns, _ = step.result_shape
            if rows * columns > max(max_pixels, math.prod(self.steps[0].shape[:2])):
                raise ImageError(
                    f"{step.name}: expected a result of at most {max_pixels:,} pixels, got "
                    f"{rows * columns:,}: use less padding, or raise --max-pixels"
                )

    def to_display(self, raw: Values) -> Values:
        """Return raw values, which may be overwritten, on the scale of the result's pixels."""
        options = self.options
        light = from_linear(raw, self.source_depth.white) if options.linear else raw
        if options.relu:
            np.maximum(light, 0, out=light)
        return rescaled(light, self.source_depth, self.depth)

    def mapped(
        self, raw: Values, known: ValueStats | None = None, mix: Mix | None = None
    ) -> tuple[Values, ValueStats]:
        """Return raw values as they are written, and their statistics: see `range.mapped`."""
        last = self.steps[-1]
        shown = self.to_display(raw)
        is_whole = shown.shape[:2] == self.output_shape[:2]
        rim = magnitude(rim_of(shown, self.inner)) if self.inner and is_whole else 0.0
        values, stats = mapped(shown, self.mapping, self.depth, last.working, known, mix)
        if self.mapping is None and last.raw_dtype is not None:
            values = values.astype(last.raw_dtype, copy=False)
        return values, replace(stats, rim=rim)

    def alpha_at_depth(self, alpha: Values | None) -> Values | None:
        """Return a filtered opacity in the depth of the result."""
        if alpha is None:
            return None
        scaled = rescaled(alpha, self.source_depth, self.depth)
        return as_depth(scaled, self.depth, self.steps[-1].working)

    def report(self, stats: ValueStats, seconds: float, *, rim: bool | None = None) -> Report:
        """Return the report, from the statistics of the raw values and the seconds taken."""
        stats = finite_extent(stats)
        low, high, clipped = stats.low, stats.high, stats.clipped / math.prod(self.output_shape)
        if not self.options.collect_stats:
            low = high = clipped = math.nan
        legend: tuple[Swatch, ...] = ()
        if self.mapping is not None and (self.options.direction or self.options.colormap):
            from convcli.pipeline.colours import legend_of

            legend = legend_of(self.options.colormap, self.mapping, stats)
        return Report(
            input_shape=self.steps[0].shape,
            output_shape=self.output_shape,
            steps=tuple(step.summary for step in self.steps),
            border=self.steps[0].border,
            range=None if self.mapping is None else self.mapping.value,
            low=low,
            high=high,
            clipped=clipped,
            alpha=self.info.alpha,
            alpha_policy=self.alpha.name.value if self.info.alpha else None,
            depth=self.depth.value,
            legend=legend,
            mixed=self.options.mixing,
            warnings=self.warnings + self._faint(stats),
            seconds=seconds,
            rim=rim,
        )

    def _faint(self, stats: ValueStats) -> tuple[str, ...]:
        """Say that floats, which keep their numbers, fill little of the range of pixels."""
        if self.mapping is None or self.source_depth is not Depth.FLOAT or self.needs_extent:
            return ()
        largest, white = max(abs(stats.low), abs(stats.high)), self.depth.white
        if not 0 < largest < white / 16:
            return ()
        told = (
            f"floats keep their numbers: the raw values reach {largest:.4g} of {white:,}, so "
            "all look alike: use --range stretch, or scale the kernel (@scale=255)"
        )
        return (told,)


def plan_pipeline(
    info: Header, kernels: Sequence[Link | Pooling], options: Options, *, raw: bool = False
) -> Pipeline:
    """Decide, without any pixel, how a frame is filtered; `raw` results stay floats."""
    if options.missing == "none":
        options = replace(options, missing=None)
    sample = prepared(info.pixel, options)
    if info.alpha and sample.alpha is None:
        info = replace(info, alpha=False)
    if options.missing is not None:
        check_missing(options, sample)
    elif options.missing_min:
        raise OptionError("missing_min: expected missing pixels to be named: add --missing")
    steps = _plan_steps(info, sample, kernels, options)
    depth = Depth.FLOAT if raw else options.depth_from(sample.depth)
    pipeline = Pipeline(
        info=info,
        steps=steps,
        alpha=plan_alpha(steps, sample, options),
        mapping=None if depth is Depth.FLOAT else _mapping(steps, sample.depth, options),
        source_depth=sample.depth,
        depth=depth,
        options=options,
        warnings=all_remainders(steps, strict=options.strict) + _unused(options, depth),
    )
    if options.is_blended:
        from convcli.pipeline.blend import check_blend

        check_blend(options, steps[0].shape, pipeline.output_shape, alpha=info.alpha)
    if options.direction:
        _ = pipeline.gradient
    return pipeline


def _unused(options: Options, depth: Depth) -> tuple[str, ...]:
    """Say which options change nothing in a result of a depth."""
    if depth is Depth.FLOAT:
        names = [f"--range {options.range.value}"] * (options.range is not Range.AUTO)
        names += ["--colormap"] * (options.colormap is not None)
        return tuple(f"{name} is not used: the output holds raw floats" for name in names)
    if options.depth in (None, depth):
        return ()
    return (f"--depth {options.depth.value} is not used: colours of a legend have 8 bits",)


def _plan_steps(
    info: Header, sample: Frame, links: Sequence[Link | Pooling], options: Options
) -> tuple[PlannedStep, ...]:
    """Plan each kernel of a chain; `sample` is one pixel like those that the steps get."""
    pixels = working_pixels(sample, options)
    shape = (*info.shape[:2], pixels.shape[2])
    dtype = pixels.dtype if options.missing is None else natural_result(pixels.dtype)
    scaled = functools.partial(
        _scaled_border, sample=sample, channels=shape[2], linear=options.linear
    )
    links = [
        replace(link, border=scaled(link.border)) if isinstance(link, Pooling) else link
        for link in links
    ]
    if isinstance(options.border, Edges):
        options = replace(options, border=scaled(options.border))
    steps = plan_chain(shape, dtype, links, options)
    if options.missing is None:
        return steps
    return tuple(MissingStep.of(s, options.missing_min) if s.plans else s for s in steps)


def _scaled_border(border: Any, *, sample: Frame, channels: int, linear: bool) -> Any:
    """Return a border whose constant is in the numbers of the pixels that the steps get."""
    if not isinstance(border, Edges):
        return border
    fill = fill_of(border, channels, sample.white)
    is_whole = sample.depth is not Depth.FLOAT
    if not is_whole and len(border.fill) > 1 and any(fill):
        raise OptionError(
            f"border {border.value}: expected a number for a picture of floats, which has no "
            "white, got a colour: write constant:NUMBER"
        )
    if is_whole and any(not 0 <= v <= sample.white or (v % 1 and not linear) for v in fill):
        raise OptionError(
            f"border {border.value}: expected a whole number from 0 to {sample.white}, as the "
            f"picture has; got {fill[0]:g}: choose another"
        )
    if linear:
        fill = tuple(to_linear(np.array(fill), sample.white).tolist())
    return replace(border, fill=fill[:1] if len(set(fill)) == 1 else fill)


def prepared(frame: Frame, options: Options) -> Frame:
    """Return the picture that is filtered: opaque, grey, or with more bits, if asked for."""
    depth = frame.depth
    if options.linear and depth is Depth.FLOAT:
        raise ImageError(
            "linear light: expected pixels of 8 or 16 bits, got floats, which have no "
            "transfer function to undo: leave --linear out"
        )
    opaque = frame if options.background is None else frame.on(options.background)
    source = opaque.gray() if options.wants_gray else opaque
    return source.scaled_to(options.depth) if options.depth not in (None, depth) else source


def working_pixels(source: Frame, options: Options) -> Values:
    """Return the pixels of a prepared frame that the first step slides over."""
    return to_linear(source.pixels, source.white) if options.linear else source.pixels


def _mapping(steps: Sequence[PlannedStep], source: Depth, options: Options) -> Range:
    if options.range is not Range.AUTO:
        return options.range
    if options.direction and source is Depth.FLOAT:
        return Range.STRETCH  # floats have no white that a strength could be measured by
    if options.colormap is not None:
        signed = options.colormap is Colormap.DIVERGING
        return Range.BALANCE if signed else Range.STRETCH
    # A chain answers 0 on flat areas as soon as one of its kernels does. The largest answer of
    # a compass is below 0 only where there is no edge.
    signs = [step.is_zero_sum and step.combine is not Combine.MAX for step in steps]
    return Range.ABS if any(signs) else Range.CLIP
