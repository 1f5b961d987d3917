"""Outputs that are complete or absent: a file, a folder, a prefix of a store."""

import contextlib
import errno
import io
import os
import platform
import shutil
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from convcli.errors import ImageError
from convcli.storage.urls import (
    NO_BUCKET,
    PART,
    local_path,
    opened_store,
    put,
    put_file,
    store_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


_NAME = ".convcli-{}.tmp"


def temporary_name(owner: str = "") -> str:
    """Return a name that nobody else has.

    Parameters
    ----------
    owner : str
        What it begins with, by which `temporary_pattern` finds it.
    """
    return _NAME.format(owner + os.urandom(8).hex())


def temporary_pattern(owner: str) -> str:
    """Return a pattern of all such names of an owner.

    Examples
    --------
    >>> import fnmatch
    >>> fnmatch.fnmatch(temporary_name("mine-"), temporary_pattern("mine-"))
    True
    """
    return _NAME.format(f"{owner}*")


_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


class _ReadOnlyError(PermissionError):
    """The target may not be written, though its folder may."""


@contextlib.contextmanager
def replacing_path(target: "str | Path") -> Iterator[BinaryIO]:
    """Open a temporary file beside the target and rename it there at the end.

    A link is followed, the mode of an existing file kept. Where anything fails the
    temporary file is removed and an existing target is as it was.

    Parameters
    ----------
    target : str or Path
        The file to make or to replace.

    Yields
    ------
    binary file
        What to write to.

    Raises
    ------
    ImageError
        If the target cannot be written.
    """
    if not str(target):
        raise ImageError("'': expected the name of a file to write, got none: name one")
    try:
        final = os.path.realpath(target)
    except ValueError:
        raise ImageError(f"{str(target)!r}: expected a file name, got a NUL in it") from None
    try:
        with _open(final) as file:
            yield file
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {reason(error, final)}") from None


@contextlib.contextmanager
def _open(final: str) -> Iterator[BinaryIO]:
    if os.path.isdir(final):
        raise IsADirectoryError
    if os.path.islink(final):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    before = os.stat(final) if os.path.exists(final) else None
    if before is not None and not before.st_mode & _WRITABLE:
        raise _ReadOnlyError
    if before is not None and not stat.S_ISREG(before.st_mode):
        with open(final, "wb") as device:
            yield device
        return
    temporary = os.path.join(os.path.dirname(final), temporary_name(_owner(os.getpid())))
    try:
        with open(temporary, "xb") as file:
            yield file
        if before is not None:
            _take_after(temporary, before)
        os.replace(temporary, final)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def remove_left_by(pid: int, target: "str | Path") -> None:
    """Remove what a process of this machine left beside a target when it was killed."""
    from pathlib import Path

    folder = Path(os.path.realpath(target)).parent
    for left in folder.glob(temporary_pattern(_owner(pid))):
        left.unlink(missing_ok=True)


def _owner(pid: int) -> str:
    """Tell a process from others in the names of its files: other machines have them too."""
    return f"{zlib.crc32(platform.node().encode()):08x}-{pid}-"


def _take_after(temporary: str, before: os.stat_result) -> None:
    """Give the new file the old one's mode, and its owner where that is allowed."""
    if hasattr(os, "chown"):
        with contextlib.suppress(PermissionError):
            os.chown(temporary, before.st_uid, before.st_gid)
    os.chmod(temporary, stat.S_IMODE(before.st_mode))


def reason(error: OSError, final: "str | Path") -> str:
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


@contextlib.contextmanager
def replacing(target: "str | Path", *, is_large: bool = False) -> Iterator[BinaryIO]:
    """Open what becomes the target in one step, once all of it is written.

    A path is replaced by renaming a temporary file beside it, an object of a store by
    putting it there whole. Where anything fails an existing target is as it was.

    Parameters
    ----------
    target : str or Path
        The path or URL to make or to replace.
    is_large : bool
        Whether it may be larger than memory: then it waits in a temporary file until it is
        sent to a store.

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
        with replacing_path(path) as file:
            yield file
        return
    if is_large:
        with _spooled(str(target)) as file:
            yield file
            put_file(str(target), file)
        return
    buffer = io.BytesIO()
    yield buffer
    put(str(target), buffer.getvalue())


@contextlib.contextmanager
def _spooled(url: str) -> Iterator[BinaryIO]:
    """Open a temporary file, which is on a disk as soon as it is large."""
    import tempfile

    try:
        with tempfile.SpooledTemporaryFile(PART) as file:
            yield cast("BinaryIO", file)
    except OSError as error:
        raise ImageError(
            f"{url}: cannot be written: it waits in {tempfile.gettempdir()} until it is sent: "
            f"{error.strerror or type(error).__name__}: name another folder with TMPDIR"
        ) from None


if TYPE_CHECKING:
    IsOutput = Callable[[Collection[str], Callable[[str], bytes]], bool]

OTHER_THINGS = "it is a folder with other things in it: name a new one"


@contextlib.contextmanager
def replacing_folder(target: "str | Path", is_output: "IsOutput") -> "Iterator[Path]":
    """Make a folder beside the target, and rename it there at the end.

    Where anything fails it is removed, and an existing target is as it was.

    Parameters
    ----------
    target : str or Path
        The folder to make or to replace.
    is_output : callable
        Tells, by the names in a folder and what reads one, whether it may be replaced.

    Yields
    ------
    Path
        An empty folder to write to.

    Raises
    ------
    ImageError
        If the target cannot be written, or is something else.
    """
    final = Path(target).resolve()
    temporary = _folder_beside(final)
    try:
        _check_folder(final, str(target), is_output)
        temporary.mkdir()
        yield temporary
        _replace_folder(temporary, final)
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {reason(error, final)}") from None
    finally:
        _remove_folder(temporary)


def _check_folder(final: "Path", label: str, is_output: "IsOutput") -> None:
    if final.exists() and not final.is_dir():
        raise ImageError(f"{label}: cannot be written: it is a file: name a folder")
    names = {path.name for path in final.iterdir()} if final.is_dir() else set()
    if names and not is_output(names, lambda name: (final / name).read_bytes()):
        raise ImageError(f"{label}: cannot be written: {OTHER_THINGS}")


def _folder_beside(final: "Path") -> "Path":
    return final.with_name(temporary_name())


def _replace_folder(temporary: "Path", final: "Path") -> None:
    """Rename the new folder; the old one stands aside first, for no system swaps two."""
    if not final.exists():
        temporary.rename(final)
        return
    old = _folder_beside(final)
    final.rename(old)
    try:
        temporary.rename(final)
    except OSError:
        old.rename(final)
        raise
    _remove_folder(old)


def _remove_folder(folder: "Path") -> None:
    shutil.rmtree(folder, ignore_errors=True)


_MAGIC = "*?["
"""What a store takes for a pattern when it removes: other things might match it."""


@contextlib.contextmanager
def replacing_prefix(url: str, heads: tuple[str, ...], is_output: "IsOutput") -> Iterator[str]:
    """Make objects below a URL, of which one tells what all of them are.

    Where there is nothing, they are made in their place, and that one is to be made last:
    what has none is nothing. Otherwise they are made below a prefix beside it, and copied by
    the store when they are complete, that one last. Where anything fails they are removed.

    Parameters
    ----------
    url : str
        What the objects are below.
    heads : tuple of str
        Names of the one that is made last: the first is that of new outputs.
    is_output : callable
        Tells, by the names below the URL and what reads one, whether they may be replaced.

    Yields
    ------
    str
        The URL to make them below.

    Raises
    ------
    ImageError
        If the store refuses, or something else is there.
    """
    is_new = _check_prefix(url, is_output)
    place = url if is_new else _prefix_beside(url)
    try:
        yield place
    except BaseException:
        # The fault that is raised says more than one of the removing.
        with contextlib.suppress(ImageError):
            _remove_prefix(place, heads)
        raise
    if not is_new:
        _replace_prefix(place, url, heads)


def _check_prefix(url: str, is_output: "IsOutput") -> bool:
    """Return whether there is nothing yet; refuse what may not be replaced."""
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
        if names and not is_output(names, lambda name: _read_object(store, f"{path}/{name}")):
            raise ImageError(f"{url}: cannot be written: {OTHER_THINGS}")
    return not names


def _names_below(store: Any, path: str) -> frozenset[str]:
    try:
        found = store.ls(path, detail=False)
    except FileNotFoundError:
        return frozenset()
    return frozenset(name.rstrip("/").rpartition("/")[2] for name in found)


def _read_object(store: Any, path: str) -> bytes:
    data: bytes = store.cat_file(path)
    return data


def _prefix_beside(url: str) -> str:
    folder = url.rstrip("/").rpartition("/")[0]
    return f"{folder}/{temporary_name()}"


def _replace_prefix(place: str, url: str, heads: tuple[str, ...]) -> None:
    """Copy what is complete over what was there: until the end there is nothing, never half."""
    try:
        _remove_prefix(url, heads)
        with opened_store(url, "written", NO_BUCKET) as (store, path):
            source = store_of(place)[1]
            names = sorted(store.find(source), key=lambda name: name == f"{source}/{heads[0]}")
            # By lists of names: of folders a store has its own notions.
            for some in (names[:-1], names[-1:]):
                store.copy(some, [path + name[len(source) :] for name in some])
    except ImageError as error:
        raise ImageError(f"{error}; the new one is complete at {place}") from None
    _remove_prefix(place, heads)


def _remove_prefix(url: str, heads: tuple[str, ...]) -> None:
    """Remove what is below a URL: first what tells what it is."""
    with opened_store(url, "removed", NO_BUCKET) as (store, path):
        # Other processes have written there, of which this one's store has heard nothing.
        store.invalidate_cache()
        for name in _names_below(store, path) & set(heads):
            store.rm_file(f"{path}/{name}")
        store.invalidate_cache()
        if store.exists(path):
            store.rm(path, recursive=True)
