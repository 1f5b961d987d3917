"""URLs of object stores: what stands there, read and written as a whole."""

import contextlib
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from convcli.storage.stores import ABSENT, NO_BUCKET, store_of, told

if TYPE_CHECKING:
    from pathlib import Path

_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+::)*[A-Za-z][A-Za-z0-9+.-]+://")
"""What a URL begins with; a drive of Windows has one letter. ``a::b://`` goes through a."""

PART = 2**23
"""Bytes that are sent to a store together; S3 takes no less than 5 MiB, and the last."""

_MOST_PARTS = 9_000
"""S3 takes 10,000 parts of an object."""

_PATTERN = re.compile(r"[*?]|\[.+\]", re.DOTALL)

_ZARR = re.compile(r"\.zarr(?:[/\\]|$)", re.IGNORECASE)


def is_zarr(name: str) -> bool:
    """Tell whether a name is a Zarr array's: it ends in ``.zarr``, or lies in such a folder.

    Examples
    --------
    >>> is_zarr("scan.zarr"), is_zarr("scan.zarr/0"), is_zarr("scan.zarr.tif")
    (True, True, False)
    """
    return _ZARR.search(name) is not None


def is_url(name: "str | Path") -> bool:
    """Tell whether a name is a URL, not a path.

    Examples
    --------
    >>> is_url("s3://bucket/photo.jpg"), is_url("photo.jpg"), is_url("C://photo.jpg")
    (True, False, False)
    """
    return isinstance(name, str) and _URL.match(name) is not None


def is_pattern(name: str) -> bool:
    """Tell whether a name may stand for several: a bracket alone is a letter of a name.

    Examples
    --------
    >>> is_pattern("*.jpg"), is_pattern("page[0-9].png"), is_pattern("[draft.png")
    (True, True, False)
    """
    return _PATTERN.search(name) is not None


def local_path(name: "str | Path") -> str | None:
    """Return the path of a file on this machine; None where the name is another store's.

    Raises
    ------
    ImageError
        If it is a URL of no known store, or its package is missing.

    Examples
    --------
    >>> local_path("photo.jpg")
    'photo.jpg'
    """
    if not is_url(name):
        return str(name)
    store, path = store_of(str(name))
    return path if "file" in _protocols(store) else None


def fetched(url: str, most: int) -> bytes:
    """Return what stands at a URL: all of it, or the first `most` bytes.

    Raises
    ------
    ImageError
        If there is nothing, or it cannot be read.
    """
    with told(url, "read", ABSENT) as (store, path), store.open(path, "rb") as file:
        data: bytes = file.read(most)
    return data


def seen(url: str) -> bytes | None:
    """Return all of what stands at a URL; None where nothing does, or it may not be read.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with told(url, "read", ABSENT) as (store, path):
        try:
            data: bytes = store.cat_file(path)
        except (FileNotFoundError, PermissionError):
            return None
    return data


def put(url: str, data: bytes) -> None:
    """Store data at a URL in one step: complete or not at all.

    Raises
    ------
    ImageError
        If the store refuses.
    """
    with told(url, "written", NO_BUCKET) as (store, path):
        store.pipe_file(path, data)


def put_file(url: str, file: BinaryIO) -> None:
    """Store what a file holds at a URL in one step, though a part after the other is sent.

    Raises
    ------
    ImageError
        If the store refuses.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size <= PART:
        put(url, file.read())
        return
    block = max(PART, -(-size // _MOST_PARTS))
    # A transaction belongs to a store: no other thread's files may come into this one.
    with (
        told(url, "written", NO_BUCKET, skip_instance_cache=True) as (store, path),
        store.transaction,
        store.open(path, "wb", block_size=block) as sent,
    ):
        while data := file.read(PART):
            sent.write(data)


def check_store(url: str) -> None:
    """Check that the store of a URL answers, before something is made for it.

    Raises
    ------
    ImageError
        If it does not, or has no such bucket. Who may write there need not be allowed to look.
    """
    with told(url, "written", NO_BUCKET) as (store, path), contextlib.suppress(PermissionError):
        # Only S3 tells a bucket that is not there from one that may not be looked at.
        if not store.exists(path) and "s3" in _protocols(store):
            store.info(path.partition("/")[0])


def is_there(url: str) -> bool:
    """Tell whether something stands at a URL.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with told(url, "looked up", ABSENT) as (store, path):
        return bool(store.exists(path))


def size_of(url: str) -> int:
    """Return the bytes of what stands at a URL.

    Raises
    ------
    ImageError
        If there is nothing, or the store does not answer.
    """
    with told(url, "looked up", ABSENT) as (store, path):
        return int(store.size(path) or 0)


def is_folder(url: str) -> bool:
    """Tell whether a URL is the beginning of others.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with told(url, "looked up", ABSENT) as (store, path):
        return bool(store.isdir(path))


def files_in(url: str, *, recursive: bool = False) -> Iterator[str]:
    """Yield what stands below a URL, by name: relative to it, with slashes.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with told(url, "listed", ABSENT) as (store, path):
        found = store.find(path, maxdepth=None if recursive else 1)
    start = len(path.rstrip("/")) + 1 if path else 0
    yield from sorted(name[start:] for name in found)


def matching(pattern: str) -> list[str]:
    """Return the URLs that a pattern stands for, by name.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with told(pattern, "listed", ABSENT) as (store, path):
        found = store.glob(path, detail=True)
    return sorted(
        store.unstrip_protocol(name) for name, facts in found.items() if facts["type"] == "file"
    )


def _protocols(store: Any) -> tuple[str, ...]:
    names = store.protocol
    return (names,) if isinstance(names, str) else tuple(names)
