"""TIFF and BigTIFF, a tile or a strip at a time."""

import functools
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convcli.errors import ImageError
from convcli.images import read_metadata
from convcli.large.extra import needed
from convcli.large.source import Source, Values, check_chunk, faults

_DTYPES = ("uint8", "uint16", "float16", "float32", "float64")
_BLACK_IS_ZERO, _RGB = 1, 2
_ANY, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2
_UPRIGHT = 1
_PLANES = 2
_ORIENTATION = 274
_STRIP_BYTES = 2**20
"""Rows of so many bytes are read together where pixels lie in the file as they are."""


@dataclass(frozen=True, kw_only=True)
class TiffSource(Source):
    """A page of a TIFF.

    Attributes
    ----------
    page : int
        Its number.
    planar : bool
        Whether each sample has tiles of its own.
    stored : int
        Samples of a pixel in the file: some mean nothing.
    start : int or None
        Where the pixels begin that lie in one piece, without compression.
    changed : int
        When the file was written last, in nanoseconds: another file has other tiles.
    """

    page: int
    planar: bool
    stored: int
    start: int | None
    changed: int

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        shape = (rows.stop - rows.start, columns.stop - columns.start, self.shape[2])
        result = np.zeros(shape, self.dtype)
        with faults(self.label):
            opened = _opened(self.label, self.page, self.changed)
            for index, top, left, samples in self._segments(rows, columns):
                segment = self._segment(opened, index)
                _place(result[..., samples], segment, top - rows.start, left - columns.start)
        return result

    def _segments(self, rows: slice, columns: slice) -> Iterator[tuple[int, int, int, slice]]:
        """Yield the number of each segment that is needed, its place and its samples."""
        down, across = (-(-self.shape[axis] // self.chunk[axis]) for axis in (0, 1))
        height, width = self.chunk
        planes = [slice(at, at + 1) for at in range(self.shape[2])]
        for plane, samples in enumerate(planes if self.planar else [slice(None)]):
            for y in range(rows.start // height, -(-rows.stop // height)):
                for x in range(columns.start // width, -(-columns.stop // width)):
                    index = (plane * down + y) * across + x
                    yield index, y * height, x * width, samples

    def _segment(self, opened: "_Opened", index: int) -> Values | None:
        if self.start is None:
            return opened.decoded(index)
        height, width, _ = self.shape
        samples = 1 if self.planar else self.stored
        plane, strip = divmod(index, -(-height // self.chunk[0]))
        first = strip * self.chunk[0]
        rows = min(self.chunk[0], height - first)
        row = width * samples * self.dtype.itemsize
        data = opened.bytes_at(self.start + (plane * height + first) * row, rows * row)
        stored = self.dtype.newbyteorder(opened.order)
        return np.frombuffer(data, stored).reshape(rows, width, samples)


def _place(result: Values, segment: Values | None, top: int, left: int) -> None:
    """Copy what of a segment lies within a result; what a file leaves out is 0."""
    if segment is None:
        return
    height, width, samples = result.shape
    rows = slice(max(top, 0), min(top + segment.shape[0], height))
    columns = slice(max(left, 0), min(left + segment.shape[1], width))
    result[rows, columns] = segment[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left, :samples
    ]


class _Opened:
    """A page of an open file, which threads share."""

    def __init__(self, path: str, page: int) -> None:
        self._file = needed("tifffile", path).TiffFile(path)
        # Where nothing holds it any more the file is closed, whatever tifffile still holds.
        weakref.finalize(self, self._file.close)
        self._page = self._file.pages[page]
        self._lock = threading.Lock()
        self.order = self._file.byteorder

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Read so many bytes."""
        with self._lock:
            self._file.filehandle.seek(offset)
            data: bytes = self._file.filehandle.read(count)
        if len(data) < count:
            raise OSError("the file is truncated")
        return data

    def decoded(self, index: int) -> Values | None:
        """Return a tile or strip, shape (rows, columns, samples); None where it is left out."""
        page = self._page
        if index >= len(page.dataoffsets):
            raise OSError("the file is truncated")
        count = page.databytecounts[index]
        if not count:
            return None
        data = self.bytes_at(page.dataoffsets[index], count)
        segment, _, shape = page.decode(data, index, jpegtables=page.jpegtables)
        values: Values = segment[0, : shape[1], : shape[2]]
        return values


@functools.lru_cache(maxsize=8)
def _opened(path: str, page: int, changed: int) -> _Opened:  # noqa: ARG001 - part of the key
    return _Opened(path, page)


def close_all() -> None:
    """Close the files that this process has open, if no thread reads from them."""
    _opened.cache_clear()


def open_tiff(path: str, frame: int | None = None) -> TiffSource:
    """Open a TIFF; only its directories are read.

    Parameters
    ----------
    path : str
        The file.
    frame : int, optional
        The page, where there are several.

    Raises
    ------
    ImageError
        If there is none, it is damaged, or keeps pixels in a way that is not read.
    """
    tifffile = needed("tifffile", path)
    with faults(path):
        if Path(path).is_dir():
            raise ImageError(f"{path}: expected a picture, got a folder: name a file in it")
        changed = Path(path).stat().st_mtime_ns
        try:
            file = tifffile.TiffFile(path)
        except tifffile.TiffFileError:
            raise ImageError(
                f"{path}: expected a TIFF or a .zarr to filter block by block, got something "
                "else: convert it to TIFF first, or use neither --tiled nor .zarr"
            ) from None
        with file:
            number = _page_number(file, path, frame)
            return _source(file.pages[number], path, number, changed)


def _page_number(file: Any, path: str, frame: int | None) -> int:
    """Return which page is meant; smaller copies of a page are not counted."""
    full = [i for i in range(len(file.pages)) if not file.pages[i].is_reduced]
    if frame is None and len(full) > 1:
        raise ImageError(f"{path}: expected one page, got {len(full)}: choose one with --frame")
    if (frame or 0) >= len(full):
        raise ImageError(
            f"{path}: expected a page of 0 to {len(full) - 1}, got {frame}: they are "
            "counted from 0"
        )
    return full[frame or 0]


def _source(page: Any, path: str, number: int, changed: int) -> TiffSource:
    dtype, stored = _dtype(page, path), page.samplesperpixel
    width, height = page.imagewidth, page.imagelength
    kept, alpha = _samples(page, path)
    start = page.dataoffsets[0] if page.is_contiguous and not page.is_tiled else None
    chunk = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    if start is not None:
        chunk = (max(1, _STRIP_BYTES // (width * stored * dtype.itemsize)), width)
    if not page.is_tiled:
        chunk = (min(chunk[0], height), width)
    check_chunk(chunk, stored * dtype.itemsize, path)
    metadata, mode = read_metadata(path, number)
    return TiffSource(
        label=path,
        shape=(height, width, kept),
        dtype=dtype,
        alpha=alpha,
        chunk=chunk,
        metadata=metadata,
        mode=mode or dtype.name,
        page=number,
        planar=int(page.planarconfig) == _PLANES and stored > 1,
        stored=stored,
        start=start,
        changed=changed,
    )


def _samples(page: Any, path: str) -> tuple[int, bool]:
    """Return how many samples are looked at, and whether the last is an opacity."""
    kind, extra = int(page.photometric), [int(one) for one in page.extrasamples]
    if kind not in (_BLACK_IS_ZERO, _RGB):
        raise ImageError(
            f"{path}: expected grey or RGB pixels, got {page.photometric.name}: convert "
            "it first"
        )
    turned = page.tags.valueof(_ORIENTATION, default=_UPRIGHT)
    if turned != _UPRIGHT:
        raise ImageError(
            f"{path}: expected a picture that is upright, got orientation {turned}: turn "
            "it first"
        )
    if _ASSOCIATED in extra:
        raise ImageError(
            f"{path}: expected colours that are not multiplied by their opacity, got "
            "associated alpha: convert it first"
        )
    # A fourth sample beside red, green and blue that is said to be nothing is nothing.
    unused = kind == _RGB and extra == [_ANY]
    return page.samplesperpixel - unused, bool(extra) and extra[-1] == _UNASSOCIATED


def _dtype(page: Any, path: str) -> np.dtype[Any]:
    if page.dtype is None or page.dtype.name not in _DTYPES or page.imagedepth > 1:
        raise ImageError(
            f"{path}: expected pixels of 8 or 16 bits or floats, got "
            f"{page.bitspersample} bits: convert it first"
        )
    try:
        needed("tifffile", path).TIFF.DECOMPRESSORS[int(page.compression)]
    except (KeyError, ValueError):
        raise ImageError(
            f"{path}: {page.compression.name} compression needs the package imagecodecs: pip "
            "install imagecodecs, or rewrite it with Deflate"
        ) from None
    dtype: np.dtype[Any] = np.dtype(page.dtype).newbyteorder("=")
    return dtype
