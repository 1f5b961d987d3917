"""What one kernel has to do with one output value: patch · kernel, and what that means."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.lessons.pictures import json_number

Grid = NDArray[np.float64]

_ORTHOGONAL = 0.1
_SIMILAR = 0.5
_UNSEEN = 1e-6
"""Below this opacity there is no colour to recover: as apply has it."""


@dataclass(frozen=True, slots=True)
class Plane:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
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
