"""TIFF, written by pages or by tiles."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from convcli.choices import Depth
from convcli.images.codecs.tiff_segments import deflated
from convcli.images.metadata import save_settings
from convcli.images.picture import Frame, Metadata
from convcli.values import Record

_STRIP_BYTES = 2**18
_DEFLATE = 8
_DIFFERENCES = 2
_UNASSOCIATED = 2
_INCH = 2
_FLOATS = 3
_LONG, _LONG8 = 4, 16
_XMP, _IPTC = 700, 33_723
_GROUPS = (0x8769, 0x8825)
"""The directories within EXIF: the camera's and GPS."""


def tiff_bytes(frames: Sequence[Frame], metadata: Metadata, level: int) -> bytes:
    """Return pictures of any sizes as a TIFF with a page each.

    Samples are uint8, uint16 or float32, with 1 or 3 channels. Every page gets the metadata;
    `level` is zlib's, 0 to 9.
    """
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer) as pages:
        for frame in frames:
            _write_page(pages, frame, metadata, level)
            pages.newFrame()
        return buffer.getvalue()


def _write_page(
    pages: TiffImagePlugin.AppendingTiffWriter, frame: Frame, metadata: Metadata, level: int
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
        tags[TiffImagePlugin.PREDICTOR] = _DIFFERENCES
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
    if "recipe" in settings:
        tags[TiffImagePlugin.IMAGEDESCRIPTION] = settings["recipe"]
    if "icc_profile" in settings:
        tags[TiffImagePlugin.ICCPROFILE] = settings["icc_profile"]
    for name, tag in (("xmp", _XMP), ("iptc", _IPTC)):
        if name in settings:
            tags[tag] = settings[name]
    if "dpi" in settings:
        across, down = settings["dpi"]
        tags |= {
            TiffImagePlugin.X_RESOLUTION: across,
            TiffImagePlugin.Y_RESOLUTION: down,
            TiffImagePlugin.RESOLUTION_UNIT: _INCH,
        }
    return tags


_LARGEST_PLAIN = 2**32 - 2**24
"""Bytes of pixels from which on a file is a BigTIFF, whose offsets have 64 bits."""

_PLAIN_HEADER = b"II*\0" + struct.pack("<I", 8)
_BIG_HEADER = b"II+\0" + struct.pack("<HHQ", 8, 0, 16)


class TileLayout(Record, kw_only=True):
    """The size, tiles and samples of a TIFF of tiles.

    Attributes
    ----------
    size, tile : (int, int)
        Rows and columns of the picture, and of a tile: multiples of 16.
    channels : int
        1 or 3; any number where `paged`. Alpha is not counted.
    alpha : bool
        Whether each page has alpha as its last sample.
    depth : Depth
        Of all samples.
    paged : bool
        Whether each channel is a page of its own.
    level : int
        Of zlib's compression, 0 to 9.
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    channels: int
    alpha: bool
    depth: Depth
    paged: bool = False
    level: int = 4

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

    @property
    def is_big(self) -> bool:
        """Whether 32 bits may not be enough for an offset."""
        (down, across), (rows, columns) = self.grid, self.tile
        values = down * across * rows * columns * self.pages * (self.colours + self.alpha)
        return values * self.depth.dtype.itemsize > _LARGEST_PLAIN


class EncodedTile(Record):
    """A compressed tile: its page, its number on the page (row by row), its bytes."""

    page: int
    index: int
    data: bytes


def encoded_tiles(
    values: NDArray[Any], alpha: NDArray[Any] | None, at: tuple[int, int], layout: TileLayout
) -> list[EncodedTile]:
    """Cut a part of a picture into tiles, and compress them.

    Parameters
    ----------
    values : ndarray, shape (rows, columns, channels)
        Whole tiles, except at the right and lower edge of the picture.
    alpha : ndarray, shape (rows, columns), or None
        Their opacity.
    at : (int, int)
        Row and column of the picture where the part begins.
    layout : TileLayout
        Of the file.
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


class TiledTiff:
    """Writes a TIFF a tile at a time; its directories come first.

    The file is empty, and can seek. Every page gets the metadata.
    """

    def __init__(self, file: BinaryIO, layout: TileLayout, metadata: Metadata) -> None:
        self._file, self._layout, self._metadata = file, layout, metadata
        tiles = layout.grid[0] * layout.grid[1]
        self._starts = np.zeros((layout.pages, tiles), np.uint64)
        self._lengths = np.zeros((layout.pages, tiles), np.uint32)
        # The directories already have their final length: only numbers in them change.
        file.write(self._head())

    def add(self, tile: EncodedTile) -> None:
        """Write a tile at the end of the file."""
        self._starts[tile.page, tile.index] = self._file.tell()
        self._lengths[tile.page, tile.index] = len(tile.data)
        self._file.write(tile.data)

    def finish(self) -> None:
        """Write the directories again, now with the places of the tiles."""
        self._file.seek(0)
        self._file.write(self._head())

    def _head(self) -> bytes:
        head = io.BytesIO()
        head.write(_BIG_HEADER if self._layout.is_big else _PLAIN_HEADER)
        for page in range(self._layout.pages):
            start = head.tell()
            directory = self._directory(page)
            data = directory.tobytes(start)
            # Each directory starts at an even offset: all have even lengths.
            following = start + len(data) if page + 1 < self._layout.pages else 0
            head.write(_linked(data, following, len(directory), big=self._layout.is_big))
        return head.getvalue()

    def _directory(self, page: int) -> TiffImagePlugin.ImageFileDirectory_v2:
        layout = self._layout
        header = _BIG_HEADER if layout.is_big else _PLAIN_HEADER
        directory = TiffImagePlugin.ImageFileDirectory_v2(header)
        offsets, lengths = TiffImagePlugin.TILEOFFSETS, TiffImagePlugin.TILEBYTECOUNTS
        directory.tagtype[offsets] = _LONG8 if layout.is_big else _LONG
        directory.tagtype[lengths] = _LONG
        tags = _sample_tags(layout.size, layout.colours, layout.depth, alpha=layout.alpha)
        tags |= _metadata_tags(self._metadata, layout.colours, layout.size)
        tags |= {
            TiffImagePlugin.TILELENGTH: layout.tile[0],
            TiffImagePlugin.TILEWIDTH: layout.tile[1],
            offsets: tuple(self._starts[page].tolist()),
            lengths: tuple(self._lengths[page].tolist()),
        }
        directory.update(tags)
        return directory


def _linked(data: bytes, following: int, entries: int, *, big: bool) -> bytes:
    """Return a directory with the offset of the next one; `entries` is its number of tags."""
    count, entry, form = (8, 20, "<Q") if big else (2, 12, "<I")
    at = count + entries * entry
    number = struct.pack(form, following)
    return data[:at] + number + data[at + len(number) :]
