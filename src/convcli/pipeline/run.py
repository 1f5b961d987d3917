"""A picture through a chain of kernels."""

import time
from collections.abc import Sequence

from convcli.choices import Colormap, Range
from convcli.engine.buffers import result_array
from convcli.engine.store import ValueStats
from convcli.engine.worker import run_plan
from convcli.images.picture import Picture
from convcli.pipeline import colormaps, direction
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import Pipeline, pipeline_for, prepared, working_pixels
from convcli.pipeline.range import finite_extent, mapped, meanings
from convcli.pipeline.report import Report, Swatch
from convcli.pipeline.steps import Operand, Values
from convcli.values import Record


class Filtered(Record):
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
    colormap: Colormap | None = None

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
    >>> import numpy as np
    >>> from convcli.kernels.spec import kernel_from
    >>> step = Picture(np.array([[[0], [0], [90], [90]]], dtype=np.uint8))
    >>> edges = filter_picture(step, [kernel_from("[[-1,0,1]]")], Options())
    >>> edges.values[..., 0].tolist()
    [[0, 90, 90, 90]]
    """
    started = time.perf_counter()
    source = prepared(picture, options)
    pixels = working_pixels(source, options)
    pipeline = pipeline_for(source, pixels, kernels, options, raw=raw)
    stages, way, mapping = pipeline.stages, pipeline.way, pipeline.mapping
    if pipeline.is_streamed:
        values, seen = _streamed(pipeline, pixels)
        alpha = way.alpha(stages, source)
    elif options.direction:
        values, seen = _directed(pipeline, pixels)
        alpha = way.alpha(stages, source)
    else:
        floats, alpha = way.colour_and_alpha(stages, pixels, source)
        values, seen = mapped(pipeline.to_display(floats), mapping, pipeline.depth)
    seen = finite_extent(seen)
    report = pipeline.report(
        (*source.shape, source.channels),
        (values.shape[0], values.shape[1], values.shape[2]),
        seen,
        alpha=alpha is not None,
        legend=legend_for(mapping, seen, options),
        seconds=time.perf_counter() - started,
    )
    colormap = None if raw else options.colormap
    return Filtered(values, pipeline.alpha_at_depth(alpha), picture.format, report, colormap)


def _streamed(pipeline: Pipeline, values: Values) -> tuple[Values, ValueStats]:
    """Store pixels as they are computed, without a float picture in between."""
    dtype, last = values.dtype, pipeline.stages[-1]
    for earlier in pipeline.stages[:-1]:
        values = earlier.raw(values)
    result = result_array(last.problem.result_shape, dtype)
    (step,) = last.plans
    store = step.store(result, pipeline.stored_as, collect_stats=pipeline.options.collect_stats)
    return result, run_plan(step, values, store, last.jobs)


def _directed(pipeline: Pipeline, values: Values) -> tuple[Values, ValueStats]:
    *before, last = pipeline.stages
    for earlier in before:
        values = earlier.raw(values)
    rows, columns, _ = last.problem.result_shape
    return direction.directed(last.answers(values), (rows, columns), pipeline)


def legend_for(mapping: Range | None, seen: ValueStats, options: Options) -> tuple[Swatch, ...]:
    """Return what the colours of a result mean, where it has any of its own."""
    if mapping is None:
        return ()
    if options.direction:
        return direction.legend()
    if options.colormap is None:
        return ()
    return colormaps.legend(options.colormap, meanings(mapping, seen))
