"""Kernels: what they are, the named ones, and how they are read from text and files."""

import sys
import types


class _Kernels(types.ModuleType):
    """The package, which hides the library's function of its name: ``convcli.kernels()``."""

    def __call__(self) -> dict[str, str]:
        from convcli.kernels.catalogue import kernels

        return kernels()


sys.modules[__name__].__class__ = _Kernels
