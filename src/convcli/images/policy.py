"""What is accepted as a picture: formats, limits, and the faults of decoders."""

import contextlib
import logging
import os
import struct
import threading
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from convcli.errors import ImageError
from convcli.images.formats import FORMATS, NPY
from convcli.values import Record

FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)
"""Each decoder, each tag has its own habits; ``NotImplementedError`` is a RuntimeError."""


MAX_PIXELS = 89_478_485
"""Pillow's own limit for a warning: a quarter GiB of 24-bit pixels."""

_LEAST = 64 * 64
"""A frame counts as at least so many pixels: it has a cost of its own."""

READ_FORMATS = (
    "AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF",
    "ICNS", "ICO", "IM", "IMT", "JPEG", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX",
    "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA", "TIFF", "WEBP",
    "XBM", "XPM", "XVTHUMB",
)  # fmt: skip
"""Picture formats that Pillow decodes by itself."""

_COMMON = frozenset(
    suffix
    for kind in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", NPY)
    for suffix in FORMATS[kind].suffixes
)
"""What most folders hold: to ask Pillow takes the modules of all formats, and 25 ms."""

_BYTES_A_PIXEL = 16
_SPARE_BYTES = 64 * 2**20

_STDERR = 2
_PNG = b"\x89PNG\r\n\x1a\n"

logging.getLogger("PIL").addHandler(logging.NullHandler())

_lock = threading.RLock()


class ReadPolicy(Record, kw_only=True):
    """What is accepted from a file.

    Attributes
    ----------
    max_pixels : int
        The most pixels, of all frames that are read.
    allow_truncated : bool
        Read what there is of a file that ends too early.
    allow_formats : frozenset of str
        Formats beside `READ_FORMATS`, by Pillow's names (``EPS``).
    frame : int, optional
        The only frame to read, counted from 0; all of them otherwise.
    """

    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False
    allow_formats: frozenset[str] = frozenset()
    frame: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All formats that are accepted."""
        return (*READ_FORMATS, *self.allow_formats)

    @property
    def formats(self) -> tuple[str, ...]:
        """All formats that are accepted and that this Pillow has."""
        Image.init()
        return tuple(name for name in Image.OPEN if name in self.names)

    def takes(self, suffix: str) -> bool:
        """Tell whether files of a suffix, in lower case, are taken for pictures in a folder.

        Examples
        --------
        >>> ReadPolicy().takes(".jpg"), Reading().takes(".txt")
        (True, False)
        """
        if suffix in _COMMON:
            return True
        Image.init()
        kind = Image.EXTENSION.get(suffix)
        return kind == "MPO" or (kind in Image.OPEN and kind in self.names)

    @property
    def max_bytes(self) -> int:
        """More bytes than any file within the limit of pixels has."""
        return self.max_pixels * _BYTES_A_PIXEL + _SPARE_BYTES


def open_image(file: BinaryIO, reading: ReadPolicy) -> ImageFile.ImageFile:
    """Open a picture of an accepted format; its pixels are not decoded yet.

    The formats that Pillow begins with are tried first: the modules of all others take
    as long to import as NumPy does.

    Raises
    ------
    UnidentifiedImageError
        If the file is of none of the formats.
    """
    start = file.tell()
    png = _png(file, reading)
    if png is not None:
        return png
    file.seek(start)
    Image.preinit()
    try:
        return Image.open(file, formats=[name for name in reading.names if name in Image.OPEN])
    except UnidentifiedImageError:
        file.seek(start)
        return Image.open(file, formats=reading.formats)


def _png(file: BinaryIO, reading: ReadPolicy) -> ImageFile.ImageFile | None:
    """Open a PNG: the plugins that Pillow tries beside take 4 ms to import.

    What is wrong with it, `Image.open` says in its own way.
    """
    if file.read(len(_PNG)) != _PNG:
        return None
    from PIL.PngImagePlugin import PngImageFile

    file.seek(-len(_PNG), os.SEEK_CUR)
    try:
        opened = PngImageFile(file)
    except SyntaxError:
        return None
    return opened if opened.width * opened.height <= reading.max_pixels else None


class Counter:
    """Adds up the pixels that a file declares, before any is decoded.

    Parameters
    ----------
    limit : int
        The most pixels.
    label : str
        What messages call the file.
    """

    def __init__(self, limit: int, label: str) -> None:
        self._limit = limit
        self._label = label
        self._pixels = 0

    def add(self, width: int, height: int, frames: int = 1) -> None:
        """Count frames of a size.

        Raises
        ------
        ImageError
            If that makes too many pixels.
        """
        self._pixels += max(width * height, 0 if frames == 1 else _LEAST) * frames
        if self._pixels > self._limit:
            raise too_many_pixels(self._label, self._limit, self._pixels)


def completed(samples: NDArray[Any], wanted: int) -> NDArray[Any]:
    """Return as many samples as are wanted: 0 for what is missing, where that is allowed.

    Raises
    ------
    OSError
        If some are missing, and `Reading.allow_truncated` does not hold.
    """
    missing = wanted - len(samples)
    if missing > 0 and not ImageFile.LOAD_TRUNCATED_IMAGES:
        raise OSError("image file is truncated")
    return np.pad(samples, (0, missing)) if missing > 0 else samples


def too_many_pixels(label: str, limit: int, got: int) -> ImageError:
    """Return the error on a file that declares too many pixels."""
    tiled = (
        ", or use 'convcli apply --tiled'" if label.lower().endswith((".tif", ".tiff")) else ""
    )
    return ImageError(
        f"{label}: expected at most {limit:,} pixels, got {got:,}: raise --max-pixels if you "
        f"trust the file{tiled}"
    )


@contextlib.contextmanager
def guarded(reading: ReadPolicy) -> Iterator[None]:
    """Set Pillow's switches, which are global, for the time of one reading."""
    with _lock, warnings.catch_warnings():
        # Remarks on odd metadata are no fault of the pixels.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
        Image.MAX_IMAGE_PIXELS = reading.max_pixels
        ImageFile.LOAD_TRUNCATED_IMAGES = reading.allow_truncated
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Keep libtiff from writing to standard error itself: its errors are raised anyway."""
    try:
        kept = os.dup(_STDERR)
    except OSError:
        yield
        return
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - it has no path to speak of
        os.dup2(nowhere.fileno(), _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)


def blocked_format(prefix: bytes) -> str | None:
    """Return the format that a file's first bytes look like, where it is not accepted."""
    Image.init()
    for name in sorted(set(Image.OPEN) - set(READ_FORMATS)):
        accepts = Image.OPEN[name][1]
        if accepts is not None and accepts(prefix) is True:
            return name
    return None


def readable_named(name: str) -> str:
    """Return the format of that name, which Pillow may read with another program's help.

    Raises
    ------
    ImageError
        If Pillow knows none.
    """
    Image.init()
    kind = name.strip().upper()
    if kind not in Image.OPEN:
        off = ", ".join(sorted(set(Image.OPEN) - set(READ_FORMATS))).lower()
        raise ImageError(f"expected a format that is off ({off}), got {name!r}")
    return kind
