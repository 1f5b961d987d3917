"""Kernels: what they are, the named ones, and how they are read from text and files."""

import sys
import types


class _Kernels(types.ModuleType):
    """The package, which is a function of the library too: ``convcli.kernels()``.

    Python binds a package's name in its parent as soon as it is imported, so that the function
    of the same name could not be found there.
    """

    def __call__(self) -> dict[str, str]:
        from convcli.kernels.catalogue import kernels

        return kernels()


sys.modules[__name__].__class__ = _Kernels
