"""convcli: slide kernels over pictures, and see exactly what that does.

>>> import convcli
>>> convcli.apply("sobel-x", [[0, 0, 9, 9]], border="replicate").array.tolist()
[[0.0, 36.0, 36.0, 0.0]]
>>> convcli.output_size(width=7, kernel_size=3, stride=2, padding=1)
4
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convcli.choices import Alpha, Border, Colormap, Combine, Depth, Edges, Method, Range
    from convcli.engine.compiled import prefer_compiled
    from convcli.engine.correlate import convolve, correlate
    from convcli.engine.transposed import correlate_transposed
    from convcli.errors import (
        BatchError,
        ClusterError,
        ConvcliError,
        GeometryError,
        ImageError,
        KernelError,
        OptionError,
        SpecError,
    )
    from convcli.geometry.window import Window, window
    from convcli.images.picture import Picture
    from convcli.kernels.catalogue import kernels
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator
    from convcli.kernels.spec import kernel_from
    from convcli.lessons.learning.step import learn_step
    from convcli.lessons.matrix import convolution_matrix
    from convcli.lessons.stacks import stack
    from convcli.lessons.stacks.fields import effective_field, receptive_field
    from convcli.lessons.stacks.run import run_stack
    from convcli.library.chains import kernel, recipe
    from convcli.library.files import apply_files, apply_tiled
    from convcli.library.lessons import (
        animate,
        count_parameters,
        explain,
        explore,
        learn,
        output_size,
    )
    from convcli.library.pictures import FilterOptions, Result, apply, find, open, plan, pool
    from convcli.pipeline.options import Options
    from convcli.pipeline.recipe import Recipe
    from convcli.pipeline.report import Report

    __version__: str

__all__ = ["Alpha", "Border", "Colormap", "Combine", "Depth", "Edges", "Method", "Range"]
__all__ += ["BatchError", "ClusterError", "ConvcliError", "GeometryError", "ImageError"]
__all__ += ["KernelError", "OptionError", "SpecError"]
__all__ += ["FilterOptions", "Kernel", "Operator", "Options", "Picture", "Recipe", "Report"]
__all__ += ["Result", "Window", "__version__"]
__all__ += ["animate", "apply", "apply_files", "apply_tiled", "convolution_matrix", "convolve"]
__all__ += ["correlate", "correlate_transposed", "count_parameters", "effective_field"]
__all__ += ["explain", "explore", "find", "kernel", "kernel_from", "kernels", "learn"]
__all__ += ["learn_step", "open", "output_size", "plan", "pool", "prefer_compiled"]
__all__ += ["receptive_field", "recipe", "run_stack", "stack", "window"]

_NAMES = {
    "convcli.choices": "Alpha Border Colormap Combine Depth Edges Method Range",
    "convcli.engine.compiled": "prefer_compiled",
    "convcli.engine.correlate": "convolve correlate",
    "convcli.engine.transposed": "correlate_transposed",
    "convcli.errors": (
        "BatchError ClusterError ConvcliError GeometryError ImageError KernelError "
        "OptionError SpecError"
    ),
    "convcli.geometry.window": "Window window",
    "convcli.images.picture": "Picture",
    "convcli.kernels.catalogue": "kernels",
    "convcli.kernels.kernel": "Kernel",
    "convcli.kernels.operator": "Operator",
    "convcli.kernels.spec": "kernel_from",
    "convcli.lessons.learning.step": "learn_step",
    "convcli.lessons.stacks.fields": "effective_field receptive_field",
    "convcli.lessons.stacks.run": "run_stack",
    "convcli.lessons.matrix": "convolution_matrix",
    "convcli.lessons.stacks": "stack",
    "convcli.library.chains": "kernel recipe",
    "convcli.library.files": "apply_files apply_tiled",
    "convcli.library.lessons": "animate count_parameters explain explore learn output_size",
    "convcli.library.pictures": "FilterOptions Result apply find open plan pool",
    "convcli.pipeline.options": "Options",
    "convcli.pipeline.recipe": "Recipe",
    "convcli.pipeline.report": "Report",
}
"""The public names of each module: it is imported when one of them is first used."""

_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    # Commands that need no arrays start without NumPy.
    if name == "__version__":
        from convcli.errors import own_version

        return own_version()
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
