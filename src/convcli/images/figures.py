"""Contact sheets, marks, and figures of blocks."""

import functools
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convcli.images.drawing import spelled
from convcli.images.picture import Picture, Pixels

Color: TypeAlias = tuple[int, int, int]

WHITE: Color = (255, 255, 255)
INK: Color = (32, 32, 32)
FAINT: Color = (110, 110, 110)
_MARK: Color = (255, 64, 0)
_TILE = 320
"""Longest side of a tile on a sheet, in pixels."""

_GAP = 6
_LABEL = 13


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, so that no machine's fonts matter."""
    return ImageFont.load_default(size)


def as_picture(image: Image.Image) -> Picture:
    """Return an RGB image as a picture."""
    return Picture(np.asarray(image.convert("RGB")))


def canvas(width: int, height: int, color: Color = WHITE) -> Image.Image:
    """Return an empty RGB image."""
    return Image.new("RGB", (width, height), color)


def rgb(picture: Picture) -> Image.Image:
    """Return a picture as an 8-bit RGB image; alpha is left out."""
    return Image.fromarray(_eight_bits(picture.pixels)).convert("RGB")


def _eight_bits(pixels: Pixels) -> Pixels:
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        pixels = np.clip(np.rint(np.nan_to_num(pixels)), 0, 255).astype(np.uint8)
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def contact_sheet(pictures: Sequence[Picture], labels: Sequence[str]) -> Picture:
    """Draw pictures of one size as a sheet of labelled tiles, as square as it gets.

    Parameters
    ----------
    pictures : sequence of Picture
        At least one. Those wider or higher than 320 px are scaled down (box mean).
    labels : sequence of str
        What stands below each.

    Returns
    -------
    Picture
        RGB.
    """
    rows, columns = pictures[0].shape
    scale = min(1.0, _TILE / max(rows, columns))
    width, height = (max(round(length * scale), 1) for length in (columns, rows))
    cell = (max(width, _widest(labels)) + _GAP, height + _LABEL + _GAP)
    across = min(len(pictures), max(round(math.sqrt(len(pictures) * cell[1] / cell[0])), 1))
    down = -(-len(pictures) // across)
    sheet = canvas(across * cell[0] + _GAP, down * cell[1] + _GAP)
    pen = ImageDraw.Draw(sheet)
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left, top = (
            _GAP + at * step
            for at, step in zip((index % across, index // across), cell, strict=True)
        )
        tile = rgb(picture)
        small = tile if scale == 1 else tile.resize((width, height), Image.Resampling.BOX)
        sheet.paste(small, (left, top))
        pen.text((left, top + height), label, fill=INK, font=font(_LABEL - 2))
    return as_picture(sheet)


def _widest(labels: Sequence[str]) -> int:
    return max(math.ceil(font(_LABEL - 2).getlength(label)) for label in labels)


def marked(picture: Picture, boxes: Sequence[tuple[int, int, int, int]]) -> Picture:
    """Draw numbered frames on a picture.

    Parameters
    ----------
    picture : Picture
        Never modified.
    boxes : sequence of (left, top, width, height)
        In pixels; numbered from 1 in this order.

    Returns
    -------
    Picture
        RGB, of the same size.
    """
    image = rgb(picture)
    pen = ImageDraw.Draw(image)
    line = max(round(max(picture.shape) / 300), 2)
    size = max(12, round(max(picture.shape) / 40))
    for number, box in enumerate(boxes, start=1):
        pen.rectangle(_around(box, line + 2), outline=WHITE, width=line + 2)
        pen.rectangle(_around(box, line + 1), outline=_MARK, width=line)
        place = (max(box[0], 0), max(box[1] - line - size - 4, 0))
        pen.text(
            place, str(number), fill=_MARK, font=font(size), stroke_width=1, stroke_fill=WHITE
        )
    return as_picture(image)


def _around(box: tuple[int, int, int, int], away: int) -> tuple[int, int, int, int]:
    """Return the corners of a frame so many pixels outside of a box."""
    left, top, width, height = box
    return (left - away, top - away, left + width - 1 + away, top + height - 1 + away)


Block: TypeAlias = Image.Image
"""A part of a figure."""

_MARGIN = 16
_LINE = 18
_SIZE = 13
_SMALLEST = 9
_BESIDE = 6
"""Room that a number leaves in its cell, both sides together."""
_TITLE = 20


def text_block(lines: Sequence[tuple[str, str]], width: int) -> Block:
    """Draw facts: a name in grey and what it is, broken where the block ends.

    Parameters
    ----------
    lines : sequence of (name, text)
        The facts; an empty name goes on with the one before.
    width : int
        Of the block, in pixels.
    """
    face = font(_SIZE)
    longest = max(int(face.getlength(name)) for name, _ in lines)
    indent = longest + _MARGIN if longest else 0
    broken = [
        (name if index == 0 else "", part)
        for name, text in lines
        for index, part in enumerate(_broken(spelled(text), width - indent))
    ]
    image = canvas(width, _LINE * len(broken))
    pen = ImageDraw.Draw(image)
    for index, (name, part) in enumerate(broken):
        pen.text((0, index * _LINE), name, fill=FAINT, font=face)
        pen.text((indent, index * _LINE), part, fill=INK, font=face)
    return image


def _broken(text: str, width: int) -> list[str]:
    """Break a text into lines, at blanks."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font(_SIZE).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def title_block(text: str) -> Block:
    """Draw a heading."""
    face = font(_TITLE)
    text = spelled(text)
    image = canvas(int(face.getlength(text)) + 2, _TITLE + 8)
    ImageDraw.Draw(image).text((0, 0), text, fill=INK, font=face)
    return image


def cell_block(colors: NDArray[np.uint8], labels: Sequence[Sequence[str]], side: int) -> Block:
    """Draw a grid of coloured cells.

    Parameters
    ----------
    colors : ndarray of uint8, shape (rows, columns, 3)
        Of the cells.
    labels : sequence of sequence of str
        What stands in each cell, where it fits; empty for nothing.
    side : int
        Of a cell, in pixels.
    """
    rows, columns = colors.shape[:2]
    image = canvas(columns * side + 1, rows * side + 1)
    pen = ImageDraw.Draw(image)
    for row, column in np.ndindex(rows, columns):
        left, top = column * side, row * side
        red, green, blue = colors[row, column].tolist()
        edge = FAINT if side > _LINE else None
        pen.rectangle(
            (left, top, left + side, top + side), fill=(red, green, blue), outline=edge
        )
        _centred(
            pen,
            labels[row][column],
            (left + side / 2, top + side / 2),
            side,
            _ink(colors[row, column]),
        )
    return image


def _centred(
    pen: ImageDraw.ImageDraw, text: str, middle: tuple[float, float], room: int, ink: Color
) -> None:
    for size in range(_SIZE, _SMALLEST - 1, -1):
        if text and font(size).getlength(text) <= room - _BESIDE:
            pen.text(middle, text, fill=ink, font=font(size), anchor="mm")
            return


def _ink(color: NDArray[np.uint8]) -> Color:
    """Return black or white, whichever is read more easily on a colour."""
    return INK if float(color @ np.array([0.299, 0.587, 0.114])) > 140 else WHITE  # noqa: PLR2004


def picture_block(pixels: NDArray[np.uint8], scale: int, caption: str) -> Block:
    """Draw a picture, each pixel as a square of `scale`, with a line below it."""
    large = Image.fromarray(pixels).resize(
        (pixels.shape[1] * scale, pixels.shape[0] * scale), Image.Resampling.NEAREST
    )
    face, caption = font(_SIZE - 1), spelled(caption)
    width = max(large.width, int(face.getlength(caption)) + 2)
    image = canvas(width, large.height + _LINE)
    image.paste(large, (0, 0))
    ImageDraw.Draw(image).text((0, large.height + 2), caption, fill=FAINT, font=face)
    return image


def beside(blocks: Sequence[Block]) -> Block:
    """Put blocks side by side, their tops aligned."""
    width = sum(block.width for block in blocks) + _MARGIN * (len(blocks) - 1)
    image = canvas(width, max(block.height for block in blocks))
    left = 0
    for block in blocks:
        image.paste(block, (left, 0))
        left += block.width + _MARGIN
    return image


def below(blocks: Sequence[Block]) -> Block:
    """Put blocks below one another, their left sides aligned."""
    height = sum(block.height + _MARGIN for block in blocks) - _MARGIN
    image = canvas(max(block.width for block in blocks), height)
    top = 0
    for block in blocks:
        image.paste(block, (0, top))
        top += block.height + _MARGIN
    return image


def figure(blocks: Sequence[Block]) -> Picture:
    """Put blocks below one another, with a margin all round."""
    inner = below(blocks)
    image = canvas(inner.width + 2 * _MARGIN, inner.height + 2 * _MARGIN)
    image.paste(inner, (_MARGIN, _MARGIN))
    return as_picture(image)
