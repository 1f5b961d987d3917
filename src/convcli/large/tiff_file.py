"""A page of a TIFF: where its tiles lie in the file, and what they hold."""

import contextlib
import functools
import logging
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convcli.errors import ImageError
from convcli.large.extra import needed
from convcli.large.source import Values
from convcli.storage import Ranges, is_url, ranges_of, version_of

Span = tuple[int, int]
"""Where something begins in a file, and how many bytes it has."""

_QUIET = logging.NullHandler()


@contextlib.contextmanager
def opening(name: str, version: str | None = None) -> Iterator[tuple[Ranges, Any]]:
    """Open a TIFF, which stays open unless what is done with it at first fails.

    Parameters
    ----------
    name : str
        The path or URL.
    version : str, optional
        Which file is meant of those that had this name.

    Yields
    ------
    (Ranges, tifffile.TiffFile)
        The file, and its directories.

    Raises
    ------
    OSError, ImageError
        If it cannot be read, or is something else.
    """
    with contextlib.ExitStack() as unless_it_is_fit:
        ranges = unless_it_is_fit.enter_context(contextlib.closing(_ranges(name)))
        if version is not None:
            _check_version(ranges, name, version)
        yield ranges, _file(ranges, name)
        unless_it_is_fit.pop_all()


def _ranges(name: str) -> Ranges:
    if not is_url(name) and Path(name).is_dir():
        raise ImageError(f"{name}: expected a picture, got a folder: name a file in it")
    return ranges_of(name)


def _check_version(ranges: Ranges, name: str, version: str) -> None:
    if not ranges.is_version(version):
        raise ImageError(f"{name}: another file has taken its place: run it again")


def _file(ranges: Ranges, name: str) -> Any:
    tifffile = needed("tifffile", name)
    # What it has to say is raised too; a logger that nobody listens to prints it.
    logging.getLogger("tifffile").addHandler(_QUIET)
    try:
        return tifffile.TiffFile(ranges.opened())
    except tifffile.TiffFileError:
        raise ImageError(
            f"{name}: expected a TIFF or a .zarr to filter block by block, got something "
            "else: convert it to TIFF first, or use neither --tiled nor .zarr"
        ) from None


def no_page(name: str) -> ImageError:
    """Return what is raised where a page of a file is missing."""
    return ImageError(f"{name}: expected a page, got none: get a whole copy of it")


class OpenPage:
    """A page of an open file, which threads share.

    Parameters
    ----------
    ranges : Ranges
        The file.
    page : tifffile.TiffPage
        What its directory says.
    """

    def __init__(self, ranges: Ranges, page: Any) -> None:
        self._ranges, self._page = ranges, page
        # Where nothing holds it any more the file is closed, whatever tifffile still holds.
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


class TiffFile:
    """A page of a TIFF: where it is sent by pickle it is opened anew, once in a process.

    Parameters
    ----------
    name : str
        The path or URL.
    page : int
        Its number.
    version : str
        Another where another file has taken its place: that one is not opened.
    opened : OpenPage, optional
        The page, where the file is open already.
    """

    def __init__(
        self, name: str, page: int, version: str, opened: OpenPage | None = None
    ) -> None:
        self._name, self._number, self._version = name, page, version
        self._opened, self._lock = opened, threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Say what is sent: no open file can be."""
        return _of_this_process, (self._name, self._number, self._version)

    def opened(self) -> OpenPage:
        """Return the open page, the same for all threads; of a URL it is what was there before.

        Raises
        ------
        OSError, ImageError
            If it cannot be read.
        """
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> OpenPage:
        with opening(self._name, self._version) as (ranges, file):
            return OpenPage(ranges, self._page(file))

    def _page(self, file: Any) -> Any:
        try:
            return file.pages[self._number]
        except IndexError:
            raise no_page(self._name) from None

    def check_unchanged(self) -> None:
        """Look at a URL again. An open file of a disk stays.

        Raises
        ------
        ImageError
            If another file has taken its place.
        """
        if is_url(self._name) and version_of(self._name) != self._version:
            raise ImageError(
                f"{self._name}: another file has taken its place meanwhile: run it again"
            )

    def close(self) -> None:
        """Close the file, from which no thread reads any more."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@functools.lru_cache(maxsize=8)
def _of_this_process(name: str, page: int, version: str) -> TiffFile:
    return TiffFile(name, page, version)
