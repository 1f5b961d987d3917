"""Open TIFFs of this process: where tiles lie in them, and what they hold."""

import functools
import weakref
from collections.abc import Iterator, Sequence

from convcli.errors import ImageError
from convcli.large.extra import needed
from convcli.large.source import Values
from convcli.storage import is_url, ranges_of

Span = tuple[int, int]
"""Where something begins in a file, and how many bytes it has."""


class TiffFile:
    """A page of an open file, which threads share.

    Parameters
    ----------
    name : str
        The path or URL.
    page : int
        Its number.
    """

    def __init__(self, name: str, page: int) -> None:
        self._ranges = ranges_of(name)
        # Where nothing holds it any more the file is closed, whatever tifffile still holds.
        weakref.finalize(self, self._ranges.close)
        file = needed("tifffile", name).TiffFile(self._ranges.opened())
        self._page = file.pages[page]
        self._tables = self._page.jpegtables
        self.order = file.byteorder
        self.version = self._ranges.version

    def bytes_of(self, spans: Sequence[Span]) -> Iterator[bytes]:
        """Yield the bytes of each span."""
        for (_, count), data in zip(spans, self._ranges.read(spans), strict=True):
            if len(data) < count:
                raise ValueError("the file is truncated")
            yield data

    def spans_of(self, indices: Sequence[int]) -> list[Span]:
        """Return where tiles or strips are; those that are left out have no bytes."""
        offsets, counts = self._page.dataoffsets, self._page.databytecounts
        if max(indices) >= len(offsets):
            raise ValueError("the file is truncated")
        return [(offsets[index], counts[index]) for index in indices]

    def decoded(self, indices: Sequence[int]) -> Iterator[Values | None]:
        """Yield tiles or strips, shape (rows, columns, samples); None where one is left out."""
        for index, data in zip(indices, self.bytes_of(self.spans_of(indices)), strict=True):
            yield self._decoded(index, data) if data else None

    def _decoded(self, index: int, data: bytes) -> Values:
        segment, _, shape = self._page.decode(data, index, jpegtables=self._tables)
        values: Values = segment[0, : shape[1], : shape[2]]
        return values


@functools.lru_cache(maxsize=8)
def tiff_file(name: str, page: int, version: str) -> TiffFile:
    """Return an open file, the same for all threads; of a URL it is what was there before.

    Raises
    ------
    OSError, ImageError
        If it cannot be read.
    """
    opened = TiffFile(name, page)
    if is_url(name) and opened.version != version:
        raise ImageError(f"{name}: another file has taken its place: run it again")
    return opened


def close_all() -> None:
    """Close the files that this process has open, if no thread reads from them."""
    tiff_file.cache_clear()
