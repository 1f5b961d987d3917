"""The pages of a TIFF: what their tags say of the pixels."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from convcli.images.codecs.pillow import SWAPPED
from convcli.images.policy import NOT_READ, TIFF_HEADERS, check_complete, decoder_errors

# How values are stored: unchanged, as differences along a row, or as differences of the bytes
# of floats (Adobe's technical note 3).
NO_PREDICTOR, DIFFERENCES, FLOAT_BYTES = 1, 2, 3
UNCOMPRESSED, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD = (  # undone here
    1, 5, 8, 32_773, 32_946, 34_925, 50_000,
)  # fmt: skip

_JPEG, _WEBP = 7, 50_001
# Compressions with which every program undoes a predictor; without any, none does.
_PREDICTED = (UNCOMPRESSED, LZW, DEFLATE, OLD_DEFLATE, LZMA, ZSTD)
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK, _YCBCR = 0, 1, 2, 5, 6  # photometric
ANY, ASSOCIATED, UNASSOCIATED = 0, 1, 2  # what a sample beside the colours means
FILL_ORDER, LAYERS = 266, 32_997
_PHOTOMETRIC, _COMPRESSION, _ORIENTATION = 262, 259, 274
_PLANAR, _PREDICTOR, _EXTRA, _FORMAT = 284, 317, 338, 339
_PROFILE = 34_675
_TILE_WIDTH, _TILE_OFFSETS = 322, 324
NEW_KIND, _KIND, WITHIN = 254, 255, 330
REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2
_SHORT_HEADER = 8
_IFD8, _LONG8 = 18, 16
_UNSAID = -1
# What so many samples are taken for, where the file does not say it: three as by libtiff, one
# as by Pillow and tifffile.
_GUESSED = {1: WHITE_IS_ZERO, 3: RGB}
_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, CMYK: 4}  # samples but the extra ones
_MOST_SAMPLES = 4
_PLAIN_BITS = 8
_LARGEST_SHORT = 2**16 - 1
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
_MODES = {"u2": "I;16", "f4": "F", "i4": "I"}  # Pillow's names for grey; others keep their own
_FILTERED = {"u1": "u1", "u2": "u2", "f2": "f4", "f4": "f4"}  # as filtered; others: float64
_MOST_BYTES = 2**40  # the length of a strip, in bytes, where the file does not say it


class Directory(TiffImagePlugin.ImageFileDirectory_v2):
    """The tags of a page, after the `header` of its file: a damaged one may hold anything."""

    def __init__(self, header: bytes) -> None:
        self.header, self.is_big = header, len(header) > _SHORT_HEADER
        # Pillow knows no BigTIFF whose byte order is big-endian by its header.
        known = b"II+\0" if self.is_big else b"II*\0"
        super().__init__(known + header[4:], prefix=header[:2])
        self.order: Literal["<", ">"] = "<" if header[:2] == b"II" else ">"
        self._load_dispatch = {**self._load_dispatch, _IFD8: self._load_dispatch[_LONG8]}

    def numbers(self, tag: int, *default: int) -> tuple[int, ...]:
        """Return the whole numbers of a tag; raise OSError where it has none."""
        with decoder_errors():
            value = self.get(tag, default)
        numbers: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
        if not numbers or not all(isinstance(number, int) for number in numbers):
            raise OSError(f"TIFF tag {tag} is missing or damaged")
        return numbers

    def number(self, tag: int, *default: int) -> int:
        """Return the first number of a tag."""
        return self.numbers(tag, *default)[0]


class TiffPage:
    """A page, counted from 0: what its tags say of its pixels; or OSError."""

    def __init__(self, tags: Directory, index: int) -> None:
        self.tags, self.index = tags, index
        width, height = tags.number(256), tags.number(257)
        self.size = (height, width)  # before it is turned upright
        self.is_tiled = _TILE_WIDTH in tags
        if self.is_tiled:
            self.tile = (tags.number(323), tags.number(322))
        else:  # It has strips.
            self.tile = (min(tags.number(278, height), height), width)
        if min(width, height, *self.tile) < 1:
            raise OSError("TIFF without pixels")
        samples = max(tags.number(277, 1), 1)
        self.photometric = tags.number(_PHOTOMETRIC, _GUESSED.get(samples, _UNSAID))
        if samples > _LARGEST_SHORT:
            raise OSError("TIFF of too many samples")
        self.is_cmyk = self.photometric == CMYK  # inks, which are turned into RGB
        bits, self.formats = tags.numbers(258, 1), tags.numbers(_FORMAT, 1)
        self.bits = bits if len(bits) >= samples else bits[:1] * samples
        self.samples = len(self.bits)  # of a pixel
        extra = tags.numbers(_EXTRA) if _EXTRA in tags else ()
        missing = max(samples - _COLOURS.get(self.photometric, samples), 0) - len(extra)
        self.extra = extra + (ANY,) * missing  # what the samples beside the colours mean
        kind, old_kind = tags.number(NEW_KIND, 0), tags.number(_KIND, 1)
        self.is_reduced = bool(kind & REDUCED) or old_kind == _OLD_REDUCED  # a smaller copy
        self.is_mask = bool(kind & _MASK)  # of the pixels of a picture that are seen
        self.has_copies = not self.is_reduced and not self.is_mask and WITHIN in tags
        self.compression = tags.number(_COMPRESSION, 1)
        self.predictor = predictor = tags.number(_PREDICTOR, NO_PREDICTOR)
        # Some programs undo it then, and others do not, as libtiff.
        self.is_ambiguous = predictor != NO_PREDICTOR and self.compression not in _PREDICTED
        self.planar = tags.number(_PLANAR, 1) == 2 and samples > 1  # noqa: PLR2004 - plane by plane

    @property
    def orientation(self) -> int:
        """How the picture is turned, as EXIF counts: 1 is upright."""
        return self.tags.number(_ORIENTATION, 1)

    @property
    def is_ours(self) -> bool:
        """Whether the page is decoded here, because Pillow does not keep all of it."""
        if self.is_cmyk and _PROFILE in self.tags:
            return False  # only Pillow applies profiles, with 8 bits
        deep = max(self.bits) > _PLAIN_BITS or bool({*self.formats} - {1, 4})
        many = self.samples > _MOST_SAMPLES or len(self.extra) > 1
        whole_bytes = {*self.bits} == {_PLAIN_BITS} and self.photometric <= RGB
        odd = (self.planar and whole_bytes) or self.is_ambiguous
        # Pillow's libtiff is built without WebP.
        odd = odd or self.tags.number(LAYERS, 1) != 1 or self.compression == _WEBP
        grey = self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
        guessed = self.samples > 1 and _PHOTOMETRIC not in self.tags
        return deep or many or odd or guessed or (grey and self.extra == (ANY,))

    # ------------------------------------------------------------------ what samples mean

    @functools.cached_property
    def stored(self) -> np.dtype[Any]:
        """The type of the samples in the file, with its byte order; or OSError."""
        kinds = {_KINDS.get(number) for number in self.formats}
        kind, bits = kinds.pop(), self.bits[0]
        if kinds or kind is None or {*self.bits} != {bits}:
            raise unread(self, "samples of this type")
        if bits not in ((16, 32, 64) if kind == "f" else (8, 16, 32, 64)):
            raise unread(self, f"samples of {bits} bits")
        return np.dtype(f"{self.tags.order}{kind}{bits // 8}")

    @functools.cached_property
    def meaning(self) -> tuple[int, bool]:
        """How many samples are colours, and whether the next is an opacity; or OSError."""
        is_jpeg = self.photometric == _YCBCR and self.compression == _JPEG
        base = 3 if is_jpeg else _COLOURS.get(self.photometric)  # its decoders return RGB
        if base is None:
            number = f"photometric {self.photometric}"
            unsaid = self.photometric == _UNSAID
            raise unread(self, "no word of their colours" if unsaid else number)
        if not self.extra or (base == _COLOURS[RGB] and self.extra == (ANY,)):
            return base, False
        if self.extra[0] in (ASSOCIATED, UNASSOCIATED) and len(self.extra) == 1:
            return base, True
        if self.is_cmyk or ASSOCIATED in self.extra:
            raise unread(self, f"extra samples {self.extra}")
        alpha = UNASSOCIATED in self.extra
        return self.samples - alpha, alpha

    @property
    def opacity_at(self) -> int:
        """The place of the opacity among all samples: other bands may follow it."""
        behind = self.extra[::-1].index(UNASSOCIATED) if UNASSOCIATED in self.extra else 0
        return max(self.samples - 1 - behind, 0)

    @property
    def left_out(self) -> tuple[str, ...]:
        """A note where the fourth sample is not read."""
        note = "the fourth sample of a pixel has no stated meaning: it is left out"
        return (note,) * (self.photometric == RGB and self.extra == (ANY,))

    @property
    def header(self) -> tuple[tuple[int, int, int], bool, np.dtype[Any]]:
        """The shape, whether there is alpha, and the dtype of what is read here."""
        colours, alpha = self.meaning
        rows, columns = self.size[::-1] if self.orientation in SWAPPED else self.size
        channels = 3 if self.is_cmyk else colours
        dtype = np.dtype(_FILTERED.get(self.stored.str[1:], "f8"))
        return (rows, columns, channels), alpha, dtype

    # ------------------------------------------------------------------ where samples are

    @functools.cached_property
    def spans(self) -> NDArray[Any]:
        """Where each tile or strip begins, and its bytes: shape (n, 2)."""
        where, how_long = (324, 325) if _TILE_OFFSETS in self.tags else (273, 279)
        offsets = self.tags.numbers(where)
        size = min(self.size[0] * self.size[1] * self.samples * max(self.bits), _MOST_BYTES)
        lengths = self.tags.numbers(how_long, *[size] * len(offsets))
        if len(lengths) < len(offsets):
            raise OSError("image file is truncated")
        with decoder_errors():
            return np.array([offsets, lengths[: len(offsets)]], np.int64).T

    def check_places(self) -> None:
        """Refuse a page that does not say where all of its tiles or strips are."""
        down, across = self.grid
        check_complete(len(self.spans), down * across * (self.samples if self.planar else 1))

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles or strips down and across."""
        return -(-self.size[0] // self.tile[0]), -(-self.size[1] // self.tile[1])

    def segments(self, rows: slice, columns: slice) -> Iterator[tuple[int, int, int, slice]]:
        """Yield the number, the corner and the samples of what has pixels of a rectangle."""
        (down, across), (height, width) = self.grid, self.tile
        planes = [slice(at, at + 1) for at in range(sum(self.meaning))]
        for plane, samples in enumerate(planes if self.planar else [slice(None)]):
            for y in range(rows.start // height, -(-rows.stop // height)):
                for x in range(columns.start // width, -(-columns.stop // width)):
                    index = (plane * down + y) * across + x
                    yield index, y * height, x * width, samples

    def segment_shape(self, index: int) -> tuple[int, int, int]:
        """Return the rows, columns and samples of a tile or strip."""
        samples = 1 if self.planar else self.samples
        if self.is_tiled:
            return (*self.tile, samples)
        first = index % self.grid[0] * self.tile[0]
        return (min(self.tile[0], self.size[0] - first), self.size[1], samples)


def tiff_pages(file: BinaryIO) -> Iterator[TiffPage]:
    """Yield the pages of a TIFF; none where the file is no TIFF."""
    file.seek(0)
    header = file.read(8)
    length = TIFF_HEADERS.get(header[:4])
    if length is None:
        return
    header += file.read(length - len(header))
    with decoder_errors():
        start = Directory(header).next
    seen: set[int] = set()
    while start and start not in seen:
        page = page_at(file, header, start, len(seen))
        yield page
        seen.add(start)
        start = page.tags.next


def full_pages(pages: Sequence[TiffPage]) -> list[TiffPage]:
    """Return the pages that are pictures; all of them where none says so."""
    full = [page for page in pages if not page.is_reduced and not page.is_mask]
    return full or list(pages)


def pillow_mode(file: BinaryIO, page: TiffPage) -> str:
    """Return Pillow's name for the samples of a page; NumPy's where it has none."""
    with contextlib.suppress(OSError), decoder_errors():
        opened = Image.open(file, formats=("TIFF",))
        opened.seek(page.index)
        return opened.mode
    return _MODES.get(page.stored.str[1:], page.stored.name)


def page_at(file: BinaryIO, header: bytes, start: int, index: int) -> TiffPage:
    """Read the directory that starts at such a place of a file with this header."""
    tags = Directory(header)
    with decoder_errors():
        file.seek(start)
        tags.load(file)
    return TiffPage(tags, index)


def unread(page: TiffPage, what: str, why: str = f" {NOT_READ}") -> OSError:
    """Return the error on a whole page that is stored in a way that is not read."""
    return OSError(f"TIFF of {page.samples} × {page.bits[0]} bits with {what}{why}")
