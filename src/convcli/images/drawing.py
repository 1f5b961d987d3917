"""Pictures that convcli draws: cells, letters, and the files that they go to."""

import math
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convcli.errors import ImageError
from convcli.storage.atomic import replacing
from convcli.values import Record

_GREEK = {
    "α": "alpha",
    "γ": "gamma",
    "θ": "theta",
    "λ": "lambda",
    "π": "pi",
    "σ": "sigma",
    "ψ": "psi",
}
_SIGNS = str.maketrans(
    {
        "×": "x",
        "⊗": "*",
        "·": "*",
        "½": "1/2",
        "²": "^2",
        "√": "sqrt",
        "⌈": "ceil(",
        "⌉": ")",
        "∇": "del",
        "°": " deg",
        "…": "...",
        "−": "-",
        "–": "-",
        "→": "->",
        "±": "+-",
        "≥": ">=",
        **_GREEK,
    }
)
_FACTOR = re.compile(rf"(?<=\d)(?=[{''.join(_GREEK)}])")
_INDEX = re.compile(rf"(?<=[{''.join(_GREEK)}])(?=[A-Za-z])")


def spelled(text: str) -> str:
    """Return a text in signs that the font has.

    Examples
    --------
    >>> spelled("2π·σx·σy, 45° → Ré")
    '2*pi*sigma_x*sigma_y, 45 deg -> Re'
    """
    apart = _INDEX.sub("_", _FACTOR.sub("*", text))
    plain = unicodedata.normalize("NFKD", apart.translate(_SIGNS))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return bare.encode("ascii", "replace").decode()


Colour: TypeAlias = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
QUIET: Colour = (110, 110, 110)
ACCENT: Colour = (230, 126, 0)
"""The window: an orange that stands out from greys, blues and reds, to the colour-blind too."""
PADDING: Colour = (205, 225, 205)
"""The ground of cells that are padding, where they hold no value of the picture."""

_DIVERGING = (
    (33, 102, 172),
    (103, 169, 207),
    (209, 229, 240),
    (247, 247, 247),
    (253, 219, 199),
    (239, 138, 98),
    (178, 24, 43),
)
"""ColorBrewer's RdBu: blue below 0, red above."""


def grey(value: float) -> Colour:
    """Return a grey; 0 is black, 1 is white. What is no number is black."""
    level = 0 if math.isnan(value) else round(255 * min(max(value, 0.0), 1.0))
    return (level, level, level)


def diverging(value: float) -> Colour:
    """Return a blue for -1, near-white for 0, a red for 1, and what lies between.

    Examples
    --------
    >>> diverging(0.0)
    (247, 247, 247)
    """
    place = (min(max(value, -1.0), 1.0) + 1) / 2 * (len(_DIVERGING) - 1)
    lower = min(int(place), len(_DIVERGING) - 2)
    part = place - lower
    red, green, blue = (
        round(a + (b - a) * part)
        for a, b in zip(_DIVERGING[lower], _DIVERGING[lower + 1], strict=True)
    )
    return (red, green, blue)


def ink_on(ground: Colour) -> Colour:
    """Return black or white, whichever reads better (luma as ITU-R BT.601)."""
    red, green, blue = ground
    return BLACK if 299 * red + 587 * green + 114 * blue > 140_000 else WHITE  # noqa: PLR2004


class Cell(Record):
    """One square of a grid.

    Attributes
    ----------
    ground : (int, int, int)
        Its colour.
    text : str
        What stands in it.
    padded : bool
        Whether it is padding: drawn smaller on a ground of its own.
    framed : bool
        Whether the window looks at it: drawn with a frame.
    note : str
        A small text in its lower right corner.
    """

    ground: Colour
    text: str = ""
    padded: bool = False
    framed: bool = False
    note: str = ""


class Canvas:
    """A white surface of so many pixels.

    Parameters
    ----------
    width, height : int
        In pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), WHITE)
        self._draw = ImageDraw.Draw(self.image)

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
        """Write a line; it is made smaller until it fits into `width` pixels."""
        text = spelled(text)
        font = ImageFont.load_default(size)
        while width is not None and size > 6 and font.getlength(text) > width:  # noqa: PLR2004
            size -= 1
            font = ImageFont.load_default(size)
        self._draw.text(place, text, fill=colour, font=font, anchor=anchor)

    def grid(self, corner: tuple[int, int], cells: Sequence[Sequence[Cell]], side: int) -> None:
        """Draw rows of cells; frames come last, so that they lie on top."""
        x, y = corner
        placed = [
            (x + column * side, y + row * side, cell)
            for row, line in enumerate(cells)
            for column, cell in enumerate(line)
        ]
        for left, top, cell in placed:
            self._cell(left, top, cell, side)
        for left, top, cell in placed:
            if cell.framed:
                box = (left, top, left + side, top + side)
                self._draw.rectangle(box, outline=ACCENT, width=_frame_of(side))

    def _cell(self, left: int, top: int, cell: Cell, side: int) -> None:
        box = (left, top, left + side, top + side)
        if cell.padded:
            self._draw.rectangle(box, fill=PADDING, outline=QUIET)
            inset = max(side // 6, 2)
            box = (left + inset, top + inset, left + side - inset, top + side - inset)
        self._draw.rectangle(box, fill=cell.ground, outline=None if cell.padded else QUIET)
        middle = (left + side / 2 + 0.5, top + side / 2 + 0.5)
        frame = 2 * _frame_of(side) if cell.framed else 0
        room = min(box[2] - box[0], side - frame) - 4
        if cell.text and side >= 16:  # noqa: PLR2004 - below it nobody can read
            self.text(
                middle,
                cell.text,
                round(side * 0.42),
                colour=ink_on(cell.ground),
                anchor="mm",
                width=room,
            )
        if cell.note and side >= 36:  # noqa: PLR2004 - below it nobody can read
            corner = (left + side - 4, top + side - 4)
            self.text(corner, cell.note, round(side * 0.26), colour=ACCENT, anchor="rs")

    def tiles(self, corner: tuple[int, int], colours: NDArray[np.uint8], side: int) -> None:
        """Draw a picture, shape (H, W, 3), with each pixel as a square."""
        small = Image.fromarray(np.ascontiguousarray(colours))
        size = (small.width * side, small.height * side)
        self.image.paste(small.resize(size, Image.Resampling.NEAREST), corner)
        x, y = corner
        self._draw.rectangle((x - 1, y - 1, x + size[0], y + size[1]), outline=QUIET)

    def times(self, middle: tuple[int, int], size: int) -> None:
        """Draw the sign ×: the font has none."""
        x, y = middle
        reach = size // 2
        for slope in (-1, 1):
            ends = (x - reach, y - slope * reach, x + reach, y + slope * reach)
            self._draw.line(ends, fill=BLACK, width=3)

    def equals(self, middle: tuple[int, int], size: int) -> None:
        """Draw the sign =."""
        x, y = middle
        for shift in (-size // 4, size // 4):
            ends = (x - size // 2, y + shift, x + size // 2, y + shift)
            self._draw.line(ends, fill=BLACK, width=3)

    def arrow(self, middle: tuple[int, int], size: int) -> None:
        """Draw an arrow to the right."""
        x, y = middle
        self._draw.line((x - size // 2, y, x + size // 2, y), fill=BLACK, width=3)
        tip, back = x + size // 2, size // 3
        self._draw.polygon(
            [(tip + 3, y), (tip - back, y - back), (tip - back, y + back)], BLACK
        )


def _frame_of(side: int) -> int:
    """Return how thick the frame of a cell is."""
    return max(side // 10, 2)


_GIF_COLOURS = 256

_FORMATS = {".gif": "GIF", ".png": "PNG", ".apng": "PNG", ".webp": "WEBP"}


def check_canvas_target(target: str | Path, *, moving: bool) -> str:
    """Return the format that a drawing's file name stands for.

    Raises
    ------
    ImageError
        If it is none that can hold it.
    """
    suffix = Path(target).suffix.lower()
    allowed = _FORMATS if moving else {".png": "PNG"}
    if suffix in allowed:
        return allowed[suffix]
    names = " or ".join([", ".join(list(allowed)[:-1]), list(allowed)[-1]]).removeprefix(" or ")
    raise ImageError(f"{target}: expected a name that ends in {names}: rename it")


def write_canvas(canvas: Canvas, target: str | Path) -> None:
    """Write a drawing as PNG: complete, or not at all.

    Raises
    ------
    ImageError
        If the target is no .png or cannot be written.
    """
    kind = check_canvas_target(target, moving=False)
    with replacing(target) as file:
        canvas.image.save(file, kind, optimize=True)


def write_frames(
    frames: Sequence[Canvas], durations: Sequence[int], target: str | Path
) -> None:
    """Write an animation as GIF, APNG or WebP, by the name's suffix; it goes on for ever.

    Parameters
    ----------
    frames : sequence of Canvas
        At least one, all of one size.
    durations : sequence of int
        How long each is shown, in milliseconds.
    target : str or Path
        Replaced in one step.

    Raises
    ------
    ImageError
        If the suffix is no such format's, or the target cannot be written.
    """
    kind = check_canvas_target(target, moving=True)
    images = [frame.image for frame in frames]
    settings: dict[str, Any] = {"save_all": True, "duration": list(durations), "loop": 0}
    if kind == "GIF":
        images = _one_palette(images)
        settings |= {"optimize": False, "disposal": 1}
    if kind == "WEBP":
        settings["lossless"] = True
    with replacing(target) as file:
        images[0].save(file, kind, append_images=images[1:], **settings)


def _one_palette(images: Sequence[Image.Image]) -> list[Image.Image]:
    """Give all frames one palette of their commonest colours, so that nothing flickers.

    Pillow's own quantizer looks at the upper bits of a colour only: white became grey.
    """
    frames = [_packed(image) for image in images]
    counts = np.bincount(frames[-1].reshape(-1), minlength=1 << 24)
    for frame in frames:
        counts[frame] = np.maximum(counts[frame], 1)
    colours = np.flatnonzero(counts)
    kept = colours[np.argsort(-counts[colours], kind="stable")[:_GIF_COLOURS]]
    palette, known = _unpacked(kept).astype(np.int64), _unpacked(colours).astype(np.int64)
    table = np.zeros(1 << 24, np.uint8)
    table[colours] = [((palette - colour) ** 2).sum(axis=1).argmin() for colour in known]
    return [_with_palette(table[frame], _unpacked(kept)) for frame in frames]


def _packed(image: Image.Image) -> NDArray[np.int64]:
    """Return each pixel's colour as one number, red·2^16 + green·2^8 + blue."""
    packed: NDArray[np.int64] = np.asarray(image).astype(np.int64) @ np.array(
        [1 << 16, 1 << 8, 1]
    )
    return packed


def _unpacked(colours: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8)


def _with_palette(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    return image
