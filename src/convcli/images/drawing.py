"""Pictures drawn, not filtered: sheets of maps, marks, figures of kernels."""

import functools
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

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
