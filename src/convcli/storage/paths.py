"""Files of this machine, replaced in one step."""

import contextlib
import errno
import os
import platform
import stat
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from convcli.errors import ImageError
from convcli.storage.temporary import temporary_name, temporary_pattern

if TYPE_CHECKING:
    from pathlib import Path

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
    from pathlib import Path  # noqa: PLC0415 - it takes 3 ms

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
