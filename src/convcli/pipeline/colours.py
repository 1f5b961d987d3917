"""Results in colours of their own: colour maps, and directions as hues."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from convcli.borders import Field
from convcli.choices import RED_BLUE, Colormap, Range
from convcli.engine.store import ValueStats
from convcli.errors import ImageError, KernelError, fail
from convcli.pipeline.options import Options
from convcli.pipeline.report import Swatch
from convcli.pipeline.steps import PlannedStep, Values
from convcli.values import asdict

_GRAY = "000000 ffffff"
_VIRIDIS = (
    "440154 46085c 471063 481769 481d6f 482475 472a7a 46307e 453781 433d84 414287 3f4889 "
    "3d4e8a 3a538b 38598c 355e8d 33638d 31688e 2e6d8e 2c718e 2a768e 297b8e 27808e 25848e "
    "23898e 218e8d 20928c 1f978b 1e9c89 1fa188 21a585 24aa83 28ae80 2eb37c 35b779 3dbc74 "
    "46c06f 50c46a 5ac864 65cb5e 70cf57 7cd250 89d548 95d840 a2da37 b0dd2f bddf26 cae11f "
    "d8e219 e5e419 f1e51d fde725"
)
_MAGMA = (
    "000004 02020b 050416 090720 0e0b2b 140e36 1a1042 21114e 29115a 311165 390f6e 420f75 "
    "4a1079 52137c 5a167e 621980 6a1c81 721f81 792282 812581 892881 912b81 992d80 a1307e "
    "aa337d b2357b ba3878 c23b75 ca3e72 d2426f d9466b e04c67 e75263 ec5860 f1605d f4695c "
    "f7725c f97b5d fb8560 fc8e64 fd9869 fea16e feaa74 feb47b febd82 fec68a fecf92 fed89a "
    "fde2a3 fdebac fcf4b6 fcfdbf"
)


def palette(colormap: Colormap) -> Values:
    """Return the colours of the pixel values 0 to 255: uint8, shape (256, 3)."""
    if colormap is Colormap.DIVERGING:
        knots, start = np.array(RED_BLUE), 1  # 0 is at 128, its ends are 127 away: 1 and 255
    else:
        text = {Colormap.VIRIDIS: _VIRIDIS, Colormap.MAGMA: _MAGMA}.get(colormap, _GRAY)
        knots, start = np.array([list(bytes.fromhex(color)) for color in text.split()]), 0
    places = np.linspace(start, 255, len(knots))
    channels = [np.interp(np.arange(256), places, channel) for channel in knots.T]
    colors: Values = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return colors


def legend_of(
    colormap: Colormap | None, mapping: Range, stats: ValueStats
) -> tuple[Swatch, ...]:
    """Return the meanings of the colours of a map or, without a colour map, of directions."""
    if colormap is None:
        turns = np.radians([[45 * number for number in range(len(_ARROWS))]])
        full = np.full(turns.shape, 255, np.uint8)
        words, colors = _ARROWS, hue_picture(np.cos(turns), np.sin(turns), full)[0]
    else:
        shown = meanings(mapping, stats)
        words, colors = tuple(shown.values()), palette(colormap)[list(shown)]
    return tuple(
        Swatch(word, (red, green, blue))
        for word, (red, green, blue) in zip(words, colors.tolist(), strict=True)
    )


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


# ------------------------------------------------------------------ directions

_SECTORS = 6
_OWN_COLOURS = "expected a picture in its own colours to write"
_ARROWS: tuple[str, ...] = (  # what the hues of 0°, 45°, 90° … mean
    "→ brighter to the right", "↗", "↑ brighter above", "↖", "← brighter to the left", "↙",
    "↓ brighter below", "↘",
)  # fmt: skip


class GradientStep(PlannedStep, kw_only=True):
    """A step that answers its kernels' combination, and the gradient to the right and up."""

    weights: NDArray[np.float64]  # of each kernel's answer in the gradient, shape (2, N)

    @classmethod
    def of(cls, step: PlannedStep, options: Options, *, raw: bool) -> "GradientStep":
        """Return the form of the last step that colours a direction."""
        if raw:
            raise ImageError(f"--direction: {_OWN_COLOURS}, got raw floats: name a .png")
        if options.colormap is not None:
            raise ImageError(f"--direction: {_OWN_COLOURS}, got a colour map: drop one")
        weights = _weights(step)
        if (channels := step.shape[2]) > 1:
            remedy = f"join them first, by a filter bank of 1 output and --then {step.name}"
            fault = f"expected one channel, or red, green and blue, got {channels}"
            fail("--direction", fault, remedy, ImageError)
        changes = {"weights": weights, "result_shape": (*step.result_shape[:2], 3)}
        return cls(**{**asdict(step), **changes})

    def part(self, field: Field, rows: slice, columns: slice) -> Values:
        """Compute a rectangle of all three channels."""
        shape = (3, rows.stop - rows.start, columns.stop - columns.start)
        planes = np.zeros(shape, self.result_dtype)
        answers = self._added(self.answers(field, rows, columns), planes[1:])
        planes[0] = self.joined(answers)[..., 0]
        return np.moveaxis(planes, 0, 2)

    def _added(self, answers: Iterator[Values], gradient: Values) -> Iterator[Values]:
        """Yield answers of kernels, and add each to the gradient (2, rows, columns) before."""
        for column, answer in zip(self.weights.T, answers, strict=True):
            with np.errstate(invalid="ignore"):  # infinity has no direction
                for axis, weight in enumerate(column):
                    gradient[axis] += answer[..., 0] * answer.dtype.type(weight)
            yield answer


def _weights(step: PlannedStep) -> NDArray[np.float64]:
    """Return the weights, shape (2, N), that add the answers of N kernels up to the gradient.

    A kernel answers a ramp of 1 a pixel to the right with Σ w·x, one upwards with -Σ w·y (y
    counts downwards). The gradient is the least-squares solution of these equations.
    """
    moments, plans = [], step.plans if len(step.plans) > 1 else ()
    if step.is_bank and plans:
        fault = "expected 2-D kernels for a direction, got a filter bank"
        raise KernelError(f"{step.name}: {fault}")
    for kernel in (plan.problem.kernel for plan in plans):
        rows, columns = kernel.size
        y, x = np.mgrid[:rows, :columns]
        right = (kernel.weights * x).sum() - kernel.sum * (columns - 1) / 2
        moments.append((right, kernel.sum * (rows - 1) / 2 - (kernel.weights * y).sum()))
    if np.linalg.matrix_rank(np.array(moments)) < 2:  # noqa: PLR2004 - of a plane's directions
        fault = "expected kernels that answer two directions, got fewer"
        fail(step.name, fault, "use sobel, or join them as sobel-x+sobel-y")
    return np.linalg.pinv(np.array(moments)).astype(np.float64)


def hue_picture(right: Values, up: Values, brightness: Values) -> Values:
    """Colour the direction of a gradient (H, W), of this strength: uint8, shape (H, W, 3).

    The hues are those of HSV, counted counter-clockwise: 0° is red, 120° green, 240° blue.
    """
    # Where the gradient is NaN the brightness is 0: any hue is black.
    sector = np.nan_to_num(np.arctan2(up, right)) * (_SECTORS / (2 * math.pi))
    out = np.empty((*brightness.shape, 3), np.uint8)
    for channel, shift in enumerate((0, 2, 4)):
        # A primary is full within one sector of its hue, and 0 from two sectors on.
        distance = np.abs((sector - shift + 9) % _SECTORS - 3)
        share = np.clip(2 - distance, 0, 1)
        out[..., channel] = np.rint(share * brightness)
    return out
