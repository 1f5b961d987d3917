"""Paths and URLs, through fsspec where they are not on this machine's disks."""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from convcli.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path


_HTTP = (("aiohttp", "ClientError"),)
"""What goes wrong over HTTP."""

_FAULTS = (
    *_HTTP,
    ("azure.core.exceptions", "AzureError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("requests.exceptions", "RequestException"),
)
"""What stores raise beside OSError, by module: looked for only where one is in use."""

_UNREACHED = (
    ("aiohttp", "ClientConnectionError"),
    ("botocore.exceptions", "ConnectionError"),
    ("requests.exceptions", "ConnectionError"),
)
"""What is raised where no server answers, beside OSError's own."""

_GONE, _FORBIDDEN = (404, 410), (401, 403)
"""What HTTP answers where there is nothing, and those who may not."""

ABSENT = "no such file: check the URL"
NO_BUCKET = "the bucket or folder does not exist: make it first"
_INSTALL = "pip install 'convcli[cluster]'"


def store_of(url: str, **settings: Any) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it; fsspec takes the settings."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise ImageError(f"{url}: URLs need the package fsspec: {_INSTALL}") from None
    try:
        store, path = url_to_fs(url, **settings)
    except ImportError as error:
        raise ImageError(f"{url}: its store needs another package: {error}") from None
    except ValueError as error:
        raise ImageError(
            f"{url}: expected a path, or a URL of a store that fsspec knows (s3, gs, file, "
            f"memory …): {error}"
        ) from None
    except _faults(OSError) as error:
        raise ImageError(f"{url}: its store cannot be used: {_line(error)}") from None
    return store, path


@contextlib.contextmanager
def opened_store(
    url: str, done: str, absent: str, **settings: Any
) -> Iterator[tuple[Any, str]]:
    """Give the file system of a URL and the path in it; turn what it raises into one line."""
    found = store_of(url, **settings)
    with store_errors(url, done, absent, ValueError, NotImplementedError):
        yield found


@contextlib.contextmanager
def store_errors(url: str, done: str, absent: str, *also: type[Exception]) -> Iterator[None]:
    """Turn what a store raises into one line.

    Parameters
    ----------
    url : str
        What the line begins with.
    done : str
        What is done there: read, written …
    absent : str
        What to say where there is nothing.
    also : type
        What else counts as the store's, where nobody else raises it.
    """
    try:
        yield
    except _faults(OSError, *also) as error:
        raise ImageError(f"{url}: cannot be {done}: {_said(_origin(error), absent)}") from None


def _origin(error: Exception) -> BaseException:
    """Return what happened: all that goes wrong over HTTP fsspec calls an absent file."""
    cause = error.__cause__
    is_hidden = isinstance(error, FileNotFoundError) and isinstance(cause, _loaded(_HTTP))
    return cause if is_hidden and cause is not None else error


def _said(error: BaseException, absent: str) -> str:
    """Say what happened, and what to do."""
    status = _status(error)
    if isinstance(error, FileNotFoundError) or status in _GONE:
        return absent
    if isinstance(error, PermissionError) or status in _FORBIDDEN:
        return "no permission: check the credentials"
    if isinstance(error, IsADirectoryError):
        return "it is a folder: name a file in it"
    if isinstance(error, (*_loaded(_UNREACHED), ConnectionError, TimeoutError)):
        return (
            f"the server cannot be reached: {_reason(error)}: check its name and port, that it "
            "runs, and the network"
        )
    return f"{_line(error)}: check the URL, the credentials and the network"


def _faults(*own: type[Exception]) -> tuple[type[Exception], ...]:
    """Return exceptions, and beside them those of the stores in use."""
    return (*own, *_loaded(_FAULTS))


def _loaded(names: tuple[tuple[str, str], ...]) -> tuple[type[Exception], ...]:
    modules = ((sys.modules.get(module), name) for module, name in names)
    return tuple(getattr(module, name) for module, name in modules if module is not None)


def _reason(error: BaseException) -> str:
    """Say why a server cannot be reached: asyncio has words of its own, which tell less."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number and number in errno.errorcode else _line(error)


def _status(error: BaseException) -> int | None:
    """Return what a server of HTTP answered, where it did."""
    return getattr(error, "status", None) if isinstance(error, _loaded(_HTTP)) else None


def _line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    if _status(error) is not None:
        text = f"the server answers {_status(error)} {getattr(error, 'message', '')}"
    return " ".join((text or str(error) or type(error).__name__).split()).rstrip(".:")


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
    with opened_store(url, "read", ABSENT) as (store, path), store.open(path, "rb") as file:
        data: bytes = file.read(most)
    return data


def read_if_exists(url: str) -> bytes | None:
    """Return all of what stands at a URL; None where nothing does, or it may not be read.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with opened_store(url, "read", ABSENT) as (store, path):
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
    with opened_store(url, "written", NO_BUCKET) as (store, path):
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
        opened_store(url, "written", NO_BUCKET, skip_instance_cache=True) as (store, path),
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
    with (
        opened_store(url, "written", NO_BUCKET) as (store, path),
        contextlib.suppress(PermissionError),
    ):
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
    with opened_store(url, "looked up", ABSENT) as (store, path):
        return bool(store.exists(path))


def size_of(url: str) -> int:
    """Return the bytes of what stands at a URL.

    Raises
    ------
    ImageError
        If there is nothing, or the store does not answer.
    """
    with opened_store(url, "looked up", ABSENT) as (store, path):
        return int(store.size(path) or 0)


def is_folder(url: str) -> bool:
    """Tell whether a URL is the beginning of others.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with opened_store(url, "looked up", ABSENT) as (store, path):
        return bool(store.isdir(path))


def files_in(url: str, *, recursive: bool = False) -> Iterator[str]:
    """Yield what stands below a URL, by name: relative to it, with slashes.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with opened_store(url, "listed", ABSENT) as (store, path):
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
    with opened_store(pattern, "listed", ABSENT) as (store, path):
        found = store.glob(path, detail=True)
    return sorted(
        store.unstrip_protocol(name) for name, facts in found.items() if facts["type"] == "file"
    )


def _protocols(store: Any) -> tuple[str, ...]:
    names = store.protocol
    return (names,) if isinstance(names, str) else tuple(names)
