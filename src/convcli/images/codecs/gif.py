"""GIF: palettes that are exact where 256 colours suffice, and animations of whole frames."""

import io
import struct
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.images.codecs.pillow import image_of
from convcli.images.picture import Picture, Timing

Opacity: TypeAlias = NDArray[np.bool_]

_COLOURS = 256
_HALF = 128
_CLEAR_AFTER = 2
_LARGEST_DELAY = 65_535
_HEADER, _TABLE_FLAG, _IMAGE, _EXTENSION, _END = 13, 0x80, 0x2C, 0x21, b"\x3b"


def gif_bytes(frames: Sequence[Picture], timing: Timing | None) -> bytes:
    """Return 8-bit pictures of one size as a GIF.

    Parameters
    ----------
    frames : sequence of Picture
        Alpha below one half becomes transparent, the rest opaque.
    timing : Timing or None
        For more than one frame. A disposal is kept unless a pixel of the frame would
        show through the next one.
    """
    parts = [_Part(frame) for frame in frames]
    height, width = frames[0].shape
    data = [b"GIF89a", struct.pack("<HHBBB", width, height, 0x70, 0, 0)]
    if timing is not None and timing.loop is not None:
        data.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", timing.loop) + b"\0")
    canvas = np.zeros((height, width), bool)
    for index, part in enumerate(parts):
        delay, disposal = 0, 0
        if timing is not None:
            following = parts[index + 1] if index + 1 < len(parts) else None
            delay = min(round(timing.durations[index] / 10), _LARGEST_DELAY)
            disposal, canvas = _disposed(canvas, part, following, timing.disposals[index])
        data += [part.control(delay, disposal), part.image]
    return b"".join([*data, _END])


def is_complete(data: bytes) -> bool:
    """Say whether a GIF goes on to its end mark: Pillow stops silently where one is cut."""
    try:
        at = _HEADER + _table_size(data[10])
        while data[at] != _END[0]:
            if data[at] == _EXTENSION:
                at = _after_blocks(data, at + 2)
            elif data[at] == _IMAGE:
                at = _after_blocks(data, at + 11 + _table_size(data[at + 9]))
            else:
                at += 1
    except IndexError:
        return False
    return True


def _table_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & _TABLE_FLAG else 0


def _disposed(
    canvas: Opacity, part: "_Part", following: "_Part | None", wanted: int
) -> tuple[int, Opacity]:
    """Return a frame's disposal, and what it leaves opaque for the next."""
    clear = np.zeros_like(canvas)
    left = {2: clear, 3: canvas}.get(wanted, canvas | part.opaque)
    if following is not None and (left & ~following.opaque).any():
        return _CLEAR_AFTER, clear
    return wanted if wanted in (0, 1, 2, 3) else 0, left


class _Part:
    """One frame, encoded: its image block with a palette of its own."""

    def __init__(self, picture: Picture) -> None:
        alpha = (
            np.full(picture.shape, 255, np.uint8) if picture.alpha is None else picture.alpha
        )
        self.opaque = alpha >= _HALF
        image, self._clear = _paletted(picture, self.opaque)
        buffer = io.BytesIO()
        image.save(buffer, format="GIF", optimize=False, interlace=False)
        self.image = _image_block(buffer.getvalue())

    def control(self, delay: int, disposal: int) -> bytes:
        """Return the graphic control extension."""
        flags = disposal << 2 | (self._clear is not None)
        return b"\x21\xf9\x04" + struct.pack("<BHB", flags, delay, self._clear or 0) + b"\0"


def _paletted(picture: Picture, opaque: Opacity) -> tuple[Image.Image, int | None]:
    """Return the picture with at most 256 colours, and which of them is transparent."""
    translucent = not opaque.all()
    room = _COLOURS - translucent
    colours = np.broadcast_to(picture.pixels, (*picture.shape, 3)).astype(np.uint32)
    codes = colours[..., 0] << 16 | colours[..., 1] << 8 | colours[..., 2]
    codes[~opaque] = codes[opaque][0] if opaque.any() else 0
    found, indices = np.unique(codes, return_inverse=True)
    if len(found) <= room:
        palette = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
        indices = indices.reshape(picture.shape).astype(np.uint8)
    else:
        image = image_of(Picture(colours.astype(np.uint8))).quantize(room)
        palette = np.array(image.getpalette("RGB")).reshape(-1, 3)
        indices = np.array(image)
    if translucent:
        clear = len(palette)
        indices[~opaque] = clear
        palette = np.concatenate([palette, [[0, 0, 0]]])
    image = Image.fromarray(indices)
    image.putpalette(palette.astype(np.uint8).tobytes())
    return image, clear if translucent else None


def _image_block(data: bytes) -> bytes:
    """Return the image of a one-frame GIF, with the file's palette as its own."""
    size = _table_size(data[10])
    table, at = data[_HEADER : _HEADER + size], _HEADER + size
    while data[at] == _EXTENSION:
        at = _after_blocks(data, at + 2)
    descriptor = data[at : at + 9] + bytes((_TABLE_FLAG | data[10] & 7,))
    end = _after_blocks(data, at + 11)
    return descriptor + table + data[at + 10 : end]


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1
