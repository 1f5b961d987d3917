"""Names of what is there for a moment only, beside what it will be, or be removed for."""

import os

_NAME = ".convcli-{}.tmp"


def temporary_name(owner: str = "") -> str:
    """Return a name that nobody else has.

    Parameters
    ----------
    owner : str
        What it begins with, by which `temporary_pattern` finds it.
    """
    return _NAME.format(owner + os.urandom(8).hex())


def temporary_pattern(owner: str) -> str:
    """Return a pattern of all such names of an owner.

    Examples
    --------
    >>> import fnmatch
    >>> fnmatch.fnmatch(temporary_name("mine-"), temporary_pattern("mine-"))
    True
    """
    return _NAME.format(f"{owner}*")
