"""The frames of a file that Pillow opens, with all the bits that they have."""

import sys
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile

from convcli.images.codecs.netpbm import deep_ppm, netpbm_picture
from convcli.images.modes import picture_from
from convcli.images.picture import Picture, Timing
from convcli.images.policy import FAULTS
from convcli.values import Record

_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_GRAY_ALPHA = "LA;16B"
_SUPPORTED = ("RGB;16", "RGBA;16", "RGBX;16")

NOT_READ = "is not read here"
"""What the message on a deep TIFF ends in that is whole, but kept in an unusual way."""


def deep_rawmode(image: ImageFile.ImageFile) -> str | None:
    """Return how the file keeps 16-bit colours; None where it keeps none.

    Parameters
    ----------
    image : Image
        Opened, not yet decoded.
    """
    if not image.tile or image.mode not in ("RGB", "RGBA", "LA", "CMYK"):
        return None
    rawmode = _rawmode(image.tile[0].args)
    return rawmode if rawmode[:-1].endswith(";16") else None


def is_deep(rawmode: str) -> bool:
    """Say whether `decode_deep` can read such pixels with all of their bits."""
    return rawmode == _GRAY_ALPHA or rawmode[:-1] in _SUPPORTED


def low_bytes(image: ImageFile.ImageFile, rawmode: str) -> None:
    """Make an opened image decode the low bytes of its pixels, where the high ones are due.

    Pillow's decoders take the first byte of each big-endian pair and the second of each
    little-endian one. In the other byte order they take the other half.
    """
    if rawmode == _GRAY_ALPHA:
        # There is no other order of it, but its four bytes pass for red to alpha.
        image._mode = "RGBA"  # noqa: SLF001 - Pillow offers no other way
    other = "RGBA" if rawmode == _GRAY_ALPHA else rawmode[:-1] + _OTHER_ORDER[rawmode[-1]]
    image.tile = [
        tile._replace(args=_with_rawmode(tile.args, rawmode, other)) for tile in image.tile
    ]


def joined(high: NDArray[Any], low: NDArray[Any], rawmode: str, kind: str | None) -> Picture:
    """Return the 16-bit picture of its two halves, (H, W, C) each."""
    if rawmode == _GRAY_ALPHA:
        # The second decoding has both bytes of both.
        high, low = low[..., ::2], low[..., 1::2]
    return with_alpha(high.astype(np.uint16) * np.uint16(256) + low, kind)


def with_alpha(values: NDArray[Any], kind: str | None) -> Picture:
    """Return the picture of values whose last channel of 2 or 4 is alpha."""
    if values.shape[2] in (2, 4):
        return Picture(values[..., :-1], values[..., -1], kind)
    return Picture(values, None, kind)


def _rawmode(args: Any) -> str:
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _with_rawmode(args: Any, rawmode: str, other: str) -> Any:
    if isinstance(args, tuple):
        return tuple(other if part == rawmode else part for part in args)
    return other


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
        from convcli.images.codecs.tiff_deep import deep_planes

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
