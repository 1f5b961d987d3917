"""Outputs that are complete or absent, never half."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from convcli.errors import ImageError


@contextlib.contextmanager
def replacing(target: str | Path) -> Iterator[BinaryIO]:
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
        with _open(final) as file:
            yield file
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {_reason(error, final)}") from None


@contextlib.contextmanager
def _open(final: Path) -> Iterator[BinaryIO]:
    if final.is_dir():
        raise IsADirectoryError
    if final.exists() and not final.is_file():
        with final.open("wb") as device:
            yield device
        return
    temporary = final.with_name(f".convcli-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        if final.exists():
            temporary.chmod(stat.S_IMODE(final.stat().st_mode))
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: OSError, final: Path) -> str:
    if isinstance(error, IsADirectoryError):
        return "it is a folder: name a file in it"
    if isinstance(error, FileNotFoundError):
        return f"the folder {final.parent} does not exist: make it first"
    if isinstance(error, PermissionError):
        return "no permission: check the folder's mode"
    return error.strerror or type(error).__name__
