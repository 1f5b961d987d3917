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
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from convcli.errors import ImageError, OptionError, fail, install
from convcli.text import is_matrix
from convcli.values import Record

if TYPE_CHECKING:
    from pathlib import Path

# What a URL begins with; a drive of Windows has one letter. ``a::b://`` goes through a.
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+::)*[A-Za-z][A-Za-z0-9+.-]+://")
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


# In the name of an output, the number of a map or of a frame, from 0, is written in place of
# these; ``{frame:03}`` has three digits at least.
MAP, FRAME = "{map}", "{frame}"
_FIELD = re.compile(r"\{\w*(?::\w*)?\}")


def has_number(target: str, field: str) -> bool:
    """Tell whether a name has a field, `MAP` or `FRAME`, with or without its digits."""
    return numbered(target, field, 0) != target


def numbered(target: str, field: str, number: int) -> str:
    """Return a name with a number in place of a field, `MAP` or `FRAME`."""
    pattern = rf"\{{{field[1:-1]}(?::0?([1-9]))?\}}"
    return re.sub(pattern, lambda found: str(number).zfill(int(found[1] or 1)), target)


def first_output(target: str) -> str:
    """Return the first file of a numbered output: it is written last."""
    return numbered(numbered(target, MAP, 0), FRAME, 0) if "{" in target else target


def unknown_field(target: str) -> str | None:
    """Return the first field of an output's name that means nothing, such as ``{fram}``."""
    fields = _FIELD.findall(re.split(r"[/\\]", target)[-1])
    return next((field for field in fields if first_output(field) == field), None)


# ------------------------------------------------------------------ stores and their errors

ABSENT = "no such file: check the URL"
NO_BUCKET = "the bucket or folder does not exist: make it first"

# What stores raise besides OSError: the module and the class. No module is imported for it.
_STORE_ERRORS = {
    "aiohttp": "ClientError",
    "azure.core.exceptions": "AzureError",
    "botocore.exceptions": "BotoCoreError",
    "gcsfs.retry": "HttpError",
    "google.auth.exceptions": "GoogleAuthError",
    "requests.exceptions": "RequestException",
}

# Classes of Python, aiohttp, botocore and requests: no server answers to the end.
_LOST = (
    "ClientConnectionError", "ClientPayloadError", "ConnectionError", "HTTPClientError",
    "TimeoutError",
)  # fmt: skip

# The answers of HTTP for "there is nothing here", "you may not", and "not now".
_GONE, _FORBIDDEN, _BUSY = (404, 410), (401, 403), (429, 500, 502, 503, 504)


class Retries(Record):
    """How often a store is asked again, after random waits; not before it asks for itself."""

    busy: float = 10  # times in all where it answers "not now"
    lost: float = 5  # times in all where no answer comes, or half of one
    first_seconds: float = 0.1  # the longest wait before the second try; each is twice as long
    longest_seconds: float = 20.0  # the longest wait before any
    stall_seconds: float = 15.0  # after so long without a byte of S3 or HTTP an answer is lost


@functools.cache
def retries() -> Retries:
    """Return the settings: those of ``CONVCLI_RETRIES``, such as ``busy=20,lost=2``, if any."""
    text = os.environ.get("CONVCLI_RETRIES", "")
    try:
        given = dict(word.split("=") for word in text.split(",") if word)
        return Retries(**{name: float(value) for name, value in given.items()})
    except (TypeError, ValueError):
        raise OptionError(
            f"CONVCLI_RETRIES={text}: expected numbers of busy, lost, first_seconds, "
            "longest_seconds and stall_seconds, such as busy=20,lost=2"
        ) from None


def _repeated(ask: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """Ask a store, and ask again where it is busy or lost: see `Retries`."""
    tried = 0
    while True:
        try:
            return ask(*args, **settings)
        except _store_errors(OSError) as error:
            tried += 1
            most_tries, asked = _patience(error)
            if tried >= most_tries:
                raise
        import random

        most = retries().longest_seconds
        longest = min(retries().first_seconds * 2 ** (tried - 1), most)
        time.sleep(min(asked, most) + random.uniform(0, longest))  # noqa: S311 - no secret


def _patience(error: BaseException) -> tuple[float, float]:
    """Return how often to ask in all, and the seconds to wait that ``Retry-After`` asks for."""
    error, status, headers = _answer(error)
    most = retries().busy if status in _BUSY else 1
    text = next((headers[name] for name in headers if name.lower() == "retry-after"), "")
    asked = float(text) if text.isdecimal() else 0.0  # It may be a date.
    return retries().lost if _is_lost(error, status) else most, asked


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
        fail(url, "URLs need the package fsspec", install("cluster"), ImageError)
    try:
        store, path = url_to_fs(url, **(settings or _settings_of(url)))
    except ImportError as error:
        fail(url, "its store needs another package", str(error), ImageError)
    except ValueError as error:
        known = "a URL of a store that fsspec knows (s3, gs, file, memory …)"
        fail(url, f"expected a path, or {known}", str(error), ImageError)
    except _store_errors(OSError) as error:
        fail(url, "its store cannot be used", _line(error), ImageError)
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
def store_errors(url: str, action: str, absent: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of a store, and of other kinds, into one line that begins with the URL.

    `action` is what failed ("read", "written" …), `absent` what to say if nothing is there.
    """
    try:
        yield
    except _store_errors(OSError, *kinds) as error:
        fail(url, f"cannot be {action}", _explained(error, absent), ImageError)


def _explained(error: BaseException, absent: str) -> str:
    """Say what happened, and what to do."""
    error, status, _ = _answer(error)
    if isinstance(error, FileNotFoundError) or status in _GONE:
        return absent
    if isinstance(error, PermissionError) or status in _FORBIDDEN:
        why = "" if status is None or _is_http(error) else f"{_line(error)}: "
        return f"no permission: {why}check the credentials"
    if isinstance(error, IsADirectoryError):
        return "it is a folder: name a file in it"
    if _is_lost(error, status):
        # The system's words tell more than asyncio's.
        number: Any = getattr(error, "errno", None)
        reason = os.strerror(number) if number in errno.errorcode else _line(error)
        return (
            f"the server cannot be reached: {reason}: check its name and port, that it runs, "
            "and the network"
        )
    return f"{_line(error)}: check the URL, the credentials and the network"


def _is_lost(error: BaseException, status: int | None) -> bool:
    return status is None and any(each.__name__ in _LOST for each in type(error).__mro__)


def _is_http(error: BaseException) -> bool:
    return type(error).__module__.startswith("aiohttp.")


def _store_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return the others, and those classes whose modules are imported."""
    modules = ((sys.modules.get(module), name) for module, name in _STORE_ERRORS.items())
    return (*others, *(getattr(module, name) for module, name in modules if module))


def _answer(error: BaseException) -> tuple[BaseException, int | None, Mapping[str, str]]:
    """Return the error itself, and the status and headers of the server, if it answered."""
    cause = error.__cause__
    if cause and isinstance(error, FileNotFoundError) and _is_http(cause):
        error = cause  # fsspec reports all errors of HTTP as an absent file.
    if _is_http(error):
        return error, getattr(error, "status", None), getattr(error, "headers", None) or {}
    answer: Any = getattr(error.__cause__ or error, "response", None)  # as s3fs keeps it
    facts = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
    return error, facts.get("HTTPStatusCode"), facts.get("HTTPHeaders", {})


def _line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    status = getattr(error, "status", None) if _is_http(error) else None
    if status is not None:
        text = f"the server answers {status} {getattr(error, 'message', '')}"
    return " ".join((text or str(error) or type(error).__name__).split()).rstrip(".:")


def _protocols(store: Any) -> tuple[str, ...]:
    names = store.protocol
    return (names,) if isinstance(names, str) else tuple(names)


# ------------------------------------------------------------------ one place
# Each of these raises ImageError if the store of a URL does not answer or refuses.

# Stores that find objects by the beginning of a name: no folder of millions is listed.
_FIND_BY_PREFIX = frozenset(("s3", "gs", "abfs"))
PART = 2**23  # bytes that are sent together; S3 takes at least 5 MiB, but for the last part
_MOST_PARTS = 9_000  # S3 takes 10,000 parts of an object


def none_if_absent(ask: Callable[..., Any], path: str, **settings: Any) -> Any:
    """Ask a store about a path; None where nothing is: fsspec calls all errors of HTTP so."""
    try:
        return ask(path, **settings)
    except FileNotFoundError as error:
        if _answer(error)[1] not in (None, *_GONE):
            raise
        return None


def is_there(name: str) -> bool:
    """Tell whether a file or a folder is at a path or a URL."""
    if not is_url(name):
        return os.path.lexists(name)
    with opened_store(name, "looked up", ABSENT) as (store, path):
        return none_if_absent(store.info, path) is not None


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
        elif recursive:
            paths = store.find(path)
        else:  # `find` of one folder takes any error for no files.
            facts = none_if_absent(store.ls, path, detail=True) or ()
            paths = [fact["name"] for fact in facts if fact["type"] == "file"]
    start = len(path.rstrip("/")) + 1 if path else 0
    found = sorted(name[start:] for name in paths)
    yield from (name for name in found if name.startswith(prefix))


def matching(pattern: str) -> list[str]:
    """Return the files, as paths or URLs, that a pattern matches, in the order of names."""
    if not is_url(pattern):
        import glob

        paths = glob.iglob(pattern, recursive=True)
        return sorted(p for p in paths if os.path.isfile(p) or not os.path.exists(p))
    with opened_store(pattern, "listed", ABSENT) as (store, path):
        facts = store.glob(path, detail=True)
    files = (name for name, fact in facts.items() if fact["type"] == "file")
    return sorted(map(store.unstrip_protocol, files))


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
        with contextlib.suppress(PermissionError):
            data: bytes | None = none_if_absent(store.cat_file, path)
            return data
        return None


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
