"""Read parts of a file or of an object in a store, and notice when another has replaced it.

fsspec fetches, caches and merges what comes from a store. What it lacks is here: a version
that other machines recognise, a limit on the bytes that are fetched together, and a clear
error for a server that sends whole files only.
"""

import bisect
import itertools
import operator
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from convcli.errors import ImageError, fail
from convcli.storage.urls import ABSENT, is_url, opened_store, store_errors

# How fsspec keeps what it read: two libraries read the directories of a TIFF, in places that
# are far from each other.
_CACHE: dict[str, Any] = {
    "block_size": 2**16,
    "cache_type": "blockcache",
    "cache_options": {"maxblocks": 16},
}

# So many bytes, and a part, are fetched together at most: a store takes long to answer once,
# but it answers several requests at the same time.
_BYTES_TOGETHER = 2**23

# What a store says of an object: at least one of these changes when it is replaced.
_FACTS = ("ETag", "etag", "LastModified", "Last-Modified", "created", "mtime", "md5", "size")

# Nanoseconds: times of files are rounded down to multiples, by SMB to 100 ns, by SFTP to 1 s.
_TIME_STEPS = (1, 100, 10**3, 10**6, 10**9)

_TRUNCATED = "the file is truncated"
Span = tuple[int, int]  # the first byte of a part, and its number of bytes


class Ranges:
    """A file of this machine of which threads read parts; another one has another `version`.

    It is closed with the last reference to this.
    """

    def __init__(self, path: str) -> None:
        self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - it stays open
        # The size and time of the file that is open, even if its name means another one by
        # now. Its number and its disk's are no help: they differ between the machines that
        # share a folder.
        facts = os.fstat(self._file.fileno())
        self.version = f"{facts.st_size} {facts.st_mtime_ns}"
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def is_version(self, version: str) -> bool:
        """Tell whether a version, perhaps from another machine, is that of this file."""
        size, time = map(int, self.version.split())
        other_size, other_time = map(int, version.split())
        step = max(step for step in _TIME_STEPS if 0 in (time % step, other_time % step))
        return size == other_size and time // step == other_time // step

    def read(self, spans: Sequence[Span]) -> Iterator[bytes]:
        """Yield the bytes of each span; ValueError is raised where the file ends earlier."""
        for start, count in spans:
            with self._lock:
                self._file.seek(start)
                data = self._file.read(count)
            if len(data) < count:
                raise ValueError(_TRUNCATED)
            yield data

    def opened(self) -> BinaryIO:
        """Return a file to read and to seek in; one thread may use it."""
        return self._file


def ranges_of(name: str) -> Ranges:
    """Open a path or a URL to read parts of it; a store must be able to send parts."""
    return _StoreRanges(name) if is_url(name) else Ranges(name)


def version_of(url: str) -> str:
    """Return the version of the object that is at a URL now."""
    with opened_store(url, "read", ABSENT) as (store, path):
        return _version(store.info(path))


def _version(facts: dict[str, Any]) -> str:
    return repr([facts.get(name) for name in _FACTS])


class _StoreRanges(Ranges):
    """An object of a store."""

    def __init__(self, url: str) -> None:
        self._url = url
        with opened_store(url, "read", ABSENT) as (self._store, self._path):
            facts = self._store.info(self._path)
            if facts.get("type") == "directory":
                raise IsADirectoryError
            self._size, self.version = int(facts.get("size") or 0), _version(facts)
            self._check_parts()
            self._file = self._store.open(self._path, "rb", **_CACHE)
        weakref.finalize(self, self._file.close)

    def is_version(self, version: str) -> bool:
        return self.version == version

    def _check_parts(self) -> None:
        """Ask for the last byte: fsspec raises ValueError if the server sends all instead."""
        try:
            with self._store.open(self._path, "rb") as file:
                file.seek(max(self._size - 1, 0))
                file.read(1)
        except ValueError:
            fault = "expected a server that sends parts of a file, got one that sends all of it"
            fail(self._url, fault, "copy the file to a disk first", ImageError)

    def read(self, spans: Sequence[Span]) -> Iterator[bytes]:
        ends = itertools.accumulate(count for _, count in spans)
        groups = (max(end - 1, 0) // _BYTES_TOGETHER for end in ends)
        together = itertools.groupby(zip(groups, spans, strict=True), operator.itemgetter(0))
        for _, group in together:
            yield from self._fetched([span for _, span in group])

    def _fetched(self, spans: list[Span]) -> Iterator[bytes]:
        """Fetch parts together, and touching ones as one."""
        from fsspec.utils import merge_offset_ranges

        limits = [(start, start + count) for start, count in spans]
        if any(stop > self._size for _, stop in limits):
            raise ValueError(_TRUNCATED)
        filled = [limit for limit in limits if limit[0] < limit[1]]
        begins, ends = ([limit[side] for limit in filled] for side in (0, 1))
        paths, starts, stops = merge_offset_ranges([self._path] * len(filled), begins, ends)
        with store_errors(self._url, "read", ABSENT, ValueError, NotImplementedError):
            found = self._store.cat_ranges(paths, starts, stops, on_error="raise")
        for start, stop in limits:
            at = bisect.bisect_right(starts, start) - 1
            yield found[at][start - starts[at] : stop - starts[at]] if start < stop else b""
