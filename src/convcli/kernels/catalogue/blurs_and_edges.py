"""Blurs, derivatives, gradients, Laplacians and sharpening.

The weights of a blur sum to 1 and keep brightness. First derivatives smooth along an edge and
differentiate across it; second ones find blobs and lines, and sharpening subtracts them.
"""

import math

import numpy as np

from convcli.errors import SpecError, fail
from convcli.kernels.catalogue.entry import (
    LARGEST_RADIUS,
    LARGEST_SIDE,
    OPERATORS,
    OperatorEntry,
    Parameter,
    Theme,
)
from convcli.kernels.kernel import Weights

SMOOTHING = Theme("Smoothing")

_SIGMA = Parameter("sigma", float, 1.0, 0, 255, "pixels", "standard deviation σ", above=True)
"""With σ up to 255 the radius int(4σ + ½) stays within the limit."""

_RADIUS = Parameter(
    "radius", int, None, 0, LARGEST_RADIUS, "pixels", "taps on each side, int(4σ + ½)"
)

SMOOTHING.fixed(
    "identity",
    [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "leaves the picture as it is",
    "by definition",
)


@SMOOTHING.named(
    "box",
    "mean of a square neighbourhood: the plainest blur",
    "weights 1/k²; OpenCV blur, SciPy uniform_filter",
    Parameter("size", int, 3, 1, LARGEST_SIDE, "pixels", "side k of the square"),
)
def _box(size: int) -> Weights:
    return np.full((size, size), 1 / size**2, np.float64)


@SMOOTHING.named(
    "gaussian",
    "bell-shaped blur",
    "exp(-x²/2σ²) at whole pixels, normalised to sum 1; radius int(4σ + ½) as SciPy "
    "gaussian_filter. OpenCV derives σ from the size, MATLAB takes 2⌈2σ⌉ + 1 taps",
    _SIGMA,
    _RADIUS,
)
def _gaussian(sigma: float, radius: int | None = None) -> Weights:
    """Return the sampled bell, shape (2r + 1, 2r + 1), which sums to 1."""
    radius = _radius_of(sigma) if radius is None else radius
    offsets = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 * (offsets / sigma) ** 2)
    bell /= bell.sum()
    return np.outer(bell, bell)


def _radius_of(sigma: float) -> int:
    """Return the radius of the bell of that σ: SciPy's int(4σ + ½)."""
    return int(4 * sigma + 0.5)


@SMOOTHING.named(
    "binomial",
    "blur by binomial coefficients: nearly Gaussian, with short exact weights",
    "row 2r of Pascal's triangle ⊗ itself, over 16^r: [1 2 1] ⊗ [1 2 1] / 16 for r = 1",
    Parameter("radius", int, 1, 0, 15, "pixels", "taps on each side"),
)
def _binomial(radius: int) -> Weights:
    row = np.array([math.comb(2 * radius, k) for k in range(2 * radius + 1)]) / 4.0**radius
    return np.outer(row, row)


@SMOOTHING.named(
    "disk",
    "the blur of a lens out of focus: a round, evenly weighted patch",
    "each weight is the part of the pixel inside the circle, exactly, over π·r²; MATLAB "
    "fspecial('disk', r). Others draw the circle without the part-covered pixels",
    Parameter(
        "radius", float, 3.0, 0, LARGEST_RADIUS, "pixels", "radius r of the disk", above=True
    ),
)
def _disk(radius: float) -> Weights:
    reach = max(math.ceil(radius - 0.5), 0)
    edges = np.concatenate([[0.0], np.arange(reach + 1) + 0.5])
    quarter = _quarter_disk(np.minimum(edges, radius), edges, radius)
    half = np.concatenate([quarter[:0:-1], 2 * quarter[:1], quarter[1:]])
    whole = np.concatenate([half[:, :0:-1], 2 * half[:, :1], half[:, 1:]], axis=1)
    return np.asarray(whole / whole.sum())


def _quarter_disk(x: Weights, y: Weights, radius: float) -> Weights:
    """Return the area of a quarter disk in each cell: the integral of min(√(r² - x²), top)."""
    # A cell is flat up to the x at which the circle leaves through its top, and under the
    # circle from there to the x where it leaves through its bottom.
    bottom, top = y[:-1, np.newaxis], y[1:, np.newaxis]
    leaves_top = np.sqrt(np.maximum(radius**2 - top**2, 0))
    leaves_bottom = np.sqrt(np.maximum(radius**2 - bottom**2, 0))
    start, stop = x[np.newaxis, :-1], x[np.newaxis, 1:]
    middle = np.clip(leaves_top, start, stop)
    end = np.maximum(np.clip(leaves_bottom, start, stop), middle)
    curved = _under_circle(end, radius) - _under_circle(middle, radius)
    return np.asarray((middle - start) * (top - bottom) + curved - bottom * (end - middle))


def _under_circle(x: Weights, radius: float) -> Weights:
    """Return the integral of √(r² - t²) for t from 0 to x."""
    height = np.sqrt(np.maximum(radius**2 - x**2, 0))
    return (x * height + radius**2 * np.arcsin(np.minimum(x / radius, 1))) / 2


@SMOOTHING.named(
    "motion",
    "the blur of a camera that moved along a line",
    "1 less the distance to the line, where that is under a pixel, over the sum; MATLAB "
    "fspecial('motion', length, angle)",
    Parameter("length", float, 9.0, 1, LARGEST_SIDE, "pixels", "length of the movement"),
    Parameter("angle", float, 0.0, -360, 360, "degrees", "its direction, counter-clockwise"),
)
def _motion(length: float, angle: float) -> Weights:
    half, turn = (length - 1) / 2, math.radians(angle % 180)
    along, up = math.cos(turn), math.sin(turn)
    # Slightly less, so that a line along an axis gets no row or column of zeros around it.
    hair = length * np.finfo(np.float64).eps
    reach_x, reach_y = (int(half * abs(part) + 1 - hair) for part in (along, up))
    y, x = np.mgrid[reach_y : -reach_y - 1 : -1, -reach_x : reach_x + 1]
    aside = np.abs(y * along - x * up)
    beyond = np.hypot(aside, half - np.abs(x * along + y * up))
    weights: Weights = np.maximum(1 - np.where(np.hypot(x, y) >= half, beyond, aside), 0)
    weights /= weights.sum()
    return weights


DERIVATIVES = Theme("Derivatives")

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
    DERIVATIVES.fixed(
        f"{_name}-x", np.outer(_smooth, _edge), "vertical edges: brighter to the right", _source
    )
    DERIVATIVES.fixed(
        f"{_name}-y", np.outer(_edge, _smooth), "horizontal edges: brighter below", _source
    )

DERIVATIVES.fixed(
    "roberts-1",
    [[1, 0], [0, -1]],
    "the falling diagonal: brighter at the upper left",
    "Roberts 1963, scikit-image roberts_pos_diag has the opposite sign",
)
DERIVATIVES.fixed(
    "roberts-2",
    [[0, 1], [-1, 0]],
    "the rising diagonal: brighter at the upper right",
    "Roberts 1963, scikit-image roberts_neg_diag has the opposite sign",
)
_C, _D, _R = 1 / (2 * math.sqrt(2)), 1 / 2, math.sqrt(2)
_FREI_CHEN: tuple[tuple[Weights | list[list[float]], str], ...] = (
    ([[_C, _R * _C, _C], [0, 0, 0], [-_C, -_R * _C, -_C]], "edge: brighter above"),
    ([[_C, 0, -_C], [_R * _C, 0, -_R * _C], [_C, 0, -_C]], "edge: brighter to the left"),
    ([[0, -_C, _R * _C], [_C, 0, -_C], [-_R * _C, _C, 0]], "edge: ripple, rising"),
    ([[_R * _C, -_C, 0], [-_C, 0, _C], [0, _C, -_R * _C]], "edge: ripple, falling"),
    ([[0, _D, 0], [-_D, 0, -_D], [0, _D, 0]], "line: upright against level"),
    ([[-_D, 0, _D], [0, 0, 0], [_D, 0, -_D]], "line: rising against falling"),
    (np.outer((1, -2, 1), (1, -2, 1)) / 6, "line: Laplacian with strong diagonals"),
    (np.divide([[-2, 1, -2], [1, 4, 1], [-2, 1, -2]], 6), "line: Laplacian with strong sides"),
    (np.full((3, 3), 1 / 3), "mean, of length 1"),
)
for _number, (_weights, _about) in enumerate(_FREI_CHEN, start=1):
    DERIVATIVES.fixed(
        f"frei-chen-{_number}",
        _weights,
        _about,
        "Frei & Chen 1977: an orthonormal basis of all 3×3 kernels; 1-4 edges, 5-8 lines, "
        "9 mean. Others differ in order and sign",
    )

for _name, _times in (("sobel", 4), ("prewitt", 3), ("scharr", 16), ("farid", "")):
    OPERATORS[_name] = OperatorEntry(
        _name,
        "edges of every direction: the gradient's length",
        f"√(x² + y²); scikit-image {_name} divides that by {_times}√2",
        (f"{_name}-x", f"{_name}-y"),
    )
OPERATORS["roberts"] = OperatorEntry(
    "roberts",
    "edges of every direction, from 2×2 pixels",
    "Roberts 1963: √(a² + b²); scikit-image roberts divides that by √2",
    ("roberts-1", "roberts-2"),
)
OPERATORS["frei-chen"] = OperatorEntry(
    "frei-chen",
    "edges of every direction: the length of the edge part",
    "Frei & Chen 1977: the neighbourhood projected on the 4 edge vectors of 9. Others use "
    "the first two only, or divide by the whole neighbourhood's length",
    ("frei-chen-1", "frei-chen-2", "frei-chen-3", "frei-chen-4"),
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
    _RADIUS,
)
def _log(sigma: float, radius: int | None) -> Weights:
    bell = _gaussian(sigma, radius)
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
        fault = f"expected two different sigmas, got {sigma1:g} twice"
        fail("dog", fault, "dog:1,1.6 is one", SpecError)
    radius = max(_radius_of(sigma1), _radius_of(sigma2))
    bells = [np.pad(_gaussian(s), radius - _radius_of(s)) for s in (sigma1, sigma2)]
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
    _SIGMA,
    Parameter("amount", float, 1.0, 0, 100, "", "how much of the difference is added"),
    _RADIUS,
)
def _unsharp(sigma: float, amount: float, radius: int | None) -> Weights:
    bell = _gaussian(sigma, radius)
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
