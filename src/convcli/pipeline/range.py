"""From raw values to pixels of a depth."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Depth, Range
from convcli.engine.store import ValueStats, saturate

Values = NDArray[Any]

Mix: TypeAlias = Callable[[Values], Values]  # changes pixels' values before they are rounded
_FLOAT32 = np.dtype(np.float32)


def rescaled(values: Values, source: Depth, depth: Depth) -> Values:
    """Return values on the scale of a depth: 16 bits come down to 8, others do not change."""
    # From 8 bits up to 16 the picture is scaled before it is filtered.
    if source is Depth.SIXTEEN and depth is Depth.EIGHT:
        return np.asarray(values, np.float32) / np.float32(source.white // depth.white)
    return values


def mapped(  # noqa: PLR0917 - the pipeline alone gives all of them
    raw: Values,
    mapping: Range | None,
    depth: Depth,
    working: np.dtype[Any] = _FLOAT32,
    known: ValueStats | None = None,
    mix: Mix | None = None,
) -> tuple[Values, ValueStats]:
    """Return raw values, which may be overwritten, as pixels of a depth, and their statistics.

    Without a mapping they do not change; `Range.AUTO` is none. `known` is the extent of all raw
    values, where these are a part of them. Pixels are rounded from `working` floats.
    """
    stats = extent(raw, finite=mapping is not None)
    if mapping is None:
        return (raw if mix is None else mix(raw)), stats
    # A computed infinity is clipped like any other value that does not fit.
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = _scaled(raw, finite_extent(known or stats), mapping, depth)
    scaled = scaled if mix is None else mix(scaled)
    least, most = -0.5, depth.white + 0.5
    clipped = int(np.count_nonzero((scaled < least) | (scaled >= most)))
    return as_depth(scaled, depth, working), ValueStats(stats.low, stats.high, clipped)


def as_depth(values: Values, depth: Depth, working: np.dtype[Any] = _FLOAT32) -> Values:
    """Return values rounded and saturated to a depth; floats are returned unchanged."""
    if depth is Depth.FLOAT or values.dtype == depth.dtype:
        return values
    pixels = np.empty(values.shape, depth.dtype)
    saturate(np.array(values, working), pixels)
    return pixels


def extent(raw: Values, *, finite: bool = False) -> ValueStats:
    """Return the smallest and the largest number: NaN is not counted, nor, if so, infinity."""
    if raw.dtype.kind == "f":
        is_left_out = ~np.isfinite(raw) if finite else np.isnan(raw)
        raw = raw[~is_left_out] if is_left_out.any() else raw
    return ValueStats(float(raw.min()), float(raw.max())) if raw.size else ValueStats()


def finite_extent(stats: ValueStats) -> ValueStats:
    """Return the statistics, with an extent of 0 to 0 where no number was found."""
    return stats if stats.low <= stats.high else ValueStats(0.0, 0.0, stats.clipped)


def _scaled(raw: Values, stats: ValueStats, mapping: Range, depth: Depth) -> Values:
    """Return raw values as the numbers of pixels, unrounded; they may be overwritten."""
    middle, number = (depth.white + 1) // 2, raw.dtype.type
    if mapping is Range.ABS:
        return np.abs(raw, out=raw)
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


def meanings(mapping: Range, stats: ValueStats) -> dict[int, str]:
    """Return the raw values that some of the 256 pixel values show."""
    largest = max(abs(stats.low), abs(stats.high))
    if mapping is Range.STRETCH:
        return {0: f"{stats.low:.4g}", 255: f"{stats.high:.4g}"}
    if mapping is Range.BALANCE:
        return {1: f"{-largest:.4g}", 128: "0", 255: f"{largest:.4g}"}
    if mapping is Range.SHIFT:
        return {0: "-128 and below", 128: "0", 255: "127 and above"}
    sign = "±" if mapping is Range.ABS else ""
    return {0: "0" if sign else "0 and below", 255: f"{sign}255 and above"}
