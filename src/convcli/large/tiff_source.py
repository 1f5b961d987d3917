"""TIFF and BigTIFF, a tile or a strip at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from convcli.large.source import Source, Values, faults, within
from convcli.large.tiff_file import OpenPage, Span, TiffFile

Segment = tuple[int, int, int, slice]
"""The number of a tile or strip, its first row and column, and its samples."""


@dataclass(frozen=True, kw_only=True)
class TiffSource(Source):
    """A page of a TIFF.

    Attributes
    ----------
    file : TiffFile
        Where it is read from.
    planar : bool
        Whether each sample has tiles of its own.
    stored : int
        Samples of a pixel in the file: some mean nothing.
    start : int or None
        Where the pixels begin that lie in one piece, without compression.
    """

    file: TiffFile
    planar: bool
    stored: int
    start: int | None

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        shape = (rows.stop - rows.start, columns.stop - columns.start, self.shape[2])
        result = np.zeros(shape, self.dtype)
        segments = list(self._segments(rows, columns))
        with faults(self.label):
            found = self._found([segment[0] for segment in segments])
            for (_, top, left, samples), values in zip(segments, found, strict=True):
                _place(result[..., samples], values, top - rows.start, left - columns.start)
        return result

    def check_unchanged(self) -> None:
        """Look at a URL again: see `Source.check_unchanged`."""
        self.file.check_unchanged()

    def close(self) -> None:
        """Close the file: see `Source.close`."""
        self.file.close()

    def _segments(self, rows: slice, columns: slice) -> Iterator[Segment]:
        """Yield what has pixels of a rectangle."""
        down, across = (-(-self.shape[axis] // self.chunk[axis]) for axis in (0, 1))
        height, width = self.chunk
        planes = [slice(at, at + 1) for at in range(self.shape[2])]
        for plane, samples in enumerate(planes if self.planar else [slice(None)]):
            for y in range(rows.start // height, -(-rows.stop // height)):
                for x in range(columns.start // width, -(-columns.stop // width)):
                    index = (plane * down + y) * across + x
                    yield index, y * height, x * width, samples

    def _found(self, indices: list[int]) -> Iterator[Values | None]:
        page = self.file.opened()
        return page.decoded(indices) if self.start is None else self._plain(page, indices)

    def _plain(self, page: OpenPage, indices: list[int]) -> Iterator[Values]:
        """Yield rows that lie in the file as they are."""
        width, samples = self.shape[1], 1 if self.planar else self.stored
        stored = self.dtype.newbyteorder(page.order)
        spans = [self._span(index, width * samples * self.dtype.itemsize) for index in indices]
        for data in page.bytes_of(spans):
            yield np.frombuffer(data, stored).reshape(-1, width, samples)

    def _span(self, index: int, row: int) -> Span:
        """Return where rows of so many bytes begin in the file, and the bytes of them all."""
        height = self.shape[0]
        plane, strip = divmod(index, -(-height // self.chunk[0]))
        first = strip * self.chunk[0]
        rows = min(self.chunk[0], height - first)
        return ((self.start or 0) + (plane * height + first) * row, rows * row)


def _place(result: Values, segment: Values | None, top: int, left: int) -> None:
    """Copy what of a segment lies within a result; what a file leaves out is 0."""
    if segment is None:
        return
    height, width, samples = result.shape
    down = slice(top, top + segment.shape[0])
    across = slice(left, left + segment.shape[1])
    rows = slice(max(down.start, 0), min(down.stop, height))
    columns = slice(max(across.start, 0), min(across.stop, width))
    result[rows, columns] = segment[within(rows, down), within(columns, across), :samples]
