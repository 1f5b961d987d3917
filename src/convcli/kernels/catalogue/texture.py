"""Stripes of one width and direction."""

import math

import numpy as np

from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import LARGEST_RADIUS, Parameter, Theme
from convcli.kernels.kernel import Weights

THEME = Theme("Texture")

_WIDEST_DEFAULT = 0.56
"""σ/λ of a filter one octave wide: √(ln 2 / 2)/π · (2¹ + 1)/(2¹ - 1)."""


@THEME.named(
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
    weights: Weights = bell * np.cos(2 * math.pi * across / wavelength + math.radians(psi))
    return weights


def _radius(sigma: float, gamma: float) -> int:
    """Return 3 standard deviations of the bell along its longer axis."""
    radius = math.ceil(3 * sigma / min(gamma, 1))
    if radius > LARGEST_RADIUS:
        raise SpecError(
            f"gabor: sigma {sigma:g} with gamma {gamma:g} needs {radius} taps on each side, "
            f"expected at most {LARGEST_RADIUS}: lower sigma, or set radius"
        )
    return radius
