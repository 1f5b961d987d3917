"""Paths and URLs: a path is a file of this machine, fsspec reads and writes all other places.

The first half finds the store of a URL and turns what stores raise into one clear line. The
second half asks and changes single places: is it there, read it, write it, list it.
"""

import contextlib
import errno
import functools
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from convcli.errors import ImageError, install
from convcli.text import is_matrix
from convcli.values import Record

if TYPE_CHECKING:
    from pathlib import Path

_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+::)*[A-Za-z][A-Za-z0-9+.-]+://")
"""What a URL begins with; a drive of Windows has one letter. ``a::b://`` goes through a."""

_PATTERN = re.compile(r"[*?]|\[.+\]", re.DOTALL)

_ZARR = re.compile(r"\.zarr(?:[/\\]|$)", re.IGNORECASE)


def is_url(name: "str | Path") -> bool:
    """Tell whether a name is a URL, not a path."""
    return isinstance(name, str) and "://" in name and _URL.match(name) is not None


def is_pattern(name: str) -> bool:
    """Tell whether a name may match several files: a bracket that never closes is a letter."""
    return _PATTERN.search(name) is not None and not is_matrix(name)


def is_zarr(name: str) -> bool:
    """Tell whether a name is a Zarr array's: it ends in ``.zarr``, or lies in such a folder."""
    return _ZARR.search(name) is not None


def local_path(name: "str | Path") -> str | None:
    """Return the path of a file on this machine, or None if the name is in another store.

    A URL of no known store is an `ImageError`, and one whose package is missing.
    """
    if not is_url(name):
        return str(name)
    store, path = store_of(str(name))
    return path if "file" in _protocols(store) else None


MAP, FRAME = "{map}", "{frame}"
"""In the name of an output, the number of a map or of a frame, from 0, is written in place of
these; ``{frame:03}`` has three digits at least."""

_NUMBER = re.compile(r"\{(map|frame)(?::0?([1-9]))?\}")


def has_number(target: str, field: str) -> bool:
    """Tell whether a name has a field, `MAP` or `FRAME`, with or without its digits."""
    return any(f"{{{found[1]}}}" == field for found in _NUMBER.finditer(target))


def numbered(target: str, field: str, number: int) -> str:
    """Return a name with a number in place of a field, `MAP` or `FRAME`."""

    def written(found: re.Match[str]) -> str:
        is_it = f"{{{found[1]}}}" == field
        return str(number).zfill(int(found[2] or 1)) if is_it else found[0]

    return _NUMBER.sub(written, target)


def first_output(target: str) -> str:
    """Return the first file of a numbered output: it is written last."""
    return numbered(numbered(target, MAP, 0), FRAME, 0) if "{" in target else target


_FIELD = re.compile(r"\{\w*(?::\w*)?\}")


def unknown_field(target: str) -> str | None:
    """Return the first field of an output's name that means nothing, such as ``{fram}``."""
    fields = _FIELD.findall(re.split(r"[/\\]", target)[-1])
    return next((field for field in fields if not _NUMBER.fullmatch(field)), None)


# ------------------------------------------------------------------ stores and their errors

ABSENT = "no such file: check the URL"
NO_BUCKET = "the bucket or folder does not exist: make it first"

_STORE_ERRORS = {
    "aiohttp": "ClientError",
    "azure.core.exceptions": "AzureError",
    "botocore.exceptions": "BotoCoreError",
    "gcsfs.retry": "HttpError",
    "google.auth.exceptions": "GoogleAuthError",
    "requests.exceptions": "RequestException",
}
"""What stores raise besides OSError: the module and the class. No module is imported for it."""

_LOST = (
    "ClientConnectionError", "ClientPayloadError", "ConnectionError", "HTTPClientError",
    "TimeoutError",
)  # fmt: skip
"""Classes of Python, aiohttp, botocore and requests: no server answers to the end."""

_GONE, _FORBIDDEN = (404, 410), (401, 403)
"""The answers of HTTP for "there is nothing here" and "you may not"."""


class Retries(Record):
    """How often a store is asked again, and after how long.

    It is asked `busy` times in all where it answers with a status of `BUSY`, `lost` times where
    no answer comes, or half of one. `first_seconds` and `longest_seconds` are the longest wait
    before the second try, and before any: each is at most twice the one before. The wait is
    random, and not less than what the answer asks for. After `stall_seconds` in which S3 or
    HTTP sends nothing the answer counts as lost.
    """

    busy: float = 10
    lost: float = 5
    first_seconds: float = 0.1
    longest_seconds: float = 20.0
    stall_seconds: float = 15.0


@functools.cache
def retries() -> Retries:
    """Return the settings: those of ``CONVCLI_RETRIES``, such as ``busy=20,lost=2``, if any."""
    text = os.environ.get("CONVCLI_RETRIES", "")
    try:
        given = dict(word.split("=") for word in text.split(",") if word)
        return Retries(**{name: float(value) for name, value in given.items()})
    except (TypeError, ValueError):
        raise ImageError(
            f"CONVCLI_RETRIES={text}: expected numbers of busy, lost, first_seconds, "
            "longest_seconds and stall_seconds, such as busy=20,lost=2"
        ) from None


BUSY = (429, 500, 502, 503, 504)
"""The answers of HTTP for "not now"."""


def _repeated(ask: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """Ask a store, and ask again where it is busy or lost: see `Retries`."""
    tried = 0
    while True:
        try:
            return ask(*args, **settings)
        except _store_errors(OSError) as error:
            tried += 1
            if tried >= _most_tries(_origin(error)):
                raise
            asked = _seconds_asked(_origin(error))
        import random

        most = retries().longest_seconds
        longest = min(retries().first_seconds * 2 ** (tried - 1), most)
        time.sleep(min(asked, most) + random.uniform(0, longest))  # noqa: S311 - no secret


def _most_tries(error: BaseException) -> float:
    status = _status(error)
    if status is None and _is_lost(error):
        return retries().lost
    return retries().busy if status in BUSY else 1


def _seconds_asked(error: BaseException) -> float:
    """Return what an answer says in ``Retry-After``; 0 where it says nothing, or a date."""
    headers = getattr(error, "headers", None) or _s3_answer(error).get("HTTPHeaders", {})
    text = next((headers[name] for name in headers if name.lower() == "retry-after"), "")
    return float(text) if text.isdecimal() else 0.0


class _Patient:
    """A store of which each call is repeated where the store is busy."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return functools.partial(_repeated, found) if callable(found) else found

    def open(self, *args: Any, **settings: Any) -> Any:
        """Open a file, which reads with the same patience."""
        file = _repeated(self._store.open, *args, **settings)
        file.read = functools.partial(_repeated, file.read)
        return file


def _settings_of(url: str) -> dict[str, Any]:
    """Return settings of fsspec: what is repeated here is not repeated by S3's client too."""
    from fsspec.config import conf

    scheme, stall = url.partition("://")[0].lower(), retries().stall_seconds
    settings: dict[str, Any]
    if scheme in ("http", "https"):
        import aiohttp

        limits = aiohttp.ClientTimeout(sock_connect=stall, sock_read=stall)
        name, settings = "client_kwargs", {"timeout": limits}
    elif scheme in ("s3", "s3a"):
        name = "config_kwargs"
        settings = {"retries": {"total_max_attempts": 1}, "read_timeout": stall}
    else:
        return {}
    return {name: {**settings, **conf.get(scheme, {}).get(name, {})}}


def store_of(url: str, **settings: Any) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it; fsspec gets the settings."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise ImageError(f"{url}: URLs need the package fsspec: {install('cluster')}") from None
    try:
        store, path = url_to_fs(url, **(settings or _settings_of(url)))
    except ImportError as error:
        raise ImageError(f"{url}: its store needs another package: {error}") from None
    except ValueError as error:
        raise ImageError(
            f"{url}: expected a path, or a URL of a store that fsspec knows (s3, gs, file, "
            f"memory …): {error}"
        ) from None
    except _store_errors(OSError) as error:
        raise ImageError(f"{url}: its store cannot be used: {_line(error)}") from None
    if not settings and "s3" in _protocols(store):
        store.retries = 1
    return store, path


@contextlib.contextmanager
def opened_store(
    url: str, action: str, absent: str, **settings: Any
) -> Iterator[tuple[Any, str]]:
    """Give the file system of a URL and the path in it: see `store_errors`, `Retries`."""
    store, path = store_of(url, **settings)
    with store_errors(url, action, absent, ValueError, NotImplementedError):
        store.invalidate_cache()  # Other processes write there too.
        yield _Patient(store), path


@contextlib.contextmanager
def store_errors(
    url: str, action: str, absent: str, *others: type[Exception]
) -> Iterator[None]:
    """Turn what a store raises into one line that begins with the URL: an `ImageError`.

    `action` is what failed ("read", "written" …), `absent` what to say if nothing is there.
    `others` are further exceptions that come from the store, where nothing else raises them.
    """
    try:
        yield
    except _store_errors(OSError, *others) as error:
        explained = _explained(_origin(error), absent)
        raise ImageError(f"{url}: cannot be {action}: {explained}") from None


def _origin(error: Exception) -> BaseException:
    """Return the error of HTTP itself: fsspec reports all of them as an absent file."""
    cause = error.__cause__
    is_absence = isinstance(error, FileNotFoundError)
    return cause if cause and is_absence and _is_http(cause) else error


def _explained(error: BaseException, absent: str) -> str:
    """Say what happened, and what to do."""
    status = _status(error)
    if isinstance(error, FileNotFoundError) or status in _GONE:
        return absent
    if isinstance(error, PermissionError) or status in _FORBIDDEN:
        why = f"{_line(error)}: " if _s3_answer(error) else ""
        return f"no permission: {why}check the credentials"
    if isinstance(error, IsADirectoryError):
        return "it is a folder: name a file in it"
    if status is None and _is_lost(error):
        return (
            f"the server cannot be reached: {_reason(error)}: check its name and port, that it "
            "runs, and the network"
        )
    return f"{_line(error)}: check the URL, the credentials and the network"


def _is_lost(error: BaseException) -> bool:
    return any(each.__name__ in _LOST for each in type(error).__mro__)


def _is_http(error: BaseException) -> bool:
    return type(error).__module__.startswith("aiohttp.")


def _store_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return the others, and those classes whose modules are imported."""
    modules = ((sys.modules.get(module), name) for module, name in _STORE_ERRORS.items())
    return (*others, *(getattr(module, name) for module, name in modules if module))


def _reason(error: BaseException) -> str:
    """Say why a server cannot be reached: the system's words tell more than asyncio's."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number and number in errno.errorcode else _line(error)


def _status(error: BaseException) -> int | None:
    """Return the status that a server of HTTP answered with, if it answered."""
    if _is_http(error):
        return getattr(error, "status", None)
    return _s3_answer(error).get("HTTPStatusCode")


def _s3_answer(error: BaseException) -> dict[str, Any]:
    """Return the status and headers of S3's answer, which s3fs keeps as the cause."""
    answer: Any = getattr(error.__cause__ or error, "response", None)
    return dict(answer.get("ResponseMetadata", {})) if isinstance(answer, dict) else {}


def _line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    if _is_http(error) and _status(error) is not None:
        text = f"the server answers {_status(error)} {getattr(error, 'message', '')}"
    return " ".join((text or str(error) or type(error).__name__).split()).rstrip(".:")


def _protocols(store: Any) -> tuple[str, ...]:
    names = store.protocol
    return (names,) if isinstance(names, str) else tuple(names)


# ------------------------------------------------------------------ one place
# Each of these raises ImageError if the store of a URL does not answer or refuses.


def is_there(name: str) -> bool:
    """Tell whether a file or a folder is at a path or a URL."""
    if not is_url(name):
        return os.path.lexists(name)
    with opened_store(name, "looked up", ABSENT) as (store, path):
        try:
            store.info(path)
        except FileNotFoundError as error:
            if not _is_absence(error):
                raise
            return False
    return True


def is_folder(name: str) -> bool:
    """Tell whether a path is a folder, or a URL the beginning of others."""
    if not is_url(name):
        return os.path.isdir(name)
    with opened_store(name, "looked up", ABSENT) as (store, path):
        return bool(store.isdir(path))


def size_of(name: str) -> int:
    """Return the bytes of the file at a path or a URL; OSError if the path is no file."""
    if not is_url(name):
        return os.stat(name).st_size
    with opened_store(name, "looked up", ABSENT) as (store, path):
        return int(store.size(path) or 0)


def files_in(url: str, *, recursive: bool = False, prefix: str = "") -> Iterator[str]:
    """Yield the objects below a URL in the order of their names: relative, with slashes.

    With a `prefix` those whose relative names begin so, at any depth where the store finds them
    by it; other stores list all of the folder.
    """
    with opened_store(url, "listed", ABSENT) as (store, path):
        if prefix and _FIND_BY_PREFIX.intersection(_protocols(store)):
            paths = store.find(path, prefix=prefix)
        else:
            paths = store.find(path) if recursive else _listed(store, path)
    start = len(path.rstrip("/")) + 1 if path else 0
    found = sorted(name[start:] for name in paths)
    yield from (name for name in found if name.startswith(prefix))


_FIND_BY_PREFIX = frozenset(("s3", "gs", "abfs"))
"""Stores that find objects by the beginning of a name: no folder of millions is listed."""


def _listed(store: Any, path: str) -> list[str]:
    """Return the files of a folder: `find` of one folder takes any error for no files."""
    try:
        return [fact["name"] for fact in store.ls(path, detail=True) if fact["type"] == "file"]
    except FileNotFoundError as error:
        if not _is_absence(error):
            raise
        return []


def _is_absence(error: FileNotFoundError) -> bool:
    """Tell whether nothing is there: fsspec says so of each error of HTTP."""
    return _status(_origin(error)) in (None, *_GONE)


def matching(pattern: str) -> list[str]:
    """Return the files, as paths or URLs, that a pattern matches, in the order of names."""
    if not is_url(pattern):
        import glob

        paths = glob.iglob(pattern, recursive=True)
        return sorted(p for p in paths if os.path.isfile(p) or not os.path.exists(p))
    with opened_store(pattern, "listed", ABSENT) as (store, path):
        facts = store.glob(path, detail=True)
    return sorted(
        store.unstrip_protocol(name) for name, fact in facts.items() if fact["type"] == "file"
    )


def fetched(url: str, most: int) -> bytes:
    """Return what is at a URL: all of it, or the first `most` bytes."""
    with opened(url) as file:
        data: bytes = file.read(most)
    return data


@contextlib.contextmanager
def opened(name: str) -> Iterator[Any]:
    """Open a file at a path or a URL to read it."""
    if not is_url(name):
        with open(name, "rb") as file:
            yield file
        return
    with opened_store(name, "read", ABSENT) as (store, path), store.open(path, "rb") as file:
        yield file


def read_if_exists(url: str) -> bytes | None:
    """Return what is at a path or a URL; None if nothing is, or it may not be read."""
    if not is_url(url):
        with contextlib.suppress(OSError), open(url, "rb") as file:
            return file.read()
        return None
    with opened_store(url, "read", ABSENT) as (store, path):
        try:
            data: bytes = store.cat_file(path)
        except (FileNotFoundError, PermissionError):
            return None
    return data


def check_store(url: str, action: str = "written", absent: str = NO_BUCKET) -> None:
    """Check that a store answers and has the bucket: an absent one lists as an empty one.

    It does not check whether one may write: those who may need not be allowed to look.
    """
    with (
        opened_store(url, action, absent) as (store, path),
        contextlib.suppress(PermissionError),
    ):
        # Only S3 tells an absent bucket from one that may not be looked at.
        if not store.exists(path) and "s3" in _protocols(store):
            store.info(path.partition("/")[0])


PART = 2**23
"""Bytes that are sent to a store together; S3 takes at least 5 MiB, but for the last part."""

_MOST_PARTS = 9_000
"""S3 takes 10,000 parts of an object."""


def put(name: str, data: bytes) -> None:
    """Store data at a path, or at a URL in one step: complete or not at all."""
    if not is_url(name):
        with open(name, "wb") as file:
            file.write(data)
        return
    with opened_store(name, "written", NO_BUCKET) as (store, path):
        store.pipe_file(path, data)


def remove(name: str) -> None:
    """Remove the file at a path or a URL."""
    if not is_url(name):
        os.unlink(name)
        return
    with opened_store(name, "removed", ABSENT) as (store, path):
        store.rm_file(path)


def put_file(url: str, file: BinaryIO) -> None:
    """Send a file to a URL part by part; the object appears when the last part is there."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size <= PART:
        put(url, file.read())
        return
    block = max(PART, -(-size // _MOST_PARTS))
    # A transaction belongs to a store: another thread's files must not get into this one.
    with (
        opened_store(url, "written", NO_BUCKET, skip_instance_cache=True) as (store, path),
        store.transaction,
        store.open(path, "wb", block_size=block) as sent,
    ):
        while data := file.read(PART):
            sent.write(data)
