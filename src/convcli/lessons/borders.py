"""Border modes drawn, named, and seen on a picture."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import source_indices
from convcli.choices import Border
from convcli.drawing.canvas import Canvas
from convcli.drawing.figures import beside, page_of, picture_block
from convcli.geometry.window import window
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.lessons.pictures import differences, finite, grey_colors
from convcli.pipeline.options import Options
from convcli.pipeline.run import filter_frame
from convcli.values import Record, replace

NAMES_ELSEWHERE: dict[Border, tuple[str, str, str, str, str]] = {
    Border.ZERO: ("constant", "constant", "CONSTANT", "zeros", "Black"),
    Border.REPLICATE: ("edge", "nearest", "REPLICATE", "replicate", "Edge"),
    Border.REFLECT: ("reflect", "mirror", "REFLECT_101", "reflect", "-"),
    Border.SYMMETRIC: ("symmetric", "reflect", "REFLECT", "-", "Mirror"),
    Border.ODD: ("reflect, odd", "-", "-", "-", "-"),
    Border.WRAP: ("wrap", "wrap", "WRAP", "circular", "Tile"),
}
"""The name of each mode in NumPy's pad, SciPy, OpenCV (BORDER_…), torch and ImageMagick."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_RGB = 3
_MAGNIFIED = 10
_SIDE_PIXELS = 28  # rows and columns of the picture that a strip shows


def drawn(border: Border, width: int, length: int = 4) -> str:
    """Draw a border mode over a picture of letters; upper case is 2 · edge - pixel."""
    sources = source_indices(border, length, np.arange(-width, length + width)).tolist()
    text = "".join("0" if source < 0 else _LETTERS[source] for source in sources)
    before, after = text[:width], text[width + length :]
    if border is Border.ODD:
        before, after = before.upper(), after.upper()
    return f"{before}|{text[width : width + length]}|{after}"


CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")


class Strip(Record):
    """A corner (rows, columns, C), filtered; `spread` is the largest difference to ``zero``."""

    border: Border
    pixels: NDArray[Any]
    spread: float
    corner: str = CORNERS[0]

    def near(self, count: int) -> NDArray[Any]:
        """Return the pixels nearest to the corner, at most `count` rows and columns."""
        return _cut(self.pixels, self.corner, count)


def _cut(pixels: NDArray[Any], corner: str, count: int = _SIDE_PIXELS) -> NDArray[Any]:
    rows = slice(None, count) if corner.startswith("top") else slice(-count, None)
    columns = slice(None, count) if corner.endswith("left") else slice(-count, None)
    return pixels[rows, columns]


def strips_of(
    frame: Frame, kernel: Kernel, options: Options, corner: str | None = None
) -> list[Strip]:
    """Filter a frame with each border, and cut out a corner: that where they differ most."""
    changed = [replace(options, border=border) for border in Border]
    whole = [filter_frame(frame, [kernel], each).values for each in changed]

    def unlike(place: str) -> float:  # how much those differ that have no zeros beyond the edge
        cut = [_cut(result, place) for result in whole[1:]]
        return min(_apart(a, b) for a, b in combinations(cut, 2))

    corner = corner or max(CORNERS, key=unlike)
    results = [_cut(result, corner) for result in whole]
    return [
        Strip(border, result, _apart(result, results[0]), corner)
        for border, result in zip(Border, results, strict=True)
    ]


def _apart(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(finite(differences(one, other)).max())


def numbers_shown(kernel: Kernel, options: Options) -> int:
    """Return how many pixels from the edge to show: those that padding reaches, and two."""
    slide = window(kernel.size, options.stride, options.padding, options.dilation)
    return min(slide.columns.before + 2, 8)


def draw_strips(strips: Sequence[Strip], white: int) -> Canvas:
    """Draw the corners side by side, magnified, each with its border's name below it."""
    pairs = [(_colours(strip.pixels, white), strip.border.value) for strip in strips]
    return page_of([beside([picture_block(p, _MAGNIFIED, name, 22) for p, name in pairs])])


def _colours(pixels: NDArray[Any], white: int) -> NDArray[np.uint8]:
    # The maps of a bank have no colours: the first of them is shown.
    shown = pixels if pixels.shape[2] == _RGB else pixels[..., :1]
    eight = grey_colors(shown / white)[..., 0]
    return np.broadcast_to(eight, (*eight.shape[:2], _RGB))
