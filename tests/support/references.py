"""Coefficients of every named kernel, taken from elsewhere: other libraries, or print.

All in correlation orientation. Nothing here comes from convcli.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter
from scipy import ndimage
from skimage import filters

Grid: TypeAlias = NDArray[np.float64]


def answer_to_impulse(function: Callable[[Grid], Any], side: int) -> Grid:
    """Return the kernel that a library correlates with: its answer to one point, turned."""
    point = np.zeros((4 * side + 1, 4 * side + 1))
    point[2 * side, 2 * side] = 1
    reach = side // 2
    middle = slice(2 * side - reach, 2 * side + reach + 1)
    return np.asarray(function(point), np.float64)[middle, middle][::-1, ::-1]


def opencv_pair(dx: int, dy: int, size: int) -> Grid:
    """Return OpenCV's derivative kernel of that size (-1: Scharr)."""
    across, down = cv2.getDerivKernels(dx, dy, size)
    return np.outer(down, across).astype(np.float64)


def ring_turned(grid: Any, eighths: int) -> Grid:
    """Turn the rim of a 3×3 grid counter-clockwise by so many eighths."""
    rim = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    turned = np.array(grid, np.float64)
    values = [turned[place] for place in rim]
    for index, place in enumerate(rim):
        turned[place] = values[(index + eighths) % 8]
    return turned


def pillow(name: str) -> Grid:
    """Return one of Pillow's filters; its rows are applied from the bottom up."""
    (columns, rows), scale, _, numbers = getattr(ImageFilter, name).filterargs
    return np.asarray(np.array(numbers, np.float64).reshape(rows, columns)[::-1] / scale)


def motion_loops(length: float, angle: float) -> Grid:
    """Return MATLAB's fspecial('motion'), pixel by pixel, from its documentation."""
    half, phi = (length - 1) / 2, math.radians(angle)
    reach = math.ceil(length)
    grid = np.zeros((2 * reach + 1, 2 * reach + 1))
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            x, y = column - reach, reach - row
            aside = abs(y * math.cos(phi) - x * math.sin(phi))
            along = abs(x * math.cos(phi) + y * math.sin(phi))
            if math.hypot(x, y) >= half:
                aside = math.hypot(aside, half - along)
            grid[row, column] = max(1 - aside, 0)
    return without_empty_rim(np.asarray(grid / grid.sum()))


def without_empty_rim(grid: Grid) -> Grid:
    """Return a grid without the rows and columns that are all zeros."""
    return grid[np.ix_(grid.max(axis=1) > 1e-9, grid.max(axis=0) > 1e-9)]


def gabor_loops(
    wavelength: float, theta: float, sigma: float, gamma: float, reach: int
) -> Grid:
    """Return OpenCV's Gabor kernel in our orientation: its θ turns the other way."""
    size = 2 * reach + 1
    turn = -math.radians(theta)
    kernel = cv2.getGaborKernel((size, size), sigma, turn, wavelength, gamma, 0.0, cv2.CV_64F)
    return np.asarray(kernel, np.float64)[::-1, ::-1]


def disk_by_slices(radius: float, fine: int = 20_000) -> Grid:
    """Return an antialiased disk: each column of pixels cut into thin slices, added up."""
    reach = math.ceil(radius - 0.5)
    size = 2 * reach + 1
    places = (np.arange(size * fine) + 0.5) / fine - reach - 0.5
    half = np.sqrt(np.maximum(radius**2 - places**2, 0))
    grid = np.empty((size, size))
    for row in range(size):
        bottom = row - reach - 0.5
        covered = np.minimum(bottom + 1, half) - np.maximum(bottom, -half)
        grid[row] = np.clip(covered, 0, 1).reshape(size, fine).mean(axis=1)
    return np.asarray(grid / grid.sum())


def impulse(side: int) -> Grid:
    grid = np.zeros((side, side))
    grid[side // 2, side // 2] = 1
    return grid


def smooth(sigma: float) -> Callable[[Grid], Any]:
    return lambda point: ndimage.gaussian_filter(point, sigma, mode="constant")


def laplacian_of_gaussian(sigma: float) -> Grid:
    side = 2 * int(4 * sigma + 0.5) + 1
    raw = answer_to_impulse(lambda p: ndimage.gaussian_laplace(p, sigma, mode="constant"), side)
    return np.asarray(raw - raw.mean())


def between_scales(point: Grid) -> Any:
    return filters.difference_of_gaussians(point, 1, 1.6, mode="constant")


R2 = math.sqrt(2)
C = 1 / (2 * R2)
FREI_CHEN = [
    [[C, C * R2, C], [0, 0, 0], [-C, -C * R2, -C]],
    [[C, 0, -C], [C * R2, 0, -C * R2], [C, 0, -C]],
    [[0, -C, C * R2], [C, 0, -C], [-C * R2, C, 0]],
    [[C * R2, -C, 0], [-C, 0, C], [0, C, -C * R2]],
    [[0, 0.5, 0], [-0.5, 0, -0.5], [0, 0.5, 0]],
    [[-0.5, 0, 0.5], [0, 0, 0], [0.5, 0, -0.5]],
    [[1 / 6, -2 / 6, 1 / 6], [-2 / 6, 4 / 6, -2 / 6], [1 / 6, -2 / 6, 1 / 6]],
    [[-2 / 6, 1 / 6, -2 / 6], [1 / 6, 4 / 6, 1 / 6], [-2 / 6, 1 / 6, -2 / 6]],
    [[1 / 3, 1 / 3, 1 / 3], [1 / 3, 1 / 3, 1 / 3], [1 / 3, 1 / 3, 1 / 3]],
]
"""W. Frei and C.-C. Chen, "Fast Boundary Detection", 1977."""

POINTS = ("n", "nw", "w", "sw", "s", "se", "e", "ne")
NORTH = {
    "kirsch": [[5, 5, 5], [-3, 0, -3], [-3, -3, -3]],
    "robinson": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    "prewitt-compass": [[1, 1, 1], [1, -2, 1], [-1, -1, -1]],
}
"""R. Kirsch 1971, G. Robinson 1977, J. Prewitt 1970, as W. Pratt prints them."""

SOBEL_X = opencv_pair(1, 0, 3)
SCHARR_X = opencv_pair(1, 0, -1)
PREWITT_X = answer_to_impulse(lambda p: ndimage.prewitt(p, axis=1, mode="constant"), 3)
FARID_X = answer_to_impulse(filters.farid_v, 5)
LAPLACIAN4 = answer_to_impulse(lambda p: ndimage.laplace(p, mode="constant"), 3)
LAPLACIAN8 = np.array([[1, 1, 1], [1, -8, 1], [1, 1, 1]], np.float64)

KERNELS: dict[str, Grid] = {
    "identity": impulse(3),
    "box": answer_to_impulse(lambda p: cv2.blur(p, (3, 3)), 3),
    "gaussian": answer_to_impulse(smooth(1), 9),
    "binomial": np.outer(cv2.getGaussianKernel(3, 0), cv2.getGaussianKernel(3, 0)),
    "disk": disk_by_slices(3),
    "motion": np.full((1, 9), 1 / 9),
    "sobel-x": SOBEL_X,
    "sobel-y": opencv_pair(0, 1, 3),
    "sobel5-x": opencv_pair(1, 0, 5),
    "sobel5-y": opencv_pair(0, 1, 5),
    "prewitt-x": PREWITT_X,
    "prewitt-y": PREWITT_X.T,
    "scharr-x": SCHARR_X,
    "scharr-y": opencv_pair(0, 1, -1),
    "farid-x": FARID_X,
    "farid-y": answer_to_impulse(filters.farid_h, 5),
    "roberts-1": -answer_to_impulse(filters.roberts_pos_diag, 3)[1:, 1:],
    "roberts-2": np.array([[0, 1], [-1, 0]], np.float64),
    **{f"frei-chen-{n}": np.array(grid, np.float64) for n, grid in enumerate(FREI_CHEN, 1)},
    "laplacian4": LAPLACIAN4,
    "laplacian8": LAPLACIAN8,
    "laplacian": np.array([[1, 4, 1], [4, -20, 4], [1, 4, 1]]) / 6,
    "edge": pillow("FIND_EDGES"),
    "log": laplacian_of_gaussian(1.4),
    "log5": np.array(
        [
            [0, 0, -1, 0, 0],
            [0, -1, -2, -1, 0],
            [-1, -2, 16, -2, -1],
            [0, -1, -2, -1, 0],
            [0, 0, -1, 0, 0],
        ],
        np.float64,
    ),
    "dog": answer_to_impulse(between_scales, 13),
    "sharpen": impulse(3) - LAPLACIAN4,
    "unsharp": 2 * impulse(9) - answer_to_impulse(smooth(1), 9),
    "high-pass": impulse(3) - 1 / 9,
    "emboss": np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float64),
    **{
        f"{name}-{point}": ring_turned(north, eighths)
        for name, north in NORTH.items()
        for eighths, point in enumerate(POINTS)
    },
    "gabor": gabor_loops(8, 0, 0.56 * 8, 0.5, math.ceil(3 * 0.56 * 8 / 0.5)),
    "blur": pillow("BLUR"),
    "smooth": pillow("SMOOTH"),
    "smooth-more": pillow("SMOOTH_MORE"),
    "detail": pillow("DETAIL"),
    "edge-enhance": pillow("EDGE_ENHANCE"),
    "edge-enhance-more": pillow("EDGE_ENHANCE_MORE"),
    "pillow-sharpen": pillow("SHARPEN"),
    "contour": pillow("CONTOUR"),
    "pillow-emboss": pillow("EMBOSS"),
}
"""Every kernel of the catalogue, with its parameters' defaults."""

BIASES = {"contour": 255.0, "pillow-emboss": 128.0}

OPERATORS: dict[str, tuple[str, list[str]]] = {
    "sobel": ("magnitude", ["sobel-x", "sobel-y"]),
    "prewitt": ("magnitude", ["prewitt-x", "prewitt-y"]),
    "scharr": ("magnitude", ["scharr-x", "scharr-y"]),
    "farid": ("magnitude", ["farid-x", "farid-y"]),
    "roberts": ("magnitude", ["roberts-1", "roberts-2"]),
    "frei-chen": ("magnitude", [f"frei-chen-{n}" for n in (1, 2, 3, 4)]),
    "kirsch": ("max", [f"kirsch-{point}" for point in POINTS]),
    "robinson": ("max", [f"robinson-{point}" for point in POINTS]),
    "prewitt-compass": ("max", [f"prewitt-compass-{point}" for point in POINTS]),
}


def correlated(pixels: NDArray[Any], weights: Grid) -> Grid:
    """Correlate by SciPy with zeros around; of even sizes the odd row goes at the end."""
    origin = [0 if length % 2 else -1 for length in weights.shape]
    values = pixels.astype(np.float64)
    return np.asarray(ndimage.correlate(values, weights, mode="constant", origin=origin))


def operated(pixels: NDArray[Any], name: str) -> Grid:
    """Return what an operator answers."""
    how, names = OPERATORS[name]
    answers = np.stack([correlated(pixels, KERNELS[one]) for one in names])
    if how == "max":
        return np.asarray(answers.max(axis=0))
    return np.asarray(np.sqrt((answers**2).sum(axis=0)))
