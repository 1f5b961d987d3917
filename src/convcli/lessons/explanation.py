"""What is said of one output value: the answers of kernels, the range step, the pixel."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.filtering import Alpha, Report
from convcli.geometry import Pair
from convcli.kernels import Combine
from convcli.lessons.explanation_parts import Part
from convcli.lessons.pictures import json_number

_WEIGHTED = Alpha.PREMULTIPLY.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
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
    parts : tuple of Part
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
    parts: tuple[Part, ...]
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
