"""The use case of `convcli apply`: pictures and kernels in, pictures and a report out."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convcli.filtering.colormaps import Colormap
    from convcli.filtering.files import STANDARD, filter_file, plan_file
    from convcli.filtering.filter import Filtered, filter_picture
    from convcli.filtering.finding import Match, find, find_in_file
    from convcli.filtering.options import Alpha, Options, Range
    from convcli.filtering.report import Report, Step, Swatch

__all__ = [
    "STANDARD",
    "Alpha",
    "Colormap",
    "Filtered",
    "Match",
    "Options",
    "Range",
    "Report",
    "Step",
    "Swatch",
    "filter_file",
    "filter_picture",
    "find",
    "find_in_file",
    "plan_file",
]

_HOMES = {
    "Colormap": "colormaps",
    "STANDARD": "files",
    "filter_file": "files",
    "plan_file": "files",
    "Filtered": "filter",
    "filter_picture": "filter",
    "Match": "finding",
    "find": "finding",
    "find_in_file": "finding",
    "Alpha": "options",
    "Options": "options",
    "Range": "options",
    "Report": "report",
    "Step": "report",
    "Swatch": "report",
}


def __getattr__(name: str) -> object:
    # Reading a kernel needs no Pillow: names are fetched when used.
    if name in _HOMES:
        return getattr(importlib.import_module(f"convcli.filtering.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
