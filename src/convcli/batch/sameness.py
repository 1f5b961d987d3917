"""Whether two names stand for the same file."""

import functools
import os
import unicodedata

from convcli.batch.places import is_url


def key(place: str) -> str:
    """Return what two names of one file have in common.

    Folders are followed through links; where the disk does not tell A from a, neither
    does the key.
    """
    if is_url(place):
        return place
    folder, name = os.path.split(place)
    real, folds = _real(os.path.abspath(folder))
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
