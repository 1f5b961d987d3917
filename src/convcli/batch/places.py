"""Paths and URLs, handled alike: where the files of a batch are read and written.

A *place* is a string: the path of a file or a folder, or its URL in a store.
"""

import contextlib
import functools
import hashlib
import itertools
import operator
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator

from convcli.errors import BatchError, ImageError
from convcli.storage import urls
from convcli.storage.atomic import remove_abandoned
from convcli.storage.urls import first_output, is_url

# ------------------------------------------------------------------ names


def place_from(name: str) -> str:
    """Return the place that a name stands for: a plain path where it is a ``file://`` URL."""
    return (urls.local_path(name) or name) if is_url(name) else name


def absolute(place: str) -> str:
    """Return a place that means the same in any working folder, so on other machines too."""
    return place if is_url(place) else os.path.abspath(place)


def place_below(folder: str, *names: str) -> str:
    """Join the place of a folder and names below it; empty names are left out."""
    if is_url(folder):
        return "/".join((folder.rstrip("/"), *filter(None, names)))
    return os.path.join(folder, *filter(None, names))


def name_parts(place: str) -> tuple[str, str, str]:
    """Return the name of a file's folder, the file's name without suffix, and its suffix."""
    folder, name = _split(place)
    parent = folder.rpartition("/")[2]
    if parent in ("", ".", "..") and not is_url(place):
        parent = os.path.basename(_absolute(folder, os.getcwd()))
    if name.startswith(".") or "." not in name:
        return parent, *os.path.splitext(name)
    stem, dot, suffix = name.rpartition(".")
    return parent, stem, dot + suffix


def _split(place: str) -> tuple[str, str]:
    """Return the folder and the name: three times as fast as `os.path.split`."""
    if os.sep != "/":
        place = place.replace(os.sep, "/")
    folder, slash, name = place.rpartition("/")
    return folder or slash, name


@functools.lru_cache(maxsize=4096)
def _absolute(folder: str, here: str) -> str:
    return os.path.normpath(os.path.join(here, folder))


KEY_BYTES = 16

# Returns the bytes of a name: `os.fsencode`, in half the time.
as_bytes = operator.methodcaller(
    "encode", sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
)


def output_key(place: str) -> bytes:
    """Return bytes that are equal for two names of the same file, and no others."""
    return digest(same_file_key(place))


def digest(key: str) -> bytes:
    """Return 16 bytes for a text: no two texts will have the same."""
    return hashlib.blake2b(as_bytes(key), digest_size=KEY_BYTES).digest()


def same_file_key(place: str) -> str:
    """Return a text that is equal for two names of the same file: see `folder_and_name`."""
    return "".join(folder_and_name(place))


def folder_and_name(place: str) -> tuple[str, str]:
    """Return the folder of a file, with its last slash, and the name: equal for the same file.

    Links to folders are resolved. Where the disk ignores case, the name ignores it too.
    """
    folder, name = _split(place)
    here = "" if folder.startswith("/") else os.getcwd()
    real, ignores_case = _real_folder(folder, here)
    return real, unicodedata.normalize("NFC", name).casefold() if ignores_case else name


@functools.lru_cache(maxsize=4096)
def _real_folder(folder: str, here: str) -> tuple[str, bool]:
    """Return a folder's path without links, and whether names in it ignore case."""
    if is_url(f"{folder}/"):
        return f"{folder}/", False
    real = os.path.realpath(os.path.join(here, folder))
    return f"{real}{os.sep}", _ignores_case(real)


@functools.lru_cache(maxsize=4096)
def _ignores_case(folder: str) -> bool:
    parent, name = os.path.split(folder)
    if not name:
        return os.path.normcase("A") == "a"
    if name.swapcase() == name or not os.path.exists(folder):
        return _ignores_case(parent)
    swapped = os.path.join(parent, name.swapcase())
    return os.path.exists(swapped) and os.path.samefile(folder, swapped)


# ------------------------------------------------------------------ inputs


def is_pipe(place: str) -> bool:
    """Tell whether a place exists and is neither a folder nor a file that can be read twice."""
    # To nothing leads a link, too: reading it says so.
    is_usual = is_url(place) or os.path.isfile(place) or os.path.isdir(place)
    return not is_usual and os.path.exists(place)


def size_or_zero(place: str) -> int:
    """Return the size of a file in bytes; 0 where there is none."""
    try:
        return urls.size_of(place)
    except (OSError, ImageError):
        return 0


def size_and_checksum(target: str) -> tuple[int, str]:
    """Read an output back, or the first of several; return its bytes and its SHA-256."""
    target = first_output(target)
    if is_pipe(target):
        return 0, ""
    with urls.opened(target) as file:
        hashed = hashlib.file_digest(file, "sha256")
        # A file in memory is hashed without being read.
        return file.seek(0, os.SEEK_END), f"sha256:{hashed.hexdigest()}"


_HIDDEN, _OUTPUTS = "hidden", "the folder of the outputs"


def walk(
    folder: str, *, recursive: bool, excluded: str | None = None
) -> Iterator[tuple[str, str, str]]:
    """Yield what is in a folder: the path to its own folder, its name, and a reason.

    The reason says why a batch does not take it, and is empty for files that it may take. All
    are sorted by name. `excluded` is the folder of the outputs.
    """
    if is_url(folder):
        yield from _walk_store(folder, recursive=recursive, excluded=excluded)
        return
    outputs = os.path.realpath(excluded) if excluded else None
    for path, folders, names in os.walk(folder, onerror=_unreadable):
        below = "" if path == folder else os.path.relpath(path, folder)
        reasons = {
            name: _reason(os.path.join(path, name), outputs, recursive=recursive)
            for name in sorted(folders)
        }
        folders[:] = [name for name, reason in reasons.items() if not reason]
        yield from ((below, name, reason) for name, reason in reasons.items() if reason)
        for name in sorted(names):
            # To open a pipe that nobody writes to would never end.
            other = "a pipe" if is_pipe(os.path.join(path, name)) else ""
            yield below, name, _HIDDEN if name.startswith(".") else other


def _reason(folder: str, outputs: str | None, *, recursive: bool) -> str:
    """Say why a folder in a folder is not looked into; empty where it is."""
    if os.path.realpath(folder) == outputs:
        return _OUTPUTS
    if os.path.basename(folder).startswith("."):
        return _HIDDEN
    if os.path.islink(folder):
        return "a link to a folder"
    return "" if recursive else "a folder: --recursive looks into it"


def _unreadable(error: OSError) -> None:
    raise BatchError(f"{error.filename}: the folder cannot be read: {error.strerror}")


def _walk_store(
    folder: str, *, recursive: bool, excluded: str | None
) -> Iterator[tuple[str, str, str]]:
    outputs = f"{excluded.rstrip('/')}/" if excluded else None
    for path in urls.files_in(folder, recursive=recursive):
        below, _, name = path.rpartition("/")
        reason = _HIDDEN if any(step.startswith(".") for step in path.split("/")) else ""
        if outputs is not None and place_below(folder, path).startswith(outputs):
            reason = _OUTPUTS
        yield below, name, reason


# ------------------------------------------------------------------ outputs


def output_exists(target: str) -> bool:
    """Tell whether an output exists. Of several files, the first counts: it is written last."""
    return urls.is_there(first_output(target))


def existing_outputs() -> Callable[[str], bool]:
    """Return what tells whether an output exists; a store is asked once for all of a folder."""
    names_of = functools.lru_cache(maxsize=1)(names_in)

    def exists(target: str) -> bool:
        target = first_output(target)
        folder, name = _split(target)
        names, are_all = names_of(folder)
        return name in names if are_all or not names else os.path.lexists(target)

    return exists


_MOST_NAMES = 2**16
"""So many names of a folder are remembered. With more, the disk is asked for each."""


def names_in(folder: str) -> tuple[frozenset[str], bool]:
    """Return names in a folder or at the beginning of URLs, and whether they are all names."""
    if is_url(folder):
        return frozenset(urls.files_in(folder) if urls.is_folder(folder) else ()), True
    names = frozenset[str]()
    with (
        contextlib.suppress(FileNotFoundError, NotADirectoryError),
        os.scandir(folder or os.curdir) as found,
    ):
        names = frozenset(each.name for each in itertools.islice(found, _MOST_NAMES))
    # A disk that ignores case may take two spellings for one name.
    takes_one = not _ignores_case(os.path.realpath(folder))
    return names, takes_one and len(names) < _MOST_NAMES


def make_folder(place: str) -> None:
    """Make a folder and its parents, where they are missing; check that a store answers."""
    if is_url(place):
        urls.check_store(place)
    else:
        os.makedirs(place or os.curdir, exist_ok=True)


def make_parent_folder(target: str) -> None:
    """Make the folder of an output, where it is missing; stores need no folders."""
    if not is_url(target):
        make_folder(os.path.dirname(target))
        _clean_once(os.path.dirname(target))


_clean_once = functools.lru_cache(maxsize=4096)(remove_abandoned)
