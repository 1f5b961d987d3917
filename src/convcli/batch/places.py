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
from collections.abc import Iterable, Iterator

from convcli.errors import BatchError, ImageError
from convcli.storage import urls
from convcli.storage.atomic import remove_abandoned
from convcli.storage.urls import first_output, is_url

_HIDDEN = "."

# ------------------------------------------------------------------ names


def place_from(name: str) -> str:
    """Return the place that a name stands for: a plain path where it is a ``file://`` URL."""
    return (urls.local_path(name) or name) if is_url(name) else name


def absolute(place: str) -> str:
    """Return a place that means the same in any working folder, so on other machines too."""
    return place if is_url(place) else os.path.abspath(place)


def place_below(folder: str, *names: str) -> str:
    """Join the place of a folder and names below it; empty names are left out.

    Examples
    --------
    >>> place_below("s3://bucket/out", "", "a.png")
    's3://bucket/out/a.png'
    """
    if is_url(folder):
        return "/".join((folder.rstrip("/"), *filter(None, names)))
    return os.path.join(folder, *filter(None, names))


def name_parts(place: str) -> tuple[str, str, str]:
    """Return the name of a file's folder, the file's name without suffix, and its suffix.

    Examples
    --------
    >>> name_parts("/photos/summer/a.b.jpg")
    ('summer', 'a.b', '.jpg')
    """
    path = place if _is_plain(place) or is_url(place) else os.path.abspath(place)
    if os.sep != "/":
        path = path.replace(os.sep, "/")
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2], *_split_suffix(name)


def _split_suffix(name: str) -> tuple[str, str]:
    """Return a name without its suffix, and that: `os.path.splitext`, in half the time."""
    if name.startswith(".") or "." not in name:
        return os.path.splitext(name)
    stem, dot, suffix = name.rpartition(".")
    return stem, dot + suffix


def _is_plain(place: str) -> bool:
    """Tell quickly that a path is absolute, and has no steps to change."""
    return place.startswith("/") and "/." not in place and "//" not in place


as_bytes = operator.methodcaller(
    "encode", sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
)
"""Returns the bytes of a name: `os.fsencode`, in half the time."""


def digest(key: str) -> bytes:
    """Return 16 bytes for a text: no two texts will have the same."""
    return hashlib.blake2b(as_bytes(key), digest_size=16).digest()


def same_file_key(place: str) -> str:
    """Return a text that is equal for two names of the same file: see `folder_and_name`."""
    return "".join(folder_and_name(place))


def folder_and_name(place: str) -> tuple[str, str]:
    """Return the folder of a file, with its last slash, and the name: equal for the same file.

    Links to folders are resolved. Where the disk ignores case, the name ignores it too.
    """
    folder, name = os.path.split(place) if os.sep != "/" else _split(place)
    if not (folder.startswith("/") or os.path.isabs(folder)):
        if is_url(place):
            return f"{folder}/", name
        folder = os.path.abspath(folder)
    real, ignores_case = _real_folder(folder)
    return real, unicodedata.normalize("NFC", name).casefold() if ignores_case else name


def _split(path: str) -> tuple[str, str]:
    """Return the folder and the name: three times as fast as `os.path.split`."""
    folder, slash, name = path.rpartition("/")
    return folder or slash, name


@functools.lru_cache(maxsize=4096)
def _real_folder(folder: str) -> tuple[str, bool]:
    """Return a folder's path without links, and whether names in it ignore case."""
    real = os.path.realpath(folder)
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


place_exists, folder_exists, files_like = urls.is_there, urls.is_folder, urls.matching


def is_pipe(place: str) -> bool:
    """Tell whether a place exists and is no file that can be read twice."""
    return not is_url(place) and place_exists(place) and not os.path.isfile(place)


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
    hashed, size = hashlib.sha256(), 0
    for part in urls.parts_of(target):
        hashed.update(part)
        size += len(part)
    return size, f"sha256:{hashed.hexdigest()}"


def walk_files(
    folder: str, *, recursive: bool, excluded: str | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder: the path from there to the file's own folder, and its name.

    They are sorted by name. Hidden files and folders are left out. So are the folder
    `excluded`, and links to folders, which may form circles. A folder that cannot be read
    raises `BatchError`.
    """
    if is_url(folder):
        yield from _walk_store(folder, recursive=recursive, excluded=excluded)
        return
    excluded = os.path.realpath(excluded) if excluded else None
    for path, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(
            name
            for name in folders
            if recursive
            and not name.startswith(_HIDDEN)
            and os.path.realpath(os.path.join(path, name)) != excluded
        )
        below = os.path.relpath(path, folder)
        for name in sorted(names):
            if not name.startswith(_HIDDEN):
                yield "" if below == os.curdir else below, name


def _unreadable(error: OSError) -> None:
    raise BatchError(f"{error.filename}: the folder cannot be read: {error.strerror}")


def _walk_store(
    folder: str, *, recursive: bool, excluded: str | None
) -> Iterator[tuple[str, str]]:
    prefix = f"{excluded.rstrip('/')}/" if excluded else None
    for path in urls.files_in(folder, recursive=recursive):
        below, _, name = path.rpartition("/")
        is_excluded = prefix is not None and place_below(folder, path).startswith(prefix)
        if not is_excluded and not any(step.startswith(_HIDDEN) for step in path.split("/")):
            yield below, name


# ------------------------------------------------------------------ outputs


def output_exists(target: str) -> bool:
    """Tell whether an output exists. Of several files, the first counts: it is written last."""
    return place_exists(first_output(target))


def existing_outputs(targets: Iterable[str]) -> Iterator[str]:
    """Yield the outputs that exist; a store is asked once for all of a folder."""
    known, names = None, frozenset[str]()
    for target in targets:
        in_store = is_url(target)
        folder, name = os.path.split(first_output(target))
        if folder != known:
            known, names = folder, _names_in(folder)
        # A disk may take two spellings for one name: it is asked.
        if name in names if in_store else names and output_exists(target):
            yield target


def _names_in(folder: str) -> frozenset[str]:
    """Return the names in a folder, or at the beginning of URLs; none where there is none."""
    if is_url(folder):
        return frozenset(urls.files_in(folder) if urls.is_folder(folder) else ())
    with (
        contextlib.suppress(FileNotFoundError, NotADirectoryError),
        os.scandir(folder or os.curdir) as found,
    ):
        return frozenset(entry.name for entry in itertools.islice(found, 1))
    return frozenset()


def may_have_files(folder: str) -> bool:
    """Tell whether there are files in a folder of this machine; a store is not asked."""
    return is_url(folder) or bool(_names_in(folder))


def make_folder(place: str) -> None:
    """Make a folder and its parents, where they are missing; check that a store answers.

    Raises
    ------
    OSError
        If the folder cannot be made.
    ImageError
        If the store does not answer, or has no such bucket.
    """
    if is_url(place):
        urls.check_store(place)
    else:
        os.makedirs(place or os.curdir, exist_ok=True)


def make_parent_folder(target: str) -> None:
    """Make the folder of an output, where it is missing; stores need no folders."""
    if not is_url(target):
        make_folder(os.path.dirname(target))
        _clean(os.path.dirname(target))


@functools.lru_cache(maxsize=4096)
def _clean(folder: str) -> None:
    """Remove what killed processes left in a folder: once in each process."""
    remove_abandoned(folder)
