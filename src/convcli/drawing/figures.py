"""Figures: blocks of text, cells and pictures on a page, contact sheets and marks."""

import io
import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from convcli.drawing.canvas import (
    INK,
    QUIET,
    WHITE,
    Canvas,
    Cell,
    Colour,
    enlarged,
    font,
    spelled,
    text_width,
)
from convcli.images.picture import Frame, eight_bits

_MARK: Colour = (255, 64, 0)
_TILE = 320  # longest side of a tile on a sheet, in pixels
_GAP = 6
_LABEL_ROOM, _LABEL_SIZE = 13, 11


def contact_sheet(pictures: Sequence[Frame], labels: Sequence[str]) -> Frame:
    """Draw pictures of one size, scaled down to 320 px, as a sheet of labelled tiles."""
    rows, columns = pictures[0].shape
    scale = min(1.0, _TILE / max(rows, columns))
    width, height = (max(round(length * scale), 1) for length in (columns, rows))
    widest = max(math.ceil(text_width(label, _LABEL_SIZE)) for label in labels)
    cell_width, cell_height = max(width, widest) + _GAP, height + _LABEL_ROOM + _GAP
    across = min(
        len(pictures), max(round(math.sqrt(len(pictures) * cell_height / cell_width)), 1)
    )
    down = -(-len(pictures) // across)
    sheet = Canvas(across * cell_width + _GAP, down * cell_height + _GAP)
    for index, (frame, label) in enumerate(zip(pictures, labels, strict=True)):
        left, top = _GAP + index % across * cell_width, _GAP + index // across * cell_height
        tile = _rgb(frame)
        small = tile if scale == 1 else tile.resize((width, height), Image.Resampling.BOX)
        sheet.image.paste(small, (left, top))
        sheet.text((left, top + height), label, _LABEL_SIZE, colour=INK, anchor="la")
    return sheet.frame()


def marked(frame: Frame, boxes: Sequence[tuple[int, int, int, int]]) -> Frame:
    """Return a picture in RGB with numbered frames around boxes (left, top, width, height)."""
    rows, columns = frame.shape
    canvas = Canvas(columns, rows)
    canvas.image.paste(_rgb(frame), (0, 0))
    line = max(round(max(rows, columns) / 300), 2)
    size = max(12, round(max(rows, columns) / 40))
    for number, (left, top, width, height) in enumerate(boxes, start=1):
        for out, colour, wide in ((line + 2, WHITE, line + 2), (line + 1, _MARK, line)):
            corners = (left - out, top - out, left + width - 1 + out, top + height - 1 + out)
            canvas.pen.rectangle(corners, outline=colour, width=wide)
        place, letters = (max(left, 0), max(top - line - size - 4, 0)), font(size)
        canvas.pen.text(place, str(number), _MARK, letters, stroke_width=1, stroke_fill=WHITE)
    return canvas.frame()


def _rgb(frame: Frame) -> Image.Image:
    """Return a picture as an 8-bit RGB image; alpha is left out, and floats are stretched.

    Of channels that are no colours the first is shown.
    """
    shown = frame.pixels if frame.channels == 3 else frame.pixels[..., 0]  # noqa: PLR2004 - RGB
    return Image.fromarray(eight_bits(shown)).convert("RGB")


_MARGIN = 16
_LINE = 18
_SIZE, _CAPTION_SIZE, _TITLE_SIZE = 13, 12, 20


def text_block(lines: Sequence[tuple[str, str]], width: int, size: int = _SIZE) -> Canvas:
    """Draw facts: a name in grey, and a text that is broken where the block ends."""
    longest = max(int(text_width(name, size)) for name, _ in lines)
    indent, line = longest + _MARGIN if longest else 0, size * _LINE // _SIZE
    broken = [
        (name if index == 0 else "", part)
        for name, text in lines
        for index, part in enumerate(_broken(spelled(text), width - indent, size))
    ]
    block = Canvas(width, line * len(broken))
    for index, (name, part) in enumerate(broken):
        block.text((0, index * line), name, size, colour=QUIET, anchor="la")
        block.text((indent, index * line), part, size, colour=INK, anchor="la")
    return block


def _broken(text: str, width: int, size: int) -> list[str]:
    """Break a text into lines, at blanks."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def title_block(text: str) -> Canvas:
    """Draw a heading."""
    block = Canvas(int(text_width(spelled(text), _TITLE_SIZE)) + 2, _TITLE_SIZE + 8)
    block.text((0, 0), text, _TITLE_SIZE, colour=INK, anchor="la")
    return block


def cell_block(
    colours: NDArray[np.uint8], labels: Sequence[Sequence[str]], side: int
) -> Canvas:
    """Draw a grid of cells of `side` pixels; `colours` are uint8, (rows, columns, 3)."""
    cells = [
        [Cell(tuple(colour), label) for colour, label in zip(*line, strict=True)]
        for line in zip(colours.tolist(), labels, strict=True)
    ]
    block = Canvas(colours.shape[1] * side + 1, colours.shape[0] * side + 1)
    block.grid((0, 0), cells, side)
    return block


def picture_block(
    pixels: NDArray[np.uint8], scale: int, caption: str, size: int = _CAPTION_SIZE
) -> Canvas:
    """Draw a picture, each pixel as a square of `scale` pixels, with a line of text below."""
    large = enlarged(pixels, scale)
    width = max(large.width, int(text_width(spelled(caption), size)) + 2)
    block = Canvas(width, large.height + size + _LINE - _CAPTION_SIZE)
    block.image.paste(large, (0, 0))
    block.text((0, large.height + 2), caption, size, colour=QUIET, anchor="la")
    return block


def beside(blocks: Sequence[Canvas]) -> Canvas:
    """Put blocks side by side, with their tops aligned."""
    lefts = accumulate((block.width + _MARGIN for block in blocks), initial=0)
    return _pasted(blocks, [(left, 0) for left in lefts])


def below(blocks: Sequence[Canvas]) -> Canvas:
    """Put blocks below one another, with their left sides aligned."""
    tops = accumulate((block.height + _MARGIN for block in blocks), initial=0)
    return _pasted(blocks, [(0, top) for top in tops])


def in_rows(blocks: Sequence[Canvas], across: int) -> Canvas:
    """Put blocks in rows of so many, to be read like a page."""
    starts = range(0, len(blocks), across)
    return below([beside(blocks[at : at + across]) for at in starts])


def _pasted(
    blocks: Sequence[Canvas], places: Sequence[tuple[int, int]], margin: int = 0
) -> Canvas:
    """Put blocks on one canvas that has room for them, and a margin behind them."""
    placed = list(zip(blocks, places, strict=False))
    width = max(x + block.width for block, (x, _) in placed)
    height = max(y + block.height for block, (_, y) in placed)
    page = Canvas(width + margin, height + margin)
    for block, place in placed:
        page.image.paste(block.image, place)
    return page


def side_by_side(frames: Sequence[Frame], labels: Sequence[str]) -> Frame:
    """Return pictures beside one another on one page, each with its label below."""
    pixels = [np.asarray(_rgb(frame)) for frame in frames]
    pairs = zip(pixels, labels, strict=True)
    return page_of([beside([picture_block(each, 1, label) for each, label in pairs])]).frame()


def fitted(frame: Frame, height: int, width: int) -> NDArray[np.uint8]:
    """Return the middle of a picture as RGB pixels of a size, resampled bilinearly."""
    return np.asarray(ImageOps.fit(_rgb(frame), (width, height), Image.Resampling.BILINEAR))


def enlarged_frame(frame: Frame, scale: int) -> Frame:
    """Return a picture in RGB with each pixel as a square of `scale` pixels."""
    return Frame(np.asarray(enlarged(np.asarray(_rgb(frame)), scale)))


def thumbnail(frame: Frame, width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture as RGB pixels, made smaller so that it fits; never larger."""
    image = _rgb(frame)
    image.thumbnail((width, height))
    return np.asarray(image)


def eight_bit_png(frame: Frame) -> bytes:
    """Return a picture as the bytes of a PNG of 8 bits."""
    stream = io.BytesIO()
    _rgb(frame).save(stream, "PNG")
    return stream.getvalue()


def page_of(blocks: Sequence[Canvas]) -> Canvas:
    """Put blocks below one another, with a margin on all sides."""
    return _pasted([below(blocks)], [(_MARGIN, _MARGIN)], _MARGIN)
