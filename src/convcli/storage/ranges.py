"""Parts of a file: asked for by their places, never the whole of it."""

import bisect
import functools
import io
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from convcli.errors import ImageError
from convcli.storage.urls import ABSENT, is_url, opened_store, store_errors

_AHEAD = 2**16
"""Bytes that are fetched together where little is read here and there."""

_KEPT = 16
"""Such pieces that are kept: two libraries look at a TIFF's directories, here and there."""

_TOGETHER = 2**23
"""Bytes of parts that are asked for at once: a store answers late, but many together."""

_MARKS = ("ETag", "etag", "LastModified", "Last-Modified", "created", "mtime", "md5", "size")
"""Facts about an object of which one changes when it is replaced."""

_CUTS = (1, 100, 10**3, 10**6, 10**9)
"""Nanoseconds to which file systems and protocols cut the times of files."""


class Ranges(Protocol):
    """A file to be read in parts, by several threads.

    Attributes
    ----------
    version : str
        Another where another file has taken its place.
    """

    version: str

    def is_version(self, version: str) -> bool:
        """Tell whether a version, also one of another machine, is that of this file."""

    def read(self, parts: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """Yield parts, of which the place and the bytes are given; the file may end before."""

    def opened(self) -> BinaryIO:
        """Return a file to read and to seek in, by one thread."""

    def close(self) -> None:
        """Close what is open."""


def ranges_of(name: str) -> Ranges:
    """Open a path or a URL to read parts of it.

    Raises
    ------
    OSError
        If it is a path that cannot be read.
    ImageError
        If it is a URL where there is nothing, or whose store does not send parts.
    """
    return _StoreRanges(name) if is_url(name) else _DiskRanges(name)


def version_of(url: str) -> str:
    """Return the version of what stands at a URL now.

    Raises
    ------
    ImageError
        If there is nothing, or the store does not answer.
    """
    with opened_store(url, "read", ABSENT) as (store, path):
        return _version(_facts(store, path))


def _facts(store: Any, path: str) -> dict[str, Any]:
    # What was listed some time ago may be another object.
    store.invalidate_cache()
    facts: dict[str, Any] = store.info(path)
    return facts


def _version(facts: dict[str, Any]) -> str:
    return repr([facts.get(mark) for mark in _MARKS])


def _is_same(one: str, other: str) -> bool:
    """Tell whether two versions, of bytes and nanoseconds, are of one file.

    Another machine may see its time cut: by SMB to 100 ns, by SFTP to seconds.

    Examples
    --------
    >>> _is_same("9 1700000000123456789", "9 1700000000123456700")
    True
    >>> _is_same("9 1700000000123456789", "9 1700000000000000000")
    True
    >>> _is_same("9 1700000000123456789", "9 1700000000123456788")
    False
    """
    (size, time), (other_size, other_time) = (map(int, each.split()) for each in (one, other))
    step = max(step for step in _CUTS if 0 in (time % step, other_time % step))
    return size == other_size and time // step == other_time // step


class _DiskRanges:
    """A file of this machine."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("rb")  # noqa: SIM115 - it stays open
        # Of the file that is open, whatever its name stands for by now. The number of a
        # file and of its disk are others on each machine of a network folder.
        facts = os.fstat(self._file.fileno())
        self.version = f"{facts.st_size} {facts.st_mtime_ns}"
        self._lock = threading.Lock()

    def is_version(self, version: str) -> bool:
        return _is_same(self.version, version)

    def read(self, parts: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        for start, count in parts:
            with self._lock:
                self._file.seek(start)
                data = self._file.read(count)
            yield data

    def opened(self) -> BinaryIO:
        return self._file

    def close(self) -> None:
        self._file.close()


class _StoreRanges:
    """What stands at a URL; its size is known from the beginning."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._piece = functools.lru_cache(_KEPT)(self._fetched_piece)
        with opened_store(url, "read", ABSENT) as (self._store, self._path):
            facts = _facts(self._store, self._path)
            if facts.get("type") == "directory":
                raise IsADirectoryError
            self.size, self.version = int(facts.get("size") or 0), _version(facts)
            self._check_parts()

    def _check_parts(self) -> None:
        """Ask for the last byte by a file that notices where all is sent instead."""
        try:
            with self._store.open(self._path, "rb") as file:
                file.seek(max(self.size - 1, 0))
                file.read(1)
        except ValueError:
            raise ImageError(
                f"{self._url}: expected a server that sends parts of a file, got one that "
                "sends all of it: copy the file to a disk first"
            ) from None

    def is_version(self, version: str) -> bool:
        return self.version == version

    def read(self, parts: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        for some in _groups(parts):
            yield from self._fetched(some)

    def _fetched(self, parts: list[tuple[int, int]]) -> Iterator[bytes]:
        """Fetch parts together; neighbours are one, and behind the end there is nothing."""
        size = self.size
        asked = [(min(start, size), min(start + count, size)) for start, count in parts]
        joined = _joined(asked)
        found = self._asked(joined)
        for start, stop in asked:
            at = bisect.bisect_right(joined, (start, size)) - 1
            data, first = (found[at], joined[at][0]) if start < stop else (b"", start)
            yield data[start - first : stop - first]

    def _asked(self, limits: list[tuple[int, int]]) -> list[bytes]:
        paths = [self._path] * len(limits)
        starts, stops = ([limit[side] for limit in limits] for side in (0, 1))
        with store_errors(self._url, "read", ABSENT, ValueError, NotImplementedError):
            found: list[Any] = self._store.cat_ranges(paths, starts, stops, on_error="return")
            for data in found:
                if isinstance(data, Exception):
                    raise data
        return found

    def opened(self) -> BinaryIO:
        return io.BufferedReader(_Reader(self), _AHEAD)

    def begin(self, start: int, count: int) -> bytes:
        """Return a part, or the beginning of it, which comes from a piece that is kept."""
        if count > _AHEAD:
            return next(self.read([(start, count)]))
        number, first = divmod(start, _AHEAD)
        return self._piece(number)[first : first + count]

    def _fetched_piece(self, number: int) -> bytes:
        return next(self.read([(number * _AHEAD, _AHEAD)]))

    def close(self) -> None:
        """Nothing is open: each part is asked for anew."""


def _groups(parts: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield parts that are fetched together.

    Examples
    --------
    >>> list(_groups([(0, 2**22), (9, 2**21), (5, 2**22), (7, 1)]))
    [[(0, 4194304), (9, 2097152)], [(5, 4194304), (7, 1)]]
    """
    group: list[tuple[int, int]] = []
    room = _TOGETHER
    for part in parts:
        if group and part[1] > room:
            yield group
            group, room = [], _TOGETHER
        group.append(part)
        room -= part[1]
    if group:
        yield group


def _joined(limits: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return limits in rising order without those that are empty, neighbours as one.

    Examples
    --------
    >>> _joined([(20, 30), (0, 10), (10, 15), (40, 40)])
    [(0, 15), (20, 30)]
    """
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(limits):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        elif start < stop:
            joined.append((start, stop))
    return joined


class _Reader(io.RawIOBase):
    """The bytes of a URL, as a file."""

    def __init__(self, ranges: _StoreRanges) -> None:
        self._ranges, self._at = ranges, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ranges.size}
        self._at = max(base[whence] + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = max(min(len(buffer), self._ranges.size - self._at), 0)
        if count:
            data = self._ranges.begin(self._at, count)
            count = len(data)
            buffer[:count] = data
            self._at += count
        return count
