"""Kernels that answer one direction, and the fixed filters of Pillow's ImageFilter.

The operators of the compass take the strongest of the eight directions of an edge.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from convcli.choices import Combine
from convcli.errors import SpecError, fail
from convcli.kernels.catalogue.entry import (
    LARGEST_RADIUS,
    OPERATORS,
    OperatorEntry,
    Parameter,
    Theme,
)
from convcli.kernels.kernel import Kernel, Weights
from convcli.kernels.operator import rotated

COMPASS, TEXTURE, PILLOW = Theme("Compass"), Theme("Texture"), Theme("Pillow's")

_POINTS = ("n", "nw", "w", "sw", "s", "se", "e", "ne")  # by 45° counter-clockwise
_WIDEST_DEFAULT = 0.56  # σ/λ of a filter one octave wide: √(ln 2 / 2)/π · (2¹ + 1)/(2¹ - 1)


for _name, _north, _source in (
    (
        "kirsch",
        [[5, 5, 5], [-3, 0, -3], [-3, -3, -3]],
        "Kirsch 1971; some tools divide by 15, and start at another point",
    ),
    (
        "robinson",
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        "Robinson 1977, level 5: Sobel's kernel turned; others keep four and take the sign",
    ),
    (
        "prewitt-compass",
        [[1, 1, 1], [1, -2, 1], [-1, -1, -1]],
        "Prewitt 1970, as in Pratt's Digital Image Processing",
    ),
):
    for _angle, _point in zip(range(0, 360, 45), _POINTS, strict=True):
        COMPASS.fixed(
            f"{_name}-{_point}",
            rotated(Kernel(_north), _angle).weights,
            f"edges: brighter towards {_point.upper()}",
            f"{_source}; north's ring of 8 weights turned by {_angle}°",
        )
    OPERATORS[_name] = OperatorEntry(
        _name,
        "edges of every direction: the best of 8 directions",
        f"the largest of the 8 answers of {_name}-n … {_name}-ne",
        tuple(f"{_name}-{point}" for point in _POINTS),
        Combine.MAX,
    )


@TEXTURE.named(
    "gabor",
    "stripes under a bell: answers texture of one wavelength and direction",
    "exp(-(x'² + γ²·y'²)/(2σ²)) · cos(2π·x'/λ + ψ), as OpenCV getGaborKernel, whose θ turns "
    "clockwise and whose grid is turned by 180°; scikit-image is complex and divides by "
    "2π·σx·σy",
    Parameter("lambda", float, 8.0, 2, 2000, "pixels", "wavelength λ of the stripes"),
    Parameter("theta", float, 0.0, -360, 360, "degrees", "across the stripes, θ: 0 is right"),
    Parameter("sigma", float, None, 0, 500, "pixels", "of the bell, 0.56 λ", above=True),
    Parameter("gamma", float, 0.5, 0.05, 20, "", "aspect γ: below 1, long stripes"),
    Parameter("psi", float, 0.0, -360, 360, "degrees", "phase ψ: 90 is an edge"),
    Parameter("radius", int, None, 0, LARGEST_RADIUS, "pixels", "taps on each side, 3σ"),
)
def _gabor(*, theta: float, gamma: float, psi: float, **others: float | None) -> Weights:
    wavelength = float(others["lambda"] or 0)
    sigma = others["sigma"] or _WIDEST_DEFAULT * wavelength
    radius = _radius(sigma, gamma) if others["radius"] is None else int(others["radius"])
    y, x = np.mgrid[radius : -radius - 1 : -1, -radius : radius + 1]
    turn = math.radians(theta)
    across = x * math.cos(turn) + y * math.sin(turn)
    along = y * math.cos(turn) - x * math.sin(turn)
    bell = np.exp(-(across**2 + (gamma * along) ** 2) / (2 * sigma**2))
    return np.asarray(bell * np.cos(2 * math.pi * across / wavelength + math.radians(psi)))


def _radius(sigma: float, gamma: float) -> int:
    """Return 3 standard deviations of the bell along its longer axis."""
    radius = math.ceil(3 * sigma / min(gamma, 1))
    if radius > LARGEST_RADIUS:
        needed = f"sigma {sigma:g} with gamma {gamma:g} needs {radius} taps on each side"
        fault = f"{needed}, expected at most {LARGEST_RADIUS}"
        fail("gabor", fault, "lower sigma, or set radius", SpecError)
    return radius


# ------------------------------------------------------------------ Pillow's

# Pillow applies its rows from the bottom up; here they are written for correlation. Pillow
# clips, so that `--range clip` gives its pictures, and it leaves the border unfiltered.


def _around(centre: float, neighbour: float) -> ArrayLike:
    """Return a 3×3 kernel whose 8 neighbours have one weight."""
    return np.pad([[centre]], 1, constant_values=neighbour)


_RING = np.pad(np.zeros((3, 3)), 1, constant_values=1)
_SMOOTH_MORE = np.pad(_around(44, 5), 1, constant_values=1)
_DETAIL = [[0, -1, 0], [-1, 10, -1], [0, -1, 0]]
_EMBOSS = [[0, 0, 0], [0, 1, 0], [-1, 0, 0]]

for _name, _weights, _divisor, _bias, _about in (
    ("blur", _RING, 16, None, "mean of the ring two pixels away"),
    ("smooth", _around(5, 1), 13, None, "a slight blur"),
    ("smooth-more", _SMOOTH_MORE, 100, None, "a blur with a strong centre"),
    ("detail", _DETAIL, 6, None, "a slight sharpening"),
    ("edge-enhance", _around(10, -1), 2, None, "sharpens over all 8 neighbours"),
    ("edge-enhance-more", _around(9, -1), 1, None, "sharpens twice as strongly"),
    ("pillow-sharpen", _around(32, -2), 16, None, "sharpens over all 8 neighbours, gently"),
    ("contour", _around(8, -1), 1, 255, "dark outlines on white"),
    ("pillow-emboss", _EMBOSS, 1, 128, "relief on mid-grey: brighter than at the lower left"),
):
    PILLOW.fixed(
        _name,
        np.array(_weights, dtype=np.float64) / _divisor,
        _about,
        f"Pillow ImageFilter.{_name.removeprefix('pillow-').upper().replace('-', '_')}"
        + (f", with {_bias} added; '--range clip' gives its picture" if _bias else ""),
        bias=_bias,
    )
