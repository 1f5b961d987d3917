"""TIFF, written by pages or by tiles."""

import functools
import io
import math
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from convcli.choices import Depth
from convcli.images.codecs.tiff_segments import (
    DIFFERENCES,
    NO_PREDICTOR,
    decoded_segment,
    deflated,
    fast_codecs,
)
from convcli.images.metadata import save_settings
from convcli.images.picture import Frame, Metadata
from convcli.values import Record, replace

_STRIP_BYTES = 2**18
_DEFLATE = 8
_UNASSOCIATED = 2
_INCH = 2
_FLOATS = 3
_LONG, _LONG8 = 4, 16
_BLOCKS = {"recipe": 270, "icc_profile": 34_675, "xmp": 700, "iptc": 33_723}
_NEW_KIND, _REDUCED, _WITHIN = 254, 1, 330
_TOGETHER = 2**25
"""Bytes of pixels of which tiles of a reduced copy are made before they are written."""

_GROUPS = (0x8769, 0x8825)
"""The directories within EXIF: the camera's and GPS."""


def tiff_bytes(frames: Sequence[Frame], metadata: Metadata, level: int) -> bytes:
    """Return pictures of any sizes as a TIFF with a page each.

    Samples are uint8, uint16 or float32, with 1 or 3 channels. Every page gets the metadata;
    `level` is zlib's, 0 to 9.
    """
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer) as pages:
        for number, frame in enumerate(frames):
            _write_page(pages, frame, metadata, level, (number, len(frames)))
            pages.newFrame()
        return buffer.getvalue()


def _write_page(
    pages: TiffImagePlugin.AppendingTiffWriter,
    frame: Frame,
    metadata: Metadata,
    level: int,
    numbers: tuple[int, int],
) -> None:
    values = frame.samples.astype(frame.depth.dtype.newbyteorder("<"))
    rows = max(_STRIP_BYTES // (values[0].nbytes or 1), 1)
    strips = [
        zlib.compress(_predicted(values[start : start + rows]).tobytes(), level)
        for start in range(0, len(values), rows)
    ]
    lengths = [len(strip) for strip in strips]
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    alpha = frame.alpha is not None
    tags = _sample_tags(frame.shape, frame.channels, frame.depth, alpha=alpha)
    tags |= _metadata_tags(metadata, frame.channels, frame.shape)
    tags |= {
        TiffImagePlugin.ROWSPERSTRIP: rows,
        TiffImagePlugin.STRIPBYTECOUNTS: tuple(lengths),
        TiffImagePlugin.STRIPOFFSETS: tuple(starts),
    }
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    for tag in (TiffImagePlugin.STRIPBYTECOUNTS, TiffImagePlugin.STRIPOFFSETS):
        directory.tagtype[tag] = _LONG
    directory.update(tags)
    shape = (*frame.shape, frame.channels + alpha)
    _add_extras(directory, metadata, numbers, shape, frame.depth)
    directory.save(pages)
    for strip in strips:
        pages.write(strip)


def _predicted(part: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers as differences along the rows; floats unchanged."""
    if part.dtype.kind != "u":
        return part
    differences = part.copy()
    differences[:, 1:] -= part[:, :-1]
    return differences


def _sample_tags(
    size: tuple[int, int], channels: int, depth: Depth, *, alpha: bool
) -> dict[int, Any]:
    """Return the tags of a page's size and samples; `channels` does not count alpha."""
    samples = channels + alpha
    tags: dict[int, Any] = {
        TiffImagePlugin.IMAGEWIDTH: size[1],
        TiffImagePlugin.IMAGELENGTH: size[0],
        TiffImagePlugin.BITSPERSAMPLE: (8 * depth.dtype.itemsize,) * samples,
        TiffImagePlugin.COMPRESSION: _DEFLATE,
        TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 1 if channels == 1 else 2,
        TiffImagePlugin.SAMPLESPERPIXEL: samples,
        TiffImagePlugin.PLANAR_CONFIGURATION: 1,
    }
    if alpha:
        tags[TiffImagePlugin.EXTRASAMPLES] = (_UNASSOCIATED,)
    if depth is Depth.FLOAT:
        tags[TiffImagePlugin.SAMPLEFORMAT] = (_FLOATS,) * samples
    else:
        tags[TiffImagePlugin.PREDICTOR] = DIFFERENCES
    return tags


def _metadata_tags(metadata: Metadata, channels: int, size: tuple[int, int]) -> dict[int, Any]:
    """Return the tags of the EXIF, the colour profile and the resolution."""
    settings = save_settings(metadata, "TIFF", channels, size)
    tags: dict[int, Any] = {}
    if "exif" in settings:
        block = Image.Exif()
        block.load(settings["exif"])
        groups = {tag: dict(block.get_ifd(tag)) for tag in block if tag in _GROUPS}
        tags |= {tag: block[tag] for tag in block if tag not in _GROUPS} | groups
    tags |= {tag: settings[name] for name, tag in _BLOCKS.items() if name in settings}
    if "dpi" in settings:
        across, down = settings["dpi"]
        tags |= {
            TiffImagePlugin.X_RESOLUTION: across,
            TiffImagePlugin.Y_RESOLUTION: down,
            TiffImagePlugin.RESOLUTION_UNIT: _INCH,
        }
    return tags


def _add_extras(
    directory: TiffImagePlugin.ImageFileDirectory_v2,
    metadata: Metadata,
    numbers: tuple[int, int],
    shape: tuple[int, int, int],
    depth: Depth,
) -> None:
    """Add what maps and microscopes need; `numbers` are that of the page, and of all pages."""
    if not (metadata.geo or metadata.nodata or metadata.ome):
        return
    from convcli.images.codecs.tiff_extras import extra_tags

    for tag, (kind, value) in extra_tags(metadata, numbers, shape, depth.dtype.name).items():
        directory.tagtype[tag] = kind
        directory[tag] = value


_LARGEST_PLAIN = 2**32 - 2**24
"""Bytes of pixels from which on a file is a BigTIFF, whose offsets have 64 bits."""

_PLAIN_HEADER = b"II*\0" + struct.pack("<I", 8)
_BIG_HEADER = b"II+\0" + struct.pack("<HHQ", 8, 0, 16)


class TileLayout(Record, kw_only=True):
    """The size, tiles and samples of a TIFF of tiles.

    `size` and `tile` are rows and columns of the picture, and of a tile: multiples of 16. There
    are `channels`, 1 or 3, or any number where each is a page of its own (`paged`). With
    `alpha` each page has an opacity as its last sample. `depth` is that of all samples, `level`
    zlib's, 0 to 9. `factors` say how much smaller each reduced copy of a page is than the one
    before it; `nested` copies are directories within that of the page, others follow it.
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    channels: int
    alpha: bool
    depth: Depth
    paged: bool = False
    level: int = 4
    factors: tuple[int, ...] = ()
    nested: bool = False

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return self.channels if self.paged else 1

    @property
    def colours(self) -> int:
        """Channels of a page, alpha not counted."""
        return 1 if self.paged else self.channels

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles down and across."""
        return (-(-self.size[0] // self.tile[0]), -(-self.size[1] // self.tile[1]))

    def reduced(self, copy: int) -> "TileLayout":
        """Return the layout of a reduced copy; 0 is the picture itself."""
        rows, columns = self.size
        for factor in self.factors[:copy]:
            rows, columns = -(-rows // factor), -(-columns // factor)
        return replace(self, size=(rows, columns), factors=())

    @property
    def is_big(self) -> bool:
        """Whether 32 bits may not be enough for an offset."""
        (down, across), (rows, columns) = self.grid, self.tile
        values = down * across * rows * columns * self.pages * (self.colours + self.alpha)
        # Copies of half the size take a third together.
        values = values * (4 if self.factors else 3) // 3
        return values * self.depth.dtype.itemsize > _LARGEST_PLAIN


class EncodedTile(Record):
    """A compressed tile: its page, its number on the page (row by row), its bytes.

    `copy` is the reduced copy of the page that it belongs to; 0 is the page itself.
    """

    page: int
    index: int
    data: bytes
    copy: int = 0


def encoded_tiles(
    values: NDArray[Any], alpha: NDArray[Any] | None, at: tuple[int, int], layout: TileLayout
) -> list[EncodedTile]:
    """Cut a part of a picture into tiles, and compress them.

    The values, shape (rows, columns, channels), and their opacity, shape (rows, columns), begin
    `at` a row and a column of the picture. They are whole tiles, except at its right and lower
    edge.
    """
    pages = np.split(values, layout.channels, axis=2) if layout.paged else [values]
    tiles = []
    for page, pixels in enumerate(pages):
        samples = pixels if alpha is None else np.dstack([pixels, alpha])
        stored = samples.astype(layout.depth.dtype.newbyteorder("<"), copy=False)
        tiles += [EncodedTile(page, *tile) for tile in _compressed_tiles(stored, at, layout)]
    return tiles


def _compressed_tiles(
    samples: NDArray[Any], at: tuple[int, int], layout: TileLayout
) -> Iterator[tuple[int, bytes]]:
    """Yield the index of each tile of one page, and its bytes."""
    rows, columns = layout.tile
    for y in range(0, samples.shape[0], rows):
        for x in range(0, samples.shape[1], columns):
            part = samples[y : y + rows, x : x + columns]
            missing = ((0, rows - part.shape[0]), (0, columns - part.shape[1]), (0, 0))
            # Repeating the last pixels compresses best.
            full = np.pad(part, missing, mode="edge") if any(map(any, missing)) else part
            index = (at[0] + y) // rows * layout.grid[1] + (at[1] + x) // columns
            yield index, deflated(_predicted(full).tobytes(), layout.level)


_Under = tuple[list[list[bytes]], tuple[int, int]]
"""Tiles that lie beside and below each other, and the rows and columns of their pixels."""


class TiledTiff:
    """Writes a TIFF a tile at a time; its directories come first.

    The file is empty, and can read and seek. Every page gets the metadata.
    """

    def __init__(self, file: BinaryIO, layout: TileLayout, metadata: Metadata) -> None:
        self._file, self._layout, self._metadata = file, layout, metadata
        self._copies = [layout.reduced(copy) for copy in range(len(layout.factors) + 1)]
        grids = [math.prod(each.grid) for each in self._copies]
        self._places = [
            [np.zeros((2, tiles), np.uint64) for tiles in grids] for _ in range(layout.pages)
        ]
        # The directories already have their final length: only numbers in them change.
        file.write(self._head())

    def add(self, tile: EncodedTile) -> None:
        """Write a tile at the end of the file."""
        self.place(tile, (self._file.tell(), len(tile.data)))
        self._file.write(tile.data)

    def place(self, tile: EncodedTile, place: tuple[int, int]) -> None:
        """Say where the bytes of a tile begin, and how many there are."""
        self._places[tile.page][tile.copy][:, tile.index] = place

    def finish(self, pool: Executor | None = None) -> None:
        """Write the reduced copies, and the directories again, with the places of the tiles.

        `pool` computes the copies, where there are any.
        """
        for page in range(self._layout.pages):
            for copy in range(1, len(self._copies)):
                self._reduce(page, copy, pool)
        self._file.seek(0)
        self._file.write(self._head())

    def _reduce(self, page: int, copy: int, pool: Executor | None) -> None:
        """Write a reduced copy from the one before it, a few tiles at a time."""
        layout, before = self._copies[copy], self._copies[copy - 1]
        factor, (down, across) = self._layout.factors[copy - 1], layout.grid
        shrink = functools.partial(_shrunk_tile, before, factor, self._metadata.nodata)
        size = math.prod(layout.tile) * (layout.colours + layout.alpha) * factor**2
        together = max(_TOGETHER // (size * layout.depth.dtype.itemsize), 2)
        for start in range(0, down * across, together):
            indices = range(start, min(start + together, down * across))
            grids = [self._under(page, copy - 1, divmod(i, across), factor) for i in indices]
            tiles = pool.map(shrink, grids) if pool else map(shrink, grids)
            self._file.seek(0, os.SEEK_END)
            for index, data in zip(indices, tiles, strict=True):
                self.add(EncodedTile(page, index, data, copy))

    def _under(self, page: int, copy: int, at: tuple[int, int], factor: int) -> _Under:
        """Read the tiles under a tile of the next copy, and the size of their pixels."""
        layout, places = self._copies[copy], self._places[page][copy]
        rows, columns = (
            range(at[axis] * factor, min((at[axis] + 1) * factor, layout.grid[axis]))
            for axis in (0, 1)
        )
        tiles = [
            [self._bytes_at(*places[:, y * layout.grid[1] + x].tolist()) for x in columns]
            for y in rows
        ]
        starts = (rows.start * layout.tile[0], columns.start * layout.tile[1])
        return tiles, (layout.size[0] - starts[0], layout.size[1] - starts[1])

    def _bytes_at(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)

    def _head(self) -> bytes:
        """Return the header and all directories; copies follow their page, or lie within."""
        layout = self._layout
        head = _BIG_HEADER if layout.is_big else _PLAIN_HEADER
        for page in range(layout.pages):
            directories = [self._directory(page, copy) for copy in range(len(self._copies))]
            # Each directory starts at an even offset: all have even lengths.
            lengths = [len(each.tobytes(0)) for each in directories]
            starts = np.cumsum([len(head), *lengths]).tolist()
            last = page + 1 == layout.pages
            following = [*starts[1:-1], 0 if last else starts[-1]]
            if layout.nested:
                directories[0][_WITHIN] = tuple(starts[1:-1])
                following = [0 if last else starts[-1], *[0] * len(layout.factors)]
            for start, directory, after in zip(starts, directories, following, strict=False):
                data = directory.tobytes(start)
                head += _linked(data, after, len(directory), big=layout.is_big)
        return head

    def _directory(self, page: int, copy: int) -> TiffImagePlugin.ImageFileDirectory_v2:
        layout = self._copies[copy]
        directory = TiffImagePlugin.ImageFileDirectory_v2(
            _BIG_HEADER if self._layout.is_big else _PLAIN_HEADER
        )
        offsets, lengths = TiffImagePlugin.TILEOFFSETS, TiffImagePlugin.TILEBYTECOUNTS
        directory.tagtype[offsets] = directory.tagtype[_WITHIN] = (
            _LONG8 if self._layout.is_big else _LONG
        )
        directory.tagtype[lengths] = _LONG
        tags = _sample_tags(layout.size, layout.colours, layout.depth, alpha=layout.alpha)
        metadata = self._metadata
        if copy:
            tags[_NEW_KIND] = _REDUCED
            metadata = Metadata(icc=metadata.icc, nodata=metadata.nodata)
        elif layout.nested:
            tags[_WITHIN] = (0,) * len(self._layout.factors)
        tags |= _metadata_tags(metadata, layout.colours, layout.size)
        places = self._places[page][copy].tolist()
        tags |= {
            TiffImagePlugin.TILELENGTH: layout.tile[0],
            TiffImagePlugin.TILEWIDTH: layout.tile[1],
            offsets: tuple(places[0]),
            lengths: tuple(places[1]),
        }
        directory.update(tags)
        shape = (*layout.size, layout.colours + layout.alpha)
        _add_extras(directory, metadata, (page, layout.pages), shape, layout.depth)
        return directory


def _shrunk_tile(layout: TileLayout, factor: int, nodata: str | None, under: _Under) -> bytes:
    """Return a tile of a reduced copy, of the tiles of the one before it that lie under it."""
    tiles, (height, width) = under
    predictor = NO_PREDICTOR if layout.depth is Depth.FLOAT else DIFFERENCES
    shape = (*layout.tile, layout.colours + layout.alpha)
    stored = layout.depth.dtype.newbyteorder("<")
    shrink = functools.partial(shrunk, factor=factor, alpha=layout.alpha, nodata=nodata)
    # Tile by tile, where squares end at their edges: sums take ten times the memory of pixels.
    is_alone = not any(side % factor for side in layout.tile)
    rows = []
    for y, row in enumerate(tiles):
        parts = [
            decoded_segment(data, shape, stored, _DEFLATE, predictor, fast_codecs())[
                : height - y * layout.tile[0], : width - x * layout.tile[1]
            ]
            for x, data in enumerate(row)
        ]
        rows.append(np.hstack([*map(shrink, parts)] if is_alone else parts))
    small = np.vstack(rows) if is_alone else shrink(np.vstack(rows))
    missing = [(0, max(side - n, 0)) for side, n in zip(layout.tile, small.shape, strict=False)]
    full = np.pad(small, (*missing, (0, 0)), mode="edge")
    return deflated(_predicted(np.ascontiguousarray(full, stored)).tobytes(), layout.level)


def shrunk(
    samples: NDArray[Any], factor: int, *, alpha: bool = False, nodata: str | None = None
) -> NDArray[Any]:
    """Return a picture whose pixels are the means of squares of the given one.

    Squares at the right and lower edge may be smaller. Pixels that are no data weigh nothing,
    and others as much as they are opaque, where the last sample is `alpha`.

    >>> shrunk(np.array([[[1], [3], [9]]], np.uint8), 2).tolist()
    [[[2], [9]]]
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
    """Return the means of so many values along each axis, rounded if they are whole numbers.

    At an end they are of the values that are there.

    >>> mean_of(np.array([[1, 2, 9], [3, 4, 11]], np.uint8), (2, 2)).tolist()
    [[2, 10]]
    """
    is_whole = values.dtype.kind in "biu"
    means = block_sums(values, factors, np.int64 if is_whole else np.float64)
    for axis, by in enumerate(factors):
        left = values.shape[axis] - np.arange(0, values.shape[axis], by)
        means = np.moveaxis(np.moveaxis(means, axis, -1) / np.minimum(by, left), -1, axis)
    made: NDArray[Any] = (np.rint(means) if is_whole else means).astype(values.dtype)
    return made


def _linked(data: bytes, following: int, entries: int, *, big: bool) -> bytes:
    """Return a directory with the offset of the next one; `entries` is its number of tags."""
    count, entry, form = (8, 20, "<Q") if big else (2, 12, "<I")
    at = count + entries * entry
    number = struct.pack(form, following)
    return data[:at] + number + data[at + len(number) :]
