"""More contrast where there is some: the picture plus what a blur takes away."""

import numpy as np

from convcli.kernels.catalogue.entry import LARGEST_SIDE, Parameter, Theme
from convcli.kernels.catalogue.smoothing import RADIUS, SIGMA, gaussian
from convcli.kernels.kernel import Weights

THEME = Theme("Sharpening and relief")

THEME.fixed(
    "sharpen",
    [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "more local contrast: identity minus laplacian4",
    "identity - laplacian4",
)


@THEME.named(
    "unsharp",
    "unsharp mask: adds what a blur takes away",
    "identity + amount · (identity - gaussian:σ), scikit-image unsharp_mask as one kernel; "
    "GIMP and ImageMagick add a threshold, which is no convolution",
    SIGMA,
    Parameter("amount", float, 1.0, 0, 100, "", "how much of the difference is added"),
    RADIUS,
)
def _unsharp(sigma: float, amount: float, radius: int | None) -> Weights:
    bell = gaussian(sigma, radius)
    return (1 + amount) * _impulse(len(bell)) - amount * bell


@THEME.named(
    "high-pass",
    "what a box blur takes away: fine detail around 0",
    "identity - box:k",
    Parameter(
        "size", int, 3, 1, LARGEST_SIDE, "pixels", "side k of the subtracted box", odd=True
    ),
)
def _high_pass(size: int) -> Weights:
    return _impulse(size) - 1 / size**2


def _impulse(size: int) -> Weights:
    grid = np.zeros((size, size))
    grid[size // 2, size // 2] = 1
    return grid


THEME.fixed(
    "emboss",
    [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    "relief, lit from the lower right",
    "sum 1, as in common raster editors; others use a sum of 0 and add 128",
)
