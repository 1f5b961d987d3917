"""Where a pattern is in a picture: the strongest answers of a kernel."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.correlate import correlate
from convcli.engine.pooling import Pooling, Reduction, pooled
from convcli.errors import GeometryError, fail
from convcli.geometry.window import window
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.values import Record, asdict

Values = NDArray[Any]

_FLAT = 1e-5  # a standard deviation below this part of the picture's range counts as 0
_FAINT = 0.01  # windows with a smaller part of the picture's contrast are noise: not compared


class Match(Record):
    """A window whose answer is the strongest near it; its score is brightness, or -1 to 1."""

    left: int
    top: int
    width: int
    height: int
    score: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the window (x, y); between pixels where its size is even."""
        return (self.left + (self.width - 1) / 2, self.top + (self.height - 1) / 2)

    def as_dict(self) -> dict[str, Any]:
        """Return the match as plain JSON values."""
        x, y = self.centre
        return {"x": x, "y": y, **asdict(self)}


def find_matches(
    frame: Frame, kernel: Kernel, *, top: int = 5, normalized: bool = False
) -> list[Match]:
    """Find the strongest answers of a 2-D kernel in a grey frame: one within half a kernel."""
    if kernel.is_bank:
        shape = kernel.weights.shape
        fault = f"expected a 2-D kernel to find, got a filter bank of shape {shape}"
        fail(kernel.name, fault, "take a 2-D kernel or image:patch.png")
    if any(have < need for have, need in zip(frame.shape, kernel.size, strict=True)):
        sizes = f"the picture of {_size(frame.shape)}, got {_size(kernel.size)}"
        fault = f"expected a kernel no larger than {sizes}"
        fail(kernel.name, fault, "cut a smaller patch", GeometryError)
    pixels = frame.as_gray().pixels[..., 0].astype(np.float64)
    valid = functools.partial(correlate, padding="valid")
    scores = (_normalized if normalized else valid)(pixels, kernel)
    places, (rows, columns) = _peaks(scores, kernel.size, top), kernel.size
    return [Match(x, y, columns, rows, float(scores[y, x])) for y, x in places]


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[1]} × {shape[0]} px"


def _normalized(pixels: Values, kernel: Kernel) -> Values:
    """Return the cosines of kernel and window, each less its mean (J. P. Lewis, 1995)."""
    pattern = kernel.weights - kernel.weights.mean()
    length = float(np.sqrt((pattern**2).sum()))
    if length <= _FLAT * float(np.abs(kernel.weights).sum()):
        fault = "expected weights that differ, to normalise by; got all alike"
        fail(kernel.name, fault, "drop --normalized")
    # Less the picture's mean, squares stay small, and their differences exact.
    centred = pixels - pixels.mean()
    answers = correlate(centred, pattern / length, padding="valid")
    ones = np.ones(kernel.size)
    sums = correlate(centred, ones, padding="valid")
    squares = correlate(centred**2, ones, padding="valid")
    energy = np.maximum(squares - sums**2 / ones.size, 0)  # Σ(x - mean)² of each window
    flat = energy <= pattern.size * (_FAINT * np.abs(centred).max()) ** 2
    cosines = np.where(flat, 0, answers / np.sqrt(np.where(flat, 1, energy)))
    return np.clip(cosines, -1, 1)


def _peaks(scores: Values, size: tuple[int, int], top: int) -> list[tuple[int, int]]:
    """Return (y, x) of the strongest scores, without those close to a stronger one."""
    reach = (max(size[0] // 2, 1), max(size[1] // 2, 1))
    around = window([2 * distance + 1 for distance in reach], padding=reach)
    highest = pooled(scores[..., np.newaxis], Pooling(Reduction.MAX, around))[..., 0]
    candidates = np.argwhere(scores >= highest)
    order = np.argsort(-scores[tuple(candidates.T)], kind="stable")
    peaks: list[tuple[int, int]] = []
    for y, x in candidates[order].tolist():
        if not any(abs(y - v) <= reach[0] and abs(x - u) <= reach[1] for v, u in peaks):
            peaks.append((y, x))
        if len(peaks) == top:
            break
    return peaks
