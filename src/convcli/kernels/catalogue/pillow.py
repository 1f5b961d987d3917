"""The fixed filters of Pillow's ImageFilter.

Pillow applies its rows from the bottom up; here they are written for correlation. Pillow
clips, so that `--range clip` gives its pictures, and it leaves the border unfiltered.
"""

import numpy as np
from numpy.typing import ArrayLike

from convcli.kernels.catalogue.entry import Theme

THEME = Theme("Pillow's")


def _around(centre: float, neighbour: float) -> ArrayLike:
    """Return a 3×3 kernel whose 8 neighbours have one weight."""
    return np.pad([[centre]], 1, constant_values=neighbour)


_RING = np.pad(np.zeros((3, 3)), 1, constant_values=1)
_SMOOTH_MORE = np.pad(_around(44, 5), 1, constant_values=1)
_DETAIL = [[0, -1, 0], [-1, 10, -1], [0, -1, 0]]
_EMBOSS = [[0, 0, 0], [0, 1, 0], [-1, 0, 0]]

for _name, _weights, _divisor, _bias, _about in (
    ("blur", _RING, 16, None, "mean of the ring two pixels away"),
    ("smooth", _around(5, 1), 13, None, "a slight blur"),
    ("smooth-more", _SMOOTH_MORE, 100, None, "a blur with a strong centre"),
    ("detail", _DETAIL, 6, None, "a slight sharpening"),
    ("edge-enhance", _around(10, -1), 2, None, "sharpens over all 8 neighbours"),
    ("edge-enhance-more", _around(9, -1), 1, None, "sharpens twice as strongly"),
    ("pillow-sharpen", _around(32, -2), 16, None, "sharpens over all 8 neighbours, gently"),
    ("contour", _around(8, -1), 1, 255, "dark outlines on white"),
    ("pillow-emboss", _EMBOSS, 1, 128, "relief on mid-grey: brighter than at the lower left"),
):
    THEME.fixed(
        _name,
        np.array(_weights, dtype=np.float64) / _divisor,
        _about,
        f"Pillow ImageFilter.{_name.removeprefix('pillow-').upper().replace('-', '_')}"
        + (f", with {_bias} added; '--range clip' gives its picture" if _bias else ""),
        bias=_bias,
    )
