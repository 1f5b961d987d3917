"""GIF: exact palettes where 256 colours suffice, animations, and the test for an end mark."""

import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.GifImagePlugin import getdata

from convcli.images.picture import Frame, Pixels, Timing

Opacity: TypeAlias = NDArray[np.bool_]

_COLOURS = 256
_HALF = 128
_CLEAR_AFTER = 2
_LARGEST_DELAY = 65_535
_HEADER, _TABLE_FLAG, _IMAGE, _EXTENSION, _END = 13, 0x80, 0x2C, 0x21, b"\x3b"


def gif_bytes(frames: Sequence[Frame], timing: Timing | None) -> bytes:
    """Return 8-bit pictures of one size as a GIF; alpha below one half becomes transparent."""
    opaque = [
        np.ones(frame.shape, bool) if frame.alpha is None else frame.alpha >= _HALF
        for frame in frames
    ]
    (height, width), timing = frames[0].shape, timing or Timing((0.0,), (0,))
    data = [b"GIF89a", struct.pack("<HHBBB", width, height, 0x70, 0, 0)]
    if timing.loop is not None:
        data.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", timing.loop) + b"\0")
    canvas = np.zeros((height, width), bool)
    for index, frame in enumerate(frames):
        hundredths = min(round(timing.durations[index] / 10), _LARGEST_DELAY)
        now, following = opaque[index], opaque[index + 1 : index + 2]
        disposal, canvas = _disposed(canvas, now, following, timing.disposals[index])
        image, clear = _paletted(frame, now)
        settings: dict[str, Any] = {"duration": 10 * hundredths, "disposal": disposal}
        data += getdata(image, transparency=clear, include_color_table=True, **settings)
    return b"".join([*data, _END])


def _disposed(
    canvas: Opacity, now: Opacity, following: Sequence[Opacity], disposal: int
) -> tuple[int, Opacity]:
    """Return the disposal to write, and the pixels that are opaque after it."""
    clear = np.zeros_like(canvas)
    left = {2: clear, 3: canvas}.get(disposal, canvas | now)
    if any((left & ~after).any() for after in following):  # a pixel would show through it
        return _CLEAR_AFTER, clear
    return disposal if disposal in (0, 1, 2, 3) else 0, left


def _paletted(picture: Frame, opaque: Opacity) -> tuple[Image.Image, int | None]:
    """Return the picture with at most 256 colours, and which of them is transparent."""
    translucent = not opaque.all()
    room = _COLOURS - translucent
    colours = np.broadcast_to(picture.pixels, (*picture.shape, 3))
    codes = _codes(colours)
    codes[~opaque] = codes[opaque][0] if opaque.any() else 0
    used, indices = np.unique(codes, return_inverse=True)
    if len(used) <= room:
        palette = _colours(used)
        indices = indices.reshape(picture.shape).astype(np.uint8)
    else:
        image = Frame(colours).to_pil().quantize(room)
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        indices = np.array(image)
    if translucent:
        clear = len(palette)
        indices[~opaque] = clear
        palette = np.concatenate([palette, np.zeros((1, 3), np.uint8)])
    return _image(indices, palette), clear if translucent else None


def with_shared_palette(pictures: Sequence[Pixels]) -> list[Image.Image]:
    """Return frames, (H, W, 3) of uint8, with one palette of their 256 commonest colours.

    Pillow's own quantizer looks at the upper bits of a colour only: white becomes grey.
    """
    frames = [_codes(picture) for picture in pictures]
    counts = np.bincount(frames[-1].reshape(-1), minlength=1 << 24)
    seen = np.zeros(1 << 24, bool)
    for frame in frames:
        seen[frame] = True
    used = np.flatnonzero(seen)
    ranks = np.argsort(-counts[used], kind="stable")
    kept, others = used[ranks[:_COLOURS]], used[ranks[_COLOURS:]]
    palette = _colours(kept)
    wide = palette.astype(np.int64)
    nearest = np.zeros(1 << 24, np.uint8)
    nearest[kept] = np.arange(len(kept))
    nearest[others] = [((wide - each) ** 2).sum(axis=1).argmin() for each in _colours(others)]
    return [_image(nearest[frame], palette) for frame in frames]


def _codes(colours: Pixels) -> NDArray[Any]:
    """Return each pixel's colour as one number, red·2^16 + green·2^8 + blue."""
    codes: NDArray[Any] = colours[..., 0].astype(np.uint32)
    for channel in (1, 2):
        codes <<= 8
        codes |= colours[..., channel]
    return codes


def _colours(codes: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the colours of codes, shape (n, 3)."""
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype(np.uint8)


def _image(indices: NDArray[Any], palette: NDArray[np.uint8]) -> Image.Image:
    """Return an image of Pillow's with a palette, by the index of each pixel's colour."""
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    return image


def has_end_mark(data: bytes) -> bool:
    """Tell whether the blocks of a GIF reach its end mark: Pillow does not miss it."""
    try:
        at = _HEADER + _table_size(data[10])
        while data[at] != _END[0]:
            if data[at] in (_EXTENSION, _IMAGE):
                at += 2 if data[at] == _EXTENSION else 11 + _table_size(data[at + 9])
                while data[at]:
                    at += data[at] + 1
            at += 1
    except IndexError:
        return False
    return True


def _table_size(flags: int) -> int:
    """Return the bytes of a colour table, by the flags of its header."""
    return 3 << (flags & 7) + 1 if flags & _TABLE_FLAG else 0
