"""Compass kernels: one edge in eight directions, and the operators that take the strongest."""

import functools

from numpy.typing import ArrayLike

from convcli.choices import Combine
from convcli.kernels.catalogue.entry import Theme, operator
from convcli.kernels.kernel import Kernel, Weights
from convcli.kernels.modifiers import rotated

THEME = Theme("Compass")

_POINTS = ("n", "nw", "w", "sw", "s", "se", "e", "ne")
"""The directions, each turned by 45° counter-clockwise from the one before."""


def _turned(north: ArrayLike, steps: int) -> Weights:
    """Return the weights for north, turned by steps of 45°."""
    return rotated(Kernel(north), 45 * steps).weights


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
    for _step, _point in enumerate(_POINTS):
        THEME.named(
            f"{_name}-{_point}",
            f"edges: brighter towards {_point.upper()}",
            f"{_source}; north's ring of 8 weights turned by {45 * _step}°",
        )(functools.partial(_turned, _north, _step))
    operator(
        _name,
        (f"{_name}-{point}" for point in _POINTS),
        Combine.MAX,
        "edges of every direction: the best of 8 directions",
        f"the largest of the 8 answers of {_name}-n … {_name}-ne",
    )
