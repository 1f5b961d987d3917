"""convcli: slide kernels over pictures, and see exactly what that does.

>>> import convcli
>>> convcli.correlate([[0, 0, 9, 9]], [[-1, 0, 1]]).tolist()
[[9.0, 9.0]]
"""

from typing import TYPE_CHECKING

from convcli.deferred import deferred

if TYPE_CHECKING:
    from convcli.borders import Border
    from convcli.engine import convolve, correlate
    from convcli.errors import ConvcliError, GeometryError, ImageError, KernelError, SpecError
    from convcli.geometry import Window, window
    from convcli.kernels import Kernel, kernel_from

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
    "Border": "convcli.borders",
    "convolve": "convcli.engine",
    "correlate": "convcli.engine",
    "ConvcliError": "convcli.errors",
    "GeometryError": "convcli.errors",
    "ImageError": "convcli.errors",
    "KernelError": "convcli.errors",
    "SpecError": "convcli.errors",
    "Window": "convcli.geometry",
    "window": "convcli.geometry",
    "Kernel": "convcli.kernels",
    "kernel_from": "convcli.kernels",
}


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


# Commands that need no arrays start without NumPy.
__getattr__ = deferred(__name__, _HOMES)
