"""From an opened file's frame to pixels: upright, with all of their bits."""

from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageFile

from convcli.images.deep import (
    deep_rawmode,
    is_deep,
    joined,
    low_bytes,
)
from convcli.images.faults import FAULTS
from convcli.images.modes import picture_from
from convcli.images.netpbm import deep_ppm, netpbm_picture
from convcli.images.picture import Picture, Timing
from convcli.records import Record

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by EXIF orientation."""


class Frame(Record):
    """One frame as it was read.

    Attributes
    ----------
    picture : Picture
        Its pixels.
    duration : float
        How long it is shown, in milliseconds.
    disposal : int
        What becomes of it before the next.
    notes : tuple of str
        What a person should know of it.
    """

    picture: Picture
    duration: float
    disposal: int
    notes: tuple[str, ...]


def frame_of(
    file: BinaryIO, opened: ImageFile.ImageFile, kind: str | None, label: str
) -> Frame:
    """Decode the frame at which an opened image stands.

    Parameters
    ----------
    file : binary file
        The whole file, for what needs a second look.
    opened : ImageFile
        The same, opened by Pillow.
    kind : str or None
        The name of the format.
    label : str
        What messages call it.
    """
    picture, notes = _pixels(file, opened, kind, label)
    disposal = getattr(opened, "disposal_method", opened.info.get("disposal") or 0)
    return Frame(picture, float(opened.info.get("duration") or 0), int(disposal), notes)


def timing_of(frames: list[Frame], opened: ImageFile.ImageFile) -> Timing | None:
    """Return how frames play; None where there is one only."""
    if len(frames) == 1:
        return None
    loop = opened.info.get("loop")
    return Timing(
        durations=tuple(frame.duration for frame in frames),
        disposals=tuple(frame.disposal for frame in frames),
        loop=loop if isinstance(loop, int) else None,
        still=bool(opened.info.get("default_image")),
    )


def _pixels(
    file: BinaryIO, opened: ImageFile.ImageFile, kind: str | None, label: str
) -> tuple[Picture, tuple[str, ...]]:
    """Return the pixels with all of their bits, and a note where Pillow drops some."""
    if kind == "PPM":
        picture = deep_ppm(file, opened) or netpbm_picture(file, opened)
        if picture is not None:
            return picture, ()
    if kind == "TIFF":
        from convcli.images.deep_tiff import deep_planes  # noqa: PLC0415 - Pillow's TIFF

        planes = deep_planes(file, opened)
        if planes is not None:
            return planes, ()
    rawmode = deep_rawmode(opened)
    if rawmode is None:
        return picture_from(_upright(opened), kind, label), ()
    single = not getattr(opened, "is_animated", False) or kind == "TIFF"
    if not is_deep(rawmode) or not single:
        note = f"16-bit colours ({rawmode[:-1]}) are read with 8 bits"
        return picture_from(_upright(opened), kind, label), (note,)
    return _two_halves(file, opened, rawmode, kind), ()


def _two_halves(
    file: BinaryIO, opened: ImageFile.ImageFile, rawmode: str, kind: str | None
) -> Picture:
    """Decode 16-bit colours twice: Pillow takes one byte of each pair at a time."""
    index = opened.tell()
    high = np.asarray(_upright(opened))
    file.seek(0)
    with Image.open(file, formats=[opened.format or ""]) as other:
        if index:
            other.seek(index)
        low_bytes(other, rawmode)
        return joined(high, np.asarray(_upright(other)), rawmode, kind)


def _upright(image: Image.Image) -> Image.Image:
    """Decode an image and turn it as its EXIF orientation says."""
    image.load()
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except FAULTS:
        orientation = None
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)
