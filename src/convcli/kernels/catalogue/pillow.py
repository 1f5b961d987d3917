"""The fixed filters of Pillow's ImageFilter.

Pillow applies its rows from the bottom up; here they are in correlation orientation.
Pillow clips, so that `--range clip` gives its pictures, and it leaves the border
unfiltered.
"""

import numpy as np

from convcli.kernels.catalogue.entry import Theme

THEME = Theme("Pillow's")

_SMOOTH_MORE = [
    [1, 1, 1, 1, 1],
    [1, 5, 5, 5, 1],
    [1, 5, 44, 5, 1],
    [1, 5, 5, 5, 1],
    [1, 1, 1, 1, 1],
]
_RING = np.pad(np.zeros((3, 3)), 1, constant_values=1)

for _name, _weights, _divisor, _bias, _about in (
    ("blur", _RING, 16, None, "mean of the ring two pixels away"),
    ("smooth", [[1, 1, 1], [1, 5, 1], [1, 1, 1]], 13, None, "a slight blur"),
    ("smooth-more", _SMOOTH_MORE, 100, None, "a blur with a strong centre"),
    ("detail", [[0, -1, 0], [-1, 10, -1], [0, -1, 0]], 6, None, "a slight sharpening"),
    (
        "edge-enhance",
        [[-1, -1, -1], [-1, 10, -1], [-1, -1, -1]],
        2,
        None,
        "sharpens over all 8 neighbours",
    ),
    (
        "edge-enhance-more",
        [[-1, -1, -1], [-1, 9, -1], [-1, -1, -1]],
        1,
        None,
        "sharpens twice as strongly",
    ),
    (
        "pillow-sharpen",
        [[-2, -2, -2], [-2, 32, -2], [-2, -2, -2]],
        16,
        None,
        "sharpens over all 8 neighbours, gently",
    ),
    (
        "contour",
        [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
        1,
        255,
        "dark outlines on white",
    ),
    (
        "pillow-emboss",
        [[0, 0, 0], [0, 1, 0], [-1, 0, 0]],
        1,
        128,
        "relief on mid-grey: brighter than at the lower left",
    ),
):
    THEME.fixed(
        _name,
        np.array(_weights, dtype=np.float64) / _divisor,
        _about,
        f"Pillow ImageFilter.{_name.removeprefix('pillow-').upper().replace('-', '_')}"
        + (f", with {_bias} added; '--range clip' gives its picture" if _bias else ""),
        bias=_bias,
    )
