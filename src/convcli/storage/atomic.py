"""The one place that writes outputs: each is complete or absent, never half.

A file, a folder, or a prefix of a store is made under a temporary name first, and takes its
own name when it is complete. An existing output stays as it is until then.
"""

import contextlib
import errno
import io
import os
import platform
import re
import stat
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from convcli.errors import ImageError, fail
from convcli.storage import urls
from convcli.storage.urls import NO_BUCKET, is_url, opened_store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    MayGo = Callable[[Collection[str]], bool]

# ------------------------------------------------------------------ temporary names


def temporary_name() -> str:
    """Return a random file name that begins with a dot and names the process that makes it."""
    pid = os.getpid()
    return f"{TEMPORARY}{_machine()}-{pid}-{_start(pid) or 0}-{os.urandom(8).hex()}.tmp"


def remove_abandoned(folder: str, *, with_journals: bool = True) -> None:
    """Remove what killed processes of this machine left, or only what has no journal."""
    names = set[str]()
    with contextlib.suppress(OSError, ValueError):  # There may be a NUL in the name.
        every = os.listdir(folder or os.curdir)
        names.update(name for name in every if name.startswith(TEMPORARY))
    for name in names:
        has_journal = name.endswith(JOURNAL) or name + JOURNAL in names
        if is_abandoned(name) and (with_journals or not has_journal):
            remove = _put_back if name.endswith(_ASIDE) else _remove
            with contextlib.suppress(OSError):  # Another run may be at it, too.
                remove(os.path.join(folder, name))


def bring_back(place: str) -> None:
    """Put a folder back that a killed run has moved aside, where a path has nothing."""
    if not (is_url(place) or urls.is_there(place)):
        remove_abandoned(os.path.dirname(place.rstrip("/")), with_journals=False)


def is_abandoned(name: str) -> bool | None:
    """Tell whether a killed process left what has this name; None if another machine's did."""
    match = _TEMPORARY.fullmatch(name)
    if match and match["machine"] != _machine():
        return None
    return match is not None and not _lives(match)


_UNWRITTEN = "cannot be written"
TEMPORARY = ".convcli-"  # what temporary names begin with
# What is added to the name of a partial output for its journal, and to a temporary name for the
# folder in which an old output waits: see `_put_back`.
JOURNAL, _ASIDE = ".journal", ".aside"
_TEMPORARY = re.compile(
    r"\.convcli-(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)-[0-9a-f]{16}\.tmp"
    rf"(?:{JOURNAL}|{_ASIDE})?"
)


class Partial(Protocol):
    """A partial output that a stopped run has left, or may leave for another."""

    place: str  # empty where it gets a temporary name

    def keeps(self) -> bool:
        """Tell whether it stays when the run is stopped by an error."""


def _remove(path: str) -> None:
    """Remove a file or a folder that may be gone."""
    if os.path.isdir(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        os.unlink(path)


def _machine() -> str:
    """Name what numbers processes: a machine, or a container of one."""
    try:
        container = os.readlink("/proc/self/ns/pid")
    except OSError:
        container = ""
    return f"{zlib.crc32(f'{platform.node()} {container}'.encode()):08x}"


_ENDED = (b"Z", b"X")  # states of processes
_START = 19  # the field of the start, counted from the first after the name of the program


def _start(pid: int) -> int | None:
    """Return when a process began, in ticks; None where it has ended, or that is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *facts = file.read().rpartition(b")")[2].split()
            return None if state in _ENDED else int(facts[_START - 1])
    except (OSError, ValueError, IndexError):
        return None


def _lives(owner: re.Match[str]) -> bool:
    """Tell whether the maker of a temporary file lives: another may have its number now."""
    start = _start(int(owner["pid"]))
    if start is not None or os.path.exists("/proc/self/stat"):
        return start == int(owner["start"])
    try:
        os.kill(int(owner["pid"]), 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


# ------------------------------------------------------------------ pipes and devices

# The folders whose files are the open files of a process.
_DESCRIPTORS = re.compile(r"/proc/\d+/(?:task/\d+/)?fd|/dev/fd")
_MOST_LINKS = 40  # that Linux follows from one to the next


def is_stream(target: "str | Path") -> bool:
    """Tell whether a target is written as it is: a pipe, a device, or an open file."""
    if is_url(target):
        return False
    try:
        mode = os.stat(target).st_mode
    except (OSError, ValueError):
        return False
    is_usual = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return not is_usual or open_descriptor(target) is not None


def open_descriptor(path: "str | Path") -> int | None:
    """Return the number of the open file that a path means, such as ``/dev/fd/3``, if any."""
    path = str(path)
    with contextlib.suppress(OSError, ValueError):
        for _ in range(_MOST_LINKS):
            folder, name = os.path.split(path)
            folder = os.path.realpath(folder)
            if _DESCRIPTORS.fullmatch(folder) and name.isdecimal():
                return int(name)
            path = os.path.join(folder, os.readlink(path))
    return None


@contextlib.contextmanager
def _opened_stream(path: str) -> Iterator[BinaryIO]:
    """Open a pipe, a device or an open file, without emptying it."""
    number = open_descriptor(path)
    is_own = number is not None and os.path.exists(f"/proc/self/fd/{number}")
    opened = os.dup(number) if is_own and number is not None else os.open(path, os.O_WRONLY)
    with open(opened, "wb") as stream:
        yield stream


# ------------------------------------------------------------------ a file or an object


@contextlib.contextmanager
def replacing(target: "str | Path", partial: Partial | None = None) -> Iterator[BinaryIO]:
    """Open a file that becomes the target in one step, once all of it is written.

    A temporary file beside a path is renamed at the end; a link is followed, and the mode of an
    existing file is kept. An object of a store is sent whole. If anything fails, an existing
    target is as it was, and an `ImageError` says why. A `partial` output may be larger than
    memory, and may stay when the run is stopped. Only streams are written directly.
    """
    if str(target).endswith("/"):
        fail(target, _UNWRITTEN, "it is a folder: name a file in it", ImageError)
    path = urls.local_path(target)
    if path is not None:
        with _replacing_path(path, partial) as file:
            yield file
    elif partial is not None:
        with _spooled(str(target)) as file:
            yield file
    else:
        buffer = io.BytesIO()
        yield buffer
        urls.put(str(target), buffer.getvalue())


@contextlib.contextmanager
def _spooled(url: str) -> Iterator[BinaryIO]:
    """Open a temporary file, which moves from memory to a disk when it gets large; send it."""
    import tempfile

    try:
        with tempfile.SpooledTemporaryFile(urls.PART) as file:
            yield cast("BinaryIO", file)
            urls.put_file(url, cast("BinaryIO", file))
    except OSError as error:
        waits = f"it waits in {tempfile.gettempdir()} until it is sent"
        reason = f"{error.strerror or type(error).__name__}: name another folder with TMPDIR"
        fail(url, f"{_UNWRITTEN}: {waits}", reason, ImageError)


@contextlib.contextmanager
def _replacing_path(path: str, partial: Partial | None) -> Iterator[BinaryIO]:
    if not path:
        raise ImageError("'': expected the name of a file to write, got none: name one")
    try:
        final = os.path.realpath(path)
    except ValueError:
        raise ImageError(f"{path!r}: expected a file name, got a NUL in it") from None
    opened = _opened_stream(path) if is_stream(path) else _opened_beside(final, partial)
    try:
        with opened as file:
            yield file
    except OSError as error:
        fail(path, _UNWRITTEN, _reason(error, final), ImageError)


@contextlib.contextmanager
def _opened_beside(final: str, partial: Partial | None) -> Iterator[BinaryIO]:
    """Open a temporary file, or a partial one, and rename it at the end."""
    before = _replaced(final)
    place = partial.place if partial else ""
    temporary = place or os.path.join(os.path.dirname(final), temporary_name())
    with _removed_after(temporary, partial):
        with open(temporary, "r+b" if os.path.exists(temporary) else "x+b") as file:
            yield file
        if before is not None:
            if hasattr(os, "chown"):
                with contextlib.suppress(PermissionError):
                    os.chown(temporary, before.st_uid, before.st_gid)
            os.chmod(temporary, stat.S_IMODE(before.st_mode))
        os.replace(temporary, final)


def _replaced(final: str) -> os.stat_result | None:
    """Return what is known of the file that will be replaced, if there is one."""
    if os.path.isdir(final):
        raise IsADirectoryError
    if os.path.islink(final):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    before = os.stat(final) if os.path.exists(final) else None
    if before is not None and not before.st_mode & 0o222:
        raise _ReadOnlyError
    return before


@contextlib.contextmanager
def _removed_after(temporary: str, partial: Partial | None) -> Iterator[None]:
    """Remove what is left of a temporary file or folder, unless it waits for another run."""
    try:
        yield
    except BaseException:
        if partial is None or not partial.keeps():
            _remove(temporary)
        raise
    _remove(temporary)


def unwritable(target: str) -> str:
    """Say why an output cannot be written, as far as that shows before; empty where it can."""
    if is_url(target) or is_stream(target) or (urls.is_zarr(target) and os.path.isdir(target)):
        return ""
    final = os.path.realpath(target)
    folder = os.path.dirname(final)
    try:
        if not os.path.isdir(folder):
            raise FileNotFoundError
        _replaced(final)
        if not os.access(folder, os.W_OK):
            raise PermissionError
    except OSError as error:
        return f"{_UNWRITTEN}: {_reason(error, final)}"
    return ""


class _ReadOnlyError(PermissionError):
    """The target may not be written, though its folder may."""


def _reason(error: OSError, final: "str | Path") -> str:
    """Say why a target cannot be written, and what to do."""
    folder = os.path.dirname(final)
    if isinstance(error, IsADirectoryError):
        return "it is a folder: name a file in it"
    if isinstance(error, _ReadOnlyError):
        return "it is read-only: make it writable, or name another file"
    if isinstance(error, FileNotFoundError) and os.path.isdir(folder):
        return f"the folder {folder} takes no files: choose another"
    if isinstance(error, FileNotFoundError):
        return f"the folder {folder} does not exist: make it first"
    if isinstance(error, PermissionError):
        return "no permission: check the folder's mode"
    return f"{error.strerror or type(error).__name__}: choose another name or place"


# ------------------------------------------------------------------ a folder

_OTHER_THINGS = "it is a folder with other things in it: name a new one"
_MAGIC = "*?["  # what a store takes for a pattern when it removes: it might match other objects


def replacing_folder(
    target: str, heads: tuple[str, ...], may_go: "MayGo", partial: Partial
) -> contextlib.AbstractContextManager[str]:
    """Make a folder, or objects below a URL, that take the target's place when complete.

    Yielded is where they are made. If anything fails they are removed, and an existing target
    is as it was; a `partial` one may stay. `may_go` gets the names at an existing target, and
    tells whether that may be replaced. `heads` are the names that the object can have that says
    what the others mean: first that of new outputs.
    """
    if is_url(target):
        return _replacing_prefix(target.rstrip("/"), heads, may_go, partial)
    return _replacing_folder(target, may_go, partial)


@contextlib.contextmanager
def _replacing_folder(target: str, may_go: "MayGo", partial: Partial) -> "Iterator[str]":
    """Make a temporary folder beside the target, and rename it at the end."""
    final = os.path.realpath(target)
    try:
        with _removed_after(partial.place, partial):
            if os.path.exists(final) and not os.path.isdir(final):
                fail(target, _UNWRITTEN, "it is a file: name a folder", ImageError)
            names = os.listdir(final) if os.path.isdir(final) else []
            if names and not may_go(names):
                fail(target, _UNWRITTEN, _OTHER_THINGS, ImageError)
            if names and not os.access(final, os.W_OK):  # It could not be renamed at the end.
                raise _ReadOnlyError
            if not os.path.isdir(partial.place):
                os.mkdir(partial.place)
            yield partial.place
            _replace_folder(partial.place, final)
    except OSError as error:
        fail(target, _UNWRITTEN, _reason(error, final), ImageError)


def _replace_folder(temporary: str, final: str) -> None:
    """Rename the old folder away, then the new one; a later run may have to put it back."""
    if not os.path.exists(final):
        os.rename(temporary, final)
        return
    folder, name = os.path.split(final)
    aside = os.path.join(folder, temporary_name() + _ASIDE)
    os.mkdir(aside)
    try:
        os.rename(final, os.path.join(aside, name))
        os.rename(temporary, final)
    finally:
        _put_back(aside)


def _put_back(aside: str) -> None:
    """Give an old folder its name again, unless a new one has it: then the old one goes."""
    if os.path.islink(aside):  # No run makes one: what is there is another's.
        return
    folder, name = os.path.split(aside)
    for old in os.listdir(aside):
        if not os.path.lexists(os.path.join(folder, old)):
            os.rename(os.path.join(aside, old), os.path.join(folder, old))
    # What is half removed is never put back.
    left = os.path.join(folder, name.removesuffix(_ASIDE))
    os.rename(aside, left)
    _remove(left)


# ------------------------------------------------------------------ a prefix of a store


@contextlib.contextmanager
def _replacing_prefix(
    url: str, heads: tuple[str, ...], may_go: "MayGo", partial: Partial
) -> Iterator[str]:
    """Make objects below a URL that is free, or a temporary one; without a head none counts."""
    parent = url.rpartition("/")[0]
    if not partial.place:
        is_free = _check_prefix(url, may_go)
        partial.place = url if is_free else f"{parent}/{temporary_name()}"
    place = partial.place
    try:
        yield place
    except BaseException:
        # The error that is raised says more than one from removing would.
        with contextlib.suppress(ImageError):
            if not partial.keeps():
                remove_prefix(place, heads)
        raise
    if place != url:
        _replace_prefix(place, url, heads)


def _check_prefix(url: str, may_go: "MayGo") -> bool:
    """Return whether nothing is there; refuse what may not be replaced."""
    if any(sign in url for sign in _MAGIC):
        fault = "expected a URL without * ? and [, which stores take for patterns"
        fail(url, f"{_UNWRITTEN}: {fault}", "name it otherwise", ImageError)
    with opened_store(url, "written", NO_BUCKET) as (store, path):
        if "/" not in path:
            fail(url, _UNWRITTEN, "it is a bucket: name a folder in it", ImageError)
        if store.isfile(path):
            fail(url, _UNWRITTEN, "it is a file: name a folder", ImageError)
        names = _names_below(store, path)
        if names and not may_go(names):
            fail(url, _UNWRITTEN, _OTHER_THINGS, ImageError)
    return not names


def _names_below(store: Any, path: str) -> frozenset[str]:
    paths = urls.none_if_absent(store.ls, path, detail=False) or ()
    return frozenset(name.rstrip("/").rpartition("/")[2] for name in paths)


def _replace_prefix(place: str, url: str, heads: tuple[str, ...]) -> None:
    """Remove the old objects, head first, and copy the new ones, head last."""
    try:
        remove_prefix(url, heads)
        with opened_store(url, "written", NO_BUCKET) as (store, path):
            source = urls.store_of(place)[1]
            names = sorted(store.find(source), key=lambda name: name == f"{source}/{heads[0]}")
            # Lists of names: each store treats folders in its own manner.
            for group in (names[:-1], names[-1:]):
                store.copy(group, [path + name[len(source) :] for name in group])
    except ImageError as error:
        raise ImageError(f"{error}; the new one is complete at {place}") from None
    remove_prefix(place, heads)


def remove_prefix(url: str, heads: tuple[str, ...] = ()) -> None:
    """Remove the objects below a URL, the head first."""
    with opened_store(url, "removed", NO_BUCKET) as (store, path):
        for name in _names_below(store, path) & set(heads):
            store.rm_file(f"{path}/{name}")
        store.invalidate_cache()
        if store.exists(path):
            store.rm(path, recursive=True)
