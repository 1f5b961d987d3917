"""Stores behind URLs, through fsspec, which is imported when one is seen."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

from convcli.errors import ImageError

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
        from fsspec.core import url_to_fs  # noqa: PLC0415 - only where a URL is seen
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
def told(url: str, done: str, absent: str, **settings: Any) -> Iterator[tuple[Any, str]]:
    """Give the file system of a URL and the path in it; turn what it raises into one line."""
    found = store_of(url, **settings)
    with in_one_line(url, done, absent, ValueError, NotImplementedError):
        yield found


@contextlib.contextmanager
def in_one_line(url: str, done: str, absent: str, *also: type[Exception]) -> Iterator[None]:
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
