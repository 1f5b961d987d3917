"""Where files are: all that a batch asks of a path.

A place is a string, for it may be a URL; no other module of this floor looks into one.
"""

import functools
import os
import unicodedata
from collections.abc import Iterator

from convcli.filtering.maps import MAP

_URL = "://"
_HIDDEN = "."


def is_url(place: str) -> bool:
    """Tell whether a place is a URL.

    Examples
    --------
    >>> is_url("s3://bucket/a.png"), is_url("a:b.png")
    (True, False)
    """
    return _URL in place


def is_there(place: str) -> bool:
    """Tell whether a file or a folder is there."""
    return os.path.lexists(place)


def is_folder(place: str) -> bool:
    """Tell whether a folder is there."""
    return not is_url(place) and os.path.isdir(place)


def is_taken(target: str) -> bool:
    """Tell whether an output is there; of many maps the first, which is written last."""
    return is_there(first_map(target))


def first_map(target: str) -> str:
    """Return the output for the first map, where there is one for each."""
    return target.replace(MAP, "0")


def make_folder(place: str) -> None:
    """Make a folder and those above it, where there is none.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    os.makedirs(place or os.curdir, exist_ok=True)


def make_folder_of(target: str) -> None:
    """Make the folder of an output, where there is none.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    make_folder(os.path.dirname(target))


def size_of(place: str) -> int:
    """Return the bytes of a file; 0 where there is none."""
    try:
        return os.stat(place).st_size
    except OSError:
        return 0


def joined(folder: str, *names: str) -> str:
    """Return a place below a folder; names that are empty are left out.

    Examples
    --------
    >>> joined("s3://bucket/out", "", "a.png")
    's3://bucket/out/a.png'
    """
    if is_url(folder):
        return "/".join((folder.rstrip("/"), *filter(None, names)))
    return os.path.join(folder, *filter(None, names))


def parts(source: str) -> tuple[str, str, str]:
    """Return the name of a file's folder, its own without suffix, and its suffix.

    Examples
    --------
    >>> parts("/photos/summer/a.b.jpg")
    ('summer', 'a.b', '.jpg')
    """
    path = source if is_url(source) else os.path.abspath(source)
    stem, suffix = os.path.splitext(os.path.basename(path))
    return os.path.basename(os.path.dirname(path)), stem, suffix


def files_in(
    folder: str, *, recursive: bool, besides: str | None = None
) -> Iterator[tuple[str, str]]:
    """Yield files by name, with the folder below `folder` that each is in.

    Hidden files and folders are left out, and links to folders, which may go in circles.

    Parameters
    ----------
    folder : str
        Where to look.
    recursive : bool
        Look into the folders in it too.
    besides : str, optional
        A folder that is not looked into.

    Yields
    ------
    (str, str)
        The path from `folder` to the file's own folder, and the file's name.

    Raises
    ------
    OSError
        If a folder cannot be read.
    """
    avoided = os.path.realpath(besides) if besides else None
    for path, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(
            name
            for name in folders
            if recursive
            and not name.startswith(_HIDDEN)
            and os.path.realpath(os.path.join(path, name)) != avoided
        )
        below = os.path.relpath(path, folder)
        for name in sorted(names):
            if not name.startswith(_HIDDEN):
                yield "" if below == os.curdir else below, name


def _raise(error: OSError) -> None:
    raise error


def key(place: str) -> str:
    """Return what two names of one file have in common.

    Folders are followed through links; where the disk does not tell A from a, neither
    does the key.
    """
    if is_url(place):
        return place
    folder, name = os.path.split(place)
    real, folds = _real(folder)
    return os.path.join(real, _folded(name) if folds else name)


@functools.lru_cache(maxsize=4096)
def _real(folder: str) -> tuple[str, bool]:
    real = os.path.realpath(folder)
    return real, _folds(real)


@functools.lru_cache(maxsize=4096)
def _folds(folder: str) -> bool:
    """Tell whether a disk takes names for the same that differ in case only."""
    above, name = os.path.split(folder)
    if not name:
        return os.path.normcase("A") == "a"
    if name.swapcase() == name or not os.path.exists(folder):
        return _folds(above)
    other = os.path.join(above, name.swapcase())
    return os.path.exists(other) and os.path.samefile(folder, other)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def encoded(place: str) -> bytes:
    """Return a name as the bytes that the system keeps."""
    return os.fsencode(place)


def decoded(name: bytes) -> str:
    """Return a name of bytes, of which not all need be text, as a string."""
    return os.fsdecode(name)


def stays_below(name: str) -> bool:
    """Tell whether a relative name of a file leads nowhere else than below a folder."""
    steps = name.replace("\\", "/").split("/")
    return not os.path.isabs(name) and all(step not in ("", ".", "..") for step in steps)
