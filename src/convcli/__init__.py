"""convcli: slide kernels over pictures, and see exactly what that does.

>>> import convcli
>>> convcli.correlate([[0, 0, 9, 9]], [[-1, 0, 1]]).tolist()
[[9.0, 9.0]]
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convcli.choices import Border
    from convcli.engine.correlate import convolve, correlate
    from convcli.errors import ConvcliError, GeometryError, ImageError, KernelError, SpecError
    from convcli.geometry.window import Window, window
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.spec import kernel_from

__all__ = [
    "Border",
    "ConvcliError",
    "GeometryError",
    "ImageError",
    "Kernel",
    "KernelError",
    "SpecError",
    "Window",
    "convolve",
    "correlate",
    "kernel_from",
    "window",
]

_HOMES = {
    "Border": "convcli.choices",
    "convolve": "convcli.engine.correlate",
    "correlate": "convcli.engine.correlate",
    "ConvcliError": "convcli.errors",
    "GeometryError": "convcli.errors",
    "ImageError": "convcli.errors",
    "KernelError": "convcli.errors",
    "SpecError": "convcli.errors",
    "Window": "convcli.geometry.window",
    "window": "convcli.geometry.window",
    "Kernel": "convcli.kernels.kernel",
    "kernel_from": "convcli.kernels.spec",
}
"""The module of each public name, imported when the name is first used."""


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


def __getattr__(name: str) -> object:
    # Commands that need no arrays start without NumPy.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
