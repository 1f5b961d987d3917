"""TIFF, written by pages or by tiles."""

import functools
import io
import math
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from convcli.choices import Depth
from convcli.images.codecs import tiff_pages
from convcli.images.codecs.tiff_extras import describe
from convcli.images.codecs.tiff_pages import Directory, TiffPage, page_of
from convcli.images.codecs.tiff_segments import decoder_of, fast_codecs, read_part
from convcli.images.picture import Frame, Metadata
from convcli.values import Record, replace

_STRIP_BYTES = 2**18
_STRIPS = 273
_FLOATS = 3
_LONG, _LONG8 = 4, 16
_NEW_KIND, _REDUCED, _WITHIN = 254, 1, 330

_LARGEST_PLAIN = 2**32 - 2**24  # more bytes of pixels make a BigTIFF, with offsets of 64 bits
_PLAIN_HEADER = b"II*\0" + struct.pack("<I", 8)
_BIG_HEADER = b"II+\0" + struct.pack("<HHQ", 8, 0, 16)


def tiff_bytes(frames: Sequence[Frame], metadata: Metadata, level: int) -> memoryview:
    """Return pictures of any sizes as a TIFF with a page each; `level` is zlib's, 0 to 9."""
    buffer = io.BytesIO()
    layouts = [_strips_of(frame, level) for frame in frames]
    writer = TiffWriter(buffer, layouts, metadata)
    for page, (frame, layout) in enumerate(zip(frames, layouts, strict=True)):
        for _, index, data in encoded_tiles(frame, (0, 0), [layout]):
            writer.add(page, index, data)
    writer.finish()
    return buffer.getbuffer()


def _strips_of(frame: Frame, level: int) -> "PageLayout":
    (rows, columns), alpha = frame.shape, frame.alpha is not None
    row = columns * (frame.channels + alpha) * frame.depth.dtype.itemsize
    return PageLayout(
        size=(rows, columns),
        tile=(max(_STRIP_BYTES // (row or 1), 1), columns),
        channels=frame.channels,
        alpha=alpha,
        depth=frame.depth,
        level=level,
        striped=True,
    )


def _predicted(part: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers as differences along the rows; floats unchanged."""
    if part.dtype.kind != "u":
        return part
    differences = part.copy()
    differences[:, 1:] -= part[:, :-1]
    return differences


class PageLayout(Record, kw_only=True):
    """The size, tiles and samples of a page of a TIFF."""

    size: tuple[int, int]  # rows and columns
    tile: tuple[int, int]  # multiples of 16; all columns where it is `striped`
    channels: int  # 1 or 3
    alpha: bool  # whether it has an opacity as its last sample
    depth: Depth
    level: int = 4  # zlib's
    factors: tuple[int, ...] = ()  # how much smaller each copy is than the one before it
    factor: int = 1  # the same of this copy
    nested: bool = False  # whether the copies are directories within that of the page
    striped: bool = False

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles down and across."""
        return (-(-self.size[0] // self.tile[0]), -(-self.size[1] // self.tile[1]))

    @functools.cached_property
    def copies(self) -> list["PageLayout"]:
        """The page itself, and its reduced copies."""
        layouts = [self]
        for factor in self.factors:
            rows, columns = layouts[-1].size
            size = (-(-rows // factor), -(-columns // factor))
            layouts.append(replace(self, size=size, factors=(), factor=factor))
        return layouts

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels of the page and its copies, where nothing is compressed."""
        # Tiles are filled up at the edges, strips are not.
        pixels = self.size if self.striped else (*self.grid, *self.tile)
        values = math.prod(pixels) * (self.channels + self.alpha)
        # Copies of half the size take a third together.
        return values * (4 if self.factors else 3) // 3 * self.depth.dtype.itemsize


EncodedTile: TypeAlias = tuple[int, int, bytes]  # its page, its index, the compressed bytes


def encoded_tiles(
    block: Frame, at: tuple[int, int], pages: Sequence[PageLayout]
) -> list[EncodedTile]:
    """Cut what begins `at` a row and a column into compressed tiles or strips of each page."""
    planes = np.split(block.pixels, len(pages), axis=2)
    return [
        (page, *tile)
        for page, pixels in enumerate(planes)
        for tile in _compressed(Frame(pixels, block.alpha).samples, at, pages[page])
    ]


def _compressed(
    samples: NDArray[Any], at: tuple[int, int], layout: PageLayout
) -> Iterator[tuple[int, bytes]]:
    """Yield the index of each tile of one page, and its bytes."""
    samples = samples.astype(layout.depth.dtype.newbyteorder("<"), copy=False)
    rows, columns = layout.tile
    codecs = None if layout.striped else fast_codecs()
    pack = codecs.deflate_encode if codecs else zlib.compress
    for y in range(0, samples.shape[0], rows):
        for x in range(0, samples.shape[1], columns):
            part = samples[y : y + rows, x : x + columns]
            full = part if layout.striped else _filled(part, layout.tile)
            index = (at[0] + y) // rows * layout.grid[1] + (at[1] + x) // columns
            yield index, pack(_predicted(full).tobytes(), layout.level)


def _filled(part: NDArray[Any], tile: tuple[int, int]) -> NDArray[Any]:
    """Return a whole tile: repeating the last pixels compresses best."""
    missing = [max(side - got, 0) for side, got in zip(tile, part.shape, strict=False)]
    widths = [(0, missing[0]), (0, missing[1]), (0, 0)]
    return np.pad(part, widths, mode="edge") if any(missing) else part


class TiffWriter:
    """Writes a TIFF a tile or a strip at a time; its directories come first.

    The file is empty, and can read and seek. Every page gets the metadata. `places` are where
    the tiles of each page and copy begin, and their bytes.
    """

    def __init__(self, file: BinaryIO, pages: Sequence[PageLayout], metadata: Metadata) -> None:
        self._file, self._pages, self._metadata = file, pages, metadata
        self._lock = threading.Lock()
        is_big = sum(page.nbytes for page in pages) > _LARGEST_PLAIN
        self._header = _BIG_HEADER if is_big else _PLAIN_HEADER
        self.places = {
            (page, copy): np.zeros((math.prod(each.grid), 2), np.int64)
            for page, layout in enumerate(pages)
            for copy, each in enumerate(layout.copies)
        }
        # The directories already have their final length: only numbers in them change.
        file.write(self._head())

    def add(self, page: int, index: int, data: bytes, copy: int = 0) -> int:
        """Write a tile of a page, or of a copy, at the end; return where it begins."""
        with self._lock:
            start = self._file.seek(0, os.SEEK_END)
            self._file.write(data)
        self.places[page, copy][index] = start, len(data)
        return start

    def finish(self, map_tiles: Callable[..., Iterable[Any]] = map) -> None:
        """Write the copies, a tile at a time by `map_tiles`, and the directories."""
        for page, copy in self.places:
            if copy:
                layout = self._pages[page].copies[copy]
                reduce = functools.partial(self._reduced, self._page(page, copy - 1), layout)
                for index, data in map_tiles(reduce, range(math.prod(layout.grid))):
                    self.add(page, index, data, copy)
        self._file.seek(0)
        self._file.write(self._head())

    def _reduced(self, before: TiffPage, layout: PageLayout, index: int) -> tuple[int, bytes]:
        """Make a tile of a copy, of the pixels that are under it in the one before."""
        factor, nodata = layout.factor, self._metadata.nodata
        row, column = divmod(index, layout.grid[1])
        at = (row * layout.tile[0], column * layout.tile[1])
        rows, columns = (
            slice(first * factor, min((first + side) * factor, end))
            for first, side, end in zip(at, layout.tile, before.size, strict=True)
        )
        decode = decoder_of(before, self._file, fast_codecs())
        samples = read_part(before, self._fetched, decode, rows, columns)
        shrink = functools.partial(shrunk, factor=factor, alpha=layout.alpha, nodata=nodata)
        # Tile by tile, where squares end at their edges: sums take ten times the memory.
        is_alone = not any(side % factor for side in layout.tile)
        down, across = layout.tile if is_alone else samples.shape[:2]
        small = [
            np.hstack(
                [shrink(strip[:, x : x + across]) for x in range(0, strip.shape[1], across)]
            )
            for strip in (samples[y : y + down] for y in range(0, len(samples), down))
        ]
        return next(_compressed(np.vstack(small), at, layout))

    def _fetched(self, spans: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """Yield the bytes of each span, to one of several threads."""
        for start, length in spans:
            with self._lock:
                self._file.seek(start)
                data = self._file.read(length)
            yield data

    def _head(self) -> bytes:
        """Return the header and all directories; copies follow their page, or lie within."""
        head = bytearray(self._header)
        for page, layout in enumerate(self._pages):
            directories = [self._page(page, copy).tags for copy in range(len(layout.copies))]
            # Each directory starts at an even offset: all have even lengths.
            lengths = [len(each.tobytes(0)) for each in directories]
            starts = np.cumsum([len(head), *lengths]).tolist()
            last = page + 1 == len(self._pages)
            following = [*starts[1:-1], 0 if last else starts[-1]]
            if layout.nested:
                directories[0][_WITHIN] = tuple(starts[1:-1])
                following = [following[-1], *[0] * len(layout.factors)]
            if layout.striped:  # Pillow counts strips from the end of the directory
                strips = [max(at - starts[1], 0) for at in directories[0][_STRIPS]]
                directories[0][_STRIPS] = tuple(strips)
            for start, directory, after in zip(starts, directories, following, strict=False):
                head += _linked(directory, start, after)
        return bytes(head)

    def _page(self, page: int, copy: int) -> TiffPage:
        """Return a page or a copy with all of its tags."""
        layout, metadata = self._pages[page].copies[copy], self._metadata
        tags, places = Directory(self._header), self.places[page, copy].T.tolist()
        offsets, lengths = (_STRIPS, 279) if layout.striped else (324, 325)
        kind = _LONG8 if tags.is_big else _LONG
        tags.tagtype |= {offsets: kind, _WITHIN: kind, lengths: _LONG}
        tags.update({offsets: tuple(places[0]), lengths: tuple(places[1])})
        tags.update(_sample_tags(layout))
        if copy:
            tags[_NEW_KIND] = _REDUCED
            metadata = Metadata(icc=metadata.icc, nodata=metadata.nodata)
        elif layout.nested:
            tags[_WITHIN] = (0,) * len(layout.factors)
        described = page_of(tags, page)
        describe(described, metadata, len(self._pages))
        return described


def _sample_tags(layout: PageLayout) -> dict[int, Any]:
    """Return the tags of a page's size, samples and tiles."""
    samples = layout.channels + layout.alpha
    tags: dict[int, Any] = {
        TiffImagePlugin.IMAGEWIDTH: layout.size[1],
        TiffImagePlugin.IMAGELENGTH: layout.size[0],
        TiffImagePlugin.BITSPERSAMPLE: (8 * layout.depth.dtype.itemsize,) * samples,
        TiffImagePlugin.COMPRESSION: tiff_pages.DEFLATE,
        TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 1 if layout.channels == 1 else 2,
        TiffImagePlugin.SAMPLESPERPIXEL: samples,
        TiffImagePlugin.PLANAR_CONFIGURATION: 1,
    }
    if layout.striped:
        tags[TiffImagePlugin.ROWSPERSTRIP] = layout.tile[0]
    else:
        tags[TiffImagePlugin.TILELENGTH], tags[TiffImagePlugin.TILEWIDTH] = layout.tile
    if layout.alpha:
        tags[TiffImagePlugin.EXTRASAMPLES] = (tiff_pages.UNASSOCIATED,)
    if layout.depth is Depth.FLOAT:
        tags[TiffImagePlugin.SAMPLEFORMAT] = (_FLOATS,) * samples
    else:
        tags[TiffImagePlugin.PREDICTOR] = tiff_pages.DIFFERENCES
    return tags


def _linked(directory: Directory, start: int, following: int) -> bytes:
    """Return the bytes of a directory at such a place, with the offset of the next one."""
    count, entry, form = (8, 20, "<Q") if directory.is_big else (2, 12, "<I")
    data, at = directory.tobytes(start), count + len(directory) * entry
    return data[:at] + struct.pack(form, following) + data[at + struct.calcsize(form) :]


def shrunk(
    samples: NDArray[Any], factor: int, *, alpha: bool = False, nodata: str | None = None
) -> NDArray[Any]:
    """Return a picture of the means of squares, which may be smaller at the end of an axis.

    Pixels of no data weigh nothing; with `alpha`, others weigh as much as their last sample.
    """
    values = samples.astype(np.float64)
    weights = values[..., -1:].copy() if alpha else np.ones((*samples.shape[:2], 1))
    number = float(nodata or 0)
    if nodata is not None:
        lost = (np.isnan(samples) if np.isnan(number) else samples == number).all(axis=2)
        weights[lost], values[lost] = 0, 0
    fill = number if nodata is not None and lost.any() else 0.0
    by = (factor, factor)
    sums, total = block_sums(values * weights, by), block_sums(weights, by)
    means = np.divide(sums, total, out=np.full_like(sums, fill), where=total > 0)
    if alpha:
        means[..., -1:] = mean_of(values[..., -1:], by)
    whole = samples.dtype.kind in "ui"
    result: NDArray[Any] = (np.rint(means) if whole else means).astype(samples.dtype)
    return result


def block_sums(
    values: NDArray[Any], factors: Sequence[int], dtype: type = np.float64
) -> NDArray[Any]:
    """Return the sums of so many values along each axis; fewer at an end."""
    for axis, by in enumerate(factors):
        starts = np.arange(0, values.shape[axis], by)
        values = np.add.reduceat(values, starts, axis, dtype) if by > 1 else values
    return values


def mean_of(values: NDArray[Any], factors: Sequence[int]) -> NDArray[Any]:
    """Return the means of so many values along each axis, rounded if they are whole numbers."""
    is_whole = values.dtype.kind in "biu"
    means = block_sums(values, factors, np.int64 if is_whole else np.float64)
    for axis, by in enumerate(factors):
        left = values.shape[axis] - np.arange(0, values.shape[axis], by)
        means = np.moveaxis(np.moveaxis(means, axis, -1) / np.minimum(by, left), -1, axis)
    made: NDArray[Any] = (np.rint(means) if is_whole else means).astype(values.dtype)
    return made
