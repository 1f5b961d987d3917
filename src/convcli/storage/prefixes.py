"""Prefixes of a store that are outputs: objects that are something only together."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from convcli.errors import ImageError
from convcli.storage.folders import OTHER_THINGS
from convcli.storage.stores import NO_BUCKET, store_of, told
from convcli.storage.temporary import temporary_name

if TYPE_CHECKING:
    from convcli.storage.folders import IsOutput

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
    is_new = _checked(url, is_output)
    place = url if is_new else _beside(url)
    try:
        yield place
    except BaseException:
        # The fault that is raised says more than one of the removing.
        with contextlib.suppress(ImageError):
            _remove(place, heads)
        raise
    if not is_new:
        _take_place(place, url, heads)


def _checked(url: str, is_output: "IsOutput") -> bool:
    """Return whether there is nothing yet; refuse what may not be replaced."""
    if any(sign in url for sign in _MAGIC):
        raise ImageError(
            f"{url}: cannot be written: expected a URL without * ? and [, which stores "
            "take for patterns: name it otherwise"
        )
    with told(url, "written", NO_BUCKET) as (store, path):
        store.invalidate_cache()
        if "/" not in path:
            raise ImageError(f"{url}: cannot be written: it is a bucket: name a folder in it")
        if store.isfile(path):
            raise ImageError(f"{url}: cannot be written: it is a file: name a folder")
        names = _names(store, path)
        if names and not is_output(names, lambda name: _read(store, f"{path}/{name}")):
            raise ImageError(f"{url}: cannot be written: {OTHER_THINGS}")
    return not names


def _names(store: Any, path: str) -> frozenset[str]:
    try:
        found = store.ls(path, detail=False)
    except FileNotFoundError:
        return frozenset()
    return frozenset(name.rstrip("/").rpartition("/")[2] for name in found)


def _read(store: Any, path: str) -> bytes:
    data: bytes = store.cat_file(path)
    return data


def _beside(url: str) -> str:
    folder = url.rstrip("/").rpartition("/")[0]
    return f"{folder}/{temporary_name()}"


def _take_place(place: str, url: str, heads: tuple[str, ...]) -> None:
    """Copy what is complete over what was there: until the end there is nothing, never half."""
    try:
        _remove(url, heads)
        with told(url, "written", NO_BUCKET) as (store, path):
            source = store_of(place)[1]
            names = sorted(store.find(source), key=lambda name: name == f"{source}/{heads[0]}")
            # By lists of names: of folders a store has its own notions.
            for some in (names[:-1], names[-1:]):
                store.copy(some, [path + name[len(source) :] for name in some])
    except ImageError as error:
        raise ImageError(f"{error}; the new one is complete at {place}") from None
    _remove(place, heads)


def _remove(url: str, heads: tuple[str, ...]) -> None:
    """Remove what is below a URL: first what tells what it is."""
    with told(url, "removed", NO_BUCKET) as (store, path):
        # Other processes have written there, of which this one's store has heard nothing.
        store.invalidate_cache()
        for name in _names(store, path) & set(heads):
            store.rm_file(f"{path}/{name}")
        store.invalidate_cache()
        if store.exists(path):
            store.rm(path, recursive=True)
