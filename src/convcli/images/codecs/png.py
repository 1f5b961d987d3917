"""PNG files, written with several threads."""

import functools
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.images.formats import DEFAULT_LEVEL
from convcli.images.metadata import save_settings
from convcli.images.picture import Metadata, Picture, Timing
from convcli.threads import available_cores, pool
from convcli.values import Record

WINDOW = 2**15
"""Bytes that a repetition may lie back: the most that a dictionary can be of use for."""

_HEADER = b"\x78\x9c"
_RAW = -zlib.MAX_WBITS
_MEMORY = 9
"""Of zlib: as much as it can use."""
_MODULUS = 65_521


class CompressedPart(Record):
    """A compressed part.

    Attributes
    ----------
    data : bytes
        Without header and checksum.
    checksum : int
        Adler-32 of what it was made of.
    length : int
        Bytes of what it was made of.
    """

    data: bytes
    checksum: int
    length: int


def part_of(
    blocks: Iterable[NDArray[Any]],
    level: int,
    strategy: int,
    *,
    dictionary: bytes = b"",
    last: bool = True,
) -> CompressedPart:
    """Compress one part.

    Parameters
    ----------
    blocks : iterable of ndarray
        Contiguous: what it is made of.
    level, strategy : int
        Of zlib.
    dictionary : bytes
        What stands before it.
    last : bool
        Whether no other part follows.
    """
    encoder = zlib.compressobj(level, zlib.DEFLATED, _RAW, _MEMORY, strategy, dictionary)
    found, checksum, length = [], 1, 0
    for block in blocks:
        found.append(encoder.compress(block.data))
        checksum, length = zlib.adler32(block.data, checksum), length + block.nbytes
    found.append(encoder.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH))
    return CompressedPart(b"".join(found), checksum, length)


def stream_of(parts: Iterable[CompressedPart]) -> bytes:
    """Join parts to a stream.

    Examples
    --------
    >>> import numpy as np
    >>> words = np.frombuffer(b"one, two and three", np.uint8)
    >>> head = part_of([words[:9]], 6, 0, last=False)
    >>> tail = part_of([words[9:]], 6, 0, dictionary=b"one, two ")
    >>> zlib.decompress(stream_of([head, tail]))
    b'one, two and three'
    """
    pieces, checksum = [_HEADER], 1
    for part in parts:
        pieces.append(part.data)
        checksum = _joined(checksum, part)
    return b"".join((*pieces, struct.pack(">I", checksum)))


def _joined(before: int, part: CompressedPart) -> int:
    """Return Adler-32 of what two checksums are of: a sum, and the sum of its steps."""
    low, high = before & 0xFFFF, before >> 16
    more, steps = part.checksum & 0xFFFF, part.checksum >> 16
    both = (low + more - 1) % _MODULUS
    return (high + steps + part.length * (low - 1)) % _MODULUS << 16 | both


Bytes = NDArray[np.uint8]

_STRIP_BYTES = 2**16
_KINDS = 5


def row_bytes(picture: Picture) -> int:
    """Return the bytes of a row as PNG compresses it: the number of its filter first."""
    return 1 + picture.shape[1] * _pixel_bytes(picture)


def filtered_strips(
    picture: Picture, first: int = 0, last: int | None = None
) -> Iterator[Bytes]:
    """Yield the rows of a picture as PNG compresses them, several at a time.

    Parameters
    ----------
    picture : Picture
        uint8 or uint16, with alpha or without.
    first, last : int
        The first row, and the one that is the first no more.

    Yields
    ------
    ndarray of uint8, shape (rows, 1 + bytes)
        The number of the filter, and what it leaves of the row.
    """
    (height, width), pixel = picture.shape, _pixel_bytes(picture)
    last = height if last is None else min(last, height)
    rows = max(_STRIP_BYTES // (width * pixel), 1)
    above: Bytes = np.zeros(width * pixel, np.uint8)
    if first:
        above = _raw(picture, slice(first - 1, first))[0]
    for start in range(first, last, rows):
        raw = _raw(picture, slice(start, min(start + rows, last)))
        yield _filtered(raw, above, pixel)
        above = raw[-1]


def _pixel_bytes(picture: Picture) -> int:
    samples = picture.channels + (picture.alpha is not None)
    return samples * picture.pixels.itemsize


def _raw(picture: Picture, rows: slice) -> Bytes:
    """Return rows as bytes: the channels side by side, the high byte of 16 bits first."""
    values = picture.pixels[rows]
    if picture.alpha is not None:
        values = np.dstack([values, picture.alpha[rows]])
    ordered = np.ascontiguousarray(values, values.dtype.newbyteorder(">"))
    return ordered.reshape(len(values), -1).view(np.uint8)


def _filtered(raw: Bytes, before: Bytes, pixel: int) -> Bytes:
    """Return rows by their best filters; `before` is the row above the first."""
    rows, size = raw.shape
    padded = np.zeros((rows + 1, pixel + size), np.uint8)
    padded[0, pixel:], padded[1:, pixel:] = before, raw
    left = _left_by_all(padded.reshape(-1), padded.shape[1], pixel)
    left = left.reshape(_KINDS, rows, -1)[..., :size]
    # -128, which has no opposite, is 128 as a number without sign.
    costs = np.abs(left.view(np.int8)).view(np.uint8).sum(axis=2, dtype=np.uint32)
    best = costs.argmin(axis=0)
    chosen = np.empty((rows, 1 + size), np.uint8)
    chosen[:, 0] = best
    chosen[:, 1:] = left[best, np.arange(rows)]
    return chosen


def _left_by_all(flat: Bytes, pitch: int, pixel: int) -> Bytes:
    """Return what each filter leaves; rows are `pitch` bytes apart, a pixel of 0 first."""
    end = len(flat) - pitch
    here, left = flat[pitch + pixel :], flat[pitch:-pixel]
    above, corner = flat[pixel:end], flat[: end - pixel]
    found = np.empty((_KINDS, end), np.uint8)
    none, sub, up, average, paeth = found[:, : end - pixel]
    none[:] = here
    np.subtract(here, left, out=sub)
    np.subtract(here, above, out=up)
    np.subtract(here, (left & above) + ((left ^ above) >> 1), out=average)
    np.subtract(here, _paeth(left, above, corner), out=paeth)
    return found


def _paeth(left: Bytes, above: Bytes, corner: Bytes) -> Bytes:
    """Return which of three neighbours is nearest to left + above - corner."""
    by_left = np.subtract(above, corner, dtype=np.int16)
    by_above = np.subtract(left, corner, dtype=np.int16)
    by_corner = np.abs(by_left + by_above)
    np.abs(by_left, out=by_left)
    np.abs(by_above, out=by_above)
    nearest = _chosen(by_above <= by_corner, above, corner)
    return _chosen(by_left <= np.minimum(by_above, by_corner), left, nearest)


def _chosen(first: NDArray[np.bool_], one: Bytes, other: Bytes) -> Bytes:
    """Return one where `first` holds, else other: by bits, a fifth of the time of `where`."""
    mask = np.negative(first.view(np.uint8))
    chosen: Bytes = other ^ ((one ^ other) & mask)
    return chosen


_Each: TypeAlias = Callable[
    [Callable[[int], CompressedPart], Sequence[int]], Iterable[CompressedPart]
]
"""`map`, or what does the same on threads."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_BANDS, _BAND = 8, 4
"""Bands of neighbouring rows that stand for a picture."""

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's number for grey, grey with alpha, RGB and RGBA."""

_SOURCE = 0
"""APNG's blend operation that replaces the canvas: each frame is complete."""

_LARGEST_DELAY = 65_535
_SEGMENTS, _LEAST, _MOST = 8, 2**17, 2**20
"""A picture's filtered rows are cut into so many parts of that many bytes, each compressed on
one thread: even shares of a small picture, and little memory for a large one."""
_LEAST_SHARED = 2**18
"""Bytes that one thread has compressed before others have started."""

_IDAT = b"IDAT"
_PROFILE_NAME = b"ICC Profile\0\0"
_METRES_AN_INCH, _BY_THE_METRE = 0.0254, 1
_LARGEST_NUMBER = 2**31 - 1
_EXIF = b"Exif\0\0"
"""What stands before EXIF in a JPEG only."""


def png_bytes(
    frames: Sequence[Picture],
    metadata: Metadata,
    timing: Timing | None,
    level: int | None,
    jobs: int | None = None,
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
    jobs : int, optional
        Threads that compress; the cores that the process may use where none is given. The
        bytes do not depend on it.
    """
    threads = jobs or available_cores()
    first = _chunks(frames[0], metadata, level, threads)
    if timing is None:
        return _file(first)
    rest = (_chunks(frame, Metadata(), level, threads) for frame in frames[1:])
    return _file(_animation(first, rest, timing))


def _animation(
    first: list[tuple[bytes, bytes]],
    rest: Iterable[list[tuple[bytes, bytes]]],
    timing: Timing,
) -> Iterator[tuple[bytes, bytes]]:
    head = [chunk for chunk in first if chunk[0] != _IDAT]
    still, count = int(timing.still), len(timing.durations)
    loop = 1 if timing.loop is None else timing.loop
    yield from head
    yield b"acTL", struct.pack(">II", count - still, loop)
    size = head[0][1][:8]
    number = 0
    if not still:
        yield b"fcTL", _control(number, size, timing, 0)
        number += 1
    yield from (chunk for chunk in first if chunk[0] == _IDAT)
    for index, chunks in enumerate(rest, start=1):
        yield b"fcTL", _control(number, size, timing, index)
        number += 1
        for name, data in chunks:
            if name == _IDAT:
                yield b"fdAT", struct.pack(">I", number) + data
                number += 1


def _control(number: int, size: bytes, timing: Timing, index: int) -> bytes:
    from fractions import Fraction

    delay = Fraction(timing.durations[index] / 1000).limit_denominator(_LARGEST_DELAY)
    numerator = min(delay.numerator, _LARGEST_DELAY)
    disposal = timing.disposals[index] if timing.disposals[index] in (0, 1, 2) else 0
    tail = struct.pack(">IIHHBB", 0, 0, numerator, delay.denominator, disposal, _SOURCE)
    return struct.pack(">I", number) + size + tail


def _chunks(
    picture: Picture, metadata: Metadata, level: int | None, threads: int
) -> list[tuple[bytes, bytes]]:
    """Return the chunks of one picture: its header, what is said of it, its pixels."""
    rows, columns = picture.shape
    samples = picture.channels + (picture.alpha is not None)
    kind = bytes((8 * picture.pixels.itemsize, _COLOUR_TYPES[samples], 0, 0, 0))
    header = (b"IHDR", struct.pack(">II", columns, rows) + kind)
    each = _each(row_bytes(picture) * rows, threads)
    strategy = zlib.Z_DEFAULT_STRATEGY if level is not None else _strategy(picture, each)
    level = DEFAULT_LEVEL if level is None else level
    pixels = stream_of(_parts(picture, level, strategy, each))
    return [header, *_said(picture, metadata), (_IDAT, pixels)]


def _said(picture: Picture, metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of the metadata."""
    settings = save_settings(metadata, "PNG", picture.channels, picture.shape)
    if "icc_profile" in settings:
        yield b"iCCP", _PROFILE_NAME + zlib.compress(settings["icc_profile"])
    if "dpi" in settings:
        dots = (round(an_inch / _METRES_AN_INCH) for an_inch in settings["dpi"])
        across, down = (min(count, _LARGEST_NUMBER) for count in dots)
        yield b"pHYs", struct.pack(">IIB", across, down, _BY_THE_METRE)
    if "exif" in settings:
        yield b"eXIf", settings["exif"].removeprefix(_EXIF)


def _each(size: int, threads: int) -> _Each:
    """Return what does something for each of several arguments, in order, for so many bytes."""
    return map if threads == 1 or size < _LEAST_SHARED else pool(threads).map


def _parts(
    picture: Picture, level: int, strategy: int, each: _Each
) -> Iterable[CompressedPart]:
    """Compress the rows, a segment at a time."""
    size, height = row_bytes(picture), picture.shape[0]
    rows = max(min(max(size * height // _SEGMENTS, _LEAST), _MOST) // size, 1)
    starts = range(0, height, rows)
    return each(functools.partial(_segment, picture, level, strategy, rows), starts)


def _segment(
    picture: Picture, level: int, strategy: int, rows: int, start: int
) -> CompressedPart:
    """Compress some rows, which may repeat what stands in the rows before."""
    before, stop = b"", start + rows
    if strategy != zlib.Z_RLE and start:
        # Filtered anew: a thread does not wait for the one that does the rows above.
        first = max(start - -(-WINDOW // row_bytes(picture)), 0)
        before = b"".join(strip.tobytes() for strip in filtered_strips(picture, first, start))
    return part_of(
        filtered_strips(picture, start, stop),
        level,
        strategy,
        dictionary=before[-WINDOW:],
        last=stop >= picture.shape[0],
    )


def _strategy(picture: Picture, each: _Each) -> int:
    """Return the strategy of zlib that makes a sample of the rows smaller.

    Photographs, and what filters make of them, hold few repetitions to be found: looking
    for runs only takes half of the time and makes files 1 to 7 % smaller. Of text and
    patterns it makes files several times as large.
    """
    height = picture.shape[0]
    starts = np.linspace(0, max(height - _BAND, 0), _BANDS).astype(int)
    # Sorted by hand: np.unique imports numpy.ma, which takes 13 ms.
    rows = sorted({min(start + row, height - 1) for start in starts for row in range(_BAND)})
    alpha = None if picture.alpha is None else picture.alpha[rows]
    strips = list(filtered_strips(Picture(picture.pixels[rows], alpha)))
    # The one that takes longest first.
    strategies = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE)
    parts = each(functools.partial(part_of, strips, DEFAULT_LEVEL), strategies)
    sizes = {len(part.data): one for one, part in zip(strategies, parts, strict=True)}
    return sizes[min(sizes)]


def _file(chunks: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the pieces of a file: joined they take as much memory again."""
    parts = [SIGNATURE]
    for name, data in (*chunks, (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
        parts += [struct.pack(">I", len(data)), name, data, checksum]
    return parts
