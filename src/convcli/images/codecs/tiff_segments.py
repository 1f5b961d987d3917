"""The strips and tiles of a TIFF: unpacked, with as much memory as their pixels need."""

import functools
import importlib
import io
import lzma
import struct
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from convcli.images.policy import NOT_READ, completed, decoder_errors, libtiff_silenced

NO_PREDICTOR, DIFFERENCES, FLOAT_BYTES = 1, 2, 3
"""How values are stored: unchanged, as differences along a row, or as differences of the
bytes of floats (Adobe's technical note 3)."""

_NONE, _LZW, _DEFLATE, _PACKBITS, _OLD_DEFLATE, _LZMA, _ZSTD = (
    1, 5, 8, 32_773, 32_946, 34_925, 50_000,
)  # fmt: skip
_LZMA_MEMORY = 2**28
"""The most memory that a dictionary of LZMA may take: the file chooses its size."""

_DIRECTORY_ENTRY = "<HHII"
_LONG = 4
_stderr = threading.Lock()


@functools.cache
def fast_codecs() -> Any:
    """Return imagecodecs, which has libdeflate; None where it is not installed.

    With it 256 tiles of 512 × 512 px in colour are unpacked in 0.43 s of one core, by zlib in
    0.71, and packed in 1.9 s, by zlib in 4.8. The import takes 20 ms, so only pictures that are
    filtered block by block ask for it.
    """
    try:
        return importlib.import_module("imagecodecs")
    except ImportError:
        return None


def deflated(data: bytes, level: int) -> bytes:
    """Pack bytes in zlib's format, as fast as possible; `level` is 0 to 9."""
    codecs = fast_codecs()
    packed: bytes = (codecs.deflate_encode if codecs else zlib.compress)(data, level)
    return packed


def decoded_segment(  # noqa: PLR0917 - two callers, and what the file says of itself
    data: bytes,
    shape: tuple[int, int, int],
    stored: np.dtype[Any],
    compression: int,
    predictor: int,
    fast: Any = None,
) -> NDArray[Any]:
    """Return a strip or a tile as an array; never more is unpacked than it holds.

    `shape` is rows, columns and samples; the samples are `stored` with the byte order of the
    file, and returned in that of this machine. `compression` is one of `UNPACKERS`, `predictor`
    the tag's number, `fast` what `fast_codecs` returns. OSError is raised if the data are
    damaged, or end early where the policy does not allow that.
    """
    count = shape[0] * shape[1] * shape[2]
    size = count * stored.itemsize
    with decoder_errors():
        plain = _inflated_fast(data, size, fast) if fast and compression == _DEFLATE else b""
        plain = plain or UNPACKERS[compression](data, size)
    if compression == _NONE:
        predictor = NO_PREDICTOR
    row = completed(np.frombuffer(plain[:size], np.uint8), size).reshape(shape[0], -1)
    native = stored.newbyteorder("=")
    if predictor == FLOAT_BYTES:
        return _joined_bytes(row, shape, native)
    values = row.view(stored).astype(native).reshape(shape)
    if predictor == DIFFERENCES:
        whole = values.view(f"u{native.itemsize}")
        # NumPy's sums along an axis that is not the last take 6 times as long.
        sums = fast.delta_decode(whole, axis=1) if fast else None
        return (np.cumsum(whole, axis=1, dtype=whole.dtype) if sums is None else sums).view(
            native
        )
    return values


def _joined_bytes(
    rows: NDArray[np.uint8], shape: tuple[int, int, int], native: np.dtype[Any]
) -> NDArray[Any]:
    """Return floats: a row has the first bytes of all of them, then the second bytes."""
    height, _, samples = shape
    steps = rows.reshape(height, -1, samples)
    sums = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(height, native.itemsize, -1)
    joined = np.ascontiguousarray(np.moveaxis(sums, 1, 2))
    return joined.view(native.newbyteorder(">")).astype(native).reshape(shape)


def _inflated_fast(data: bytes, size: int, fast: Any) -> bytes:
    """Unpack Deflate by libdeflate; return nothing where only zlib knows what to do."""
    try:
        plain: bytes = fast.deflate_decode(data, out=size)
    except fast.DeflateError:
        return b""
    return plain


def _inflated(data: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(data, size)


def _from_lzma(data: bytes, size: int) -> bytes:
    try:
        return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(data, size)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from None


def _by_libtiff(compression: int) -> Callable[[bytes, int], bytes]:
    """Return a function that unpacks by libtiff, as the only strip of an 8-bit grey picture."""

    def unpack(data: bytes, size: int) -> bytes:
        tags = {
            256: size, 257: 1, 258: 8, 259: compression, 262: 1, 273: 8, 277: 1, 278: 1,
            279: len(data),
        }  # fmt: skip
        entries = [struct.pack(_DIRECTORY_ENTRY, tag, _LONG, 1, n) for tag, n in tags.items()]
        directory = struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)
        padded = data + bytes(len(data) % 2)
        file = io.BytesIO(struct.pack("<4sI", b"II*\0", 8 + len(padded)) + padded + directory)
        with _stderr, libtiff_silenced():
            return TiffImagePlugin.TiffImageFile(file).tobytes()

    return unpack


UNPACKERS: dict[int, Callable[[bytes, int], bytes]] = {
    _NONE: lambda data, size: data[:size],
    _DEFLATE: _inflated,
    _OLD_DEFLATE: _inflated,
    _LZMA: _from_lzma,
    **{number: _by_libtiff(number) for number in (_LZW, _PACKBITS, _ZSTD)},
}
"""What unpacks at most so many bytes, by the number of the compression."""

PREDICTED = {_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _LZMA, _ZSTD}
"""Compressions with which every program undoes a predictor; without any, none does."""


def check_coded_size(data: bytes, chunk: tuple[int, int]) -> None:
    """Refuse a tile that is a picture itself (JPEG, WebP …) and larger than its place.

    `chunk` is rows and columns. Of data that Pillow does not know nothing is checked.
    """
    try:
        with decoder_errors(), Image.open(io.BytesIO(data)) as image:
            rows, columns = image.height, image.width
    except (UnidentifiedImageError, OSError):
        return
    if rows > chunk[0] or columns > chunk[1]:
        raise OSError(f"a tile of {chunk[1]} × {chunk[0]} px holds {columns} × {rows} px")


# ------------------------------------------------------------------ what samples mean

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
"""Numbers of the photometric interpretation."""

_EXACT = 2**53
"""Whole numbers up to this have an exact float64."""

_FILTERED = {"u1": "u1", "u2": "u2", "f2": "f4", "f4": "f4"}
"""The type that samples of a type are filtered as; all others become float64."""


def filtered_type(stored: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that samples of a type are filtered as."""
    return np.dtype(_FILTERED.get(stored.str[1:], "f8"))


def filtered(values: NDArray[Any]) -> NDArray[Any]:
    """Return samples in the type that they are filtered as, with their exact values."""
    whole = values.dtype.kind in "ui"
    if whole and (values.max() > _EXACT or values.min() < -_EXACT):
        raise OSError(f"TIFF of whole numbers beyond 2^53, which no float holds, {NOT_READ}")
    return values.astype(filtered_type(values.dtype), copy=False)


def colours_of(pixels: NDArray[Any], photometric: int, white: float) -> NDArray[Any]:
    """Return the colours: inverted where white is 0, and CMYK by Pillow's plain formula."""
    if photometric in (BLACK_IS_ZERO, RGB):
        return pixels
    if white > _EXACT:
        raise OSError(f"TIFF of 64 bits whose white is 0 {NOT_READ}")
    light = pixels.dtype.type(white) - pixels
    if photometric == WHITE_IS_ZERO:
        return np.concatenate([light[..., :1], pixels[..., 1:]], axis=2)
    rgb = light[..., :3].astype(np.float64) * light[..., 3:] / white
    rounded: NDArray[Any] = np.rint(rgb).astype(pixels.dtype)
    return rounded


def divided(pixels: NDArray[Any], alpha: NDArray[Any], white: float) -> NDArray[Any]:
    """Return colours that were multiplied by their opacity as they were before."""
    opacity = alpha[..., np.newaxis].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        colours = np.where(opacity > 0, pixels * (white / opacity), 0)
    whole = pixels.dtype.kind == "u"
    result: NDArray[Any] = np.rint(np.minimum(colours, white)) if whole else colours
    return result.astype(pixels.dtype)


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return rows and columns upright: 1 to 4 flip them, 5 to 8 swap them first."""
    if not 1 < orientation <= 8:  # noqa: PLR2004 - eight turns exist
        return pixels
    if orientation > 4:  # noqa: PLR2004 - these swap rows and columns
        pixels = pixels.swapaxes(0, 1)
    across = orientation in (2, 3, 6, 7)
    down = orientation in (3, 4, 7, 8)
    return np.ascontiguousarray(pixels[:: -1 if down else 1, :: -1 if across else 1])
