"""The strips and tiles of a TIFF: unpacked, with as much memory as their pixels need.

Pillow reads samples of up to 8 bits well. All others are read here, for it drops bits of some
and changes the sign of others; and what is filtered block by block.
"""

import contextlib
import functools
import io
import logging
import lzma
import math
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from convcli.errors import install
from convcli.images.codecs import tiff_pages as tiff
from convcli.images.codecs.pillow import SWAPPED
from convcli.images.codecs.tiff_pages import TiffPage, unread
from convcli.images.picture import Frame
from convcli.images.policy import (
    NOT_READ,
    beyond_floats,
    completed,
    decoder_errors,
    libtiff_silenced,
)

_LZMA_MEMORY = 2**28  # most memory for LZMA's dictionary, whose size the file chooses
_stderr = threading.Lock()


def _decoded(page: TiffPage, fast: Any, data: bytes, index: int) -> NDArray[Any]:
    """Return a strip or a tile as an array; never more is unpacked than it holds."""
    shape, stored, predictor = page.segment_shape(index), page.stored, page.predictor
    size = math.prod(shape) * stored.itemsize
    with decoder_errors():
        plain = b""
        if fast and page.compression == tiff.DEFLATE:
            with contextlib.suppress(fast.DeflateError):  # Only zlib knows what to do then.
                plain = fast.deflate_decode(data, out=size)
        plain = plain or UNPACKERS[page.compression](data, size)
    row = completed(np.frombuffer(plain[:size], np.uint8), size).reshape(shape[0], -1)
    native = stored.newbyteorder("=")
    is_plain = page.compression == tiff.UNCOMPRESSED
    if predictor == tiff.FLOAT_BYTES and not is_plain:
        return _joined_bytes(row, shape, native)
    values = row.view(stored).astype(native, copy=False).reshape(shape)
    if predictor != tiff.DIFFERENCES or is_plain:
        return values
    whole = values.view(f"u{native.itemsize}")
    # NumPy's sums along an axis that is not the last take 6 times as long.
    sums = fast.delta_decode(whole, axis=1) if fast else None
    return (np.cumsum(whole, axis=1, dtype=whole.dtype) if sums is None else sums).view(native)


def _joined_bytes(
    rows: NDArray[np.uint8], shape: tuple[int, int, int], native: np.dtype[Any]
) -> NDArray[Any]:
    """Return floats: a row has the first bytes of all of them, then the second bytes."""
    height, _, samples = shape
    steps = rows.reshape(height, -1, samples)
    sums = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(height, native.itemsize, -1)
    joined = np.ascontiguousarray(np.moveaxis(sums, 1, 2))
    return joined.view(native.newbyteorder(">")).astype(native).reshape(shape)


def _inflated(data: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(data, size)


def _from_lzma(data: bytes, size: int) -> bytes:
    try:
        return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(data, size)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from None


def _by_libtiff(compression: int, data: bytes, size: int) -> bytes:
    """Unpack by libtiff, as the only strip of an 8-bit grey picture."""
    directory, file = TiffImagePlugin.ImageFileDirectory_v2(), io.BytesIO()
    directory.update({
        256: size, 257: 1, 258: 8, 259: compression, 262: 1, 273: 0, 277: 1, 278: 1,
        279: len(data),
    })  # fmt: skip
    directory.save(file)
    file.write(data)
    file.seek(0)
    with _stderr, libtiff_silenced():
        return TiffImagePlugin.TiffImageFile(file).tobytes()


UNPACKERS: dict[int, Callable[[bytes, int], bytes]] = {  # unpack at most so many bytes
    tiff.UNCOMPRESSED: lambda data, size: data[:size],
    tiff.DEFLATE: _inflated,
    tiff.OLD_DEFLATE: _inflated,
    tiff.LZMA: _from_lzma,
    **{
        number: functools.partial(_by_libtiff, number)
        for number in (tiff.LZW, tiff.PACKBITS, tiff.ZSTD)
    },
}


def _check_coded_size(data: bytes, chunk: tuple[int, int]) -> None:
    """Refuse a tile that is a picture itself (JPEG, WebP …) and larger than its place."""
    columns = rows = 0
    with contextlib.suppress(OSError), decoder_errors(), Image.open(io.BytesIO(data)) as image:
        columns, rows = image.size
    if rows > chunk[0] or columns > chunk[1]:
        raise OSError(f"a tile of {chunk[1]} × {chunk[0]} px holds {columns} × {rows} px")


# ------------------------------------------------------------------ what samples mean


def _colours_of(pixels: NDArray[Any], photometric: int, white: float) -> NDArray[Any]:
    """Return the colours where white is 0: inverted, and CMYK by Pillow's plain formula."""
    if white > 2**53:
        raise OSError(f"TIFF of 64 bits whose white is 0 {NOT_READ}")
    light = pixels.dtype.type(white) - pixels
    if photometric == tiff.WHITE_IS_ZERO:
        return np.concatenate([light[..., :1], pixels[..., 1:]], axis=2)
    rgb = light[..., :3].astype(np.float64) * light[..., 3:] / white
    rounded: NDArray[Any] = np.rint(rgb).astype(pixels.dtype)
    return rounded


def _divided(pixels: NDArray[Any], alpha: NDArray[Any], white: float) -> NDArray[Any]:
    """Return colours that were multiplied by their opacity as they were before."""
    opacity = alpha.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        colours = np.where(opacity > 0, pixels * (white / opacity), 0)
    whole = pixels.dtype.kind == "u"
    result: NDArray[Any] = np.rint(np.minimum(colours, white)) if whole else colours
    return result.astype(pixels.dtype)


def _turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return rows and columns upright: 1 to 4 flip them, 5 to 8 swap them first."""
    if not 1 < orientation <= 8:  # noqa: PLR2004 - eight turns exist
        return pixels
    if orientation in SWAPPED:
        pixels = pixels.swapaxes(0, 1)
    across = orientation in (2, 3, 6, 7)
    down = orientation in (3, 4, 7, 8)
    return np.ascontiguousarray(pixels[:: -1 if down else 1, :: -1 if across else 1])


# ------------------------------------------------------------------ the pixels of a page

Fetch = Callable[[Sequence[tuple[int, int]]], Iterator[bytes]]  # (start, length) of each span
Decode = Callable[[bytes, int], NDArray[Any]]  # a tile's bytes and number -> its samples
_INVERTED = (tiff.WHITE_IS_ZERO, tiff.CMYK)


def decoded_page(page: TiffPage, file: BinaryIO) -> Frame:
    """Decode a page, upright."""
    fetch = functools.partial(spans_of, file, contextlib.nullcontext())
    rows, columns = (slice(0, side) for side in page.size)
    values = read_part(page, fetch, decoder_of(page, file), rows, columns)
    values = _turned(values, page.orientation)
    (_, _, channels), has_alpha, _ = page.header
    alpha = values[..., channels] if has_alpha else None
    return Frame(values[..., :channels], alpha)


def read_part(
    page: TiffPage, fetch: Fetch, decode: Decode, rows: slice, columns: slice
) -> NDArray[Any]:
    """Return a rectangle as it is filtered: colours, and an opacity as the last sample."""
    colours, alpha = page.meaning
    shape = (rows.stop - rows.start, columns.stop - columns.start, colours + alpha)
    values = np.zeros(shape, page.stored.newbyteorder("="))
    every = page.segments(rows, columns)
    segments = [segment for segment in every if segment[0] < len(page.spans)]
    spans = [tuple(page.spans[segment[0]].tolist()) for segment in segments]
    for segment, span, data in zip(segments, spans, fetch(spans), strict=True):
        index, top, left, samples = segment
        if span[1]:  # one without bytes is left out
            part = decode(data, index)
            _place(values[..., samples], part, top - rows.start, left - columns.start)
    if alpha and page.opacity_at < colours:
        order = [*range(page.opacity_at), *range(page.opacity_at + 1, colours + 1)]
        values = values[..., [*order, page.opacity_at]]
    return _meant(values, page)


def _meant(values: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    """Return samples as they are filtered: see `read_part`."""
    if beyond_floats(values):
        raise OSError(f"TIFF of whole numbers beyond 2^53, which no float holds, {NOT_READ}")
    values, (colours, _) = values.astype(page.header[2], copy=False), page.meaning
    inverts, divides = page.photometric in _INVERTED, page.extra == (tiff.ASSOCIATED,)
    if not inverts and not divides:
        return values
    white = float(np.iinfo(page.stored).max) if page.stored.kind in "ui" else 1.0
    pixels, alpha = values[..., :colours], values[..., colours:]
    if inverts:
        pixels = _colours_of(pixels, page.photometric, white)
    if divides:
        pixels = _divided(pixels, alpha, white)
    return np.concatenate([pixels, alpha], axis=2)


def decoder_of(page: TiffPage, file: BinaryIO, fast: Any = None) -> Decode:
    """Return what decodes tiles or strips; OSError where they are not read here."""
    stored, _ = page.stored, page.meaning
    # These need numbers from 0 to white.
    if page.photometric in _INVERTED and stored.kind != "u":
        raise unread(page, f"photometric {page.photometric} with signed numbers or floats")
    known = (tiff.NO_PREDICTOR, tiff.DIFFERENCES, tiff.FLOAT_BYTES)
    if page.is_ambiguous or page.predictor not in known:
        raise unread(page, f"predictor {page.predictor} and compression {page.compression}")
    if page.predictor == tiff.FLOAT_BYTES and stored.kind != "f":
        raise unread(page, "the predictor of floats")
    layers = page.tags.number(tiff.LAYERS, 1)
    if layers != 1:
        raise unread(page, f"{layers} layers")
    if page.tags.number(tiff.FILL_ORDER, 1) != 1:
        raise unread(page, "bits in this order")
    if page.compression not in UNPACKERS:
        return _of_other_programs(page, file)
    return functools.partial(_decoded, page, fast)


def spans_of(file: BinaryIO, lock: Any, spans: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """Yield the bytes of each span; fewer where the file ends early."""
    for start, count in spans:
        with lock, decoder_errors():
            file.seek(start)
            data = file.read(count)
        yield data


def _place(result: NDArray[Any], part: NDArray[Any], top: int, left: int) -> None:
    """Copy the part of a tile that lies in the result, of which it begins at such a place."""
    seen = part[max(-top, 0) :, max(-left, 0) :]
    there = result[max(top, 0) :, max(left, 0) :][: len(seen), : seen.shape[1]]
    there[:] = seen[: len(there), : there.shape[1], : there.shape[2]]


def _of_other_programs(page: TiffPage, file: BinaryIO) -> Decode:
    """Return a decoder of tifffile's and imagecodecs', where they are installed."""
    try:
        import imagecodecs  # noqa: F401 - tifffile uses it
        import tifffile
    except ImportError:
        what = f"compression {page.compression}, which needs more packages: "
        raise unread(page, what, install("formats")) from None
    # Its messages are raised as errors, too; without a handler they are printed.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    file.seek(0)
    with decoder_errors():
        other = tifffile.TiffFile(file).pages[page.index]
        known = int(other.compression) in tifffile.TIFF.DECOMPRESSORS
    if not known:
        raise unread(page, f"compression {page.compression}")
    tables = other.jpegtables

    def decode(data: bytes, index: int) -> NDArray[Any]:
        _check_coded_size(data, page.tile)
        with decoder_errors():
            segment: Any = other.decode(data, index, jpegtables=tables)[0]
        part: NDArray[Any] = segment[0]
        return part

    return decode
