"""Explain: one output value taken apart, the steps of `apply` done again one by one."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import fill_of
from convcli.choices import Alpha, Combine, Edges
from convcli.errors import OptionError, fail
from convcli.geometry.window import Pair
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.lessons.pictures import beyond, brightest, check_inside
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import plan_pipeline, prepared
from convcli.pipeline.report import Report
from convcli.pipeline.run import run_pipeline
from convcli.pipeline.steps import INVISIBLE, Operand
from convcli.values import Record, fields_of, plain_json

Grid = NDArray[np.float64]

_ORTHOGONAL, _SIMILAR = 0.1, 0.5
_DUST = 1e-12  # below this part of its size a sum or a difference is what rounding has left


class Plane(Record):
    """The share of one input channel (None: opacity) in an answer: grids (kh, kw)."""

    channel: int | None
    name: str
    patch: Grid
    weights: Grid

    @property
    @np.errstate(invalid="ignore")
    def products(self) -> Grid:
        """The patch times the weights."""
        return self.patch * self.weights


class KernelAnswer(Record, kw_only=True):
    """The answer of one kernel, with a plane for each input channel of a bank."""

    kernel: str
    weights_sum: float
    planes: tuple[Plane, ...]  # patches are colour times opacity where that weighs
    bias: float
    opacity: Plane | None
    total: float  # the sum of all products
    seen: float | None  # what the kernel has seen of the opacity, 0 to 1
    colour: float  # the total divided by that
    raw: float  # the colour and the bias
    cosine: float | None  # between kernel and patch; None where one is all zero
    centred_cosine: float | None  # between kernel and patch minus its mean
    is_centred: bool  # weights sum to 0: the second cosine counts
    meaning: str | None  # None for a kernel that averages

    def as_dict(self) -> dict[str, Any]:
        """Return the answer by the names that JSON has for its parts."""
        grids = ("channel", "patch", "weights", "products")
        opacity = {"opacity": fields_of(self.opacity, *grids)} if self.opacity else {}
        return {
            "planes": [fields_of(plane, *grids) for plane in self.planes],
            **opacity,
            "sum": self.total,
            **fields_of(self, "seen", "bias", "raw", "cosine", "centred_cosine", "meaning"),
        }


def meaning_of(cosine: float | None) -> str:
    """Say whether a cosine means similar, orthogonal or opposite."""
    if cosine is None:
        return "no direction: the patch is flat, all zero or not finite, or the kernel all zero"
    if abs(cosine) < _ORTHOGONAL:
        return "orthogonal: the patch has next to nothing of the kernel's pattern"
    is_weak = abs(cosine) < _SIMILAR
    word = "somewhat " * is_weak + ("similar" if cosine > 0 else "opposite")
    pattern = "a little " * is_weak + "like " + "the negative of " * (cosine < 0)
    return f"{word}: the patch looks {pattern}the kernel"


class Explanation(Record, kw_only=True):
    """One output value, and all that it comes from.

    `at` is its row and column in the output, and `name` that of the `channel`: ``red``,
    ``output map 3``, or empty where there is only one. `rows` and `columns` are those that the
    window sees; `padded`, shape (kh, kw), says which of these pixels are padding or, of a
    transposed convolution, zeros between pixels that are `spread` apart. `parts` are the
    answers of the kernels, and `combine` says how several become `raw`, the value before the
    step `range`. `steps` has the name of each step to the pixel, and the value after it;
    `value` and `opacity` are what `convcli apply` writes, `white` is the largest value, and
    `alpha` says how transparency was filtered.
    """

    at: Pair
    channel: int
    name: str
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    padded: NDArray[np.bool_]
    border: str
    parts: tuple[KernelAnswer, ...]
    combine: Combine | None
    raw: float
    range: str
    steps: tuple[tuple[str, float], ...]
    value: float
    white: int
    alpha: str | None = None
    opacity: float | None = None
    spread: Pair | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain JSON values."""
        if self.combine is None:
            answer = self.parts[0].as_dict()
        else:
            parts = [{"kernel": part.kernel, **part.as_dict()} for part in self.parts]
            answer = {"combine": self.combine.value, "parts": parts, "raw": self.raw}
        document = {
            "x": self.at[1],
            "y": self.at[0],
            **fields_of(self, "channel", "rows", "columns", "border", "padded", "spread"),
            **answer,
            "alpha_way": self.alpha,
            "range": self.range,
            "steps": [{"step": name, "value": value} for name, value in self.steps],
            "value": self.value,
            "opacity_value": self.opacity,
        }
        return dict(plain_json(document))


COLOURS = ("red", "green", "blue")
_OPTIONS = Options()
_HIDDEN = ("linear", "relu", "map", "colormap", "direction", "missing")  # steps not shown


class Explainer:
    """A frame that is filtered once: any pixel of its output (H, W, C) can be taken apart."""

    def __init__(self, operand: Operand, frame: Frame, options: Options = _OPTIONS) -> None:
        hidden = [n for n in _HIDDEN if getattr(options, n) is not getattr(_OPTIONS, n)]
        if hidden or options.mixing:
            name = (hidden or ["mixing with the original"])[0]
            raise OptionError(f"explain: it does not show {name}: leave that out")
        pipeline = plan_pipeline(frame.header, [operand], options)
        self._applied, self._step = run_pipeline(pipeline, frame), pipeline.steps[0]
        # Kernels of equal weights share a plan, but not the name.
        self._names = [kernel.name for kernel in operand.kernels]
        self.shape = self._applied.values.shape
        self._frame, self._options = prepared(frame, options), options

    def at(self, at: Pair, channel: int | None = None) -> list[Explanation]:
        """Take one output pixel (row, column) apart: one channel, a bank's first, or all."""
        height, width, count = self.shape
        check_inside(at, (height, width), "output")
        if not 0 <= (channel or 0) < count:
            fault = f"expected 0 to {count - 1}, got {channel}"
            fail("channel", fault, "choose one of them", OptionError)
        every = range(1 if self._step.is_bank else count)
        seen = self._window(at)
        chosen = every if channel is None else [channel]
        return [self._explained(at, each, *seen) for each in chosen]

    @np.errstate(invalid="ignore")
    def _explained(
        self, at: Pair, channel: int, seen: dict[str, Any], patch: Grid, opacity: Grid | None
    ) -> Explanation:
        applied, frame, step = self._applied, self._frame, self._step
        report, mapping = applied.report, applied.report.range or "none"
        parts = tuple(
            _part(name, plan.problem.kernel, channel, patch, opacity)
            for name, plan in zip(self._names, step.plans, strict=True)
        )
        raw = _COMBINED.get(step.combine, sum)([part.raw for part in parts])
        value = applied.values[at[0], at[1], channel].item()
        return Explanation(
            at=at,
            channel=channel,
            name=f"output map {channel}" if step.is_bank else _name(channel, frame.channels),
            border=self._options.border.value,
            spread=None if step.stamping is None else step.stamping.stride,
            parts=parts,
            combine=step.combine,
            raw=raw,
            range=mapping,
            steps=steps_between(raw, value, mapping, frame.white, report),
            value=value,
            white=brightest(frame),
            alpha=report.alpha_policy,
            opacity=None if applied.alpha is None else applied.alpha[at[0], at[1]].item(),
            **seen,
        )

    def _window(self, at: Pair) -> tuple[dict[str, Any], Grid, Grid | None]:
        """Return the place of a window, its patch (kh, kw, C), and the opacity in that."""
        frame, border, stamping = self._frame, self._options.border, self._step.stamping
        pixels, first, every = frame.pixels, (0, 0), (1, 1)
        if stamping is not None:
            pixels, every = stamping.spread(pixels), stamping.stride
            first = (stamping.cut[0].start, stamping.cut[1].start)
        rows, columns = (
            np.arange(0, axis.extent, axis.dilation) + axis.source(output)
            for axis, output in zip(self._step.window.axes, at, strict=True)
        )
        fill = fill_of(border, frame.channels, frame.white)
        patch = beyond(pixels, border, rows, columns, fill).astype(np.float64)
        opacity = None
        weighted = self._applied.report.alpha_policy == Alpha.PREMULTIPLY.value
        if weighted and frame.alpha is not None:
            opaque = (float(frame.white * isinstance(border, Edges)),)
            opacity = beyond(frame.alpha, border, rows, columns, opaque) / frame.white
            patch *= opacity[..., np.newaxis]
        sides = zip((rows, columns), pixels.shape[:2], first, every, strict=True)
        padded = [
            (places < 0) | (places >= size) | ((places + start) % step != 0)
            for places, size, start, step in sides
        ]
        seen = {
            "rows": tuple((rows + first[0]).tolist()),
            "columns": tuple((columns + first[1]).tolist()),
            "padded": np.logical_or.outer(*padded),
        }
        return seen, patch, opacity


def _name(channel: int, channels: int) -> str:
    """Return the name of a channel: nothing where it is the only one."""
    if channels == 1:
        return ""
    return COLOURS[channel] if channels == len(COLOURS) else f"channel {channel}"


def _part(
    name: str, kernel: Kernel, channel: int, patch: Grid, opaque: Grid | None
) -> KernelAnswer:
    opacity, planes = None, _planes(kernel, patch, channel)
    # The answer of a kernel that sums to 0 is not divided: its filtered opacity would be 0.
    if opaque is not None and not kernel.is_zero_sum:
        opacity = Plane(None, "opacity", opaque, kernel.weights)
    weights_sum = float(kernel.sums[channel if kernel.is_bank else 0])
    bias = kernel.bias[channel % len(kernel.bias)] if kernel.bias else 0.0
    total = float(sum(plane.products.sum() for plane in planes))
    seen = None if opacity is None else float(opacity.products.sum()) / weights_sum
    is_invisible = seen is not None and seen <= INVISIBLE
    colour = 0.0 if is_invisible else total / (seen or 1.0)
    return KernelAnswer(
        kernel=name,
        weights_sum=weights_sum,
        planes=planes,
        bias=bias,
        opacity=opacity,
        total=total,
        seen=seen,
        colour=colour,
        raw=0.0 if is_invisible else colour + bias,
        **_likeness(planes),
    )


def _likeness(planes: tuple[Plane, ...]) -> dict[str, Any]:
    """Return how alike patch and kernel are, in numbers and in words."""
    patch = np.concatenate([plane.patch for plane in planes], axis=None)
    weights = np.concatenate([plane.weights for plane in planes], axis=None)
    cosine = _cosine(patch, weights, 0.0)
    centred = _cosine(patch, weights, float(np.mean([plane.patch.mean() for plane in planes])))
    is_centred = bool(abs(weights.sum()) <= _DUST * np.abs(weights).sum())
    # The answer of a kernel that averages is a brightness, which has no pattern.
    averages = not is_centred and (weights >= 0).all()
    return {
        "cosine": cosine,
        "centred_cosine": centred,
        "is_centred": is_centred,
        "meaning": None if averages else meaning_of(centred if is_centred else cosine),
    }


def _cosine(seen: Grid, weights: Grid, mean: float) -> float | None:
    patch = seen - mean
    length, size = float(np.linalg.norm(patch)), float(np.linalg.norm(weights))
    if length <= _DUST * float(np.linalg.norm(seen)) or size <= 0:
        return None
    return float(patch @ weights) / (length * size)


def _planes(kernel: Kernel, patch: Grid, channel: int) -> tuple[Plane, ...]:
    count = patch.shape[2]
    if not kernel.is_bank:
        return (Plane(channel, _name(channel, count), patch[..., channel], kernel.weights),)
    colours = [f", {colour}" for colour in COLOURS] if count == len(COLOURS) else [""] * count
    names = [f"input channel {index}{colour}" for index, colour in enumerate(colours)]
    grids = zip(names, np.moveaxis(patch, 2, 0), kernel.weights[channel], strict=True)
    return tuple(Plane(index, *each) for index, each in enumerate(grids))


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
    """Return the steps from a raw value to its pixel, by a value of `Range` or ``none``."""
    if mapping == "none":
        return ()
    level, name, middle = raw, "", (white + 1) // 2
    if mapping == "abs":
        level, name = abs(raw), "abs: drop the sign" * (raw < 0)
    elif mapping == "shift":
        level, name = raw + middle, f"shift: add {middle}"
    elif mapping == "balance":
        largest = max(abs(report.low), abs(report.high))
        level = middle + (raw * (white - middle) / largest if largest else 0)
        name = f"balance: 0 becomes {middle}, ±{largest:g} an end"
    elif mapping == "stretch" and report.high > report.low:
        level = (raw - report.low) * white / (report.high - report.low)
        name = f"stretch: {report.low:g} to {report.high:g} become 0 to {white}"
    steps = [(name, level)] * bool(name)
    if not 0 <= level <= white:
        steps.append((f"clip: cut off at {0 if level < 0 else white}", value))
    elif level != value:
        steps.append(("round to a whole number, halves to even", value))
    return tuple(steps)
