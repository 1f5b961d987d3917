"""The plan of a run: what is read, computed, shown and written, before a pixel is read."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import AnyBorder, fill_of
from convcli.choices import Colormap, Depth, Edges, Range
from convcli.engine.planner import Plan
from convcli.engine.pooling import Pooling, Reduction
from convcli.engine.problem import natural_result
from convcli.engine.store import ValueRange, ValueStats
from convcli.errors import ImageError, OptionError
from convcli.images.picture import Frame, from_linear, to_linear
from convcli.pipeline.alpha import (
    AlphaPolicy,
    MissingStep,
    check_missing,
    plan_alpha,
    premultiplied,
)
from convcli.pipeline.options import Options
from convcli.pipeline.range import Mix, as_depth, finite_extent, mapped, meanings, rescaled
from convcli.pipeline.report import Report, Swatch
from convcli.pipeline.steps import (
    Link,
    PixelRule,
    PlannedStep,
    Shape,
    Values,
    all_remainders,
    plan_chain,
    pool_step,
)
from convcli.values import Record, replace

_STORED = (Range.CLIP, Range.ABS, Range.SHIFT)
"""The ranges that the engine can apply tile by tile, while it computes."""

_WHOLE = (Range.STRETCH, Range.BALANCE)
"""The ranges that depend on all values of the result."""

_COLOURS = 3


class SourceInfo(Record):
    """The facts about a frame that a plan needs.

    `shape` is (rows, columns, colour channels) as in the file, `dtype` is that of the pixels,
    and `alpha` says whether the frame has an opacity.
    """

    shape: Shape
    dtype: np.dtype[Any]
    alpha: bool = False

    @classmethod
    def of(cls, frame: Frame) -> "SourceInfo":
        """Describe a frame in memory."""
        rows, columns, channels = frame.pixels.shape
        return cls((rows, columns, channels), frame.pixels.dtype, frame.alpha is not None)

    def flattened(self, options: Options) -> "SourceInfo":
        """Return the description of the picture once it lies on `Options.background`."""
        return self if options.background is None else replace(self, alpha=False)

    def sample(self, options: Options) -> Frame:
        """Return one pixel like those that the steps get: see `prepared`."""
        alpha = np.zeros((1, 1), self.dtype) if self.alpha else None
        return prepared(Frame(np.zeros((1, 1, self.shape[2]), self.dtype), alpha), options)


class Pipeline(Record, kw_only=True, cached=True):
    """The planned way from the pixels of a file to the pixels of the result.

    `info` says what is read, `steps` are the planned kernels or a pooling, `alpha` how
    transparency is treated. `mapping` is how raw values become pixels; None for raw floats.
    `source_depth` and `depth` are those of the pixels that the steps get, and of the result.
    `options` are those that it was planned from, `warnings` what a person should know.
    """

    info: SourceInfo
    steps: tuple[PlannedStep, ...]
    alpha: AlphaPolicy
    mapping: Range | None
    source_depth: Depth
    depth: Depth
    options: Options
    warnings: tuple[str, ...]

    @property
    def input_shape(self) -> Shape:
        """Rows, columns and colour channels that the first step slides over."""
        return self.steps[0].shape

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
        scaled = rescaled(np.array([missing]), self.source_depth, self.depth)
        return float(as_depth(scaled, self.depth, np.dtype(np.float64))[0])

    @property
    def is_streamed(self) -> bool:
        """Whether the engine can store pixels tile by tile, without floats in between."""
        options = self.options
        changed = options.linear or options.relu or options.direction or options.is_blended
        changed = changed or options.missing is not None
        return (
            self.mapping in _STORED
            and self.depth is self.source_depth
            and len(self.steps[-1].plans) == 1
            and self.steps[-1].combine is None
            and self.alpha.is_separate
            and not changed
        )

    @property
    def needs_extent(self) -> bool:
        """Whether a pixel depends on the smallest and the largest value of all."""
        return self.mapping in _WHOLE

    @property
    def pixel_rule(self) -> PixelRule:
        """How the engine makes pixels, where they are streamed."""
        value_range = None if self.mapping is None else ValueRange(self.mapping.value)
        return PixelRule(self.depth.dtype, value_range, self.options.collect_stats)

    @cached_property
    def gradient(self) -> NDArray[np.float64]:
        """How the answers of the last step add up to the gradient, shape (2, N)."""
        from convcli.pipeline.colours import gradient_weights

        return gradient_weights(self.steps[-1], self.options)

    def for_translucent(self) -> "Pipeline":
        """Return the plan for a frame with at least one translucent pixel."""
        if not self.alpha.is_open:
            return self
        alpha = premultiplied(self.steps, self.options)
        return replace(self, alpha=alpha)

    def check_size(self, max_pixels: int, steps: Sequence[PlannedStep] = ()) -> None:
        """Refuse a result with more pixels than the picture and than `max_pixels`.

        The results of `steps` are checked; those of all steps where none are given.
        """
        for step in steps or self.steps:
            rows, columns, _ = step.result_shape
            if rows * columns > max(max_pixels, math.prod(self.input_shape[:2])):
                raise ImageError(
                    f"{step.name}: expected a result of at most {max_pixels:,} pixels, got "
                    f"{rows * columns:,}: use less padding, or raise --max-pixels"
                )

    def to_display(self, raw: Values) -> Values:
        """Undo linear light, make negative values 0 if asked, and rescale them to the depth.

        The raw values may be overwritten.
        """
        options = self.options
        light = from_linear(raw, self.source_depth.white) if options.linear else raw
        if options.relu:
            np.maximum(light, 0, out=light)
        return rescaled(light, self.source_depth, self.depth)

    def mapped(
        self, raw: Values, known: ValueStats | None = None, mix: Mix | None = None
    ) -> tuple[Values, ValueStats]:
        """Return raw values as they are written, and their statistics.

        `mix` changes them before they are rounded. `known` is the extent of all raw values
        of the picture, where these are a part of them.
        """
        last = self.steps[-1]
        shown = self.to_display(raw)
        values, stats = mapped(shown, self.mapping, self.depth, last.working, known, mix)
        if self.mapping is None and last.raw_dtype is not None:
            values = values.astype(last.raw_dtype, copy=False)
        return values, stats

    def alpha_at_depth(self, alpha: Values | None) -> Values | None:
        """Return a filtered opacity in the depth of the result."""
        if alpha is None:
            return None
        scaled = rescaled(alpha, self.source_depth, self.depth)
        return as_depth(scaled, self.depth, self.steps[-1].working)

    def legend(self, stats: ValueStats) -> tuple[Swatch, ...]:
        """Return the meanings of the colours, where the result has colours of its own."""
        if self.mapping is None or not (self.options.direction or self.options.colormap):
            return ()
        from convcli.pipeline.colours import direction_legend, map_legend

        if self.options.direction or self.options.colormap is None:
            return direction_legend()
        return map_legend(self.options.colormap, meanings(self.mapping, stats))

    def report(self, stats: ValueStats, seconds: float) -> Report:
        """Return the report, from the statistics of the raw values and the seconds taken."""
        stats, collect_stats = finite_extent(stats), self.options.collect_stats
        return Report(
            input_shape=self.input_shape,
            output_shape=self.output_shape,
            steps=tuple(step.summary for step in self.steps),
            border=self.steps[0].border,
            range=None if self.mapping is None else self.mapping.value,
            low=stats.low if collect_stats else math.nan,
            high=stats.high if collect_stats else math.nan,
            clipped=(
                stats.clipped / math.prod(self.output_shape) if collect_stats else math.nan
            ),
            alpha=self.info.alpha,
            alpha_policy=self.alpha.name.value if self.info.alpha else None,
            depth=self.depth.value,
            legend=self.legend(stats),
            mixed=mixing_of(self.options),
            warnings=self.warnings,
            seconds=seconds,
        )


def mixing_of(options: Options) -> str:
    """Say how the result is mixed with the original; nothing where it is not."""
    if not options.is_blended:
        return ""
    from convcli.pipeline.blend import describe

    return describe(options)


def plan_pipeline(
    info: SourceInfo, kernels: Sequence[Link], options: Options, *, raw: bool = False
) -> Pipeline:
    """Decide how a frame is filtered, without reading any pixel.

    With `raw` the result is floats as they are computed, not pixels, and `Options.range` is not
    used. A `ConvcliError` is raised where kernels or options do not fit.

    >>> from convcli.kernels.spec import kernel_from
    >>> photo = SourceInfo((480, 640, 3), np.dtype(np.uint8))
    >>> pipeline = plan_pipeline(photo, [kernel_from("sobel-x")], Options())
    >>> pipeline.output_shape, pipeline.mapping.value, pipeline.is_streamed
    ((480, 640, 3), 'abs', True)
    """
    options = _without_none(options)
    sample, info = info.sample(options), info.flattened(options)
    steps = plan_steps(info, sample, kernels, options)
    mapping = _mapping(steps, options)
    pipeline = _pipeline_of(info, sample, steps, mapping, options, raw=raw)
    if options.direction:
        _check_direction(pipeline)
    return pipeline


def _check_direction(pipeline: Pipeline) -> None:
    """Refuse a pipeline that cannot colour directions, or that writes raw floats."""
    from convcli.pipeline.colours import OWN_COLOURS

    if pipeline.mapping is None:
        raise ImageError(f"--direction: {OWN_COLOURS}, got raw floats: name a .png")
    _ = pipeline.gradient


def plan_steps(
    info: SourceInfo, sample: Frame, kernels: Sequence[Link], options: Options
) -> tuple[PlannedStep, ...]:
    """Plan each kernel of a chain; `sample` is one pixel like those that the steps get."""
    options = _without_none(options)
    pixels = working_pixels(sample, options)
    shape = (*info.shape[:2], pixels.shape[2])
    dtype = pixels.dtype if options.missing is None else natural_result(pixels.dtype)
    border = _scaled_border(options.border, sample, shape[2], linear=options.linear)
    options = replace(options, border=border)
    if options.transposed:
        from convcli.pipeline.transposed import plan_transposed, with_inputs_second

        turned = [with_inputs_second(kernel) for kernel in kernels]
        return plan_chain(shape, dtype, turned, options, plan_transposed)
    steps = plan_chain(shape, dtype, kernels, options)
    if options.missing is None:
        return steps
    return tuple(MissingStep.of(s, options.missing_min) if s.plans else s for s in steps)


def _without_none(options: Options) -> Options:
    """Return options in which no pixel is missing where they say so (``--missing none``)."""
    return replace(options, missing=None) if options.missing == "none" else options


def plan_pooling(
    info: SourceInfo, pooling: Pooling, options: Options, *, raw: bool = False
) -> Pipeline:
    """Decide how a frame is pooled, without reading any pixel: see `plan_pipeline`."""
    sample, info = info.sample(options), info.flattened(options)
    pixels = working_pixels(sample, options)
    floats, border = natural_result(pixels.dtype), pooling.border
    dtype = pixels.dtype if options.missing is None else floats
    if border is not None:
        border = _scaled_border(border, sample, pixels.shape[2], linear=options.linear)
    # Of the largest values padding never is one.
    name = "none" if pooling.reduction is Reduction.MAX else "zero"
    step = replace(
        pool_step((*info.shape[:2], pixels.shape[2]), dtype, replace(pooling, border=border)),
        border=name if pooling.border is None else pooling.border.value,
        working=np.dtype(np.float64),
        raw_dtype=floats,
    )
    return _pipeline_of(info, sample, [step], Range.CLIP, options, raw=raw)


def _scaled_border(
    border: AnyBorder, sample: Frame, channels: int, *, linear: bool
) -> AnyBorder:
    """Return a border whose constant is in the numbers of the pixels that the steps get."""
    if not isinstance(border, Edges):
        return border
    fill = fill_of(border, channels, sample.white)
    is_whole = sample.depth is not Depth.FLOAT
    if is_whole and any(not 0 <= v <= sample.white or (v % 1 and not linear) for v in fill):
        raise OptionError(
            f"border {border.value}: expected a whole number from 0 to {sample.white}, as the "
            f"picture has; got {fill[0]:g}: choose another"
        )
    if linear:
        fill = tuple(to_linear(np.array(fill), sample.white).tolist())
    return replace(border, fill=fill[:1] if len(set(fill)) == 1 else fill)


def _pipeline_of(
    info: SourceInfo,
    sample: Frame,
    steps: Sequence[PlannedStep],
    mapping: Range,
    options: Options,
    *,
    raw: bool,
) -> Pipeline:
    """Plan the parts that kernels and pooling share, from their planned steps.

    `sample` is one pixel like those that the steps get: see `SourceInfo.sample`. `mapping` says
    how raw values become pixels, unless `raw` asks for raw floats.
    """
    source_depth = sample.depth
    if options.missing is not None:
        check_missing(options, sample)
    elif options.missing_min:
        raise OptionError("missing_min: expected missing pixels to be named: add --missing")
    depth = Depth.FLOAT if raw else options.depth_from(source_depth)
    pipeline = Pipeline(
        info=info,
        steps=tuple(steps),
        alpha=plan_alpha(steps, sample, options),
        mapping=None if depth is Depth.FLOAT else mapping,
        source_depth=source_depth,
        depth=depth,
        options=options,
        warnings=all_remainders(steps, strict=options.strict),
    )
    if options.is_blended:
        from convcli.pipeline.blend import check_blend

        check_blend(options, pipeline.input_shape, pipeline.output_shape, alpha=info.alpha)
    return pipeline


def prepared(frame: Frame, options: Options) -> Frame:
    """Return the picture that is filtered: opaque, grey, or with more bits, if asked for.

    Linear light cannot be undone for floats: that is an `ImageError`.
    """
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


def _mapping(steps: Sequence[PlannedStep], options: Options) -> Range:
    if options.range is not Range.AUTO:
        return options.range
    if options.colormap is not None:
        signed = options.colormap is Colormap.DIVERGING
        return Range.BALANCE if signed else Range.STRETCH
    # A chain answers 0 on flat areas as soon as one of its kernels does.
    return Range.ABS if any(step.is_signed for step in steps) else Range.CLIP
