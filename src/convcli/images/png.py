"""PNG and APNG: chunks around what Pillow's encoder, or a 16-bit one of numpy, makes."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.images.encoded import encode
from convcli.images.formats import DEFAULT_LEVEL
from convcli.images.picture import Depth, Metadata, Picture, Timing

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_BANDS, _BAND = 8, 4
"""Bands of neighbouring rows that stand for a picture."""

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's number for grey, grey with alpha, RGB and RGBA."""

_SOURCE = 0
"""APNG's blend operation that replaces the canvas: each frame is complete."""

_LARGEST_DELAY = 65_535
_IDAT, _TEXT = b"IDAT", (b"iCCP", b"pHYs", b"eXIf")


def png_bytes(
    frames: Sequence[Picture], metadata: Metadata, timing: Timing | None, level: int | None
) -> Sequence[bytes]:
    """Return pictures of one size, depth and number of channels as a PNG or an APNG.

    Parameters
    ----------
    frames : sequence of Picture
        uint8 or uint16; all with alpha, or none.
    metadata : Metadata
        Profile, resolution, EXIF.
    timing : Timing or None
        For more than one frame.
    level : int or None
        Of zlib's compression, 0 to 9; None for what suits the picture (see `_strategy`).
    """
    if timing is None and _is_plain(frames[0]):
        strategy = zlib.Z_DEFAULT_STRATEGY if level is not None else _strategy(frames[0])
        return _by_pillow(frames[0], metadata, _level(level), strategy)
    level = _level(level)
    first, rest = _chunks(frames[0], metadata, level), frames[1:]
    head = [(name, data) for name, data in first if name in (b"IHDR", *_TEXT)]
    pixels = [data for name, data in first if name == _IDAT]
    if timing is None:
        return [_file([*head, *((_IDAT, data) for data in pixels)])]
    return [_file(_animation(head, pixels, rest, timing, level))]


def _animation(
    head: list[tuple[bytes, bytes]],
    pixels: list[bytes],
    rest: Sequence[Picture],
    timing: Timing,
    level: int,
) -> Iterator[tuple[bytes, bytes]]:
    still, count = int(timing.still), len(timing.durations)
    loop = 1 if timing.loop is None else timing.loop
    yield from head
    yield b"acTL", struct.pack(">II", count - still, loop)
    size = head[0][1][:8]
    number = 0
    if not still:
        yield b"fcTL", _control(number, size, timing, 0)
        number += 1
    yield from ((_IDAT, data) for data in pixels)
    for index, frame in enumerate(rest, start=1):
        yield b"fcTL", _control(number, size, timing, index)
        number += 1
        for name, data in _chunks(frame, Metadata(), level):
            if name == _IDAT:
                yield b"fdAT", struct.pack(">I", number) + data
                number += 1


def _control(number: int, size: bytes, timing: Timing, index: int) -> bytes:
    from fractions import Fraction  # noqa: PLC0415 - animations only

    delay = Fraction(timing.durations[index] / 1000).limit_denominator(_LARGEST_DELAY)
    numerator = min(delay.numerator, _LARGEST_DELAY)
    disposal = timing.disposals[index] if timing.disposals[index] in (0, 1, 2) else 0
    tail = struct.pack(">IIHHBB", 0, 0, numerator, delay.denominator, disposal, _SOURCE)
    return struct.pack(">I", number) + size + tail


def _is_plain(picture: Picture) -> bool:
    """Tell whether Pillow's encoder keeps all bits."""
    return picture.depth is Depth.EIGHT or (picture.channels == 1 and picture.alpha is None)


class _Parts:
    """Keeps what is written in the pieces in which it comes.

    One buffer is copied as it grows: of 12 megapixels that takes 16 MB more.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""


def _by_pillow(
    picture: Picture,
    metadata: Metadata,
    level: int,
    strategy: int = zlib.Z_DEFAULT_STRATEGY,
) -> list[bytes]:
    settings = {"compress_level": level, "compress_type": strategy}
    parts = _Parts()
    encode(picture, parts, "PNG", metadata, settings=settings)
    return parts.written


def _level(level: int | None) -> int:
    return DEFAULT_LEVEL if level is None else level


def _strategy(picture: Picture) -> int:
    """Return the strategy of zlib that makes a sample of the rows smaller.

    Photographs, and what filters make of them, hold few repetitions to be found: looking
    for runs only takes two thirds of the time and makes files 1 to 4 % smaller. Of text
    and patterns it makes files several times as large.
    """
    height = picture.shape[0]
    starts = np.linspace(0, max(height - _BAND, 0), _BANDS).astype(int)
    # Sorted by hand: np.unique imports numpy.ma, which takes 13 ms.
    rows = sorted({min(start + row, height - 1) for start in starts for row in range(_BAND)})
    alpha = None if picture.alpha is None else picture.alpha[rows]
    sample = Picture(picture.pixels[rows], alpha)
    sizes = {
        strategy: sum(map(len, _by_pillow(sample, Metadata(), DEFAULT_LEVEL, strategy)))
        for strategy in (zlib.Z_RLE, zlib.Z_DEFAULT_STRATEGY)
    }
    return min(sizes, key=sizes.__getitem__)


def _chunks(picture: Picture, metadata: Metadata, level: int) -> list[tuple[bytes, bytes]]:
    """Return the chunks of one picture, by Pillow's encoder where it can."""
    plain = _is_plain(picture)
    data = _by_pillow(picture if plain else _token(picture), metadata, level)
    chunks = list(_parsed(b"".join(data)))
    if plain:
        return chunks
    width_height = struct.pack(">II", picture.shape[1], picture.shape[0])
    values = _interleaved(picture)
    header = width_height + bytes((16, _COLOUR_TYPES[values.shape[2]], 0, 0, 0))
    kept = [(name, data) for name, data in chunks if name in _TEXT]
    pixels = zlib.compress(_filtered(values), level)
    return [(b"IHDR", header), *kept, (_IDAT, pixels)]


def _token(picture: Picture) -> Picture:
    """Return one 8-bit pixel of as many channels, to carry the metadata."""
    return Picture(np.zeros((1, 1, picture.channels), np.uint8))


def _interleaved(picture: Picture) -> NDArray[Any]:
    if picture.alpha is None:
        return picture.pixels
    return np.dstack([picture.pixels, picture.alpha])


def _filtered(values: NDArray[Any]) -> bytes:
    """Return 16-bit rows with PNG's filter byte before each: the better of Sub and Up."""
    rows, columns, channels = values.shape
    raw = (
        np.ascontiguousarray(values, ">u2").view(np.uint8).reshape(rows, columns * channels * 2)
    )
    sub, up = raw.copy(), raw.copy()
    sub[:, 2 * channels :] -= raw[:, : -2 * channels]
    up[1:] -= raw[:-1]
    costs = [np.abs(part.view(np.int8).astype(np.int16)).sum(axis=1) for part in (sub, up)]
    best = costs[1] < costs[0]
    filtered = np.where(best[:, np.newaxis], up, sub)
    kinds = np.where(best, 2, 1).astype(np.uint8)
    return np.concatenate([kinds[:, np.newaxis], filtered], axis=1).tobytes()


def _parsed(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _file(chunks: Any) -> bytes:
    parts = [SIGNATURE]
    for name, data in [*chunks, (b"IEND", b"")]:
        checksum = struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
        parts += [struct.pack(">I", len(data)), name, data, checksum]
    return b"".join(parts)
