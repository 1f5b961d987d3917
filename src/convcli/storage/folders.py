"""Folders that are outputs: a new one takes the place of an old one, in one step."""

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from convcli.errors import ImageError
from convcli.storage.paths import reason
from convcli.storage.temporary import temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

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
    temporary = _beside(final)
    try:
        _check(final, str(target), is_output)
        temporary.mkdir()
        yield temporary
        _take_place(temporary, final)
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {reason(error, final)}") from None
    finally:
        _removed(temporary)


def _check(final: "Path", label: str, is_output: "IsOutput") -> None:
    if final.exists() and not final.is_dir():
        raise ImageError(f"{label}: cannot be written: it is a file: name a folder")
    names = {path.name for path in final.iterdir()} if final.is_dir() else set()
    if names and not is_output(names, lambda name: (final / name).read_bytes()):
        raise ImageError(f"{label}: cannot be written: {OTHER_THINGS}")


def _beside(final: "Path") -> "Path":
    return final.with_name(temporary_name())


def _take_place(temporary: "Path", final: "Path") -> None:
    """Rename the new folder; the old one stands aside first, for no system swaps two."""
    if not final.exists():
        temporary.rename(final)
        return
    old = _beside(final)
    final.rename(old)
    try:
        temporary.rename(final)
    except OSError:
        old.rename(final)
        raise
    _removed(old)


def _removed(folder: "Path") -> None:
    shutil.rmtree(folder, ignore_errors=True)
