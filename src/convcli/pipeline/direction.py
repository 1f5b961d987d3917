"""The gradient's direction as hue and its strength as brightness."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ImageError, KernelError
from convcli.kernels.kernel import Kernel
from convcli.pipeline.options import Options
from convcli.pipeline.report import Swatch
from convcli.pipeline.steps import PlannedStep, Values

_SECTORS = 6
_NEEDED = (
    "expected kernels that answer two directions, got fewer: use sobel, or join them as "
    "sobel-x+sobel-y"
)
OWN_COLOURS = "expected a picture in its own colours to write"
_ARROWS = (
    "→ brighter to the right",
    "↗",
    "↑ brighter above",
    "↖",
    "← brighter to the left",
    "↙",
    "↓ brighter below",
    "↘",
)
"""What the hues of 0°, 45°, 90° … mean."""


def gradient_weights(step: PlannedStep, options: Options) -> NDArray[np.float64]:
    """Return the weights, shape (2, N), that add the answers of N kernels up to the gradient.

    The first row is for the gradient to the right, the second for the gradient upwards, in
    brightness per pixel. A kernel answers a ramp that gets brighter by 1 per pixel to the right
    with Σ w·x, and one that gets brighter upwards with -Σ w·y (y counts downwards). The
    gradient is the least-squares solution of these equations: it is right for pairs along the
    axes, for pairs along the diagonals, and for compasses of eight kernels. An error is raised
    if the step is one kernel, if its kernels do not tell two directions apart, or if there is
    a colour map: directions have colours of their own.
    """
    if options.colormap is not None:
        raise ImageError(f"--direction: {OWN_COLOURS}, got a colour map: drop one")
    if step.combine is None:
        raise KernelError(f"{step.name}: {_NEEDED}")
    moments = np.array([_moments(plan.problem.kernel, step.name) for plan in step.plans])
    if np.linalg.matrix_rank(moments) < 2:  # noqa: PLR2004 - a plane has two directions
        raise KernelError(f"{step.name}: {_NEEDED}")
    return np.linalg.pinv(moments).astype(np.float64)


def _moments(kernel: Kernel, name: str) -> tuple[float, float]:
    if kernel.is_bank:
        raise KernelError(f"{name}: expected 2-D kernels for a direction, got a filter bank")
    rows, columns = kernel.size
    y, x = np.mgrid[:rows, :columns]
    return (
        float((kernel.weights * x).sum() - kernel.sum * (columns - 1) / 2),
        float(kernel.sum * (rows - 1) / 2 - (kernel.weights * y).sum()),
    )


def with_gradient(
    answers: Iterable[Values], weights: NDArray[np.float64], gradient: Values
) -> Iterator[Values]:
    """Yield the answers of an operator's kernels, and add each to the gradient before that.

    `gradient`, shape (2, rows, columns), gets the sum. Combining overwrites the answers.
    """
    for column, answer in zip(weights.T, answers, strict=True):
        for axis, weight in enumerate(column):
            gradient[axis] += answer[..., 0] * answer.dtype.type(weight)
        yield answer


def hue_picture(right: Values, up: Values, brightness: Values) -> Values:
    """Colour directions: shape (H, W, 3) of uint8, from three arrays of shape (H, W).

    `right` and `up` are the gradient, `brightness` (uint8) is its strength. The hues are full,
    as in HSV, and counted counter-clockwise: 0° is red, 120° green, 240° blue.

    >>> one = np.ones((1, 1))
    >>> hue_picture(one, 0 * one, np.full((1, 1), 200, np.uint8)).tolist()
    [[[200, 0, 0]]]
    """
    sector = np.arctan2(up, right) * (_SECTORS / (2 * math.pi))
    out = np.empty((*brightness.shape, 3), np.uint8)
    for channel, shift in enumerate((0, 2, 4)):
        # A primary is full within one sector of its hue, and 0 from two sectors on.
        distance = np.abs((sector - shift + 9) % _SECTORS - 3)
        share = np.clip(2 - distance, 0, 1)
        out[..., channel] = np.rint(share * brightness)
    return out


def legend() -> tuple[Swatch, ...]:
    """Return what the hues mean."""
    turns = np.radians([[45 * number for number in range(len(_ARROWS))]])
    colors = hue_picture(np.cos(turns), np.sin(turns), np.full(turns.shape, 255, np.uint8))[0]
    return tuple(
        Swatch(meaning, (red, green, blue))
        for meaning, (red, green, blue) in zip(_ARROWS, colors.tolist(), strict=True)
    )
