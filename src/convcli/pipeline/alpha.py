"""Colour and transparency, and pixels that are missing: how much each pixel weighs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.borders import Field, Fill
from convcli.choices import Alpha, Depth
from convcli.engine.problem import natural_result
from convcli.errors import ImageError, OptionError, fail
from convcli.images.picture import Frame
from convcli.pipeline.options import Options
from convcli.pipeline.steps import INVISIBLE, PlannedStep, Values, WeighedStep, number_at
from convcli.values import Record, replace

if TYPE_CHECKING:
    from convcli.pipeline.pipeline import Pipeline


class AlphaPolicy(Record):
    """How the transparency of a frame is treated."""

    name: Alpha  # never `Alpha.AUTO`
    steps: tuple[PlannedStep, ...] = ()  # filter the opacity, or the colours times the opacity
    filters_opacity: bool = False  # whether the steps for the colours filter the opacity, too
    is_open: bool = False  # whether it becomes `premultiplied` if any pixel is translucent


def plan_alpha(steps: Sequence[PlannedStep], sample: Frame, options: Options) -> AlphaPolicy:
    """Decide how transparency is treated; `sample` is one pixel like those that steps get."""
    asked = options.alpha if options.missing is None else Alpha.KEEP
    if sample.alpha is None or asked is Alpha.KEEP:
        return AlphaPolicy(Alpha.KEEP)
    bank = any(step.is_bank for step in steps)
    zero = any(step.is_zero_sum for step in steps)
    operator = next((step.name for step in steps if step.combine is not None), "")
    if asked is Alpha.AUTO:
        return AlphaPolicy(Alpha.KEEP, is_open=not (bank or zero or operator))
    if bank:
        fault = "expected 2-D kernels, got a filter bank, which mixes the colours"
        fail(f"alpha {asked.value}", fault, "use --alpha keep", ImageError)
    if asked is Alpha.FILTER:
        fitted = _fitted(steps, 1, sample.alpha.dtype, (sample.white,))
        return AlphaPolicy(asked, fitted)
    if operator and not zero:
        got = f"got {operator}, whose answers have no one opacity"
        fault = f"expected kernels one by one, {got}"
        fail("alpha premultiply", fault, "use --alpha keep", ImageError)
    return premultiplied(steps)


def premultiplied(steps: Sequence[PlannedStep]) -> AlphaPolicy:
    """Plan that colours are multiplied by their opacity before they are filtered."""
    # Where flat areas answer 0, the opacity would be 0 everywhere.
    filters_opacity = not any(step.is_zero_sum for step in steps)
    channels = steps[0].shape[2] + filters_opacity
    opaque = (1.0,) * filters_opacity
    weighed = _fitted(steps, channels, steps[0].working, opaque)
    if filters_opacity:
        weighed = tuple(WeighedStep.of(step) if step.plans else step for step in weighed)
    return AlphaPolicy(Alpha.PREMULTIPLY, weighed, filters_opacity)


def _fitted(
    steps: Sequence[PlannedStep], channels: int, dtype: np.dtype[Any], opaque: Fill
) -> tuple[PlannedStep, ...]:
    """Return the steps for other channels; a constant border is `opaque` in the opacity."""
    fitted = []
    for step in steps:
        fitted.append(step.fitted(channels, dtype, opaque))
        dtype = step.working
    return tuple(fitted)


def check_missing(options: Options, sample: Frame) -> None:
    """Refuse options that have no meaning for missing pixels, and pictures without any."""
    missing, white = options.missing, sample.white
    is_float = sample.depth is Depth.FLOAT
    if options.transposed:
        raise OptionError("missing: expected no --transposed: leave one of them out")
    if options.mixing or options.direction or options.alpha not in (Alpha.AUTO, Alpha.KEEP):
        fault = "expected no mixing with the original, no --direction and --alpha keep"
        fail("missing", fault, "leave these options out", OptionError)
    if missing == "alpha" and sample.alpha is None:
        raise OptionError("missing alpha: expected a picture with transparency, got none")
    if missing == "nan" and not is_float:
        remedy = "give the number that stands for a missing pixel (--missing 0)"
        fail("missing nan", "expected floats, got whole numbers", remedy, OptionError)
    if isinstance(missing, float) and not (is_float or 0 <= missing <= white):
        raise OptionError(f"missing: expected a number from 0 to {white}, got {missing:g}")


def with_nodata(
    options: Options, nodata: str | None, sample: Frame, refusal: str = ""
) -> tuple[Options, str | None, tuple[str, ...]]:
    """Let pixels of `nodata`, as the file spells the number, be missing unless told otherwise.

    `sample` is a pixel of the file; `refusal` says why none can be missing, if so. Return the
    options, what the output shall call no data, and notes for a person.
    """
    try:
        number = float(nodata or "")
    except ValueError:
        return options, nodata, ()
    is_held = number.is_integer() and 0 <= number <= sample.white  # by whole numbers
    is_named = options.missing not in (None, "none")
    if is_named or not (is_held or sample.depth is Depth.FLOAT):
        return options, nodata, ()
    if options.colormap is not None:
        refusal = refusal or "a colour map has colours for numbers only"
    if options.missing is None and not refusal:
        scaled, depth = sample.scaled_to(options.depth or sample.depth), sample.depth
        missing = "nan" if np.isnan(number) else number * (scaled.white // sample.white)
        weighing = replace(options, missing=missing)
        try:
            check_missing(weighing, scaled)
        except OptionError as error:
            refusal = str(error).partition(": ")[2].partition(":")[0]
        else:
            note = f"pixels of {nodata} weigh nothing: they are no data"
            if (after := options.depth_from(depth)) not in (depth, Depth.FLOAT):
                is_number = isinstance(missing, float)
                nodata = f"{number_at(missing, scaled.depth, after):.0f}" if is_number else None
            return weighing, nodata, (note,)
    note = f"pixels of {nodata}, which are no data, are filtered: {refusal or '--missing none'}"
    return options, None, (note,)


def with_nan(part: Frame, pixels: Values, options: Options) -> Values:
    """Return working pixels of a prepared part of a picture, as floats: NaN where missing."""
    values = pixels.astype(natural_result(pixels.dtype))
    if options.missing == "alpha" and part.alpha is not None:
        values[part.alpha == 0] = np.nan
    elif options.missing != "nan":
        values[(part.pixels == options.missing).all(axis=2)] = np.nan
    return values


def with_missing(
    values: Values, alpha: Values | None, lost: Values, pipeline: "Pipeline"
) -> tuple[Values, Values | None]:
    """Return a result, and its opacity, with what stands for a missing pixel in it."""
    missing = pipeline.options.missing
    if missing == "alpha" and alpha is not None:
        is_lost = lost.any(axis=2)
        values[is_lost] = 0
        # Transparent pixels that got a colour become opaque; translucent ones stay so.
        filled = np.where(alpha == 0, Depth.of(alpha.dtype).white, alpha)
        return values, np.where(is_lost, 0, filled).astype(alpha.dtype)
    if isinstance(missing, float):
        is_raw = pipeline.mapping is None
        depths = (pipeline.source_depth, pipeline.depth)
        values[lost] = missing if is_raw else number_at(missing, *depths)
    return values, alpha


def unweigh(values: Values, white: int) -> tuple[Values, Values]:
    """Divide colours by their opacity; return them, and the opacity from 0 to `white`."""
    colours, opacity = values[..., :-1], values[..., -1:]
    visible = opacity > INVISIBLE
    bare = np.divide(colours, opacity, out=np.zeros_like(colours), where=visible)
    return bare, opacity[..., 0] * white


def alpha_under_centres(
    steps: Sequence[PlannedStep], alpha: Field, rows: slice, columns: slice
) -> Values:
    """Return the opacity under the middle of each window, followed back through all steps."""
    places = [np.arange(outputs.start, outputs.stop) for outputs in (rows, columns)]
    for step in reversed(steps):
        for number, (axis, size) in enumerate(zip(step.window.axes, step.shape, strict=False)):
            centres = [axis.centre(int(place)) for place in places[number]]
            places[number] = np.clip(centres, 0, size - 1)
    seen = [slice(int(each[0]), int(each[-1]) + 1) for each in places]
    down, across = (each - part.start for each, part in zip(places, seen, strict=True))
    return np.asarray(alpha(*seen)[..., 0][np.ix_(down, across)])
