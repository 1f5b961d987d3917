"""Derivatives: the first smooth along an edge and differentiate across it; gradients.

The second derivatives find blobs and lines; sharpening subtracts them.
"""

import math

import numpy as np

from convcli.choices import Combine
from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import LARGEST_SIDE, Parameter, Theme, operator
from convcli.kernels.catalogue.smoothing import RADIUS, SIGMA, gaussian, radius_of
from convcli.kernels.kernel import Weights

THEME = Theme("Derivatives")

_EDGE = (-1, 0, 1)
# The first halves of rows that are mirrored, the second with the other sign.
_FARID_SMOOTH = 0.0376593171958126, 0.249153396177344, 0.426374573253687
_FARID_EDGE = -0.109603762960254, -0.276690988455557
_FARID_SOURCE = (
    "Farid & Simoncelli 2004, 5 taps, matched for rotation invariance; as scikit-image farid"
)

for _name, _smooth, _edge, _source in (
    (
        "sobel",
        (1, 2, 1),
        _EDGE,
        "Sobel & Feldman 1968, as OpenCV Sobel and SciPy sobel; scikit-image divides by 4",
    ),
    (
        "sobel5",
        (1, 4, 6, 4, 1),
        (-1, -2, 0, 2, 1),
        "binomial smoothing ⊗ a smoothed difference, as OpenCV Sobel with ksize 5",
    ),
    ("prewitt", (1, 1, 1), _EDGE, "Prewitt 1970, as SciPy prewitt; scikit-image divides by 3"),
    ("scharr", (3, 10, 3), _EDGE, "Scharr 2000, as OpenCV Scharr; scikit-image divides by 16"),
    (
        "farid",
        (*_FARID_SMOOTH, *_FARID_SMOOTH[1::-1]),
        (*_FARID_EDGE, 0, *(-weight for weight in _FARID_EDGE[::-1])),
        _FARID_SOURCE,
    ),
):
    THEME.fixed(
        f"{_name}-x", np.outer(_smooth, _edge), "vertical edges: brighter to the right", _source
    )
    THEME.fixed(
        f"{_name}-y", np.outer(_edge, _smooth), "horizontal edges: brighter below", _source
    )

THEME.fixed(
    "roberts-1",
    [[1, 0], [0, -1]],
    "the falling diagonal: brighter at the upper left",
    "Roberts 1963, scikit-image roberts_pos_diag has the opposite sign",
)
THEME.fixed(
    "roberts-2",
    [[0, 1], [-1, 0]],
    "the rising diagonal: brighter at the upper right",
    "Roberts 1963, scikit-image roberts_neg_diag has the opposite sign",
)
_C, _D, _R = 1 / (2 * math.sqrt(2)), 1 / 2, math.sqrt(2)
_FREI_CHEN: tuple[tuple[list[list[float]], str], ...] = (
    ([[_C, _R * _C, _C], [0, 0, 0], [-_C, -_R * _C, -_C]], "edge: brighter above"),
    ([[_C, 0, -_C], [_R * _C, 0, -_R * _C], [_C, 0, -_C]], "edge: brighter to the left"),
    ([[0, -_C, _R * _C], [_C, 0, -_C], [-_R * _C, _C, 0]], "edge: ripple, rising"),
    ([[_R * _C, -_C, 0], [-_C, 0, _C], [0, _C, -_R * _C]], "edge: ripple, falling"),
    ([[0, _D, 0], [-_D, 0, -_D], [0, _D, 0]], "line: upright against level"),
    ([[-_D, 0, _D], [0, 0, 0], [_D, 0, -_D]], "line: rising against falling"),
    (
        [[1 / 6, -2 / 6, 1 / 6], [-2 / 6, 4 / 6, -2 / 6], [1 / 6, -2 / 6, 1 / 6]],
        "line: Laplacian with strong diagonals",
    ),
    (
        [[-2 / 6, 1 / 6, -2 / 6], [1 / 6, 4 / 6, 1 / 6], [-2 / 6, 1 / 6, -2 / 6]],
        "line: Laplacian with strong sides",
    ),
    ([[1 / 3] * 3] * 3, "mean, of length 1"),
)
for _number, (_weights, _about) in enumerate(_FREI_CHEN, start=1):
    THEME.fixed(
        f"frei-chen-{_number}",
        _weights,
        _about,
        "Frei & Chen 1977: an orthonormal basis of all 3×3 kernels; 1-4 edges, 5-8 lines, "
        "9 mean. Others differ in order and sign",
    )

for _name, _times in (("sobel", 4), ("prewitt", 3), ("scharr", 16), ("farid", "")):
    operator(
        _name,
        (f"{_name}-x", f"{_name}-y"),
        Combine.MAGNITUDE,
        "edges of every direction: the gradient's length",
        f"√(x² + y²); scikit-image {_name} divides that by {_times}√2",
    )
operator(
    "roberts",
    ("roberts-1", "roberts-2"),
    Combine.MAGNITUDE,
    "edges of every direction, from 2×2 pixels",
    "Roberts 1963: √(a² + b²); scikit-image roberts divides that by √2",
)
operator(
    "frei-chen",
    (f"frei-chen-{number}" for number in range(1, 5)),
    Combine.MAGNITUDE,
    "edges of every direction: the length of the edge part",
    "Frei & Chen 1977: the neighbourhood projected on the 4 edge vectors of 9. Others use "
    "the first two only, or divide by the whole neighbourhood's length",
)

LAPLACIANS = Theme("Laplacians")

LAPLACIANS.fixed(
    "laplacian4",
    [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "second derivative over the 4 nearest neighbours",
    "as OpenCV Laplacian (ksize 1) and SciPy laplace; ImageMagick and scikit-image have "
    "the centre positive",
)
LAPLACIANS.fixed(
    "laplacian8",
    [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "second derivative over all 8 neighbours",
    "the 8-neighbour stencil; ImageMagick has the centre positive",
)


@LAPLACIANS.named(
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


LAPLACIANS.fixed(
    "edge",
    [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "edges of every direction (outline)",
    "laplacian8 with the opposite sign; ImageMagick Laplacian:0, Pillow FIND_EDGES",
)


@LAPLACIANS.named(
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


LAPLACIANS.fixed(
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


@LAPLACIANS.named(
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
