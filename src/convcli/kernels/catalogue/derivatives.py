"""First derivatives, which smooth along an edge and differentiate across it; gradients."""

import math

from convcli.choices import Combine
from convcli.kernels.catalogue.entry import Theme, operator, outer

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
        f"{_name}-x", outer(_smooth, _edge), "vertical edges: brighter to the right", _source
    )
    THEME.fixed(
        f"{_name}-y", outer(_edge, _smooth), "horizontal edges: brighter below", _source
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
