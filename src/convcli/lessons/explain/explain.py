"""One output value, taken apart: what apply computes there, done again by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import source_indices
from convcli.choices import Alpha, Border, Combine
from convcli.errors import GeometryError
from convcli.geometry.window import Axis, Pair, Window, window
from convcli.images.picture import Picture
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator
from convcli.lessons.explain.explanation import (
    Explanation,
    Grid,
    KernelAnswer,
    Plane,
    steps_between,
    together,
)
from convcli.pipeline.options import Options
from convcli.pipeline.run import Filtered, filter_picture
from convcli.pipeline.steps import Operand
from convcli.values import Record

_COLOURS = ("red", "green", "blue")


def explain(
    picture: Picture,
    operand: Operand,
    at: Pair,
    options: Options,
    channels: Sequence[int] | None = None,
) -> list[Explanation]:
    """Take one output pixel apart.

    Parameters
    ----------
    picture : Picture
        As for `convcli.pipeline.run.filter_picture`, which is run to get the value.
    operand : Kernel or Operator
        What filters it.
    at : (int, int)
        Row and column of the output.
    options : Options
        How the picture is filtered.
    channels : sequence of int, optional
        Output channels; all where none are given.

    Returns
    -------
    list of Explanation, one for each output channel

    Raises
    ------
    GeometryError
        If there is no such output pixel or channel.
    """
    applied = filter_picture(picture, [operand], options)
    _check_place(at, channels, applied.values.shape)
    source = picture.gray() if options.gray else picture
    weighted = applied.report.alpha_policy == Alpha.PREMULTIPLY.value
    slide = window(operand.size, options.stride, options.padding, options.dilation)
    view = _view(source, slide, at, options.border, weighted=weighted)
    count = applied.values.shape[2]
    return [
        _explained(applied, view, _ready(operand, options), channel, options)
        for channel in (range(count) if channels is None else channels)
    ]


def first_channels(operand: Operand) -> list[int] | None:
    """Return the channels that are explained unless others are asked for: of a bank one."""
    kernel = operand.kernels[0] if isinstance(operand, Operator) else operand
    return [0] if kernel.is_bank else None


class _Taps(Record):
    """Where the taps of one axis look, and where the border takes their values from."""

    positions: tuple[int, ...]
    sources: NDArray[np.intp]
    inside: NDArray[np.bool_]


class _View(Record):
    """What the window of one output sees: patches of shape (kh, kw, C) and (kh, kw).

    Where there is an opacity (0 to 1), the colours are multiplied by it.
    """

    picture: Picture
    at: Pair
    taps: tuple[_Taps, ...]
    patch: Grid
    opacity: Grid | None


def _view(
    picture: Picture, slide: Window, at: Pair, border: Border, *, weighted: bool
) -> _View:
    taps = tuple(
        _taps(axis, output, size, border)
        for axis, output, size in zip(slide.axes, at, picture.shape, strict=True)
    )
    patch, opacity = _patch(picture.pixels, taps), None
    if weighted and picture.alpha is not None:
        opacity = _patch(picture.alpha, taps) / picture.white
        patch *= opacity[..., np.newaxis]
    return _View(picture, at, taps, patch, opacity)


def _ready(operand: Operand, options: Options) -> tuple[tuple[Kernel, ...], Combine | None]:
    """Return the kernels as they slide, and how their answers become one."""
    kernels = operand.kernels if isinstance(operand, Operator) else (operand,)
    how = (options.combine or operand.combine) if isinstance(operand, Operator) else None
    turned = [kernel.flipped() if options.flip else kernel for kernel in kernels]
    if options.bias is None:
        return tuple(turned), how
    return tuple(kernel.plus_bias(options.bias) for kernel in turned), how


def _taps(axis: Axis, output: int, size: int, border: Border) -> _Taps:
    first = output * axis.stride
    seen = slice(first, first + axis.extent, axis.dilation)
    sources = source_indices(border, size, axis.before, axis.after)[seen]
    positions = np.arange(-axis.before, size + axis.after)[seen]
    inside = (positions >= 0) & (positions < size)
    return _Taps(tuple(positions.tolist()), sources, inside)


def _patch(pixels: NDArray[Any], taps: Sequence[_Taps]) -> Grid:
    """Return what the taps see, shape (kh, kw, …): 0 where the border is a constant."""
    rows, columns = (tap.sources for tap in taps)
    patch = pixels[np.ix_(rows, columns)].astype(np.float64)
    patch[(rows < 0)[:, np.newaxis] | (columns < 0)] = 0
    return patch


def _explained(
    applied: Filtered,
    view: _View,
    ready: tuple[tuple[Kernel, ...], Combine | None],
    channel: int,
    options: Options,
) -> Explanation:
    (kernels, combine), (rows, columns) = ready, view.taps
    at, report, picture = view.at, applied.report, view.picture
    parts = tuple(_part(kernel, view, channel) for kernel in kernels)
    raw = together([part.raw for part in parts], combine)
    value = applied.values[at[0], at[1], channel].item()
    mapping = report.range or "none"
    bank = kernels[0].is_bank
    return Explanation(
        at=at,
        channel=channel,
        name=f"output map {channel}" if bank else _name(channel, picture.channels),
        rows=rows.positions,
        columns=columns.positions,
        padded=~np.logical_and.outer(rows.inside, columns.inside),
        border=options.border.value,
        parts=parts,
        combine=combine,
        raw=raw,
        range=mapping,
        steps=steps_between(raw, value, mapping, picture.white, report),
        value=value,
        white=picture.white,
        alpha=report.alpha_policy,
        opacity=None if applied.alpha is None else applied.alpha[at[0], at[1]].item(),
    )


def _name(channel: int, channels: int) -> str:
    """Return what a channel of so many is called."""
    if channels == 1:
        return ""
    return _COLOURS[channel] if channels == len(_COLOURS) else f"channel {channel}"


def _part(kernel: Kernel, view: _View, channel: int) -> KernelAnswer:
    opacity = None
    # Where a kernel sums to 0 its answer is not divided: the opacity would be 0.
    if view.opacity is not None and not kernel.is_zero_sum:
        opacity = _plane(None, "opacity", view.opacity, kernel.weights)
    return KernelAnswer(
        kernel=kernel.name,
        weights_sum=float(kernel.sums[channel if kernel.is_bank else 0]),
        planes=_planes(kernel, view.patch, channel),
        bias=_bias(kernel, channel),
        opacity=opacity,
    )


def _planes(kernel: Kernel, patch: Grid, channel: int) -> tuple[Plane, ...]:
    if not kernel.is_bank:
        name = _name(channel, patch.shape[2])
        return (_plane(channel, name, patch[..., channel], kernel.weights),)
    return tuple(
        _plane(index, _input(index, patch.shape[2]), patch[..., index], weights)
        for index, weights in enumerate(kernel.weights[channel])
    )


def _input(index: int, channels: int) -> str:
    colour = f", {_COLOURS[index]}" if channels == len(_COLOURS) else ""
    return f"input channel {index}{colour}"


def _plane(channel: int | None, name: str, patch: Grid, weights: Grid) -> Plane:
    return Plane(channel, name, patch, weights, patch * weights)


def _bias(kernel: Kernel, channel: int) -> float:
    if len(kernel.bias) > 1:
        return kernel.bias[channel]
    return kernel.bias[0] if kernel.bias else 0.0


def _check_place(at: Pair, channels: Sequence[int] | None, shape: tuple[int, ...]) -> None:
    height, width, count = shape
    if not (0 <= at[0] < height and 0 <= at[1] < width):
        raise GeometryError(
            f"at: expected a pixel of the output, x 0 to {width - 1} and y 0 to {height - 1}; "
            f"got {at[1]},{at[0]}: choose one inside"
        )
    if channels is not None and not all(0 <= channel < count for channel in channels):
        raise GeometryError(
            f"channel: expected 0 to {count - 1}, got {', '.join(map(str, channels))}: choose "
            "one of them"
        )
