"""Second derivatives, which find blobs and lines, and the sharpening that subtracts them."""

import math

import numpy as np

from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import LARGEST_SIDE, Parameter, Theme
from convcli.kernels.catalogue.smoothing import RADIUS, SIGMA, gaussian, radius_of
from convcli.kernels.kernel import Weights

THEME = Theme("Laplacians")

THEME.fixed(
    "laplacian4",
    [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "second derivative over the 4 nearest neighbours",
    "as OpenCV Laplacian (ksize 1) and SciPy laplace; ImageMagick and scikit-image have "
    "the centre positive",
)
THEME.fixed(
    "laplacian8",
    [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "second derivative over all 8 neighbours",
    "the 8-neighbour stencil; ImageMagick has the centre positive",
)


@THEME.named(
    "laplacian",
    "second derivative, the diagonals weighted by alpha",
    "4/(α+1) · [α/4 (1-α)/4 α/4; (1-α)/4 -1 (1-α)/4; …], MATLAB fspecial('laplacian', α); "
    "α = 0 is laplacian4",
    Parameter("alpha", float, 0.2, 0, 1, "", "weight α of the diagonals against the sides"),
)
def _laplacian(alpha: float) -> Weights:
    from fractions import Fraction

    # Fractions, so that α = 0.2 gives exact sixths: whole numbers over 6.
    exact = Fraction(repr(alpha))
    corner, side, centre = (part / (exact + 1) for part in (exact, 1 - exact, Fraction(-4)))
    ring = [corner, side, corner]
    return np.array([ring, [side, centre, side], ring], dtype=np.float64)


THEME.fixed(
    "edge",
    [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "edges of every direction (outline)",
    "laplacian8 with the opposite sign; ImageMagick Laplacian:0, Pillow FIND_EDGES",
)


@THEME.named(
    "log",
    "Laplacian of a Gaussian: dark blobs of radius σ√2 answer strongest",
    "(r² - 2σ²)/σ⁴ times the gaussian, less its mean, so that it sums to 0; SciPy "
    "gaussian_laplace before the mean is taken off, MATLAB fspecial('log'). ImageMagick "
    "LoG has the centre positive",
    Parameter("sigma", float, 1.4, 0.3, 255, "pixels", "standard deviation σ"),
    RADIUS,
)
def _log(sigma: float, radius: int | None) -> Weights:
    bell = gaussian(sigma, radius)
    side = np.arange(len(bell)) - len(bell) // 2
    x, y = np.meshgrid(side, side)
    weights: Weights = bell * (x**2 + y**2 - 2 * sigma**2) / sigma**4
    weights -= weights.mean()
    return weights


THEME.fixed(
    "log5",
    [
        [0, 0, -1, 0, 0],
        [0, -1, -2, -1, 0],
        [-1, -2, 16, -2, -1],
        [0, -1, -2, -1, 0],
        [0, 0, -1, 0, 0],
    ],
    "Laplacian of a Gaussian in whole numbers: bright blobs answer",
    "the 5×5 approximation of textbooks (Gonzalez & Woods), centre positive, unlike log",
)


@THEME.named(
    "dog",
    "difference of two Gaussians: what lies between two scales",
    "G(σ1) - G(σ2), each with SciPy's radius; scikit-image difference_of_gaussians. "
    "ImageMagick DoG likewise, on a radius of its own",
    Parameter("sigma1", float, 1.0, 0, 255, "pixels", "σ of the added bell", above=True),
    Parameter("sigma2", float, 1.6, 0, 255, "pixels", "σ of the subtracted bell", above=True),
)
def _dog(sigma1: float, sigma2: float) -> Weights:
    if math.isclose(sigma1, sigma2):
        raise SpecError(
            f"dog: expected two different sigmas, got {sigma1:g} twice: dog:1,1.6 is one"
        )
    radius = max(radius_of(sigma1), radius_of(sigma2))
    bells = [np.pad(gaussian(s), radius - radius_of(s)) for s in (sigma1, sigma2)]
    return np.subtract(*bells)


SHARPENING = Theme("Sharpening and relief")

SHARPENING.fixed(
    "sharpen",
    [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "more local contrast: identity minus laplacian4",
    "identity - laplacian4",
)


@SHARPENING.named(
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


@SHARPENING.named(
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
    """Return the kernel of an odd size that changes nothing."""
    return np.pad([[1.0]], size // 2)


SHARPENING.fixed(
    "emboss",
    [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    "relief, lit from the lower right",
    "sum 1, as in common raster editors; others use a sum of 0 and add 128",
)
