"""Files of this machine, replaced in one step."""

import contextlib
import errno
import os
import platform
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from convcli.errors import ImageError

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


class _ReadOnlyError(PermissionError):
    """The target may not be written, though its folder may."""


@contextlib.contextmanager
def replacing_path(target: str | Path) -> Iterator[BinaryIO]:
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
    try:
        final = Path(os.path.realpath(target))
    except ValueError:
        raise ImageError(f"{str(target)!r}: expected a file name, got a NUL in it") from None
    try:
        with _open(final) as file:
            yield file
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {reason(error, final)}") from None


@contextlib.contextmanager
def _open(final: Path) -> Iterator[BinaryIO]:
    if final.is_dir():
        raise IsADirectoryError
    if final.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    before = final.stat() if final.exists() else None
    if before is not None and not before.st_mode & _WRITABLE:
        raise _ReadOnlyError
    if before is not None and not stat.S_ISREG(before.st_mode):
        with final.open("wb") as device:
            yield device
        return
    temporary = final.with_name(f"{_mark(os.getpid())}-{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        if before is not None:
            _take_after(temporary, before)
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def remove_left_by(pid: int, target: str | Path) -> None:
    """Remove what a process of this machine left beside a target when it was killed."""
    folder = Path(os.path.realpath(target)).parent
    for left in folder.glob(f"{_mark(pid)}-*.tmp"):
        left.unlink(missing_ok=True)


def _mark(pid: int) -> str:
    """Begin the names of a process's temporary files; other machines have the folder too."""
    return f".convcli-{zlib.crc32(platform.node().encode()):08x}-{pid}"


def _take_after(temporary: Path, before: os.stat_result) -> None:
    """Give the new file the old one's mode, and its owner where that is allowed."""
    if hasattr(os, "chown"):
        with contextlib.suppress(PermissionError):
            os.chown(temporary, before.st_uid, before.st_gid)
    temporary.chmod(stat.S_IMODE(before.st_mode))


def reason(error: OSError, final: Path) -> str:
    """Say why a target cannot be written, and what to do."""
    if isinstance(error, IsADirectoryError):
        return "it is a folder: name a file in it"
    if isinstance(error, _ReadOnlyError):
        return "it is read-only: make it writable, or name another file"
    if isinstance(error, FileNotFoundError) and final.parent.is_dir():
        return f"the folder {final.parent} takes no files: choose another"
    if isinstance(error, FileNotFoundError):
        return f"the folder {final.parent} does not exist: make it first"
    if isinstance(error, PermissionError):
        return "no permission: check the folder's mode"
    return f"{error.strerror or type(error).__name__}: choose another name or place"
