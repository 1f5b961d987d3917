"""Explain: one output value taken apart, the answer of each kernel, and the whole."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Combine
from convcli.geometry.window import Pair
from convcli.values import Record, fields_of, plain_json

Grid = NDArray[np.float64]

_ORTHOGONAL, _SIMILAR = 0.1, 0.5
_DUST = 1e-12
"""Below this part of its size a sum or a difference is what rounding has left."""

_INVISIBLE = 1e-6
"""Below this opacity there is no colour to recover, as for `apply`."""


class Plane(Record):
    """The share of one input channel in an answer: grids (kh, kw); None is the opacity.

    The name is ``red``, ``input channel 0``, or empty where there is only one channel.
    """

    channel: int | None
    name: str
    patch: Grid
    weights: Grid

    @property
    def products(self) -> Grid:
        """The patch times the weights."""
        return self.patch * self.weights


class KernelAnswer(Record, kw_only=True):
    """The answer of one kernel, with a plane for each input channel of a bank.

    Where colours are weighted by their opacity, a patch holds colour times opacity, and the
    sum is divided by the `opacity` (0 to 1) that the same kernel filters.
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
    def filtered_opacity(self) -> float | None:
        """The filtered opacity, which the sum is divided by; None where there is none."""
        if self.opacity is None:
            return None
        return float(self.opacity.products.sum()) / self.weights_sum

    @property
    def is_invisible(self) -> bool:
        """Whether the opacity leaves no colour to recover."""
        return self.filtered_opacity is not None and self.filtered_opacity <= _INVISIBLE

    @property
    def colour(self) -> float:
        """The sum divided by the filtered opacity; 0 where the opacity is almost 0."""
        return 0.0 if self.is_invisible else self.total / (self.filtered_opacity or 1.0)

    @property
    def raw(self) -> float:
        """The answer, before it is combined with others or becomes a pixel."""
        return 0.0 if self.is_invisible else self.colour + self.bias

    @property
    def cosine(self) -> float | None:
        """Cosine of the angle between patch and kernel; None where one of them is all zero."""
        return self._cosine(0.0)

    @property
    def centred_cosine(self) -> float | None:
        """The cosine of the patch minus its mean: of its pattern without its brightness."""
        return self._cosine(float(np.mean([plane.patch.mean() for plane in self.planes])))

    def _cosine(self, mean: float) -> float | None:
        seen = np.concatenate([plane.patch for plane in self.planes], axis=None)
        patch, weights = seen - mean, self._weights
        length, size = float(np.linalg.norm(patch)), float(np.linalg.norm(weights))
        if length <= _DUST * float(np.linalg.norm(seen)) or size <= 0:
            return None
        return float(patch @ weights) / (length * size)

    @property
    def _weights(self) -> Grid:
        return np.concatenate([plane.weights for plane in self.planes], axis=None)

    @property
    def sums_to_zero(self) -> bool:
        """Whether the weights sum to 0, so that a flat patch answers 0."""
        weights = self._weights
        return bool(abs(weights.sum()) <= _DUST * np.abs(weights).sum())

    @property
    def meaning(self) -> str | None:
        """How alike patch and kernel are, in words; None for a kernel that averages."""
        if not self.sums_to_zero and (self._weights >= 0).all():
            return None  # the answer is a brightness, which has no pattern
        return meaning_of(self.centred_cosine if self.sums_to_zero else self.cosine)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer by the names that JSON has for its parts."""
        grids = ("channel", "patch", "weights", "products")
        opacity = {"opacity": fields_of(self.opacity, *grids)} if self.opacity else {}
        return {
            "planes": [fields_of(plane, *grids) for plane in self.planes],
            **opacity,
            "sum": self.total,
            "seen": self.filtered_opacity,
            **fields_of(self, "bias", "raw", "cosine", "centred_cosine", "meaning"),
        }


def meaning_of(cosine: float | None) -> str:
    """Say whether a cosine means similar, orthogonal or opposite.

    >>> meaning_of(-0.9)
    'opposite: the patch looks like the negative of the kernel'
    >>> meaning_of(0.2)
    'somewhat similar: the patch looks a little like the kernel'
    """
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
    window sees; `padded`, shape (kh, kw), says which pixels of the patch are padding, or zeros
    between the pixels: of a transposed convolution `spread` says how far pixels are apart.
    `parts` are the answers of the kernels, and `combine` says how several become `raw`, the
    value before the step `range`. `steps` has the name of each step to the pixel, and the
    value after it; `value` and `opacity` are what `convcli apply` writes, `white` is the
    largest value, and `alpha` says how transparency was filtered.
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
        plain: dict[str, Any] = plain_json(document)
        return plain
