"""TIFF files that are read and written in parts."""

import contextlib
import functools
import itertools
import logging
import os
import threading
import weakref
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convcli.errors import ImageError, install
from convcli.images.codecs.tiff import EncodedTile, TiledTiff, TileLayout, encoded_tiles
from convcli.images.codecs.tiff_segments import (
    DIFFERENCES,
    FLOAT_BYTES,
    NO_PREDICTOR,
    PREDICTED,
    UNPACKERS,
    check_coded_size,
    decoded_segment,
    fast_codecs,
)
from convcli.images.picture import Metadata
from convcli.images.read import read_metadata
from convcli.scale.tiled.journal import Journal, verified
from convcli.scale.tiled.source import (
    Source,
    Target,
    TiledWork,
    Values,
    Written,
    check_chunk,
    faults,
    needed,
    within,
)
from convcli.storage.atomic import replacing
from convcli.storage.ranges import Ranges, Span, ranges_of, version_of
from convcli.storage.urls import is_url
from convcli.threads import available_cores, new_thread_pool
from convcli.values import replace

_QUIET = logging.NullHandler()
_PREDICTORS = (NO_PREDICTOR, DIFFERENCES, FLOAT_BYTES)


@contextlib.contextmanager
def opening(name: str, version: str | None = None) -> Iterator[tuple[Ranges, Any]]:
    """Open a TIFF for the block, and yield its file and its directories (tifffile.TiffFile).

    It stays open afterwards unless the block fails. With a `version`, any other version of the
    file is refused.
    """
    if not is_url(name) and Path(name).is_dir():
        raise ImageError(f"{name}: expected a picture, got a folder: name a file in it")
    with contextlib.ExitStack() as on_error:
        ranges = on_error.enter_context(contextlib.closing(ranges_of(name)))
        if version is not None and not ranges.is_version(version):
            raise ImageError(f"{name}: another file has taken its place: run it again")
        yield ranges, _file(ranges, name)
        on_error.pop_all()


def _file(ranges: Ranges, name: str) -> Any:
    tifffile = needed("tifffile", name)
    # Its messages are raised as errors, too; without a handler they are printed.
    logging.getLogger("tifffile").addHandler(_QUIET)
    try:
        return tifffile.TiffFile(ranges.opened())
    except tifffile.TiffFileError:
        raise ImageError(
            f"{name}: expected a TIFF or a .zarr to filter block by block, got something "
            "else: convert it to TIFF first, or use neither --tiled nor .zarr"
        ) from None


class OpenPage:
    """A page of an open file, which threads share: `page` is a tifffile.TiffPage."""

    def __init__(self, ranges: Ranges, page: Any) -> None:
        self._ranges, self._page = ranges, page
        # The file is closed with the last reference to the page, also if tifffile has others.
        self.close = weakref.finalize(self, ranges.close)
        self._tables = page.jpegtables
        self.order = page.parent.byteorder

    def bytes_of(self, spans: Sequence[Span]) -> Iterator[bytes]:
        """Yield the bytes of each span."""
        for (_, count), data in zip(spans, self._ranges.read(spans), strict=True):
            if len(data) < count:
                raise ValueError("the file is truncated")
            yield data

    def spans_of(self, indices: Sequence[int]) -> list[Span]:
        """Return where tiles or strips are; a tile that the file leaves out has no bytes."""
        offsets, counts = self._page.dataoffsets, self._page.databytecounts
        if max(indices) >= len(offsets):
            raise ValueError("the file is truncated")
        return [(offsets[index], counts[index]) for index in indices]

    def decoded(self, indices: Sequence[int]) -> Iterator[Values | None]:
        """Yield tiles or strips (rows, columns, samples); None for one that is left out."""
        for index, data in zip(indices, self.bytes_of(self.spans_of(indices)), strict=True):
            yield self._decoded(index, data) if data else None

    def _decoded(self, index: int, data: bytes) -> Values:
        """Decode a tile or strip: by ourselves where tifffile has no limit of memory."""
        page, compression = self._page, int(self._page.compression)
        shape = self._shape_of(index)
        if compression in UNPACKERS and page.predictor in _PREDICTORS:
            stored = np.dtype(page.dtype).newbyteorder(self.order)
            predictor = int(page.predictor)
            return decoded_segment(data, shape, stored, compression, predictor, fast_codecs())
        check_coded_size(data, shape[:2])
        segment, _, shape = page.decode(data, index, jpegtables=self._tables)
        values: Values = segment[0, : shape[1], : shape[2]]
        return values

    def _shape_of(self, index: int) -> tuple[int, int, int]:
        """Return the rows, columns and samples of a tile or strip."""
        page = self._page
        samples = 1 if int(page.planarconfig) == _PLANES else page.samplesperpixel
        if page.is_tiled:
            return (page.tilelength, page.tilewidth, samples)
        rows = min(page.rowsperstrip, page.imagelength)
        first = index % -(-page.imagelength // rows) * rows
        return (min(rows, page.imagelength - first), page.imagewidth, samples)


class TiffFile:
    """A page of a TIFF. It can be pickled: each other process opens it once.

    A file of another `version` is not opened. `opened` is the page, if it is open already.
    """

    def __init__(
        self, name: str, page: int, version: str, opened: OpenPage | None = None
    ) -> None:
        self._name, self._number, self.version = name, page, version
        self._opened, self._lock = opened, threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the name: an open file cannot be pickled."""
        return _of_this_process, (self._name, self._number, self.version)

    def opened(self) -> OpenPage:
        """Return the open page, which is the same for all threads."""
        with self._lock:
            if self._opened is None:
                with opening(self._name, self.version) as (ranges, file):
                    _check_page(file, self._name, self._number)
                    self._opened = OpenPage(ranges, file.pages[self._number])
            return self._opened

    def check_unchanged(self) -> None:
        """Refuse a URL that holds another file by now. An open file of a disk is kept."""
        if is_url(self._name) and version_of(self._name) != self.version:
            raise ImageError(
                f"{self._name}: another file has taken its place meanwhile: run it again"
            )

    def close(self) -> None:
        """Close the file, after the last thread has read from it."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@functools.lru_cache(maxsize=8)
def _of_this_process(name: str, page: int, version: str) -> TiffFile:
    return TiffFile(name, page, version)


Segment = tuple[int, int, int, slice]
"""The number of a tile or strip, its first row and column, and its samples."""


class TiffSource(Source, kw_only=True, cached=True):
    """A page of a TIFF.

    `planar` says whether each sample has tiles of its own. A pixel has `stored` samples in the
    file: some may not be used. `start` is where the pixels begin, if they are one piece without
    compression. `factors` say how much smaller each reduced copy is than the one before it, and
    `nested` whether the copies stand within the page's directory. `is_masked` says whether the
    file has a mask beside the pixels.
    """

    file: TiffFile
    planar: bool
    stored: int
    start: int | None
    factors: tuple[int, ...] = ()
    nested: bool = False
    is_masked: bool = False

    @property
    def version(self) -> str:
        """The version of the file: see `Source.version`."""
        return self.file.version

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        shape = (rows.stop - rows.start, columns.stop - columns.start, self.shape[2])
        result = np.zeros(shape, self.dtype)
        segments = list(self._segments(rows, columns))
        with faults(self.label):
            page, indices = self.file.opened(), [segment[0] for segment in segments]
            read = page.decoded if self.start is None else functools.partial(self._plain, page)
            parts: Iterator[Values | None] = read(indices)
            for (_, top, left, samples), values in zip(segments, parts, strict=True):
                _place(result[..., samples], values, top - rows.start, left - columns.start)
        return result

    def check_unchanged(self) -> None:
        """Look at a URL again: see `Source.check_unchanged`."""
        self.file.check_unchanged()

    def close(self) -> None:
        """Close the file: see `Source.close`."""
        self.file.close()

    def _segments(self, rows: slice, columns: slice) -> Iterator[Segment]:
        """Yield the tiles or strips that have pixels of a rectangle."""
        down, across = (-(-self.shape[axis] // self.chunk[axis]) for axis in (0, 1))
        height, width = self.chunk
        planes = [slice(at, at + 1) for at in range(self.shape[2])]
        for plane, samples in enumerate(planes if self.planar else [slice(None)]):
            for y in range(rows.start // height, -(-rows.stop // height)):
                for x in range(columns.start // width, -(-columns.stop // width)):
                    index = (plane * down + y) * across + x
                    yield index, y * height, x * width, samples

    def _plain(self, page: OpenPage, indices: list[int]) -> Iterator[Values]:
        """Yield rows that are stored without compression."""
        width, samples = self.shape[1], 1 if self.planar else self.stored
        stored = self.dtype.newbyteorder(page.order)
        spans = [self._span(index, width * samples * self.dtype.itemsize) for index in indices]
        for data in page.bytes_of(spans):
            yield np.frombuffer(data, stored).reshape(-1, width, samples)

    def _span(self, index: int, row: int) -> Span:
        """Return where the rows of a strip begin, and their bytes; `row` is for one row."""
        height = self.shape[0]
        plane, strip = divmod(index, -(-height // self.chunk[0]))
        first = strip * self.chunk[0]
        rows = min(self.chunk[0], height - first)
        return ((self.start or 0) + (plane * height + first) * row, rows * row)


def _place(result: Values, segment: Values | None, top: int, left: int) -> None:
    """Copy the part of a segment that lies in the result; a missing segment stays 0."""
    if segment is None:
        return
    height, width, samples = result.shape
    down = slice(top, top + segment.shape[0])
    across = slice(left, left + segment.shape[1])
    rows = slice(max(down.start, 0), min(down.stop, height))
    columns = slice(max(across.start, 0), min(across.stop, width))
    result[rows, columns] = segment[within(rows, down), within(columns, across), :samples]


_INSTEAD = "filter it whole, without --tiled, or convert it first"
_DTYPES = ("uint8", "uint16", "float16", "float32", "float64")
_BLACK_IS_ZERO, _RGB, _YCBCR = 1, 2, 6
_JPEG = 7
_MASK = 4
_REDUCED_OR_MASK = 1 | _MASK
_ANY, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2
_UPRIGHT = 1
_PLANES = 2
_ORIENTATION = 274
_STRIP_BYTES = 2**20
"""Bytes of rows that are read together, where pixels are stored without compression."""


def open_tiff(name: str, frame: int | None = None) -> TiffSource:
    """Open a page of a TIFF, at a path or a URL; only its directories are read.

    The caller closes it. An `ImageError` is raised if there is no such file, it is damaged, or
    its pixels are of a type that is not read.
    """
    needed("tifffile", name)
    with faults(name), opening(name) as (ranges, file):
        number = _page_number(file, name, frame)
        opened = _source(file.pages[number], name, number, ranges)
        factors, nested = _copies(file, number)
        kinds = [page.subfiletype for page in (*file.pages, *(file.pages[number].pages or ()))]
        is_masked = any(kind & _MASK for kind in kinds)
        return replace(opened, factors=factors, nested=nested, is_masked=is_masked)


def _check_page(file: Any, name: str, number: int = 0) -> None:
    if number >= len(file.pages):
        raise ImageError(f"{name}: expected a page, got none: get a whole copy of it")


def _page_number(file: Any, name: str, frame: int | None) -> int:
    """Return the number of the page in the file, where smaller copies count as pages."""
    pages = range(len(file.pages))
    full = [i for i in pages if not file.pages[i].subfiletype & _REDUCED_OR_MASK] or [*pages]
    _check_page(file, name)
    if frame is None and len(full) > 1:
        raise ImageError(f"{name}: expected one page, got {len(full)}: choose one with --frame")
    if (frame or 0) >= len(full):
        raise ImageError(
            f"{name}: expected a page of 0 to {len(full) - 1}, got {frame}: they are "
            "counted from 0"
        )
    return full[frame or 0]


def _copies(file: Any, number: int) -> tuple[tuple[int, ...], bool]:
    """Return how much smaller each reduced copy of a page is; whether they stand within it."""
    page = file.pages[number]
    nested = bool(page.subifds)
    following = itertools.takewhile(
        lambda other: other.is_reduced,
        (file.pages[i] for i in range(number + 1, len(file.pages))),
    )
    factors, width = [], page.imagewidth
    for other in page.pages if nested else following:
        if not other.subfiletype & _MASK and 0 < other.imagewidth < width:
            factors.append(round(width / other.imagewidth))
            width = other.imagewidth
    return tuple(factor for factor in factors if factor > 1), nested


def _source(page: Any, name: str, number: int, ranges: Ranges) -> TiffSource:
    dtype, stored = _dtype(page, name), page.samplesperpixel
    width, height = page.imagewidth, page.imagelength
    if min(width, height, stored) < 1:
        raise ValueError("it has no pixels")
    kept, alpha = _samples(page, name)
    start = page.dataoffsets[0] if page.is_contiguous and not page.is_tiled else None
    chunk = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    if start is not None:
        chunk = (max(1, _STRIP_BYTES // (width * stored * dtype.itemsize)), width)
    if not page.is_tiled:
        chunk = (min(chunk[0], height), width)
    planar = int(page.planarconfig) == _PLANES and stored > 1
    _check_places(page, chunk, stored if planar else 1)
    check_chunk(chunk, stored * dtype.itemsize, name)
    metadata, mode = read_metadata(ranges.opened(), number, name)
    return TiffSource(
        label=name,
        shape=(height, width, kept),
        dtype=dtype,
        alpha=alpha,
        chunk=chunk,
        metadata=metadata,
        mode=mode or dtype.name,
        file=TiffFile(name, number, ranges.version, OpenPage(ranges, page)),
        planar=planar,
        stored=stored,
        start=start,
    )


def _check_places(page: Any, chunk: tuple[int, int], planes: int) -> None:
    """Refuse a directory that does not say where all tiles or strips are: it is damaged."""
    if min(chunk) < 1:
        raise ValueError("its tiles or strips have no pixels")
    down, across = -(-page.imagelength // chunk[0]), -(-page.imagewidth // chunk[1])
    if not page.is_contiguous and len(page.dataoffsets) < down * across * planes:
        raise ValueError("the file is truncated")


def _named(tag: Any) -> str:
    """Return the name of a value of a directory; the value itself where it has no name."""
    return str(getattr(tag, "name", tag))


def _samples(page: Any, name: str) -> tuple[int, bool]:
    """Return how many samples are used, and whether the last is an opacity."""
    photometric, extra = int(page.photometric), list(map(int, page.extrasamples))
    if photometric == _YCBCR and int(page.compression) == _JPEG:
        photometric = _RGB  # Decoders of JPEG return these.
    if photometric not in (_BLACK_IS_ZERO, _RGB):
        raise ImageError(
            f"{name}: expected grey or RGB pixels, got {_named(page.photometric)}: {_INSTEAD}"
        )
    turned = page.tags.valueof(_ORIENTATION, default=_UPRIGHT)
    if turned != _UPRIGHT:
        raise ImageError(
            f"{name}: expected a picture that is upright, got orientation {turned}: {_INSTEAD}"
        )
    if _ASSOCIATED in extra:
        raise ImageError(
            f"{name}: expected colours that are not multiplied by their opacity, got "
            f"associated alpha: {_INSTEAD}"
        )
    # A fourth sample without a meaning, next to red, green and blue, is left out.
    unused = photometric == _RGB and extra == [_ANY]
    return page.samplesperpixel - unused, bool(extra) and extra[-1] == _UNASSOCIATED


def _dtype(page: Any, name: str) -> np.dtype[Any]:
    if page.dtype is None or page.dtype.name not in _DTYPES or page.imagedepth > 1:
        got = f"a volume of {page.imagedepth} layers" if page.imagedepth > 1 else page.dtype
        raise ImageError(
            f"{name}: expected pixels of 8 or 16 bits or floats, got "
            f"{got or f'{page.bitspersample} bits'}: {_INSTEAD}"
        )
    if int(page.predictor) != NO_PREDICTOR and int(page.compression) not in PREDICTED:
        raise ImageError(
            f"{name}: a predictor with {_named(page.compression)} compression is not read, for "
            "programs differ in it: rewrite it with Deflate"
        )
    try:
        if int(page.compression) not in UNPACKERS:
            needed("tifffile", name).TIFF.DECOMPRESSORS[int(page.compression)]
    except (KeyError, ValueError):
        raise ImageError(
            f"{name}: {_named(page.compression)} compression is not read without the package "
            f"imagecodecs: {install('formats')}, or rewrite it with Deflate"
        ) from None
    dtype: np.dtype[Any] = np.dtype(page.dtype).newbyteorder("=")
    return dtype


def _written_block(layout: TileLayout, work: TiledWork, rows: slice, columns: slice) -> Written:
    """Compute a block, and return its tiles."""
    block = work.compute(rows, columns)
    at = (rows.start, columns.start)
    return block.stats, encoded_tiles(block.values, block.alpha, at, layout)


@contextlib.contextmanager
def tiff_target(
    path: str, layout: TileLayout, metadata: Metadata, journal: Journal
) -> Iterator[Target]:
    """Write a TIFF to a path or a URL: complete, or not at all; the journal's blocks stay."""
    with replacing(path, journal) as file:
        tiff = TiledTiff(file, layout, metadata)
        file.truncate(verified(file, journal))
        file.seek(0, os.SEEK_END)
        for page, index, *place, _ in (
            tile for each in journal.blocks for tile in each["tiles"]
        ):
            tiff.place(EncodedTile(page, index, b""), tuple(place))
        journal.start()

        def add(tile: EncodedTile) -> list[int]:
            start = file.tell()
            tiff.add(tile)
            file.flush()  # The journal's line comes after its tiles.
            return [tile.page, tile.index, start, len(tile.data), zlib.crc32(tile.data)]

        yield Target(functools.partial(_written_block, layout), add)
        with new_thread_pool(available_cores()) as pool:
            tiff.finish(pool)
