"""A canvas to draw on: its letters, colours, cells and signs, and its file."""

import functools
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convcli.errors import ImageError
from convcli.images.picture import Frame
from convcli.images.write import write_picture
from convcli.values import Record

_GREEK = {
    "α": "alpha", "γ": "gamma", "θ": "theta", "λ": "lambda", "π": "pi", "σ": "sigma", "ψ": "psi"
}  # fmt: skip
_SIGNS = str.maketrans({
    "×": "x", "⊗": "*", "·": "*", "½": "1/2", "²": "^2", "√": "sqrt", "⌈": "ceil(", "⌉": ")",
    "∇": "del", "°": " deg", "…": "...", "−": "-", "–": "-", "→": "->", "±": "+-", "≥": ">=",
    **_GREEK,
})  # fmt: skip
_FACTOR = re.compile(rf"(?<=\d)(?=[{''.join(_GREEK)}])")
_INDEX = re.compile(rf"(?<=[{''.join(_GREEK)}])(?=[A-Za-z])")


def spelled(text: str) -> str:
    """Return a text in the signs that the font has: σx becomes sigma_x."""
    apart = _INDEX.sub("_", _FACTOR.sub("*", text))
    plain = unicodedata.normalize("NFKD", apart.translate(_SIGNS))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return bare.encode("ascii", "replace").decode()


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, which is the same on all machines."""
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> float:
    """Return the width of a spelled text, in pixels."""
    return float(font(size).getlength(text))


_SMALLEST = 6  # the size below which letters cannot be read
Colour: TypeAlias = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
INK: Colour = (32, 32, 32)  # the near-black of texts in figures
WHITE: Colour = (255, 255, 255)
QUIET: Colour = (110, 110, 110)
ACCENT: Colour = (230, 126, 0)  # the window: an orange that the colour-blind tell apart, too
PADDING: Colour = (205, 225, 205)  # the ground of cells that are padding


def ink_on(ground: Colour) -> Colour:
    """Return black or white, whichever reads better (luma as ITU-R BT.601)."""
    red, green, blue = ground
    return BLACK if 299 * red + 587 * green + 114 * blue > 140_000 else WHITE  # noqa: PLR2004


def enlarged(pixels: NDArray[np.uint8], scale: int) -> Image.Image:
    """Return a grey or RGB picture with each pixel as a square of `scale` pixels."""
    small = Image.fromarray(np.ascontiguousarray(pixels))
    size = (small.width * scale, small.height * scale)
    return small.resize(size, Image.Resampling.NEAREST)


class Cell(Record):
    """One square of a grid; a padded one is smaller, and the window covers framed ones."""

    ground: Colour
    text: str = ""
    padded: bool = False
    framed: bool = False


class Canvas:
    """A white RGB picture to draw on: Pillow's `image`, and its `pen` for lines and shapes."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), WHITE)
        self.pen = ImageDraw.Draw(self.image)
        self.width, self.height = width, height

    def frame(self) -> Frame:
        """Return what is drawn as a picture in RGB."""
        return Frame(np.asarray(self.image))

    def text(
        self,
        place: tuple[float, float],
        text: str,
        size: int,
        *,
        colour: Colour = BLACK,
        anchor: str = "lm",
        width: float | None = None,
    ) -> None:
        """Write a line, anchored as Pillow does, in letters that fit into `width` pixels."""
        text = spelled(text)
        while width is not None and size > _SMALLEST and text_width(text, size) > width:
            size -= 1
        self.pen.text(place, text, fill=colour, font=font(size), anchor=anchor)

    def grid(self, corner: tuple[int, int], cells: Sequence[Sequence[Cell]], side: int) -> None:
        """Draw rows of cells; frames come last, so that no cell covers them."""
        x, y = corner
        placed = [
            (x + column * side, y + row * side, cell)
            for row, line in enumerate(cells)
            for column, cell in enumerate(line)
        ]
        for left, top, cell in placed:
            self._cell(left, top, cell, side)
        for left, top in [(left, top) for left, top, cell in placed if cell.framed]:
            box = (left, top, left + side, top + side)
            self.pen.rectangle(box, outline=ACCENT, width=_frame_width(side))

    def _cell(self, left: int, top: int, cell: Cell, side: int) -> None:
        if (drawn := _drawn(cell, side)) is None:
            self.cell(left, top, cell, side)
        else:
            self.image.paste(drawn, (left, top))

    def cell(self, left: int, top: int, cell: Cell, side: int) -> None:
        """Draw the ground and the text of one cell."""
        box = (left, top, left + side, top + side)
        if cell.padded:
            self.pen.rectangle(box, fill=PADDING, outline=QUIET)
            inset = max(side // 6, 2)
            box = (left + inset, top + inset, left + side - inset, top + side - inset)
        is_small = side < 16  # noqa: PLR2004 - nobody can read smaller digits
        outline = None if cell.padded or is_small else QUIET
        self.pen.rectangle(box, fill=cell.ground, outline=outline)
        if cell.text and not is_small:
            middle = (left + side / 2 + 0.5, top + side / 2 + 0.5)
            frame = 2 * _frame_width(side) if cell.framed else 0
            room = min(box[2] - box[0], side - frame) - 4
            colour, size = ink_on(cell.ground), round(side * 0.42)
            self.text(middle, cell.text, size, colour=colour, anchor="mm", width=room)

    def sign(self, middle: tuple[int, int], sign: str) -> None:
        """Draw ×, =, + or →, most of which the font does not have."""
        x, y = middle
        for left, top, right, bottom in _STROKES[sign]:
            self.pen.line((x + left, y + top, x + right, y + bottom), fill=BLACK, width=3)

    def bracket(self, corner: tuple[int, int], bottom: int, depth: int) -> None:
        """Draw a bracket that closes to the right, from a corner down to `bottom`."""
        x, y = corner
        points = [(x, y), (x + depth, y), (x + depth, bottom), (x, bottom)]
        self.pen.line(points, fill=BLACK, width=3)


@functools.lru_cache(2**11)  # cells of up to 10 kB: most come again in the next frame
def _drawn(cell: Cell, side: int) -> Image.Image | None:
    """Return a cell as a picture of its own; None where its text is wider than itself."""
    if text_width(spelled(cell.text), _SMALLEST) > side - 2:
        return None
    alone = Canvas(side + 1, side + 1)
    alone.cell(0, 0, cell, side)
    return alone.image


_STROKES = {  # the ends of the lines of a sign, from its middle
    "×": ((-9, -9, 9, 9), (-9, 9, 9, -9)),
    "=": ((-9, -4, 9, -4), (-9, 4, 9, 4)),
    "+": ((-9, 0, 9, 0), (0, -9, 0, 9)),
    "→": ((-11, 0, 12, 0), (5, -7, 12, 0), (5, 7, 12, 0)),
}


def _frame_width(side: int) -> int:
    return max(side // 10, 2)


def check_canvas_target(target: str | Path | None) -> None:
    """Raise ImageError where the name of a drawing's file, if any, does not end in .png."""
    if target is not None and Path(target).suffix.lower() != ".png":
        raise ImageError(f"{target}: expected a name that ends in .png: rename it")


def write_canvas(canvas: Canvas, target: str | Path) -> None:
    """Write a drawing as PNG: complete, or not at all (ImageError)."""
    check_canvas_target(target)
    write_picture(canvas.frame(), target, "PNG")
