"""URLs of object stores, through fsspec, which is imported when one is seen."""

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convcli.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+::)*[A-Za-z][A-Za-z0-9+.-]+://")
"""What a URL begins with; a drive of Windows has one letter. ``a::b://`` goes through a."""

_PATTERN = re.compile(r"[*?]|\[.+\]", re.DOTALL)

_FAULTS = (
    ("aiohttp", "ClientError"),
    ("azure.core.exceptions", "AzureError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("requests.exceptions", "RequestException"),
)
"""What stores raise beside OSError, by module: looked for only where one is in use."""

_ABSENT = "no such file: check the URL"
_INSTALL = "pip install 'convcli[cluster]'"


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
    store, path = _store(str(name))
    return path if "file" in _protocols(store) else None


def fetched(url: str, most: int) -> bytes:
    """Return what stands at a URL: all of it, or the first `most` bytes.

    Raises
    ------
    ImageError
        If there is nothing, or it cannot be read.
    """
    with _told(url, "read", _ABSENT) as (store, path), store.open(path, "rb") as file:
        data: bytes = file.read(most)
    return data


def put(url: str, data: bytes) -> None:
    """Store data at a URL in one step: complete or not at all.

    Raises
    ------
    ImageError
        If the store refuses.
    """
    with _told(url, "written", "the bucket or folder does not exist: make it first") as (
        store,
        path,
    ):
        store.pipe_file(path, data)


def is_there(url: str) -> bool:
    """Tell whether something stands at a URL.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with _told(url, "looked up", _ABSENT) as (store, path):
        return bool(store.exists(path))


def size_of(url: str) -> int:
    """Return the bytes of what stands at a URL.

    Raises
    ------
    ImageError
        If there is nothing, or the store does not answer.
    """
    with _told(url, "looked up", _ABSENT) as (store, path):
        return int(store.size(path) or 0)


def is_folder(url: str) -> bool:
    """Tell whether a URL is the beginning of others.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with _told(url, "looked up", _ABSENT) as (store, path):
        return bool(store.isdir(path))


def files_in(url: str, *, recursive: bool = False) -> Iterator[str]:
    """Yield what stands below a URL, by name: relative to it, with slashes.

    Raises
    ------
    ImageError
        If the store does not answer.
    """
    with _told(url, "listed", _ABSENT) as (store, path):
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
    with _told(pattern, "listed", _ABSENT) as (store, path):
        found = store.glob(path, detail=True)
    return sorted(
        store.unstrip_protocol(name) for name, facts in found.items() if facts["type"] == "file"
    )


def _store(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - only where a URL is seen
    except ImportError:
        raise ImageError(f"{url}: URLs need the package fsspec: {_INSTALL}") from None
    try:
        store, path = url_to_fs(url)
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


def _protocols(store: Any) -> tuple[str, ...]:
    names = store.protocol
    return (names,) if isinstance(names, str) else tuple(names)


@contextlib.contextmanager
def _told(url: str, done: str, absent: str) -> Iterator[tuple[Any, str]]:
    """Give the file system of a URL and the path in it; turn what it raises into one line."""
    found = _store(url)
    try:
        yield found
    except FileNotFoundError:
        raise ImageError(f"{url}: cannot be {done}: {absent}") from None
    except PermissionError:
        raise ImageError(
            f"{url}: cannot be {done}: no permission: check the credentials"
        ) from None
    except IsADirectoryError:
        raise ImageError(
            f"{url}: cannot be {done}: it is a folder: name a file in it"
        ) from None
    except _faults(OSError, ValueError, NotImplementedError) as error:
        raise ImageError(
            f"{url}: cannot be {done}: {_line(error)}: check the URL, the credentials and "
            "the network"
        ) from None


def _faults(*own: type[Exception]) -> tuple[type[Exception], ...]:
    """Return exceptions, and beside them those of the stores in use."""
    loaded = ((sys.modules.get(module), name) for module, name in _FAULTS)
    return (*own, *(getattr(module, name) for module, name in loaded if module is not None))


def _line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    return " ".join((text or str(error) or type(error).__name__).split()).rstrip(".:")
