"""Names of a package that are imported when they are first used.

What a command does not need it does not import: a picture of 512² is filtered in less
time than all modules take to be read.
"""

import importlib
from collections.abc import Callable, Mapping


def deferred(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a package whose names live in modules of their own.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    homes : mapping
        The full name of the module of each name.

    Examples
    --------
    >>> deferred("convcli", {"window": "convcli.geometry"})("window").__module__
    'convcli.geometry.windows'
    """

    def attribute(name: str) -> object:
        if name in homes:
            return getattr(importlib.import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return attribute
