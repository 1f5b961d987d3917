"""TIFF, written by pages or by tiles."""

import io
import itertools
import math
import os
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from convcli.choices import Depth
from convcli.images.codecs import tiff_pages
from convcli.images.codecs.tiff_extras import describe
from convcli.images.codecs.tiff_pages import WITHIN, Directory, TiffPage
from convcli.images.picture import Frame, Metadata
from convcli.values import Record

_STRIP_BYTES = 2**18
_STRIPS = 273
_FLOATS = 3
_LONG, _LONG8 = 4, 16

_LARGEST_PLAIN = 2**32 - 2**24  # more bytes of pixels make a BigTIFF, with offsets of 64 bits
_PLAIN_HEADER = b"II*\0" + struct.pack("<I", 8)
_BIG_HEADER = b"II+\0" + struct.pack("<HHQ", 8, 0, 16)


def tiff_bytes(frames: Sequence[Frame], metadata: Metadata, level: int) -> memoryview:
    """Return pictures of any sizes as a TIFF with a page each; `level` is zlib's, 0 to 9."""
    buffer = io.BytesIO()
    layouts = [_strips_of(frame, level) for frame in frames]
    writer = TiffWriter(buffer, layouts, metadata)
    for page, (frame, layout) in enumerate(zip(frames, layouts, strict=True)):
        samples, rows = frame.samples, layout.tile[0]
        for index, y in enumerate(range(0, len(samples), rows)):
            writer.add(page, index, packed(samples[y : y + rows], layout))
    writer.finish()
    return buffer.getbuffer()


def _strips_of(frame: Frame, level: int) -> "PageLayout":
    columns, alpha = frame.shape[1], frame.alpha is not None
    row = columns * (frame.channels + alpha) * frame.depth.dtype.itemsize
    return PageLayout(
        size=frame.shape, tile=(max(_STRIP_BYTES // (row or 1), 1), columns), striped=True,
        channels=frame.channels, alpha=alpha, depth=frame.depth, level=level,
    )  # fmt: skip


class PageLayout(Record, kw_only=True):
    """The size, tiles and samples of a page of a TIFF."""

    size: tuple[int, int]  # rows and columns
    tile: tuple[int, int]  # multiples of 16; all columns where it is `striped`
    channels: int  # 1 or 3
    alpha: bool  # whether it has an opacity as its last sample
    depth: Depth
    level: int = 4  # zlib's
    striped: bool = False
    reduction: int = 1  # how much smaller it is than the page before, whose copy it is then
    within: tuple[int, ...] = ()  # the numbers of the copies whose directories lie in its own

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles down and across."""
        return (-(-self.size[0] // self.tile[0]), -(-self.size[1] // self.tile[1]))

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels, where nothing is compressed."""
        # Tiles are filled up at the edges, strips are not.
        pixels = self.size if self.striped else (*self.grid, *self.tile)
        return math.prod(pixels) * (self.channels + self.alpha) * self.depth.dtype.itemsize


def packed(
    part: NDArray[Any],
    layout: PageLayout,
    compress: Callable[[bytes, int], bytes] = zlib.compress,
) -> bytes:
    """Return the bytes of a strip or a tile of a page: differences along rows, or floats."""
    part = part.astype(layout.depth.dtype, copy=False)
    if part.dtype.kind == "u":
        part = np.diff(part, axis=1, prepend=part.dtype.type(0))
    stored = part.astype(part.dtype.newbyteorder("<"), copy=False)
    return compress(stored.tobytes(), layout.level)


class TiffWriter:
    """Writes a TIFF a tile or a strip at a time; its directories come first.

    The file is empty, and can read and seek. Every page gets the metadata. `places` are where
    the tiles of each page begin, and their bytes.
    """

    def __init__(self, file: BinaryIO, pages: Sequence[PageLayout], metadata: Metadata) -> None:
        self._file, self._pages, self._metadata = file, pages, metadata
        self._lock = threading.Lock()
        is_big = sum(page.nbytes for page in pages) > _LARGEST_PLAIN
        self._header = _BIG_HEADER if is_big else _PLAIN_HEADER
        self.places = [np.zeros((math.prod(page.grid), 2), np.int64) for page in pages]
        # The directories already have their final length: only numbers in them change.
        file.write(self._head())

    def add(self, page: int, index: int, data: bytes) -> int:
        """Write a tile of a page at the end; return where it begins."""
        with self._lock:
            start = self._file.seek(0, os.SEEK_END)
            self._file.write(data)
        self.places[page][index] = start, len(data)
        return start

    def finish(self) -> None:
        """Write the directories, which know by now where the tiles are."""
        self._file.seek(0)
        self._file.write(self._head())

    def _head(self) -> bytes:
        """Return the header and all directories, each of which names the one after it."""
        directories = [self._page(page).tags for page in range(len(self._pages))]
        # Each directory starts at an even offset: all have even lengths.
        lengths = [len(directory.tobytes(0)) for directory in directories]
        starts = np.cumsum([len(self._header), *lengths]).tolist()
        inner = {copy for layout in self._pages for copy in layout.within}
        chain = [page for page in range(len(self._pages)) if page not in inner]
        following = {page: starts[after] for page, after in itertools.pairwise(chain)}
        head = bytearray(self._header)
        for page, (layout, tags) in enumerate(zip(self._pages, directories, strict=True)):
            if layout.within:
                tags[WITHIN] = tuple(starts[copy] for copy in layout.within)
            if layout.striped:  # Pillow counts strips from the end of the directory
                tags[_STRIPS] = tuple(max(at - starts[page + 1], 0) for at in tags[_STRIPS])
            head += _linked(tags, starts[page], following.get(page, 0))
        return bytes(head)

    def _page(self, page: int) -> TiffPage:
        """Return a page with all of its tags."""
        layout, metadata = self._pages[page], self._metadata
        tags, places = Directory(self._header), self.places[page].T.tolist()
        offsets, lengths = (_STRIPS, 279) if layout.striped else (324, 325)
        kind = _LONG8 if tags.is_big else _LONG
        tags.tagtype |= {offsets: kind, WITHIN: kind, lengths: _LONG}
        tags.update({offsets: tuple(places[0]), lengths: tuple(places[1])})
        tags.update(_sample_tags(layout))
        if layout.reduction > 1:
            tags[tiff_pages.NEW_KIND] = tiff_pages.REDUCED
            metadata = Metadata(icc=metadata.icc, nodata=metadata.nodata)
        if layout.within:
            tags[WITHIN] = (0,) * len(layout.within)
        described = TiffPage(tags, page)
        describe(described, metadata, sum(each.reduction == 1 for each in self._pages))
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
