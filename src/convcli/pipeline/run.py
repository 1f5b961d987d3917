"""Run a pipeline: on a whole frame, or on a block of one, by the same code."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from convcli.choices import Alpha, Colormap
from convcli.engine.planner import rule_for
from convcli.engine.pooling import Pooling
from convcli.engine.store import ValueStats
from convcli.images.picture import Frame
from convcli.pipeline.alpha import alpha_under_centres, unweigh, with_missing, with_nan
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import Pipeline, extent, plan_pipeline, prepared, working_pixels
from convcli.pipeline.report import Report
from convcli.pipeline.steps import Link, PlannedStep, Region, Values, chained
from convcli.values import Record, replace

ReadPart: TypeAlias = Callable[[slice, slice], Frame]  # rows and columns of the prepared frame


class ComputedBlock(Record):
    """Some rows and columns of a result: pixels or raw floats."""

    values: Values  # (rows, columns, C)
    alpha: Values | None  # their opacity of the same depth, (rows, columns)
    stats: ValueStats


def compute_block(
    pipeline: Pipeline, read: ReadPart, region: Region, known: ValueStats | None = None
) -> ComputedBlock:
    """Compute some rows and columns of a result: the same bits as when all of it is computed.

    `known` is the extent of all raw values, for a part where `Pipeline.needs_extent`.
    """
    fields, options = _Fields(pipeline, read), pipeline.options
    if pipeline.is_streamed:
        values, stats = fields.streamed(region)
        return ComputedBlock(values, pipeline.alpha_at_depth(fields.alpha(region)), stats)
    raw, alpha = fields.raw(region)
    if options.mixing:
        from convcli.pipeline.blend import Blend

        blend = Blend(pipeline, read(*region), region, alpha)
        values, stats = pipeline.mapped(raw, known, blend.mixed)
        return ComputedBlock(values, blend.alpha, stats)
    lost = None if options.missing is None else np.isnan(raw)
    gradient = raw[..., 1:]
    values, stats = pipeline.mapped(raw, known)
    alpha = pipeline.alpha_at_depth(alpha)
    if options.direction:
        from convcli.pipeline.colours import hue_picture

        values = hue_picture(gradient[..., 0], gradient[..., 1], values[..., 0])
    if lost is not None:
        values, alpha = with_missing(values, alpha, lost, pipeline)
    return ComputedBlock(values, alpha, stats)


def extent_of_block(pipeline: Pipeline, read: ReadPart, region: Region) -> ValueStats:
    """Return the extent of the raw values that `compute_block` would map to pixels."""
    raw, _ = _Fields(pipeline, read).raw(region)
    return extent(pipeline.to_display(raw), finite=True)


class _Fields:
    """The arrays that a pipeline reads and computes for one frame, in rectangles."""

    def __init__(self, pipeline: Pipeline, read: ReadPart) -> None:
        self._pipeline, self._read = pipeline, read

    def streamed(self, region: Region) -> tuple[Values, ValueStats]:
        """Store pixels while they are computed."""
        pipeline, (*before, last) = self._pipeline, self._pipeline.steps
        rule = rule_for(
            last.plans[0],
            pipeline.depth.dtype,
            pipeline.mapping,
            collect_stats=pipeline.options.collect_stats,
            inner=pipeline.inner,
        )
        return last.pixels(chained(self.colours, before), *region, rule)

    def raw(self, region: Region) -> tuple[Values, Values | None]:
        """Return raw colours and their opacity, on the scale of the prepared frame."""
        pipeline, policy = self._pipeline, self._pipeline.alpha
        if policy.name is not Alpha.PREMULTIPLY:
            return chained(self.colours, pipeline.steps)(*region), self.alpha(region)
        values = chained(self.weighed, policy.steps)(*region)
        if policy.filters_opacity:
            return unweigh(values, pipeline.source_depth.white)
        return values, self.alpha(region)

    def alpha(self, region: Region) -> Values | None:
        """Return the opacity where it is not filtered with the colours."""
        pipeline = self._pipeline
        if not pipeline.info.alpha:
            return None
        if pipeline.alpha.name is Alpha.FILTER:
            return chained(self.opacity, pipeline.alpha.steps)(*region)[..., 0]
        return alpha_under_centres(pipeline.steps, self.opacity, *region)

    def colours(self, rows: slice, columns: slice) -> Values:
        """Return the pixels that the first step slides over."""
        part, options = self._read(rows, columns), self._pipeline.options
        pixels = working_pixels(part, options)
        return pixels if options.missing is None else with_nan(part, pixels, options)

    def opacity(self, rows: slice, columns: slice) -> Values:
        """Return the opacity as one channel."""
        return np.asarray(self._read(rows, columns).alpha)[..., np.newaxis]

    def weighed(self, rows: slice, columns: slice) -> Values:
        """Return the colours times their opacity, which is the last channel if filtered."""
        pipeline, part = self._pipeline, self._read(rows, columns)
        dtype = pipeline.steps[0].working
        alpha = np.asarray(part.alpha)[..., np.newaxis]
        opacity = alpha.astype(dtype) / dtype.type(part.white)
        colours = working_pixels(part, pipeline.options).astype(dtype) * opacity
        return np.dstack([colours, opacity]) if pipeline.alpha.filters_opacity else colours


class Filtered(Record):
    """The result for one frame: see `ComputedBlock`."""

    values: Values
    alpha: Values | None
    format: str | None  # the file format of the input
    report: Report
    colormap: Colormap | None = None  # each output channel gets its colours in a picture

    def frame(self) -> Frame:
        """Return the values as one frame of 1 or 3 channels."""
        if self.colormap is not None:
            return self.maps()[0]
        return Frame(self.values, self.alpha, self.format)

    def maps(self) -> list[Frame]:
        """Return each output channel as a frame of its own: grey, or coloured."""
        maps = np.split(self.values, self.values.shape[2], axis=2)
        if self.colormap is not None:
            from convcli.pipeline.colours import palette

            colours = palette(self.colormap)
            maps = [colours[values[..., 0]] for values in maps]
        return [Frame(values, self.alpha, self.format) for values in maps]


def filter_frame(
    frame: Frame, kernels: Sequence[Link | Pooling], options: Options, *, raw: bool = False
) -> Filtered:
    """Filter a frame by one kernel after another, as `plan_pipeline` decides."""
    return run_pipeline(plan_pipeline(frame.header, kernels, options, raw=raw), frame)


def run_pipeline(pipeline: Pipeline, frame: Frame) -> Filtered:
    """Run a pipeline on a frame like the one that it was planned for."""
    started = time.perf_counter()
    source = prepared(frame, pipeline.options)
    if pipeline.alpha.is_open and source.is_translucent:
        pipeline = pipeline.for_translucent()
    rows, columns, _ = pipeline.output_shape
    region = (slice(0, rows), slice(0, columns))
    block = compute_block(pipeline, functools.partial(_part, source), region)
    seconds, rim = time.perf_counter() - started, _rim_shows(pipeline, source, block.stats)
    report = pipeline.report(block.stats, seconds, rim=rim)
    if faint := _faint_alpha(frame, pipeline):
        report = replace(report, warnings=report.warnings + faint)
    colormap = None if pipeline.mapping is None else pipeline.options.colormap
    return Filtered(block.values, block.alpha, frame.format, report, colormap)


def _faint_alpha(frame: Frame, pipeline: Pipeline) -> tuple[str, ...]:
    """Say of floats that are opaque at 1, as it seems, that they are taken from 0 to 255."""
    options, alpha = pipeline.options, frame.alpha
    is_scaled = pipeline.mapping is not None or options.missing == "alpha"
    if alpha is None or alpha.dtype.kind != "f" or not (is_scaled or options.background):
        return ()
    told = "transparency of floats goes from 0 to 255, and that of the picture to 1: scale it"
    return (told,) if alpha.max() <= 1 else ()


def _rim_shows(pipeline: Pipeline, frame: Frame, stats: ValueStats) -> bool:
    """Tell whether the zeros beyond the edge are seen in the result."""
    if pipeline.inner is None or not any(map(_looks_around, pipeline.steps)):
        return False
    weighing = [step for step in pipeline.steps if step.plans] or pipeline.steps
    if not all(step.is_zero_sum for step in weighing):  # they change all but a black edge
        pixels = frame.pixels
        edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
        return any(bool(edge.any()) for edge in edges)
    return 0 < stats.rim == max(abs(stats.low), abs(stats.high))  # the largest is at the rim


def _looks_around(step: PlannedStep) -> bool:
    """Tell whether a step sees more than the pixel under its centre."""
    for kernel in (plan.problem.kernel for plan in step.plans):
        centre = kernel.weights[..., kernel.size[0] // 2, kernel.size[1] // 2]
        if np.count_nonzero(kernel.weights) > np.count_nonzero(centre):
            return True
    return not step.plans


def _part(frame: Frame, rows: slice, columns: slice) -> Frame:
    """Return some rows and columns of a frame, as a view; the frame itself for all of them."""
    if (rows.stop - rows.start, columns.stop - columns.start) == frame.pixels.shape[:2]:
        return frame
    alpha = None if frame.alpha is None else frame.alpha[rows, columns]
    return replace(frame, pixels=frame.pixels[rows, columns], alpha=alpha)
