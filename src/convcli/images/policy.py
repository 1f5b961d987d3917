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
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from convcli.errors import ImageError, fail, install
from convcli.images.formats import SUFFIXES, is_matrix_name
from convcli.values import Record

DECODER_ERRORS = (  # what decoders raise on damaged files, beside OSError
    SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    AssertionError, EOFError, RuntimeError, SystemError, struct.error, zlib.error,
)  # fmt: skip

NOT_READ = "is not read here"  # ends the message on a whole TIFF in a layout not supported
MAX_PIXELS = 89_478_485  # Pillow's own limit for a warning: a quarter GiB of 24-bit pixels
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # on too many pixels
# Those that Pillow decodes without a program; the last two by packages. It imports the others
# when it has tried the first six, and that takes as long as the import of NumPy.
READ_FORMATS = (
    "BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "AVIF", "BLP", "CUR", "DCX", "DDS", "FITS",
    "FLI", "FTEX", "GBR", "ICNS", "ICO", "IM", "IMT", "JPEG2000", "MCIDAS", "MSP", "PCD", "PCX",
    "PIXAR", "PSD", "QOI", "SGI", "SPIDER", "SUN", "TGA", "TIFF", "WEBP", "XBM", "XPM",
    "XVTHUMB", "HEIF", "JXL",
)  # fmt: skip

_BY_PACKAGES = {  # the package that reads a format, its suffixes, how its files begin
    "HEIF": ("pillow_heif", (".heic", ".heif", ".heics", ".heifs", ".hif"),
             re.compile(rb"....ftyp.{0,52}(hei[cxms]|hev[cxms])", re.DOTALL)),
    "JXL": ("pillow_jxl", (".jxl",), re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n")),
}  # fmt: skip

_STDERR = 2
TIFF_HEADERS = {b"II*\0": 8, b"MM\0*": 8, b"II+\0": 16, b"MM\0+": 16}  # length of the header
_PNG = b"\x89PNG\r\n\x1a\n"

logging.getLogger("PIL").addHandler(logging.NullHandler())

_lock = threading.RLock()


class ReadPolicy(Record):
    """What is accepted from a file."""

    max_pixels: int = MAX_PIXELS  # of all frames that are read
    allow_truncated: bool = False  # whether the part is read that exists of a cut file
    allow_formats: Collection[str] = ()  # beside `READ_FORMATS`, by Pillow's names
    frame: int | None = None  # the only one to read, counted from 0; None for all

    def takes(self, suffix: str) -> bool:
        """Tell whether files of a suffix, in lower case, are taken for pictures in a folder."""
        if suffix in SUFFIXES:  # To ask Pillow imports all formats, in 25 ms.
            return not is_matrix_name(suffix)
        if any(suffix in suffixes for _, suffixes, _ in _BY_PACKAGES.values()):
            return not needs_package(suffix)
        Image.init()
        name = Image.EXTENSION.get(suffix)
        return name in ("MPO", *READ_FORMATS, *self.allow_formats)

    @property
    def max_bytes(self) -> int:
        """More bytes than any file within the limit of pixels has."""
        return 16 * self.max_pixels + 64 * 2**20


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
            fault = f"{name} pictures need the package {module}"
            fail(label, fault, install("formats"), ImageError)
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
    # Where objects are in memory says nothing to a person.
    text = re.sub(r":? ?<[^<>]* at 0x\w+>", "", str(error))
    return " ".join(text.split()) or type(error).__name__


def open_image(file: BinaryIO, reading: ReadPolicy) -> ImageFile.ImageFile:
    """Open a picture of an accepted format; its pixels are not decoded yet.

    A damaged file raises OSError, one of another format UnidentifiedImageError.
    """
    with decoder_errors():
        if file.read(len(_PNG)) == _PNG:
            from PIL.PngImagePlugin import PngImageFile  # The others take 4 ms to import.

            file.seek(0)
            with contextlib.suppress(SyntaxError):
                png = PngImageFile(file)
                if png.width * png.height <= reading.max_pixels:
                    return png
        absent = {*_BY_PACKAGES} - {*Image.OPEN}
        names = [name for name in READ_FORMATS if name not in absent]
        return Image.open(file, formats=[*names, *reading.allow_formats])


def open_known(
    file: BinaryIO, prefix: bytes, label: str, reading: ReadPolicy
) -> ImageFile.ImageFile:
    """Open a picture as `open_image` does; one of another format is an ImageError."""
    try:
        return open_image(file, reading)
    except UnidentifiedImageError:
        refuse_unknown(prefix, label, reading)


def check_pixels(pixels: int, reading: ReadPolicy, label: str) -> None:
    """Refuse a file that declares too many pixels, before any is decoded."""
    if pixels <= reading.max_pixels:
        return
    is_tiff = label.lower().endswith((".tif", ".tiff"))
    advice = ", or use 'convcli apply --tiled'" if is_tiff else ""
    fault = f"expected at most {reading.max_pixels:,} pixels, got {pixels:,}"
    fail(label, fault, f"raise --max-pixels if you trust the file{advice}", ImageError)


def check_complete(got: int, expected: int) -> None:
    """Refuse fewer of anything than expected, where the policy does not allow that."""
    if got < expected and not ImageFile.LOAD_TRUNCATED_IMAGES:
        raise OSError("image file is truncated")


def completed(samples: NDArray[Any], count: int) -> NDArray[Any]:
    """Return `count` samples; missing ones are 0 if the policy allows it, else an OSError."""
    check_complete(len(samples), count)
    missing = count - len(samples)
    return np.pad(samples, (0, missing)) if missing > 0 else samples


def beyond_floats(values: NDArray[Any]) -> bool:
    """Tell whether values are whole numbers of which a float64 does not hold all digits."""
    is_long = values.dtype.kind in "ui" and values.itemsize == 8  # noqa: PLR2004 - bytes
    if not is_long or (values.max() <= 2**53 and values.min() >= -(2**53)):
        return False
    large = np.unique(values[(values > 2**53) | (values < -(2**53))])
    return any(int(float(number)) != number for number in large.tolist())


def check_exact(values: NDArray[Any], label: str) -> None:
    """Refuse whole numbers that a float64 would round."""
    if beyond_floats(values):
        fault = "expected whole numbers up to 2^53, got larger ones, which floats would round"
        fail(label, fault, "make them smaller", ImageError)


@contextlib.contextmanager
def file_errors(label: str, reading: ReadPolicy) -> Iterator[None]:
    """Turn errors of the system and of decoders into one line; others are bugs, and pass."""
    try:
        yield
    except FileNotFoundError:
        fail(label, "no such file", "check the path", ImageError)
    except IsADirectoryError:
        fail(label, "expected a picture, got a folder", "name a file in it", ImageError)
    except PermissionError:
        fail(label, "no permission to read it", "check its mode", ImageError)
    except BOMBS as error:
        (declared,) = re.findall(r"\d+", str(error))[:1]
        check_pixels(int(declared), reading, label)
    except MemoryError:
        fail(label, "not enough memory for it", "use a smaller picture, or --frame", ImageError)
    except OSError as error:
        fail(label, "the picture cannot be read", _with_hint(error), ImageError)


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


def refuse_unknown(prefix: bytes, label: str, reading: ReadPolicy) -> NoReturn:
    """Refuse a file of none of the accepted formats."""
    fault = "expected a picture, got something else"
    remedy = "convert it to PNG first, or to TIFF where it holds floats or more than 16 bits"
    if not prefix:
        fail(label, "expected a picture, got an empty file", "make it again", ImageError)
    Image.init()
    off = sorted({*Image.OPEN} - {*READ_FORMATS})
    with decoder_errors():
        tests = ((name, Image.OPEN[name][1]) for name in off)
        blocked = next((name for name, test in tests if test and test(prefix) is True), None)
    if blocked is not None and blocked not in reading.allow_formats:
        fault = f"{blocked} files are off, for they may run other programs or hold no picture"
        remedy = f"add --allow-format {blocked.lower()} if you trust the file"
    fail(label, fault, remedy, ImageError)


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
