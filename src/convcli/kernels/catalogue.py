"""The named kernels. A new one is one function with `@_named` above it.

All are in correlation orientation: an x-derivative is positive where the picture
gets brighter to the right, a y-derivative where it gets brighter downwards.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convcli.errors import SpecError
from convcli.kernels.kernel import Kernel, Weights

_LARGEST_SIDE = 2047
"""The longest side of a kernel with parameters: the square stays under 4 Mi weights."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that a named kernel takes.

    Attributes
    ----------
    name : str
        What it is called in ``name=value``.
    kind : type
        int or float.
    default : int, float or None
        The value where none is given; None: worked out from the others.
    least, most : int or float
        The range, both ends included, unless `above` is set.
    above : bool
        Whether `least` itself is excluded.
    unit : str
        Unit of the value.
    about : str
        One line on its meaning.
    """

    name: str
    kind: type[int] | type[float]
    default: float | None
    least: float
    most: float
    unit: str
    about: str
    above: bool = False

    @property
    def range(self) -> str:
        """The allowed values, in words."""
        return f"{'above' if self.above else 'at least'} {self.least:g}, at most {self.most:g}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A named kernel of the catalogue.

    Attributes
    ----------
    name, description : str
        What it is called, and what it does, on one line.
    source : str
        Where the coefficients come from, and where other tools differ.
    parameters : tuple of Parameter
        What may follow the name, in this order.
    build : callable
        Makes the weights from the parameters, by keyword.
    """

    name: str
    description: str
    source: str
    parameters: tuple[Parameter, ...]
    build: Callable[..., ArrayLike]

    def kernel(self, values: Mapping[str, float] | None = None) -> Kernel:
        """Return the kernel for these parameters, the defaults where none is given.

        Raises
        ------
        SpecError
            If a value is out of range.
        """
        given = dict(values or {})
        arguments = {p.name: given.get(p.name, p.default) for p in self.parameters}
        for parameter in self.parameters:
            _check(self, parameter, arguments[parameter.name])
        shown = ",".join(f"{key}={value:g}" for key, value in given.items())
        name = f"{self.name}:{shown}" if shown else self.name
        return Kernel(self.build(**arguments), name=name, description=self.description)


def _check(entry: Entry, parameter: Parameter, value: float | None) -> None:
    if value is None:
        return
    low = value <= parameter.least if parameter.above else value < parameter.least
    if low or value > parameter.most or not math.isfinite(value):
        raise SpecError(
            f"{entry.name}: expected {parameter.name} {parameter.range} "
            f"({parameter.unit}), got {value:g}"
        )


CATALOGUE: dict[str, Entry] = {}
"""All named kernels, in the order in which they are shown."""


def _named(
    name: str, description: str, source: str, *parameters: Parameter
) -> Callable[[Callable[..., ArrayLike]], Callable[..., ArrayLike]]:
    def register(build: Callable[..., ArrayLike]) -> Callable[..., ArrayLike]:
        CATALOGUE[name] = Entry(name, description, source, parameters, build)
        return build

    return register


def _fixed(name: str, weights: ArrayLike, description: str, source: str) -> None:
    CATALOGUE[name] = Entry(name, description, source, (), lambda: weights)


def _outer(column: ArrayLike, row: ArrayLike) -> Weights:
    """Build a kernel from its factors: smooth ⊗ edge."""
    return np.outer(np.asarray(column, np.float64), np.asarray(row, np.float64))


_SMOOTH_SOBEL, _SMOOTH_PREWITT, _SMOOTH_SCHARR = (1, 2, 1), (1, 1, 1), (3, 10, 3)
_EDGE = (-1, 0, 1)

_fixed(
    "identity",
    [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "leaves the picture as it is",
    "by definition",
)


@_named(
    "box",
    "mean of a square neighbourhood: the plainest blur",
    "weights 1/k²; OpenCV blur, SciPy uniform_filter",
    Parameter("size", int, 3, 1, _LARGEST_SIDE, "pixels", "side k of the square"),
)
def _box(size: int) -> ArrayLike:
    return np.full((size, size), 1 / size**2, np.float64)


@_named(
    "gaussian",
    "bell-shaped blur",
    "exp(-x²/2σ²) at whole pixels, normalised to sum 1; radius int(4σ + ½) as SciPy "
    "gaussian_filter. OpenCV derives σ from the size, MATLAB takes 2⌈2σ⌉ + 1 taps",
    Parameter("sigma", float, 1.0, 0, 255, "pixels", "standard deviation σ", above=True),
    Parameter(
        "radius", int, None, 0, _LARGEST_SIDE // 2, "pixels", "taps on each side, int(4σ + ½)"
    ),
)
def _gaussian(sigma: float, radius: int | None) -> ArrayLike:
    reach = int(4 * sigma + 0.5) if radius is None else radius
    offsets = np.arange(-reach, reach + 1)
    bell = np.exp(-0.5 * (offsets / sigma) ** 2)
    bell /= bell.sum()
    return _outer(bell, bell)


@_named(
    "binomial",
    "blur by binomial coefficients: nearly Gaussian, with short exact weights",
    "row 2r of Pascal's triangle ⊗ itself, over 16^r: [1 2 1] ⊗ [1 2 1] / 16 for r = 1",
    Parameter("radius", int, 1, 0, 15, "pixels", "taps on each side"),
)
def _binomial(radius: int) -> ArrayLike:
    row = [math.comb(2 * radius, k) for k in range(2 * radius + 1)]
    return _outer(row, row) * 16.0**-radius


_GRADIENTS = (
    (
        "sobel",
        _SMOOTH_SOBEL,
        "Sobel & Feldman 1968, as OpenCV Sobel and SciPy sobel; scikit-image divides by 4",
    ),
    (
        "prewitt",
        _SMOOTH_PREWITT,
        "Prewitt 1970, as SciPy prewitt; scikit-image divides by 3",
    ),
    (
        "scharr",
        _SMOOTH_SCHARR,
        "Scharr 2000, as OpenCV Scharr; scikit-image divides by 16",
    ),
)
for _name, _smooth, _source in _GRADIENTS:
    _fixed(
        f"{_name}-x", _outer(_smooth, _EDGE), "vertical edges: brighter to the right", _source
    )
    _fixed(f"{_name}-y", _outer(_EDGE, _smooth), "horizontal edges: brighter below", _source)

_fixed(
    "laplacian4",
    [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "second derivative over the 4 nearest neighbours",
    "as OpenCV Laplacian (ksize 1) and SciPy laplace; ImageMagick has the centre positive",
)
_fixed(
    "laplacian8",
    [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "second derivative over all 8 neighbours",
    "the 8-neighbour stencil; ImageMagick has the centre positive",
)
_fixed(
    "edge",
    [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "edges of every direction (outline)",
    "laplacian8 with the opposite sign; ImageMagick Laplacian:0",
)
_fixed(
    "sharpen",
    [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "more local contrast: identity minus laplacian4",
    "identity - laplacian4",
)
_fixed(
    "emboss",
    [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    "relief, lit from the lower right",
    "sum 1, as in common raster editors; others use a sum of 0 and add 128",
)
