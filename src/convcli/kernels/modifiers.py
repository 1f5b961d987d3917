"""What may follow a kernel's name after @: turn it, mirror it, scale it."""

import math
import re
from collections.abc import Callable

import numpy as np

from convcli.errors import KernelError, SpecError
from convcli.kernels.kernel import Kernel, Weights

_EIGHTH, _QUARTER, _TURN = 45, 90, 360

_RING = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))
"""The outer weights of a 3×3 kernel, clockwise from the upper left."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def rotated(kernel: Kernel, angle: float) -> Kernel:
    """Turn a kernel, or each slice of a bank, counter-clockwise.

    The angle is a multiple of 90 degrees; for 3×3 kernels also of 45, which moves each outer
    weight to the next place.

    >>> rotated(Kernel([[5, 5, 5], [-3, 0, -3], [-3, -3, -3]]), 45).weights.tolist()
    [[5.0, 5.0, -3.0], [5.0, 0.0, -3.0], [-3.0, -3.0, -3.0]]
    """
    if angle % _EIGHTH:
        raise SpecError(
            f"{kernel.name}@{angle:g}: expected a multiple of 45 degrees, got {angle:g}: "
            "@45, @90 … @315"
        )
    quarters, eighths = divmod(int(angle % _TURN), _QUARTER)
    weights = np.rot90(kernel.weights, quarters, axes=(-2, -1))
    if eighths and kernel.size != (3, 3):
        rows, columns = kernel.size
        raise SpecError(
            f"{kernel.name}@{angle:g}: expected a 3×3 kernel to turn by 45 degrees, got "
            f"{rows}×{columns}: use quarter turns (@90, @180, @270)"
        )
    return kernel.with_weights(_ring_turned(weights) if eighths else weights)


def _ring_turned(weights: Weights) -> Weights:
    turned = weights.copy()
    for place, following in zip(_RING, (*_RING[1:], _RING[0]), strict=True):
        turned[(..., *place)] = weights[(..., *following)]
    return turned


def normalized(kernel: Kernel) -> Kernel:
    """Scale a kernel, or each filter of a bank, so that it keeps brightness.

    Its weights then sum to 1. If they sum to 0, the positive ones then sum to 1.
    """
    rows = kernel.weights.reshape(kernel.filters, -1)
    scale = np.where(kernel.sums != 0, kernel.sums, np.maximum(rows, 0).sum(axis=1))
    if not scale.all():
        raise KernelError(
            f"{kernel.name}: expected a weight other than 0 to normalise by, got none: "
            "leave @normalize out"
        )
    return kernel.with_weights((rows / scale[:, np.newaxis]).reshape(kernel.weights.shape))


def scaled(kernel: Kernel, factor: float) -> Kernel:
    """Multiply all weights; the bias does not change."""
    with np.errstate(over="ignore"):
        return kernel.with_weights(kernel.weights * factor)


_WORDS: dict[str, Callable[[Kernel], Kernel]] = {
    "flip": Kernel.flipped,
    "transpose": lambda kernel: kernel.with_weights(kernel.weights.swapaxes(-2, -1)),
    "normalize": normalized,
    "negate": lambda kernel: scaled(kernel, -1.0),
}

_KNOWN = ("@45 … @315", *(f"@{word}" for word in _WORDS), "@scale=0.25")
"""The modifiers as a person writes them."""


def modifier(text: str, spec: str) -> Callable[[Kernel], Kernel]:
    """Return the function that a modifier names: from a kernel to the changed kernel.

    The modifier is the text after one @: ``45``, ``flip``, ``scale=0.25``. Messages name the
    whole specification, `spec`. No such modifier, or none with its value, is a `SpecError`.
    """
    word, equals, value = (part.strip().lower() for part in text.partition("="))
    if word in _WORDS and not equals:
        return _renamed(_WORDS[word], word)
    if word == "scale":
        factor = _factor(value, spec)
        return _renamed(lambda kernel: scaled(kernel, factor), f"scale={factor:g}")
    if _NUMBER.fullmatch(word) and not equals:
        return _renamed(lambda kernel: rotated(kernel, float(word)), word)
    got = f"'@{text.strip()}'" if text.strip() else "nothing after '@'"
    raise SpecError(f"{spec}: expected a modifier, got {got}: use {', '.join(_KNOWN)}")


def _factor(text: str, spec: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not math.isfinite(factor) or factor == 0:
        got = repr(text) if text else "nothing"
        raise SpecError(
            f"{spec}: expected a number other than 0 after '@scale=', got {got}: @scale=0.25"
        )
    return factor


def _renamed(change: Callable[[Kernel], Kernel], word: str) -> Callable[[Kernel], Kernel]:
    """Return the change, which also appends the modifier to the kernel's name."""

    def changed(kernel: Kernel) -> Kernel:
        result = change(kernel)
        return Kernel(result.weights, result.bias, f"{kernel.name}@{word}", result.description)

    return changed
