"""How one output value came to be: the parts, and the whole."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Alpha, Combine
from convcli.geometry.window import Pair
from convcli.lessons.pictures import json_number
from convcli.pipeline.report import Report
from convcli.values import Record

Grid = NDArray[np.float64]

_ORTHOGONAL = 0.1
_SIMILAR = 0.5
_UNSEEN = 1e-6
"""Below this opacity there is no colour to recover: as apply has it."""


class Plane(Record):
    """What one input channel contributes.

    Attributes
    ----------
    channel : int or None
        The input channel; None for the opacity.
    name : str
        What a person calls it: ``red``, ``input channel 0``; empty where there is one only.
    patch, weights, products : ndarray of float64, shape (kh, kw)
        What the window sees, the kernel, and the two multiplied.
    """

    channel: int | None
    name: str
    patch: Grid
    weights: Grid
    products: Grid


class KernelAnswer(Record, kw_only=True):
    """The answer of one kernel.

    Attributes
    ----------
    kernel : str
        Its name.
    weights_sum : float
        The sum of its weights.
    planes : tuple of Plane
        A 2-D kernel has one, a filter bank one for each input channel. Where the colours
        count by their opacity, the patch holds colour times opacity.
    bias : float
        What is added to the sum.
    opacity : Plane or None
        The opacity (0 to 1), filtered alike, where the sum is divided by it.
    """

    kernel: str
    weights_sum: float
    planes: tuple[Plane, ...]
    bias: float
    opacity: Plane | None = None

    @property
    def total(self) -> float:
        """The sum of all products: the dot product of patch and kernel."""
        return float(sum(plane.products.sum() for plane in self.planes))

    @property
    def seen(self) -> float | None:
        """The filtered opacity that the sum is divided by; None where it is not."""
        if self.opacity is None:
            return None
        return float(self.opacity.products.sum()) / self.weights_sum

    @property
    def is_unseen(self) -> bool:
        """Whether the opacity leaves no colour to recover."""
        return self.seen is not None and self.seen <= _UNSEEN

    @property
    def colour(self) -> float:
        """The sum over the opacity, where it counts; 0 where nothing is seen."""
        return 0.0 if self.is_unseen else self.total / (self.seen or 1.0)

    @property
    def raw(self) -> float:
        """The answer, before it is combined or becomes a pixel."""
        return 0.0 if self.is_unseen else self.colour + self.bias

    @property
    def cosine(self) -> float | None:
        """Cosine of the angle between patch and kernel; None where one is all zero."""
        return self._cosine(0.0)

    @property
    def centred_cosine(self) -> float | None:
        """The same with the patch's mean taken off: its pattern alone, not its brightness."""
        mean = float(np.mean([plane.patch.mean() for plane in self.planes]))
        return self._cosine(mean)

    def _cosine(self, mean: float) -> float | None:
        patch = np.concatenate([plane.patch.reshape(-1) for plane in self.planes]) - mean
        weights = np.concatenate([plane.weights.reshape(-1) for plane in self.planes])
        lengths = float(np.linalg.norm(patch) * np.linalg.norm(weights))
        return float(patch @ weights) / lengths if lengths > 0 else None

    @property
    def meaning(self) -> str:
        """What the dot product says of the patch, in words."""
        return meaning_of(self.cosine)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as plain JSON values."""
        opacity = {} if self.opacity is None else {"opacity": _plane(self.opacity)}
        return {
            "planes": [_plane(plane) for plane in self.planes],
            **opacity,
            "sum": json_number(self.total),
            "seen": self.seen,
            "bias": self.bias,
            "raw": json_number(self.raw),
            "cosine": self.cosine,
            "centred_cosine": self.centred_cosine,
            "meaning": self.meaning,
        }


def _plane(plane: Plane) -> dict[str, Any]:
    return {
        "channel": plane.channel,
        "patch": _numbers(plane.patch),
        "weights": _numbers(plane.weights),
        "products": _numbers(plane.products),
    }


def _numbers(grid: Grid) -> list[list[float | None]]:
    return [[json_number(value) for value in row] for row in grid.tolist()]


def meaning_of(cosine: float | None) -> str:
    """Say what a cosine means: similar, orthogonal, opposite.

    Examples
    --------
    >>> meaning_of(-0.9)
    'opposite: the patch looks like the negative of the kernel'
    """
    if cosine is None:
        return "no direction: the patch or the kernel is all zero, or not finite"
    if abs(cosine) < _ORTHOGONAL:
        return "orthogonal: the patch has next to nothing of the kernel's pattern"
    much = "" if abs(cosine) >= _SIMILAR else "somewhat "
    if cosine > 0:
        return f"{much}similar: the patch looks like the kernel"
    return f"{much}opposite: the patch looks like the negative of the kernel"


_WEIGHTED = Alpha.PREMULTIPLY.value


class Explanation(Record, kw_only=True):
    """One output value.

    Attributes
    ----------
    at : (int, int)
        Its place in the output (row, column).
    channel : int
        Its output channel.
    name : str
        What a person calls that: ``red``, ``output map 3``; empty where there is one only.
    rows, columns : tuple of int
        Where the taps look in the picture; outside of it there is padding.
    padded : ndarray of bool, shape (kh, kw)
        Which taps look at padding.
    border : str
        What the padding holds.
    parts : tuple of KernelAnswer
        The answers of the kernels: one, or those of an operator.
    combine : Combine or None
        How several answers become one.
    raw : float
        The value before the range step.
    range : str
        The range step.
    steps : tuple of (str, float)
        How the raw value becomes the pixel: what is done, and what then is there.
    value : int or float
        What `convcli apply` writes there.
    white : int
        The largest value a pixel can have.
    alpha : str or None
        How transparency was filtered: a value of `Alpha`; None where there is none.
    opacity : int or float or None
        The opacity that `convcli apply` writes there.
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

    @property
    def is_weighted(self) -> bool:
        """Whether the colours were multiplied by their opacity first."""
        return self.alpha == _WEIGHTED

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain JSON values."""
        if self.combine is None:
            answer = self.parts[0].as_dict()
        else:
            parts = [{"kernel": part.kernel, **part.as_dict()} for part in self.parts]
            answer = {
                "combine": self.combine.value,
                "parts": parts,
                "raw": json_number(self.raw),
            }
        return {
            "x": self.at[1],
            "y": self.at[0],
            "channel": self.channel,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "border": self.border,
            "padded": self.padded.tolist(),
            **answer,
            "alpha_way": self.alpha,
            "range": self.range,
            "steps": [
                {"step": name, "value": json_number(value)} for name, value in self.steps
            ],
            "value": json_number(self.value),
            "opacity_value": self.opacity,
        }


def together(answers: list[float], combine: Combine | None) -> float:
    """Return the answers of some kernels as one.

    Examples
    --------
    >>> together([3.0, -4.0], Combine.MAGNITUDE)
    5.0
    """
    if combine is Combine.MAGNITUDE:
        return math.hypot(*answers)
    if combine is Combine.MAX:
        return max(answers)
    if combine is Combine.MIN:
        return min(answers)
    return sum(answers) / (len(answers) if combine is Combine.MEAN else 1)


def steps_between(
    raw: float, value: float, mapping: str, white: int, report: Report
) -> tuple[tuple[str, float], ...]:
    """Say how a raw value becomes a pixel; the last step is what was written.

    Parameters
    ----------
    raw, value : float
        Before the range step, and what was written.
    mapping : str
        The range step: a value of `Range`, or ``none`` for raw floats.
    white : int
        The largest value a pixel can have.
    report : Report
        What filtering saw: the extent that is stretched.
    """
    if mapping == "none":
        return ()
    steps: list[tuple[str, float]] = []
    now = raw
    if mapping == "abs":
        now = abs(raw)
        steps.append(("abs: drop the sign", now))
    elif mapping == "shift":
        now = raw + (white + 1) // 2
        steps.append((f"shift: add {(white + 1) // 2}", now))
    elif mapping == "balance":
        middle, largest = (white + 1) // 2, max(abs(report.low), abs(report.high))
        now = middle + (raw * (white - middle) / largest if largest else 0)
        steps.append((f"balance: 0 becomes {middle}, ±{largest:g} an end", now))
    elif mapping == "stretch" and report.high > report.low:
        now = (raw - report.low) * white / (report.high - report.low)
        steps.append((f"stretch: {report.low:g} to {report.high:g} become 0 to {white}", now))
    if not 0 <= now <= white:
        steps.append((f"clip: cut off at {0 if now < 0 else white}", value))
    elif now != value:
        steps.append(("round to a whole number, halves to even", value))
    return tuple(steps)
