"""Blurs: weights that sum to 1 and keep brightness."""

import math

import numpy as np

from convcli.kernels.catalogue.entry import LARGEST_RADIUS, LARGEST_SIDE, Parameter, Theme
from convcli.kernels.kernel import Weights

THEME = Theme("Smoothing")

SIGMA = Parameter("sigma", float, 1.0, 0, 255, "pixels", "standard deviation σ", above=True)
"""With σ up to 255 the radius int(4σ + ½) stays within the limit."""

RADIUS = Parameter(
    "radius", int, None, 0, LARGEST_RADIUS, "pixels", "taps on each side, int(4σ + ½)"
)

THEME.fixed(
    "identity",
    [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "leaves the picture as it is",
    "by definition",
)


@THEME.named(
    "box",
    "mean of a square neighbourhood: the plainest blur",
    "weights 1/k²; OpenCV blur, SciPy uniform_filter",
    Parameter("size", int, 3, 1, LARGEST_SIDE, "pixels", "side k of the square"),
)
def _box(size: int) -> Weights:
    return np.full((size, size), 1 / size**2, np.float64)


@THEME.named(
    "gaussian",
    "bell-shaped blur",
    "exp(-x²/2σ²) at whole pixels, normalised to sum 1; radius int(4σ + ½) as SciPy "
    "gaussian_filter. OpenCV derives σ from the size, MATLAB takes 2⌈2σ⌉ + 1 taps",
    SIGMA,
    RADIUS,
)
def gaussian(sigma: float, radius: int | None = None) -> Weights:
    """Return the sampled bell, shape (2r + 1, 2r + 1), which sums to 1."""
    radius = radius_of(sigma) if radius is None else radius
    offsets = np.arange(-radius, radius + 1)
    with np.errstate(over="ignore"):  # the sides of a very narrow bell are 0
        bell = np.exp(-0.5 * (offsets / sigma) ** 2)
    bell /= bell.sum()
    return np.outer(bell, bell)


def radius_of(sigma: float) -> int:
    """Return the radius of the bell of that σ: SciPy's int(4σ + ½)."""
    return int(4 * sigma + 0.5)


@THEME.named(
    "binomial",
    "blur by binomial coefficients: nearly Gaussian, with short exact weights",
    "row 2r of Pascal's triangle ⊗ itself, over 16^r: [1 2 1] ⊗ [1 2 1] / 16 for r = 1",
    Parameter("radius", int, 1, 0, 15, "pixels", "taps on each side"),
)
def _binomial(radius: int) -> Weights:
    row = np.array([math.comb(2 * radius, k) for k in range(2 * radius + 1)]) / 4.0**radius
    return np.outer(row, row)


@THEME.named(
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
    weights: Weights = whole / whole.sum()
    return weights


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
    area: Weights = (middle - start) * (top - bottom) + curved - bottom * (end - middle)
    return area


def _under_circle(x: Weights, radius: float) -> Weights:
    """Return the integral of √(r² - t²) for t from 0 to x."""
    height = np.sqrt(np.maximum(radius**2 - x**2, 0))
    integral: Weights = (x * height + radius**2 * np.arcsin(np.minimum(x / radius, 1))) / 2
    return integral


@THEME.named(
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
