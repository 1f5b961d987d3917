"""One output value, taken apart: the steps of `apply` for one pixel, done again one by one."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from convcli.borders import beyond, fill_of
from convcli.choices import Alpha, Combine, Edges
from convcli.engine.transposed import exchanged, stamp_window, stamping_for
from convcli.errors import GeometryError, OptionError
from convcli.geometry.window import Pair, Window, window
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.lessons.explain import Explanation, Grid, KernelAnswer, Plane
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import prepared
from convcli.pipeline.report import Report
from convcli.pipeline.run import filter_frame
from convcli.pipeline.steps import Operand
from convcli.values import Record

COLOURS = ("red", "green", "blue")
_OPTIONS = Options()
_HIDDEN = ("linear", "relu", "map", "colormap", "direction", "missing")
"""Options of `apply` whose steps an explanation does not have."""

Positions = NDArray[np.intp]


class Explainer:
    """A frame that is filtered once: any pixel of its output (H, W, C) can be taken apart.

    An option whose step is not shown, such as ``linear``, is an `OptionError`.
    """

    def __init__(self, operand: Operand, frame: Frame, options: Options = _OPTIONS) -> None:
        hidden = [n for n in _HIDDEN if getattr(options, n) is not getattr(_OPTIONS, n)]
        if hidden or options.is_blended:
            name = (hidden or ["mixing with the original"])[0]
            raise OptionError(f"explain: it does not show {name}: leave that out")
        operand = operand.changed(lambda kernel: kernel.along(options.axis))
        self._applied = filter_frame(frame, [operand], options)
        self.shape = self._applied.values.shape
        self._frame, self._options = prepared(frame, options), options
        self._source = _slid_over(operand, self._frame.pixels, options)
        self._kernels, self._combine = _as_applied(operand, options)

    def at(self, at: Pair, channels: Sequence[int] | None = None) -> list[Explanation]:
        """Take one output pixel (row, column) apart, in some or all output channels."""
        _check_place(at, channels, self.shape)
        view = self._view(at)
        chosen = range(self.shape[2]) if channels is None else channels
        return [self._explained(at, view, channel) for channel in chosen]

    def _explained(self, at: Pair, view: "_View", channel: int) -> Explanation:
        applied, options, frame = self._applied, self._options, self._frame
        report, mapping = applied.report, applied.report.range or "none"
        parts = tuple(_part(kernel, view, channel) for kernel in self._kernels)
        raw = _COMBINED.get(self._combine, sum)([part.raw for part in parts])
        value = applied.values[at[0], at[1], channel].item()
        bank = self._kernels[0].is_bank
        return Explanation(
            at=at,
            channel=channel,
            name=f"output map {channel}" if bank else _name(channel, frame.channels),
            rows=tuple(view.rows.tolist()),
            columns=tuple(view.columns.tolist()),
            padded=view.padded,
            border=options.border.value,
            spread=self._source.spread if options.transposed else None,
            parts=parts,
            combine=self._combine,
            raw=raw,
            range=mapping,
            steps=steps_between(raw, value, mapping, frame.white, report),
            value=value,
            white=frame.brightest,
            alpha=report.alpha_policy,
            opacity=None if applied.alpha is None else applied.alpha[at[0], at[1]].item(),
        )

    def _view(self, at: Pair) -> "_View":
        frame, source, border = self._frame, self._source, self._options.border
        rows, columns = (
            np.arange(0, axis.extent, axis.dilation) + axis.source(output)
            for axis, output in zip(source.window.axes, at, strict=True)
        )
        fill = fill_of(border, frame.channels, frame.white)
        patch = beyond(source.pixels, border, rows, columns, fill).astype(np.float64)
        opacity = None
        weighted = self._applied.report.alpha_policy == Alpha.PREMULTIPLY.value
        if weighted and frame.alpha is not None:
            opaque = (float(frame.white * isinstance(border, Edges)),)
            opacity = beyond(frame.alpha, border, rows, columns, opaque) / frame.white
            patch *= opacity[..., np.newaxis]
        sides = zip(
            (rows, columns), source.pixels.shape[:2], source.first, source.spread, strict=True
        )
        padded = [
            (places < 0) | (places >= size) | ((places + first) % step != 0)
            for places, size, first, step in sides
        ]
        rows, columns = rows + source.first[0], columns + source.first[1]
        return _View(rows, columns, np.logical_or.outer(*padded), patch, opacity)


def first_channels(operand: Operand) -> list[int] | None:
    """Return the channels to explain where a person names none: the first one of a bank."""
    return [0] if operand.kernels[0].is_bank else None


class _Source(Record):
    """The pixels below a window, the place of the `first`, and how far two are apart."""

    pixels: NDArray[np.generic]
    window: Window
    first: Pair = (0, 0)
    spread: Pair = (1, 1)


def _slid_over(operand: Operand, pixels: NDArray[np.generic], options: Options) -> _Source:
    sides = (operand.size, options.stride, options.padding, options.dilation)
    if not options.transposed:
        return _Source(pixels, window(*sides))
    slide, more = stamp_window(*sides, options.output_padding)
    kernel = exchanged(operand.kernels[0])
    stamping = stamping_for(pixels.shape, pixels.dtype, kernel, slide, more)
    first = (stamping.cut[0].start, stamping.cut[1].start)
    return _Source(stamping.spread(pixels), stamping.problem.window, first, stamping.stride)


class _View(Record):
    """The patch (kh, kw, C) that the window of one output sees, times its opacity, if any."""

    rows: Positions
    columns: Positions
    padded: NDArray[np.bool_]
    patch: Grid
    opacity: Grid | None


def _as_applied(
    operand: Operand, options: Options
) -> tuple[tuple[Kernel, ...], Combine | None]:
    """Return the kernels as they slide, flipped and with the bias, and their combination."""
    kernels = operand.kernels
    combine = operand.combine and (options.combine or operand.combine)
    if options.transposed:
        kernels = tuple(map(exchanged, kernels))
    if options.flip is not options.transposed:
        kernels = tuple(kernel.flipped() for kernel in kernels)
    if options.bias is not None:
        kernels = tuple(kernel.plus_bias(options.bias) for kernel in kernels)
    return kernels, combine


def _name(channel: int, channels: int) -> str:
    """Return the name of a channel: nothing where it is the only one."""
    if channels == 1:
        return ""
    return COLOURS[channel] if channels == len(COLOURS) else f"channel {channel}"


def _part(kernel: Kernel, view: _View, channel: int) -> KernelAnswer:
    opacity = None
    # The answer of a kernel that sums to 0 is not divided: its filtered opacity would be 0.
    if view.opacity is not None and not kernel.is_zero_sum:
        opacity = Plane(None, "opacity", view.opacity, kernel.weights)
    return KernelAnswer(
        kernel=kernel.name,
        weights_sum=float(kernel.sums[channel if kernel.is_bank else 0]),
        planes=_planes(kernel, view.patch, channel),
        bias=kernel.bias[channel % len(kernel.bias)] if kernel.bias else 0.0,
        opacity=opacity,
    )


def _planes(kernel: Kernel, patch: Grid, channel: int) -> tuple[Plane, ...]:
    count = patch.shape[2]
    if not kernel.is_bank:
        name = _name(channel, count)
        return (Plane(channel, name, patch[..., channel], kernel.weights),)
    colours = [f", {colour}" for colour in COLOURS] if count == len(COLOURS) else [""] * count
    names = [f"input channel {index}{colour}" for index, colour in enumerate(colours)]
    return tuple(
        Plane(index, name, patch[..., index], kernel.weights[channel, index])
        for index, name in enumerate(names)
    )


_COMBINED: dict[Combine | None, Callable[[list[float]], float]] = {
    Combine.MAGNITUDE: lambda answers: math.hypot(*answers),
    Combine.MAX: max,
    Combine.MIN: min,
    Combine.MEAN: lambda answers: sum(answers) / len(answers),
}
"""How several answers become one; by their sum where it is not said."""


def steps_between(
    raw: float, value: float, mapping: str, white: int, report: Report
) -> tuple[tuple[str, float], ...]:
    """Return the steps from a raw value to the pixel that was written, and their values.

    `mapping` is a value of `Range`, or ``none`` for raw floats.
    """
    if mapping == "none":
        return ()
    steps: list[tuple[str, float]] = []
    level = raw
    if mapping == "abs":
        level = abs(raw)
        if raw < 0:
            steps.append(("abs: drop the sign", level))
    elif mapping == "shift":
        level = raw + (white + 1) // 2
        steps.append((f"shift: add {(white + 1) // 2}", level))
    elif mapping == "balance":
        middle, largest = (white + 1) // 2, max(abs(report.low), abs(report.high))
        level = middle + (raw * (white - middle) / largest if largest else 0)
        steps.append((f"balance: 0 becomes {middle}, ±{largest:g} an end", level))
    elif mapping == "stretch" and report.high > report.low:
        level = (raw - report.low) * white / (report.high - report.low)
        steps.append((f"stretch: {report.low:g} to {report.high:g} become 0 to {white}", level))
    if not 0 <= level <= white:
        steps.append((f"clip: cut off at {0 if level < 0 else white}", value))
    elif level != value:
        steps.append(("round to a whole number, halves to even", value))
    return tuple(steps)


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
