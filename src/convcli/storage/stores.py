"""Stores behind URLs, through fsspec, which is imported when one is seen."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from convcli.errors import ImageError

_FAULTS = (
    ("aiohttp", "ClientError"),
    ("azure.core.exceptions", "AzureError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("requests.exceptions", "RequestException"),
)
"""What stores raise beside OSError, by module: looked for only where one is in use."""

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
    except _faults(OSError, *also) as error:
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
