"""The plan of a run: what is read, computed, shown and written, before a pixel is read."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from convcli.borders import fill_of
from convcli.choices import Alpha, Border, Colormap, Combine, Depth, Edges, Range
from convcli.engine.planner import Plan
from convcli.engine.pooling import Pooling
from convcli.engine.problem import natural_result
from convcli.engine.store import Inner, ValueStats, rim_magnitude
from convcli.errors import ImageError, OptionError, fail
from convcli.images.picture import Frame, Header, from_linear, to_linear
from convcli.pipeline.alpha import AlphaPolicy, check_missing, plan_alpha, premultiplied
from convcli.pipeline.chain import all_remainders, plan_chain
from convcli.pipeline.options import Options
from convcli.pipeline.report import Report, Swatch
from convcli.pipeline.steps import Link, MissingStep, PlannedStep, Values, as_depth, rescaled
from convcli.values import Record, replace

_COLOURS = 3


class Pipeline(Record):
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
    def output_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of the result, without alpha and colour map."""
        return self.steps[-1].result_shape

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
    def is_streamed(self) -> bool:
        """Whether the engine can store pixels tile by tile, without floats in between."""
        options = self.options
        changed = options.linear or options.relu or options.direction or options.mixing
        return (
            not (changed or self.needs_extent or self.mapping is None)
            and options.missing is None
            and self.depth is self.source_depth
            and len(self.steps[-1].plans) == 1
            and self.alpha.name is not Alpha.PREMULTIPLY
        )

    @property
    def needs_extent(self) -> bool:
        """Whether a pixel depends on the smallest and the largest value of all."""
        return self.mapping in (Range.STRETCH, Range.BALANCE)

    @functools.cached_property
    def inner(self) -> Inner | None:
        """The outputs that see no zeros beyond the edge; None where that is not asked."""
        is_zero = self.steps[0].border == Border.ZERO.value
        if not (is_zero and self.options.collect_stats) or self.options.direction:
            return None
        seen = [(0, 0), (0, 0)]  # outputs at both ends of each axis that see beyond the edge
        for window in (step.window for step in self.steps):
            seen = [
                (-(-(axis.before + n) // axis.stride), -(-(axis.after + m) // axis.stride))
                for (n, m), axis in zip(seen, window.axes, strict=True)
            ]
        (top, bottom), (left, right), (height, width, _) = *seen, self.output_shape
        return ((top, height - bottom), (left, width - right)) if any(map(any, seen)) else None

    def for_translucent(self) -> "Pipeline":
        """Return the plan for a frame with at least one translucent pixel."""
        return replace(self, alpha=premultiplied(self.steps)) if self.alpha.is_open else self

    def check_size(self, max_pixels: int, steps: Sequence[PlannedStep] = ()) -> None:
        """Refuse results of `steps`, or of all, larger than the picture and `max_pixels`."""
        for step in steps or self.steps:
            rows, columns, _ = step.result_shape
            if rows * columns > max(max_pixels, math.prod(self.steps[0].shape[:2])):
                got = f"got {rows * columns:,}"
                fault = f"expected a result of at most {max_pixels:,} pixels, {got}"
                fail(step.name, fault, "use less padding, or raise --max-pixels", ImageError)

    def to_display(self, raw: Values) -> Values:
        """Return raw values, which may be overwritten, on the scale of the result's pixels."""
        options, light = self.options, raw
        if options.direction:
            light = raw[..., :1]  # the strength; further channels are the gradient
        elif options.linear:
            light = from_linear(raw, self.source_depth.white)
        if options.relu:
            np.maximum(light, 0, out=light)
        return rescaled(light, self.source_depth, self.depth)

    def mapped(
        self,
        raw: Values,
        known: ValueStats | None = None,  # of all raw values, where these are a part of them
        mix: Callable[[Values], Values] = np.asarray,  # before pixels are rounded
    ) -> tuple[Values, ValueStats]:
        """Return raw values, which may be overwritten, as they are written, and statistics."""
        last, shown = self.steps[-1], self.to_display(raw)
        stats = extent(shown, finite=self.mapping is not None)
        is_whole = shown.shape[:2] == self.output_shape[:2]
        rim = rim_magnitude(shown, self.inner) if self.inner and is_whole else 0.0
        if self.mapping is None:
            values = mix(shown)
            values = values.astype(last.raw_dtype or values.dtype, copy=False)
            return values, replace(stats, rim=rim)
        known = _finite_extent(known or stats)
        if self.options.direction:  # no gradient is black, however large the least one is
            known = replace(known, low=0.0)
        # A computed infinity is clipped like any other value that does not fit.
        with np.errstate(over="ignore", invalid="ignore"):
            values = _scaled(shown, known, self.mapping, self.depth)
        values = mix(values)
        least, most = -0.5, self.depth.white + 0.5
        clipped = np.count_nonzero((values < least) | (values >= most))
        stats = replace(stats, clipped=int(clipped), rim=rim)
        return as_depth(values, self.depth, last.working), stats

    def alpha_at_depth(self, alpha: Values | None) -> Values | None:
        """Return a filtered opacity in the depth of the result."""
        if alpha is None:
            return None
        scaled = rescaled(alpha, self.source_depth, self.depth)
        return as_depth(scaled, self.depth, self.steps[-1].working)

    def report(self, stats: ValueStats, seconds: float, *, rim: bool | None = None) -> Report:
        """Return the report, from the statistics of the raw values and the seconds taken."""
        rows, columns, channels = self.output_shape
        count = rows * columns * (1 if self.options.direction else channels)
        low, high, clipped = stats.low, stats.high, stats.clipped / count
        if low > high:  # no number was found
            low = high = math.nan
        if not self.options.collect_stats:
            low = high = clipped = math.nan
        stats = _finite_extent(stats)
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
        reached = f"the raw values reach {largest:.4g} of {white:,}, so all look alike"
        remedy = "use --range stretch, or scale the kernel (@scale=255)"
        told = f"floats keep their numbers: {reached}: {remedy}"
        return (told,) if 0 < largest < white / 16 else ()


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
    if options.direction and not options.mixing:  # which is refused below
        from convcli.pipeline.colours import GradientStep

        steps = (*steps[:-1], GradientStep.of(steps[-1], options, raw=raw))
    depth = Depth.FLOAT if raw else options.depth_from(sample.depth)
    alpha = plan_alpha(steps, sample, options)
    mapping = None if depth is Depth.FLOAT else _mapping(steps, sample.depth, options)
    unused = _unused(options, depth, steps[0].shape[2])
    warnings = all_remainders(steps, strict=options.strict) + unused
    pipeline = Pipeline(info, steps, alpha, mapping, sample.depth, depth, options, warnings)
    if options.mixing:
        from convcli.pipeline.blend import check_blend

        check_blend(options, steps[0].shape, pipeline.output_shape, alpha=info.alpha)
    return pipeline


def _unused(options: Options, depth: Depth, channels: int) -> tuple[str, ...]:
    """Say which options change nothing in a result of a depth; the steps get `channels`."""
    is_raw, chosen = depth is Depth.FLOAT, options.depth or depth
    raw, grey = "the output holds raw floats", "only red, green and blue can be made grey"
    legend, is_changed = "colours of a legend have 8 bits", chosen is not depth
    cases = (
        ("gray", f"{grey}, got {channels} channels", options.gray and channels > 1),
        (f"range {options.range.value}", raw, is_raw and options.range is not Range.AUTO),
        ("colormap", raw, is_raw and options.colormap is not None),
        (f"depth {chosen.value}", legend, is_changed and not is_raw),
    )
    return tuple(f"--{name} is not used: {why}" for name, why, is_so in cases if is_so)


def _plan_steps(
    info: Header, sample: Frame, links: Sequence[Link | Pooling], options: Options
) -> tuple[PlannedStep, ...]:
    """Plan each kernel of a chain; `sample` is one pixel like those that the steps get."""
    pixels = working_pixels(sample, options)
    shape = (*info.shape[:2], pixels.shape[2])
    dtype = pixels.dtype if options.missing is None else natural_result(pixels.dtype)
    if isinstance(options.border, Edges):
        border = _scaled_border(options.border, sample, shape[2], linear=options.linear)
        options = replace(options, border=border)
    steps = plan_chain(shape, dtype, links, options)
    if options.missing is None:
        return steps
    return tuple(MissingStep.of(s, options.missing_min) if s.plans else s for s in steps)


def _scaled_border(border: Edges, sample: Frame, channels: int, *, linear: bool) -> Edges:
    """Return a border whose constant is in the numbers of the pixels that the steps get."""
    fill = fill_of(border, channels, sample.white)
    is_whole = sample.depth is not Depth.FLOAT
    if not is_whole and len(border.fill) > 1 and any(fill):
        fault = "expected a number for a picture of floats, which has no white, got a colour"
        fail(f"border {border.value}", fault, "write constant:NUMBER", OptionError)
    if is_whole and any(not 0 <= v <= sample.white or (v % 1 and not linear) for v in fill):
        got = f"got {fill[0]:g}"
        fault = f"expected a whole number from 0 to {sample.white}, as the picture has; {got}"
        fail(f"border {border.value}", fault, "choose another", OptionError)
    if linear:
        fill = tuple(to_linear(np.array(fill), sample.white).tolist())
    return replace(border, fill=fill[:1] if len(set(fill)) == 1 else fill)


def prepared(frame: Frame, options: Options) -> Frame:
    """Return the picture that is filtered: opaque, grey, or with more bits, if asked for."""
    if options.linear and frame.depth is Depth.FLOAT:
        got = "got floats, which have no transfer function to undo"
        fault = f"expected pixels of 8 or 16 bits, {got}"
        fail("linear light", fault, "leave --linear out", ImageError)
    opaque = frame if options.background is None else frame.on(options.background)
    source = opaque.gray() if options.wants_gray else opaque
    return source if options.depth is None else source.scaled_to(options.depth)


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


def extent(raw: Values, *, finite: bool = False) -> ValueStats:
    """Return the smallest and the largest number: NaN is not counted, nor, if so, infinity."""
    if raw.dtype.kind == "f":
        is_left_out = ~np.isfinite(raw) if finite else np.isnan(raw)
        raw = raw[~is_left_out] if is_left_out.any() else raw
    return ValueStats(float(raw.min()), float(raw.max())) if raw.size else ValueStats()


def _finite_extent(stats: ValueStats) -> ValueStats:
    """Return the statistics, with an extent of 0 to 0 where no number was found."""
    return stats if stats.low <= stats.high else ValueStats(0.0, 0.0, stats.clipped)


def _scaled(raw: Values, stats: ValueStats, mapping: Range, depth: Depth) -> Values:
    """Return raw values as the numbers of pixels, unrounded; they may be overwritten."""
    middle, number = (depth.white + 1) // 2, raw.dtype.type
    if mapping is Range.ABS:
        np.abs(raw, out=raw)
    if mapping is Range.SHIFT:
        # Round first, as the engine does: 16 bits leave a float32 only 8 bits for fractions.
        np.rint(raw, out=raw)
        raw += number(middle)
    if mapping is Range.STRETCH:
        if not stats.high > stats.low:
            return np.zeros_like(raw)
        raw -= number(stats.low)
        raw *= number(depth.white / (stats.high - stats.low))
    if mapping is Range.BALANCE:
        largest = max(abs(stats.low), abs(stats.high))
        raw *= number((depth.white - middle) / largest if largest else 0)
        raw += number(middle)
    return raw
