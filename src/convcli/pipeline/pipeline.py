"""What filtering will do to pictures of a kind: decided before a pixel is looked at."""

import math
from collections.abc import Sequence

import numpy as np

from convcli.choices import Colormap, Depth, Range
from convcli.engine.store import ValueRange, ValueStats
from convcli.errors import ImageError
from convcli.images.picture import Picture, from_linear, to_linear
from convcli.pipeline.alpha import AlphaPolicy, alpha_policy
from convcli.pipeline.options import Options
from convcli.pipeline.range import as_depth, rescaled
from convcli.pipeline.report import Report, Step, Swatch
from convcli.pipeline.steps import Operand, PlannedStep, Values, all_remainders, plan_chain
from convcli.values import Record

_STORED = (Range.CLIP, Range.ABS, Range.SHIFT)
"""What the engine's store does tile by tile."""


class Pipeline(Record):
    """The steps from pixels to pixels.

    Attributes
    ----------
    stages : tuple of PlannedStep
        The kernels, planned.
    way : AlphaPolicy
        How transparency is treated.
    mapping : Range or None
        How raw values become pixels; None for raw floats.
    source_depth, depth : Depth
        Of the picture as it is filtered, and of the result.
    options : Options
        What was asked for.
    warnings : tuple of str
        What a person should know.
    """

    stages: tuple[PlannedStep, ...]
    way: AlphaPolicy
    mapping: Range | None
    source_depth: Depth
    depth: Depth
    options: Options
    warnings: tuple[str, ...]

    @property
    def is_streamed(self) -> bool:
        """Whether pixels can be stored as they are computed, tile by tile."""
        options = self.options
        whole = options.linear or options.relu or options.direction or not self.way.is_apart
        alone = self.stages[-1].combine is None and not whole
        return self.mapping in _STORED and self.depth is self.source_depth and alone

    @property
    def stored_as(self) -> ValueRange | None:
        """How the engine's store makes pixels, where they are streamed."""
        return None if self.mapping is None else ValueRange(self.mapping.value)

    def to_display(self, raw: Values) -> Values:
        """Return raw answers as they are mapped to pixels: light undone, scaled, cut at 0.

        They may be overwritten.
        """
        options = self.options
        light = from_linear(raw, self.source_depth.white) if options.linear else raw
        if options.relu:
            np.maximum(light, 0, out=light)
        return rescaled(light, self.source_depth, self.depth)

    def alpha_at_depth(self, alpha: Values | None) -> Values | None:
        """Return a filtered opacity in the depth of the result."""
        if alpha is None:
            return None
        return as_depth(rescaled(alpha, self.source_depth, self.depth), self.depth)

    def report(
        self,
        input_shape: tuple[int, int, int],
        output_shape: tuple[int, int, int],
        seen: ValueStats,
        *,
        alpha: bool,
        seconds: float,
        legend: tuple[Swatch, ...] = (),
    ) -> Report:
        """Return what was done, once it is known what was seen."""
        collect_stats, (rows, columns, channels) = self.options.collect_stats, output_shape
        return Report(
            input_shape=input_shape,
            output_shape=output_shape,
            steps=tuple(_step(stage) for stage in self.stages),
            border=self.options.border.value,
            range=None if self.mapping is None else self.mapping.value,
            low=seen.low if collect_stats else math.nan,
            high=seen.high if collect_stats else math.nan,
            clipped=seen.clipped / (rows * columns * channels) if collect_stats else math.nan,
            alpha=alpha,
            alpha_policy=self.way.name if alpha else None,
            depth=self.depth.value,
            legend=legend,
            warnings=self.warnings,
            seconds=seconds,
        )


def pipeline_for(
    source: Picture,
    pixels: Values,
    kernels: Sequence[Operand],
    options: Options,
    *,
    raw: bool = False,
) -> Pipeline:
    """Decide what filtering does.

    Parameters
    ----------
    source : Picture
        As `prepared` returns it. Of its pixels only the kind is looked at, of its opacity
        whether it is one everywhere.
    pixels : ndarray, shape (H, W, C)
        As `working_pixels` returns them; only shape and dtype are looked at.
    kernels, options, raw
        As in `convcli.pipeline.run.filter_picture`.

    Returns
    -------
    Pipeline

    Raises
    ------
    ConvcliError
        If the kernels do not fit the picture.
    """
    depth = Depth.FLOAT if raw else options.depth_for(source)
    stages = plan_chain(pixels, kernels, options)
    return Pipeline(
        stages=stages,
        way=alpha_policy(source, stages, options),
        mapping=None if depth is Depth.FLOAT else _mapping(stages, options),
        source_depth=source.depth,
        depth=depth,
        options=options,
        warnings=all_remainders(stages, options),
    )


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


def _mapping(stages: Sequence[PlannedStep], options: Options) -> Range:
    if options.range is not Range.AUTO:
        return options.range
    if options.colormap is not None:
        signed = options.colormap is Colormap.DIVERGING
        return Range.BALANCE if signed else Range.STRETCH
    # A chain answers 0 on flat areas as soon as one of its kernels does.
    return Range.ABS if any(stage.is_signed for stage in stages) else Range.CLIP


def _step(stage: PlannedStep) -> Step:
    shape = stage.problem.kernel.weights.shape
    how = None if stage.combine is None else stage.combine.value
    chosen = [step.strategy for step in stage.plans]
    methods = "+".join(dict.fromkeys(strategy.method.value for strategy in chosen))
    names = "+".join(dict.fromkeys(strategy.name for strategy in chosen))
    return Step(stage.name, shape, stage.problem.window, methods, names, how)
