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
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from convcli.errors import ImageError
from convcli.storage.urls import (
    NO_BUCKET,
    PART,
    is_url,
    local_path,
    opened_store,
    put,
    put_file,
    store_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    IsOutput = Callable[[Collection[str], Callable[[str], bytes]], bool]

# ------------------------------------------------------------------ temporary names


def temporary_name() -> str:
    """Return a random file name that begins with a dot and names the process that makes it.

    Examples
    --------
    >>> temporary_name().startswith(".convcli-")
    True
    """
    return f".convcli-{_owner(os.getpid())}{os.urandom(8).hex()}.tmp"


def remove_left_by(pid: int, target: "str | Path") -> None:
    """Remove the temporary files that a killed process of this machine left for a target."""
    _remove_made(os.path.dirname(os.path.realpath(target)), lambda by: int(by["pid"]) == pid)


def remove_abandoned(folder: str) -> None:
    """Remove what killed processes of this machine left in a folder.

    What belongs to a process that lives stays, and so does what other machines made: whether
    their processes live is not known here.
    """
    _remove_made(folder, lambda by: not _lives(by))


def _remove_made(folder: str, is_left: "Callable[[re.Match[str]], bool]") -> None:
    """Remove what processes of this machine made in a folder, where they left it."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder or os.curdir):
            maker = _TEMPORARY.fullmatch(name)
            if maker and maker["machine"] == _machine() and is_left(maker):
                _remove(os.path.join(folder, name))


_TEMPORARY = re.compile(
    r"\.convcli-(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>\d+)-[0-9a-f]{16}\.tmp"
)


def _remove(path: str) -> None:
    """Remove a file or a folder that may be gone."""
    if os.path.isdir(path):
        import shutil

        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        os.unlink(path)


def _owner(pid: int) -> str:
    """Name a process in its temporary files: its machine, its number and its start."""
    return f"{_machine()}-{pid}-{_start(pid) or 0}-"


def _machine() -> str:
    """Name what numbers processes: a machine, or a container of one."""
    try:
        container = os.readlink("/proc/self/ns/pid")
    except OSError:
        container = ""
    return f"{zlib.crc32(f'{platform.node()} {container}'.encode()):08x}"


def _start(pid: int) -> int | None:
    """Return when a process of this machine began, in ticks; None where that is not known."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[_START])
    except (OSError, ValueError, IndexError):
        return None


_START = 19
"""The field of the start, counted from the first after the name of the program."""


def _lives(owner: re.Match[str]) -> bool:
    """Tell whether the maker of a temporary file lives: another may have its number now."""
    start = _start(int(owner["pid"]))
    if start is not None or os.path.exists("/proc/self/stat"):
        return start == int(owner["start"])
    try:
        os.kill(int(owner["pid"]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


# ------------------------------------------------------------------ pipes and devices

_DESCRIPTORS = re.compile(r"/proc/\d+/(?:task/\d+/)?fd|/dev/fd")
"""The folders whose files are the open files of a process."""


def is_stream(target: "str | Path") -> bool:
    """Tell whether a target is written as it is: a pipe, a device, or an open file.

    Nothing can be renamed to it. What was written there stays if anything fails.
    """
    if is_url(target):
        return False
    try:
        mode = os.stat(target).st_mode
    except (OSError, ValueError):
        return False
    is_usual = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return not is_usual or open_descriptor(target) is not None


def open_descriptor(path: "str | Path") -> int | None:
    """Return the number of the open file that a path means; None where it means another file.

    Such are ``/dev/stdout``, ``/dev/fd/3``, ``/proc/self/fd/3``, and the ``>(command)`` of
    shells.
    """
    path = str(path)
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(path)
        with contextlib.suppress(OSError, ValueError):
            folder = os.path.realpath(folder)
        if _DESCRIPTORS.fullmatch(folder) and name.isdecimal():
            return int(name)
        try:
            path = os.path.join(folder, os.readlink(path))
        except (OSError, ValueError):
            return None
    return None


_MOST_LINKS = 40
"""Links that Linux follows from one to the next."""


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
def replacing(target: "str | Path", *, is_large: bool = False) -> Iterator[BinaryIO]:
    """Open a file that becomes the target in one step, once all of it is written.

    A temporary file beside a path is renamed at the end; a link is followed, and the mode of
    an existing file is kept. An object of a store is sent whole. If anything fails, an
    existing target is as it was. Only pipes and devices are written directly: see `is_stream`.

    Parameters
    ----------
    target : str or Path
        The path or URL to make or to replace.
    is_large : bool
        Whether it may be larger than memory: then it is kept in a temporary file on a disk
        until it is sent to a store.

    Yields
    ------
    binary file
        What to write to.

    Raises
    ------
    ImageError
        If the target cannot be written.
    """
    path = local_path(target)
    if path is not None:
        if is_large:
            remove_abandoned(os.path.dirname(os.path.realpath(path)))
        with _replacing_path(path) as file:
            yield file
    elif is_large:
        with _spooled(str(target)) as file:
            yield file
            put_file(str(target), file)
    else:
        buffer = io.BytesIO()
        yield buffer
        put(str(target), buffer.getvalue())


@contextlib.contextmanager
def _spooled(url: str) -> Iterator[BinaryIO]:
    """Open a temporary file, which moves from memory to a disk when it gets large."""
    import tempfile

    try:
        with tempfile.SpooledTemporaryFile(PART) as file:
            yield cast("BinaryIO", file)
    except OSError as error:
        raise ImageError(
            f"{url}: cannot be written: it waits in {tempfile.gettempdir()} until it is sent: "
            f"{error.strerror or type(error).__name__}: name another folder with TMPDIR"
        ) from None


@contextlib.contextmanager
def _replacing_path(path: str) -> Iterator[BinaryIO]:
    if not path:
        raise ImageError("'': expected the name of a file to write, got none: name one")
    try:
        final = os.path.realpath(path)
    except ValueError:
        raise ImageError(f"{path!r}: expected a file name, got a NUL in it") from None
    opened = _opened_stream(path) if is_stream(path) else _opened_beside(final)
    try:
        with opened as file:
            yield file
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {_reason(error, final)}") from None


@contextlib.contextmanager
def _opened_beside(final: str) -> Iterator[BinaryIO]:
    """Open a temporary file and rename it at the end."""
    if os.path.isdir(final):
        raise IsADirectoryError
    if os.path.islink(final):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    before = os.stat(final) if os.path.exists(final) else None
    if before is not None and not before.st_mode & 0o222:
        raise _ReadOnlyError
    temporary = os.path.join(os.path.dirname(final), temporary_name())
    try:
        with open(temporary, "xb") as file:
            yield file
        if before is not None:
            _copy_mode(before, temporary)
        os.replace(temporary, final)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def unwritable(target: str) -> str:
    """Say why a file cannot be written, as far as that shows before; empty where it can."""
    if is_url(target) or is_stream(target):
        return ""
    final = os.path.realpath(target)
    folder = os.path.dirname(final)
    error: OSError | None = None
    if not os.path.isdir(folder):
        error = FileNotFoundError()
    elif os.path.exists(final) and not os.stat(final).st_mode & 0o222:
        error = _ReadOnlyError()
    elif not os.access(folder, os.W_OK):
        error = PermissionError()
    return "" if error is None else f"cannot be written: {_reason(error, final)}"


def _copy_mode(before: os.stat_result, temporary: str) -> None:
    """Give the new file the old one's mode, and its owner where that is allowed."""
    if hasattr(os, "chown"):
        with contextlib.suppress(PermissionError):
            os.chown(temporary, before.st_uid, before.st_gid)
    os.chmod(temporary, stat.S_IMODE(before.st_mode))


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


@contextlib.contextmanager
def replacing_folder(target: "str | Path", is_output: "IsOutput") -> "Iterator[Path]":
    """Make a temporary folder beside the target, and rename it at the end.

    If anything fails it is removed, and an existing target is as it was.

    Parameters
    ----------
    target : str or Path
        The folder to make or to replace.
    is_output : callable
        Gets the names in an existing folder, and a function that reads one of them; tells
        whether the folder may be replaced.

    Yields
    ------
    Path
        An empty folder to write to.

    Raises
    ------
    ImageError
        If the target cannot be written, or is something else.
    """
    from pathlib import Path

    final = Path(target).resolve()
    remove_abandoned(str(final.parent))
    temporary = final.with_name(temporary_name())
    try:
        _check_folder(final, str(target), is_output)
        temporary.mkdir()
        yield temporary
        _replace_folder(temporary, final)
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {_reason(error, final)}") from None
    finally:
        _remove(str(temporary))


def _check_folder(final: "Path", label: str, is_output: "IsOutput") -> None:
    if final.exists() and not final.is_dir():
        raise ImageError(f"{label}: cannot be written: it is a file: name a folder")
    names = {path.name for path in final.iterdir()} if final.is_dir() else set()
    if names and not is_output(names, lambda name: (final / name).read_bytes()):
        raise ImageError(f"{label}: cannot be written: {_OTHER_THINGS}")


def _replace_folder(temporary: "Path", final: "Path") -> None:
    """Rename the old folder away, then the new one: no system exchanges two at once."""
    if not final.exists():
        temporary.rename(final)
        return
    old = final.with_name(temporary_name())
    final.rename(old)
    try:
        temporary.rename(final)
    except OSError:
        old.rename(final)
        raise
    _remove(str(old))


# ------------------------------------------------------------------ a prefix of a store

_MAGIC = "*?["
"""What a store takes for a pattern when it removes: it might match other objects."""


@contextlib.contextmanager
def replacing_prefix(url: str, heads: tuple[str, ...], is_output: "IsOutput") -> Iterator[str]:
    """Make objects below a URL, of which one, the head, says what the others mean.

    The caller makes the head last: objects without a head count as nothing. If the URL is
    free, the objects are made in their place. Otherwise they are made below a temporary
    prefix beside it, and the store copies them when all are there, the head last. If
    anything fails they are removed.

    Parameters
    ----------
    url : str
        What the objects are below.
    heads : tuple of str
        The names that a head can have: the first is that of new outputs.
    is_output : callable
        Gets the names below the URL, and a function that reads one of them; tells whether
        they may be replaced.

    Yields
    ------
    str
        The URL to make the objects below.

    Raises
    ------
    ImageError
        If the store refuses, or something else is there.
    """
    is_free = _check_prefix(url, is_output)
    parent = url.rstrip("/").rpartition("/")[0]
    place = url if is_free else f"{parent}/{temporary_name()}"
    try:
        yield place
    except BaseException:
        # The error that is raised says more than one from removing would.
        with contextlib.suppress(ImageError):
            _remove_prefix(place, heads)
        raise
    if not is_free:
        _replace_prefix(place, url, heads)


def _check_prefix(url: str, is_output: "IsOutput") -> bool:
    """Return whether nothing is there; refuse what may not be replaced."""
    if any(sign in url for sign in _MAGIC):
        raise ImageError(
            f"{url}: cannot be written: expected a URL without * ? and [, which stores "
            "take for patterns: name it otherwise"
        )
    with opened_store(url, "written", NO_BUCKET) as (store, path):
        store.invalidate_cache()
        if "/" not in path:
            raise ImageError(f"{url}: cannot be written: it is a bucket: name a folder in it")
        if store.isfile(path):
            raise ImageError(f"{url}: cannot be written: it is a file: name a folder")
        names = _names_below(store, path)
        if names and not is_output(names, lambda name: store.cat_file(f"{path}/{name}")):
            raise ImageError(f"{url}: cannot be written: {_OTHER_THINGS}")
    return not names


def _names_below(store: Any, path: str) -> frozenset[str]:
    try:
        paths = store.ls(path, detail=False)
    except FileNotFoundError:
        return frozenset()
    return frozenset(name.rstrip("/").rpartition("/")[2] for name in paths)


def _replace_prefix(place: str, url: str, heads: tuple[str, ...]) -> None:
    """Remove the old objects, head first, and copy the new ones, head last."""
    try:
        _remove_prefix(url, heads)
        with opened_store(url, "written", NO_BUCKET) as (store, path):
            source = store_of(place)[1]
            names = sorted(store.find(source), key=lambda name: name == f"{source}/{heads[0]}")
            # Lists of names: each store treats folders in its own manner.
            for group in (names[:-1], names[-1:]):
                store.copy(group, [path + name[len(source) :] for name in group])
    except ImageError as error:
        raise ImageError(f"{error}; the new one is complete at {place}") from None
    _remove_prefix(place, heads)


def _remove_prefix(url: str, heads: tuple[str, ...]) -> None:
    """Remove the objects below a URL, the head first."""
    with opened_store(url, "removed", NO_BUCKET) as (store, path):
        # Other processes have written there, and this one's list does not show it.
        store.invalidate_cache()
        for name in _names_below(store, path) & set(heads):
            store.rm_file(f"{path}/{name}")
        store.invalidate_cache()
        if store.exists(path):
            store.rm(path, recursive=True)
