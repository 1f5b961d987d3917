"""The pages of a TIFF: found, checked, and decoded where Pillow would lose something.

Pillow reads samples of up to 8 bits well. All others are read here: Pillow drops bits of some,
changes the sign of others, and knows few of the ways to store them.
"""

import io
import logging
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from convcli.errors import install
from convcli.images.codecs.tiff_segments import (
    BLACK_IS_ZERO,
    DIFFERENCES,
    FLOAT_BYTES,
    NO_PREDICTOR,
    PREDICTED,
    RGB,
    UNPACKERS,
    WHITE_IS_ZERO,
    check_coded_size,
    colours_of,
    decoded_segment,
    divided,
    filtered,
    filtered_type,
    turned,
)
from convcli.images.picture import Frame
from convcli.images.policy import NOT_READ, TIFF_HEADERS, completed, decoder_errors
from convcli.values import Record

_SHORT_HEADER = 8

_PHOTOMETRIC, _COMPRESSION, _FILL_ORDER, _ORIENTATION = 262, 259, 266, 274
_PLANAR, _PREDICTOR, _EXTRA, _FORMAT, _DEPTH = 284, 317, 338, 339, 32_997
_PROFILE = 34_675
_TILE_WIDTH, _TILE_OFFSETS = 322, 324
_CMYK = 5
_NEW_KIND, _KIND, _WITHIN = 254, 255, 330
_REDUCED_OR_MASK, _REDUCED = 0b101, 2
_WEBP = 50_001
_UNSAID = -1
_GUESSED = {1: WHITE_IS_ZERO, 3: RGB}
"""What samples are taken for, by their number, where the file does not say it: as libtiff does
for three, and as Pillow and tifffile for one."""

_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, _CMYK: 4}
"""How many samples a pixel has without the extra ones, by its photometric number."""

_ANY, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2
_MOST_SAMPLES = 4
_PLAIN_BITS = 8
_LARGEST_SHORT = 2**16 - 1
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
_NAMES = {"u": "uint", "i": "int", "f": "float"}
_MODES = {"u2": "I;16", "f4": "F", "i4": "I"}
"""Pillow's name for grey of a type; of other types the type's own name is shown."""

_LEFT_OUT = "the fourth sample of a pixel has no stated meaning: it is left out"


class Tags:
    """The tags of a page, as whole numbers: a damaged file may hold anything."""

    def __init__(self, directory: Any) -> None:
        self.directory = directory
        self.order: Literal["<", ">"] = "<" if directory.prefix == b"II" else ">"

    def numbers(self, tag: int, *default: int) -> tuple[int, ...]:
        """Return the numbers of a tag; raise OSError where it has none."""
        with decoder_errors():
            value = self.directory.get(tag, default)
        numbers: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
        if not numbers or not all(isinstance(number, int) for number in numbers):
            raise OSError(f"TIFF tag {tag} is missing or damaged")
        return numbers

    def number(self, tag: int, *default: int) -> int:
        """Return the first number of a tag."""
        return self.numbers(tag, *default)[0]


class TiffPage(Record, kw_only=True):
    """A page: what its tags say of its pixels.

    `index` is its number, from 0, and `start` where its directory begins; `is_big`: in a
    BigTIFF. `size` is rows and columns, before it is turned upright, `tile` those of a tile or
    a strip. `bits`, `formats` and `extra` are of the samples: their bits, their formats, and
    what those beside the colours mean; with `planar` each has tiles or strips of its own.
    `photometric`, `compression` and `predictor` are the tags' numbers.
    """

    tags: Tags
    index: int
    start: int
    is_big: bool
    size: tuple[int, int]
    bits: tuple[int, ...]
    formats: tuple[int, ...]
    extra: tuple[int, ...]
    photometric: int
    compression: int
    predictor: int
    tile: tuple[int, int]
    planar: bool

    @property
    def samples(self) -> int:
        """How many samples a pixel has in the file."""
        return len(self.bits)

    @property
    def is_full(self) -> bool:
        """Whether it is a picture, and not a smaller copy of one, or its mask."""
        is_part = self.tags.number(_NEW_KIND, 0) & _REDUCED_OR_MASK
        return not is_part and self.tags.number(_KIND, 1) != _REDUCED

    @property
    def has_copies(self) -> bool:
        """Whether a picture has directories of its own, which hold smaller copies."""
        return self.is_full and _WITHIN in self.tags.directory

    @property
    def layers(self) -> int:
        """How many layers a volume has; a picture has one."""
        return self.tags.number(_DEPTH, 1)

    @property
    def is_ours(self) -> bool:
        """Whether the page is decoded here, because Pillow does not keep all of it."""
        if self.photometric == _CMYK and _PROFILE in self.tags.directory:
            return False  # only Pillow applies profiles, with 8 bits
        deep = max(self.bits) > _PLAIN_BITS or bool({*self.formats} - {1, 4})
        many = self.samples > _MOST_SAMPLES or len(self.extra) > 1
        whole_bytes = {*self.bits} == {_PLAIN_BITS} and self.photometric <= RGB
        odd = (self.planar and whole_bytes) or self.is_ambiguous or self.layers != 1
        odd = odd or self.compression == _WEBP  # Pillow's libtiff is built without it
        grey = self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
        guessed = self.samples > 1 and _PHOTOMETRIC not in self.tags.directory
        return deep or many or odd or guessed or (grey and self.extra == (_ANY,))

    @property
    def is_ambiguous(self) -> bool:
        """Whether some programs undo the predictor and others do not, as libtiff."""
        return self.predictor != NO_PREDICTOR and self.compression not in PREDICTED

    @property
    def is_cmyk(self) -> bool:
        """Whether the colours are inks, which are turned into red, green and blue."""
        return self.photometric == _CMYK

    @property
    def mode(self) -> str:
        """How the samples are stored, as reports name it."""
        kind, bits = _KINDS.get(self.formats[0], "?"), self.bits[0]
        return _MODES.get(f"{kind}{bits // 8}") or f"{_NAMES.get(kind, kind)}{bits}"

    def check_places(self) -> None:
        """Refuse a page that does not say where all of its tiles or strips are."""
        with decoder_errors():
            places = self.tags.directory.get(_places(self.tags)[0])
        down, across = (-(-n // step) for n, step in zip(self.size, self.tile, strict=True))
        expected = down * across * (self.samples if self.planar else 1)
        if places is not None:
            given = len(places) if isinstance(places, tuple) else 1
            if given < expected:
                completed(np.zeros(given, np.uint8), expected)

    def stored_type(self) -> np.dtype[Any]:
        """Return the type of the samples in the file, with its byte order; or raise OSError."""
        kinds = {_KINDS.get(number) for number in self.formats}
        kind, bits = kinds.pop(), self.bits[0]
        if kinds or kind is None or {*self.bits} != {bits}:
            raise _unread(self, "samples of this type")
        if bits not in ((16, 32, 64) if kind == "f" else (8, 16, 32, 64)):
            raise _unread(self, f"samples of {bits} bits")
        return np.dtype(f"{self.tags.order}{kind}{bits // 8}")

    def header(self) -> tuple[tuple[int, int, int], bool, np.dtype[Any]]:
        """Return the shape, whether there is alpha, and the dtype of what is read here."""
        colours, alpha = self._meaning()
        channels = 3 if self.photometric == _CMYK else colours
        swapped = self.tags.number(_ORIENTATION, 1) > 4  # noqa: PLR2004 - the axes
        rows, columns = self.size[::-1] if swapped else self.size
        return (rows, columns, channels), alpha, filtered_type(self.stored_type())

    def _meaning(self) -> tuple[int, bool]:
        """Return how many samples are colours, and whether the next is an opacity."""
        base = _COLOURS.get(self.photometric)
        if base is None:
            known = self.photometric != _UNSAID
            raise _unread(
                self, f"photometric {self.photometric}" if known else "no word of their colours"
            )
        if not self.extra or (self.photometric == RGB and self.extra == (_ANY,)):
            return base, False
        if self.extra[0] in (_ASSOCIATED, _UNASSOCIATED) and len(self.extra) == 1:
            return base, True
        if self.photometric == _CMYK or _ASSOCIATED in self.extra:
            raise _unread(self, f"extra samples {self.extra}")
        alpha = self.extra[-1] == _UNASSOCIATED
        return self.samples - alpha, alpha

    def frame(self, file: BinaryIO) -> tuple[Frame, tuple[str, ...]]:
        """Decode the page, upright, and return notes on what is left out."""
        stored, (colours, has_alpha) = self.stored_type(), self._meaning()
        # These need numbers from 0 to white.
        if self.photometric in (WHITE_IS_ZERO, _CMYK) and stored.kind != "u":
            raise _unread(self, f"photometric {self.photometric} with signed numbers or floats")
        values = filtered(self._values(file, stored))
        white = float(np.iinfo(stored).max) if stored.kind in "ui" else 1.0
        pixels = colours_of(values[..., :colours], self.photometric, white)
        alpha = values[..., colours] if has_alpha else None
        if alpha is not None and self.extra == (_ASSOCIATED,):
            pixels = divided(pixels, alpha, white)
        turn = self.tags.number(_ORIENTATION, 1)
        if turn != 1:
            pixels = turned(pixels, turn)
            alpha = None if alpha is None else turned(alpha, turn)
        unused = self.photometric == RGB and self.extra == (_ANY,)
        return Frame(pixels, alpha, "TIFF"), (_LEFT_OUT,) if unused else ()

    def _values(self, file: BinaryIO, stored: np.dtype[Any]) -> NDArray[Any]:
        """Return all samples, (rows, columns, samples), in this machine's byte order."""
        decode = _decoder(self, file, stored)
        (height, width), (rows, columns) = self.size, self.tile
        values = np.zeros((height, width, self.samples), stored.newbyteorder("="))
        for data, (plane, top, left) in zip(
            _segments(self, file), self._corners(), strict=False
        ):
            samples = slice(plane, plane + 1) if self.planar else slice(None)
            place = values[top : top + rows, left : left + columns, samples]
            if data is not None:
                index, packed = data
                part = decode(packed, index, place.shape)
                place[:] = part[: place.shape[0], : place.shape[1]]
        return values

    def _corners(self) -> Iterator[tuple[int, int, int]]:
        """Yield the plane, the first row and the first column of each tile or strip."""
        for plane in range(self.samples if self.planar else 1):
            for top in range(0, self.size[0], self.tile[0]):
                for left in range(0, self.size[1], self.tile[1]):
                    yield plane, top, left


def tiff_pages(file: BinaryIO) -> Iterator[TiffPage]:
    """Yield the pages of a TIFF; none where the file is no TIFF.

    A damaged directory raises OSError.
    """
    file.seek(0)
    header = file.read(8)
    length = TIFF_HEADERS.get(header[:4])
    if length is None:
        return
    header += file.read(length - len(header))
    with decoder_errors():
        start = TiffImagePlugin.ImageFileDirectory_v2(header).next
    seen: set[int] = set()
    while start and start not in seen:
        with decoder_errors():
            file.seek(start)
            directory = TiffImagePlugin.ImageFileDirectory_v2(header)
            directory.load(file)
        yield _page(Tags(directory), len(seen), start, is_big=length > _SHORT_HEADER)
        seen.add(start)
        start = directory.next


def full_pages(pages: Sequence[TiffPage]) -> list[TiffPage]:
    """Return the pages that are pictures; all of them where none says so."""
    return [page for page in pages if page.is_full] or list(pages)


def _page(tags: Tags, index: int, start: int, *, is_big: bool) -> TiffPage:
    width, height = tags.number(256), tags.number(257)
    tiled = _TILE_WIDTH in tags.directory
    tile = (tags.number(323), tags.number(322)) if tiled else (tags.number(278, height), width)
    if min(width, height, *tile) < 1:
        raise OSError("TIFF without pixels")
    samples = max(tags.number(277, 1), 1)
    photometric = tags.number(_PHOTOMETRIC, _GUESSED.get(samples, _UNSAID))
    if samples > _LARGEST_SHORT:
        raise OSError("TIFF of too many samples")
    bits, formats = tags.numbers(258, 1), tags.numbers(_FORMAT, 1)
    extra = tags.numbers(_EXTRA) if _EXTRA in tags.directory else ()
    missing = max(samples - _COLOURS.get(photometric, samples), 0) - len(extra)
    return TiffPage(
        tags=tags,
        index=index,
        start=start,
        is_big=is_big,
        size=(height, width),
        bits=bits if len(bits) >= samples else bits[:1] * samples,
        formats=formats,
        extra=extra + (_ANY,) * missing,
        photometric=photometric,
        compression=tags.number(_COMPRESSION, 1),
        predictor=tags.number(_PREDICTOR, NO_PREDICTOR),
        tile=tile if tiled else (min(tile[0], height), width),
        planar=tags.number(_PLANAR, 1) == 2 and samples > 1,  # noqa: PLR2004 - plane by plane
    )


def _unread(page: TiffPage, what: str) -> OSError:
    """Return the error on a whole page that is stored in a way that is not read."""
    return OSError(f"TIFF of {page.samples} × {page.bits[0]} bits with {what} {NOT_READ}")


def _places(tags: Tags) -> tuple[int, int]:
    """Return the tags of the offsets and of the lengths."""
    return (324, 325) if _TILE_OFFSETS in tags.directory else (273, 279)


def _segments(page: TiffPage, file: BinaryIO) -> Iterator[tuple[int, bytes] | None]:
    """Yield the number and the bytes of each tile or strip; None for one that is left out."""
    page.check_places()
    where, how_long = _places(page.tags)
    offsets = page.tags.numbers(where)
    size = page.size[0] * page.size[1] * page.samples * max(page.bits)
    lengths = page.tags.numbers(how_long, *[size] * len(offsets))
    if len(lengths) < len(offsets):
        raise OSError("image file is truncated")
    for index, (offset, length) in enumerate(zip(offsets, lengths, strict=False)):
        if not length:
            yield None
            continue
        with decoder_errors():
            file.seek(offset)
            yield index, file.read(length)


def _decoder(page: TiffPage, file: BinaryIO, stored: np.dtype[Any]) -> Any:
    """Return what decodes a segment from its bytes, its number, and the shape of its place."""
    if page.is_ambiguous or page.predictor not in (NO_PREDICTOR, DIFFERENCES, FLOAT_BYTES):
        raise _unread(page, f"predictor {page.predictor} and compression {page.compression}")
    if page.predictor == FLOAT_BYTES and stored.kind != "f":
        raise _unread(page, "the predictor of floats")
    if page.layers != 1:
        raise _unread(page, f"{page.layers} layers")
    if page.tags.number(_FILL_ORDER, 1) != 1:
        raise _unread(page, "bits in this order")
    if page.compression not in UNPACKERS:
        return _of_other_programs(page, file)
    tiled = _TILE_WIDTH in page.tags.directory
    samples = 1 if page.planar else page.samples

    def decode(data: bytes, _: int, shape: tuple[int, int, int]) -> NDArray[Any]:
        full = (*page.tile, samples) if tiled else (shape[0], shape[1], samples)
        return decoded_segment(data, full, stored, page.compression, page.predictor)

    return decode


def _of_other_programs(page: TiffPage, file: BinaryIO) -> Any:
    """Return a decoder of tifffile's and imagecodecs', where they are installed."""
    missing = f"compression {page.compression}, which needs more packages: "
    try:
        import imagecodecs  # noqa: F401 - tifffile uses it
        import tifffile
    except ImportError:
        raise OSError(
            f"TIFF of {page.samples} × {page.bits[0]} bits with {missing}{install('formats')}"
        ) from None
    # Its messages are raised as errors, too; without a handler they are printed.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    file.seek(0)
    with decoder_errors():
        data = file.read()
        other = tifffile.TiffFile(io.BytesIO(data)).pages[page.index]
        known = int(other.compression) in tifffile.TIFF.DECOMPRESSORS
    if not known:
        raise _unread(page, f"compression {page.compression}")

    def decode(data: bytes, index: int, _: tuple[int, int, int]) -> NDArray[Any]:
        check_coded_size(data, page.tile)
        with decoder_errors():
            segment: Any = other.decode(data, index, jpegtables=other.jpegtables)[0]
        part: NDArray[Any] = segment[0]
        return part

    return decode
