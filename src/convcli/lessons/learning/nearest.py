"""The kernel of the catalogue that a learnt one is nearest to."""

import math
from dataclasses import dataclass

import numpy as np

from convcli.errors import SpecError
from convcli.kernels import CATALOGUE, Entry, Kernel
from convcli.lessons.learning.samples import Values

_NEAR = 0.1
"""Part of a kernel's largest weight by which another may differ and still have its name. It
is how far the catalogue's own kernels of fixed weights differ from each other at the least."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The kernel of the catalogue that some weights are nearest to.

    Attributes
    ----------
    kernel : str
        Its name.
    difference : float
        How far off a weight is at the most.
    near : bool
        Whether that is near enough to go by the name.
    """

    kernel: str
    difference: float
    near: bool


def nearest_named(grid: Values) -> Nearest:
    """Return the catalogue's nearest kernel.

    Kernels with parameters are tried with their defaults, and with the size of the grid;
    smaller ones stand in its middle.

    Examples
    --------
    >>> nearest_named(np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1.01]])).kernel
    'sobel-x'
    """
    gaps = [
        (float(np.abs(_placed(kernel.weights, grid.shape) - grid).max()), kernel)
        for kernel in _candidates(grid.shape)
    ]
    # The first of equals: robinson-e is sobel-x by another name.
    gap, kernel = min(gaps, key=lambda one: one[0])
    return Nearest(kernel.name, gap, gap <= _NEAR * float(np.abs(kernel.weights).max()))


def _candidates(shape: tuple[int, ...]) -> list[Kernel]:
    found: list[Kernel] = []
    for entry in CATALOGUE.values():
        names = {parameter.name: parameter for parameter in entry.parameters}
        settings: list[dict[str, float]] = [{}]
        if "size" in names:
            settings += [{"size": side} for side in range(1, min(shape) + 1)]
        if "sigma" in names and "radius" in names:
            radius = (min(shape) - 1) // 2
            settings += [{"sigma": s / 4, "radius": radius} for s in range(2, 17)]
        elif "radius" in names and names["radius"].kind is int:
            reach = (min(shape) - 1) // 2
            settings += [
                {"radius": r} for r in range(math.ceil(names["radius"].least), reach + 1)
            ]
        found += [kernel for one in settings for kernel in _made(entry, one)]
    return [k for k in found if not k.is_bank and k.weights.any() and _fits(k.size, shape)]


def _made(entry: Entry, settings: dict[str, float]) -> list[Kernel]:
    """Return the kernel of these parameters; none where they are out of its range."""
    try:
        return [entry.kernel(settings)]
    except SpecError:
        return []


def _fits(size: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return all(a <= b and (b - a) % 2 == 0 for a, b in zip(size, shape, strict=True))


def _placed(weights: Values, shape: tuple[int, ...]) -> Values:
    rows, columns = ((b - a) // 2 for a, b in zip(weights.shape, shape, strict=True))
    return np.pad(weights, ((rows, rows), (columns, columns)))
