"""What is accepted as a picture: formats and limits; and what counts as a damaged file."""

import contextlib
import importlib
import importlib.util
import logging
import os
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from convcli.errors import ImageError, install
from convcli.images.formats import FORMATS, NPY
from convcli.values import Record

DECODER_ERRORS = (  # what decoders raise on damaged files, beside OSError
    SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    AssertionError, EOFError, RuntimeError, SystemError, struct.error, zlib.error,
)  # fmt: skip

NOT_READ = "is not read here"  # ends the message on a whole TIFF in a layout not supported
MAX_PIXELS = 89_478_485  # Pillow's own limit for a warning: a quarter GiB of 24-bit pixels
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # on too many pixels
READ_FORMATS = (  # those that Pillow decodes without a program; the last two by packages
    "AVIF", "BLP", "BMP", "CUR", "DCX", "DDS", "DIB", "FITS", "FLI", "FTEX", "GBR", "GIF",
    "ICNS", "ICO", "IM", "IMT", "JPEG", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX",
    "PIXAR", "PNG", "PPM", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA", "TIFF", "WEBP",
    "XBM", "XPM", "XVTHUMB", "HEIF", "JXL",
)  # fmt: skip

_BY_PACKAGES = {  # the package that reads a format, its suffixes, how its files begin
    "HEIF": ("pillow_heif", (".heic", ".heif", ".heics", ".heifs", ".hif"),
             re.compile(rb"....ftyp.{0,52}(hei[cxms]|hev[cxms])", re.DOTALL)),
    "JXL": ("pillow_jxl", (".jxl",), re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n")),
}  # fmt: skip

_COMMON = frozenset(  # most folders hold these: asking Pillow imports all formats, in 25 ms
    suffix
    for name in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", NPY)
    for suffix in FORMATS[name].suffixes
)

_BYTES_A_PIXEL = 16
_SPARE_BYTES = 64 * 2**20

_STDERR = 2
TIFF_HEADERS = {b"II*\0": 8, b"MM\0*": 8, b"II+\0": 16, b"MM\0+": 16}  # length of the header
_PNG = b"\x89PNG\r\n\x1a\n"

logging.getLogger("PIL").addHandler(logging.NullHandler())

_lock = threading.RLock()


class ReadPolicy(Record, kw_only=True):
    """What is accepted from a file."""

    max_pixels: int = MAX_PIXELS  # of all frames that are read
    allow_truncated: bool = False  # whether the part is read that exists of a cut file
    allow_formats: frozenset[str] = frozenset()  # beside `READ_FORMATS`, by Pillow's names
    frame: int | None = None  # the only one to read, counted from 0; None for all

    @property
    def names(self) -> tuple[str, ...]:
        """All formats that are accepted."""
        return (*READ_FORMATS, *self.allow_formats)

    def takes(self, suffix: str) -> bool:
        """Tell whether files of a suffix, in lower case, are taken for pictures in a folder."""
        if suffix in _COMMON:
            return True
        if needs_package(suffix):
            return False
        if any(suffix in suffixes for _, suffixes, _ in _BY_PACKAGES.values()):
            return True
        Image.init()
        name = Image.EXTENSION.get(suffix)
        return name == "MPO" or (name in Image.OPEN and name in self.names)

    @property
    def max_bytes(self) -> int:
        """More bytes than any file within the limit of pixels has."""
        return self.max_pixels * _BYTES_A_PIXEL + _SPARE_BYTES


def needs_package(suffix: str) -> bool:
    """Tell whether files of a suffix, in lower case, are read by a package that is missing."""
    return any(
        suffix in suffixes and importlib.util.find_spec(module) is None
        for module, suffixes, _ in _BY_PACKAGES.values()
    )


def load_package(prefix: bytes, label: str) -> None:
    """Load the package that reads a file, by how it begins, where Pillow needs one for it."""
    for name, (module, _, beginning) in _BY_PACKAGES.items():
        if beginning.match(prefix) is None:
            continue
        try:
            package = importlib.import_module(module)
        except ImportError:
            raise ImageError(
                f"{label}: {name} pictures need the package {module}: {install('formats')}"
            ) from None
        if name == "HEIF":
            package.register_heif_opener()


@contextlib.contextmanager
def decoder_errors() -> Iterator[None]:
    """Turn what a decoder of another project raises into an OSError: the file is at fault.

    Our own code stays outside of the block: a bug in it is no damaged file.
    """
    try:
        yield
    except DECODER_ERRORS as error:
        raise OSError(one_line(error)) from error


def one_line(error: Exception) -> str:
    """Return the message of an error on one line; the name of its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def open_image(file: BinaryIO, reading: ReadPolicy) -> ImageFile.ImageFile:
    """Open a picture of an accepted format; its pixels are not decoded yet.

    A damaged file raises OSError, one of another format UnidentifiedImageError.
    """
    # The modules of formats that Pillow does not begin with take as long to import as NumPy.
    start = file.tell()
    with decoder_errors():
        png = _open_png(file, reading)
        if png is not None:
            return png
        file.seek(start)
        Image.preinit()
        loaded = [name for name in reading.names if name in Image.OPEN]
        with contextlib.suppress(UnidentifiedImageError):
            return Image.open(file, formats=loaded)
        file.seek(start)
        Image.init()
        return Image.open(file, formats=[name for name in Image.OPEN if name in reading.names])


def _open_png(file: BinaryIO, reading: ReadPolicy) -> ImageFile.ImageFile | None:
    """Open a PNG without the other formats' modules (4 ms to import); None if that fails."""
    if file.read(len(_PNG)) != _PNG:
        return None
    from PIL.PngImagePlugin import PngImageFile

    file.seek(-len(_PNG), os.SEEK_CUR)
    try:
        opened = PngImageFile(file)
    except SyntaxError:
        return None
    return opened if opened.width * opened.height <= reading.max_pixels else None


def check_pixels(pixels: int, reading: ReadPolicy, label: str) -> None:
    """Refuse a file that declares too many pixels, before any is decoded."""
    if pixels <= reading.max_pixels:
        return
    is_tiff = label.lower().endswith((".tif", ".tiff"))
    advice = ", or use 'convcli apply --tiled'" if is_tiff else ""
    raise ImageError(
        f"{label}: expected at most {reading.max_pixels:,} pixels, got {pixels:,}: raise "
        f"--max-pixels if you trust the file{advice}"
    )


def check_complete(got: int, expected: int) -> None:
    """Refuse fewer of anything than expected, where the policy does not allow that."""
    if got < expected and not ImageFile.LOAD_TRUNCATED_IMAGES:
        raise OSError("image file is truncated")


def completed(samples: NDArray[Any], count: int) -> NDArray[Any]:
    """Return `count` samples; missing ones are 0 if the policy allows it, else an OSError."""
    check_complete(len(samples), count)
    missing = count - len(samples)
    return np.pad(samples, (0, missing)) if missing > 0 else samples


@contextlib.contextmanager
def file_errors(label: str, reading: ReadPolicy) -> Iterator[None]:
    """Turn errors of the system and of decoders into one line; others are bugs, and pass."""
    try:
        yield
    except FileNotFoundError:
        raise ImageError(f"{label}: no such file: check the path") from None
    except IsADirectoryError:
        raise ImageError(
            f"{label}: expected a picture, got a folder: name a file in it"
        ) from None
    except PermissionError:
        raise ImageError(f"{label}: no permission to read it: check its mode") from None
    except BOMBS as error:
        (declared,) = re.findall(r"\d+", str(error))[:1]
        check_pixels(int(declared), reading, label)
    except MemoryError:
        raise ImageError(
            f"{label}: not enough memory for it: use a smaller picture, or --frame"
        ) from None
    except OSError as error:
        raise ImageError(f"{label}: the picture cannot be read: {_with_hint(error)}") from None


def _with_hint(error: OSError) -> str:
    """Return what is wrong with a file, and what to do about it."""
    if error.strerror:
        # The system's own messages repeat the name.
        return f"{error.strerror}: check the path"
    fault = one_line(error)
    if fault.endswith(NOT_READ):
        return f"{fault}: save it as a TIFF of whole bytes or floats with Deflate compression"
    if "pip install" in fault:
        return fault
    if "truncated" in fault:
        return f"{fault}: --allow-truncated reads what there is"
    return f"{fault}: get a whole copy of the file"


@contextlib.contextmanager
def pillow_set_to(reading: ReadPolicy) -> Iterator[None]:
    """Set Pillow's global switches by a policy while one file is read."""
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
def libtiff_silenced() -> Iterator[None]:
    """Keep libtiff from writing to standard error: Pillow raises its errors anyway."""
    try:
        kept = os.dup(_STDERR)
    except OSError:
        yield
        return
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - pathlib takes 3 ms to import
        os.dup2(nowhere.fileno(), _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)


def _blocked_format(prefix: bytes) -> str | None:
    """Return the format that a file's first bytes look like, where it is not accepted."""
    Image.init()
    for name in sorted(set(Image.OPEN) - set(READ_FORMATS)):
        accepts = Image.OPEN[name][1]
        with decoder_errors():
            if accepts is not None and accepts(prefix) is True:
                return name
    return None


def unknown_file(prefix: bytes, label: str, reading: ReadPolicy) -> ImageError:
    """Return the error on a file of none of the accepted formats."""
    if not prefix:
        return ImageError(f"{label}: expected a picture, got an empty file: make it again")
    blocked = _blocked_format(prefix)
    if blocked is not None and blocked not in reading.allow_formats:
        return ImageError(
            f"{label}: {blocked} files are off, for they may run other programs or hold no "
            f"picture: add --allow-format {blocked.lower()} if you trust the file"
        )
    return ImageError(
        f"{label}: expected a picture, got something else: convert it to PNG first, or to TIFF "
        "where it holds floats or more than 16 bits"
    )


def readable_named(name: str) -> str:
    """Return the format of that name, for `ReadPolicy.allow_formats`; else an ImageError."""
    Image.init()
    known = name.strip().upper()
    if known not in Image.OPEN:
        off = ", ".join(sorted(set(Image.OPEN) - set(READ_FORMATS))).lower()
        raise ImageError(f"expected a format that is off ({off}), got {name!r}")
    return known


def decoders() -> dict[str, str]:
    """Return the libraries that Pillow was built with, and their versions."""
    from PIL import features

    names = ("jpg", "jpg_2000", "zlib", "libtiff", "webp", "avif")
    return {name: features.version(name) or "yes" for name in names if features.check(name)}
