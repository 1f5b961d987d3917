"""Where files are: all that a batch asks of a path.

A place is a string, for it may be a URL; no other module of this floor looks into one.
"""

import glob
import os
from collections.abc import Iterable, Iterator

from convcli.pipeline.files import MAP
from convcli.storage import urls
from convcli.storage.atomic import remove_left_by

_HIDDEN = "."


def is_url(place: str) -> bool:
    """Tell whether a place is a URL of a store."""
    return urls.is_url(place)


def located(name: str) -> str:
    """Return the place that a person means: a path for ``file://``, which is no store."""
    return urls.local_path(name) or name


def absolute(place: str) -> str:
    """Return a place as it is called from any folder, and so on another machine."""
    return place if is_url(place) else os.path.abspath(place)


def is_private(place: str) -> bool:
    """Tell whether a place is in the memory of one process, where no other sees it."""
    return place.startswith("memory://")


def is_there(place: str) -> bool:
    """Tell whether a file or a folder is there."""
    return urls.is_there(place) if is_url(place) else os.path.lexists(place)


def is_folder(place: str) -> bool:
    """Tell whether a folder is there."""
    return urls.is_folder(place) if is_url(place) else os.path.isdir(place)


def matching(pattern: str) -> list[str]:
    """Return the files that a pattern stands for, by name."""
    if is_url(pattern):
        return urls.matching(pattern)
    found = glob.iglob(pattern, recursive=True)
    return sorted(name for name in found if not os.path.isdir(name))


def is_taken(target: str) -> bool:
    """Tell whether an output is there; of many maps the first, which is written last."""
    return is_there(first_map(target))


def taken(targets: Iterable[str]) -> Iterator[str]:
    """Yield the outputs that are there; a store is asked once for all of a folder."""
    known, names = "", frozenset[str]()
    for target in targets:
        folder, _, name = first_map(target).rpartition("/")
        if not is_url(target):
            if is_taken(target):
                yield target
            continue
        if folder != known:
            known, names = folder, frozenset(_names_below(folder))
        if name in names:
            yield target


def _names_below(folder: str) -> Iterator[str]:
    return urls.files_in(folder) if urls.is_folder(folder) else iter(())


def first_map(target: str) -> str:
    """Return the output for the first map, where there is one for each."""
    return target.replace(MAP, "0")


def make_folder(place: str) -> None:
    """Make a folder and those above it, where there is none; a store needs only to answer.

    Raises
    ------
    OSError
        If it cannot be made.
    ImageError
        If the store does not answer, or has no such bucket.
    """
    if is_url(place):
        urls.check_store(place)
    else:
        os.makedirs(place or os.curdir, exist_ok=True)


def make_folder_of(target: str) -> None:
    """Make the folder of an output, where there is none.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    if not is_url(target):
        make_folder(os.path.dirname(target))


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
    if is_url(folder):
        yield from _objects_in(folder, recursive=recursive, besides=besides)
        return
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


def _objects_in(
    folder: str, *, recursive: bool, besides: str | None
) -> Iterator[tuple[str, str]]:
    avoided = f"{besides.rstrip('/')}/" if besides else None
    for path in urls.files_in(folder, recursive=recursive):
        below, _, name = path.rpartition("/")
        inside = avoided is not None and joined(folder, path).startswith(avoided)
        if not inside and not any(step.startswith(_HIDDEN) for step in path.split("/")):
            yield below, name


def _raise(error: OSError) -> None:
    raise error


def encoded(place: str) -> bytes:
    """Return a name as the bytes that the system keeps."""
    return os.fsencode(place)


def decoded(name: bytes) -> str:
    """Return a name of bytes, of which not all need be text, as a string."""
    return os.fsdecode(name)


def forget(pid: int, target: str) -> None:
    """Remove what a process that was killed left of an output."""
    if not is_url(target):
        remove_left_by(pid, target)


def stays_below(name: str) -> bool:
    """Tell whether a relative name of a file leads nowhere else than below a folder."""
    steps = name.replace("\\", "/").split("/")
    return not os.path.isabs(name) and all(step not in ("", ".", "..") for step in steps)
