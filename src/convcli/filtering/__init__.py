"""The use case of `convcli apply`: pictures and kernels in, pictures and a report out."""

from typing import TYPE_CHECKING

from convcli.deferred import deferred

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
    "Colormap": "convcli.filtering.colormaps",
    "STANDARD": "convcli.filtering.files",
    "filter_file": "convcli.filtering.files",
    "plan_file": "convcli.filtering.files",
    "Filtered": "convcli.filtering.filter",
    "filter_picture": "convcli.filtering.filter",
    "Match": "convcli.filtering.finding",
    "find": "convcli.filtering.finding",
    "find_in_file": "convcli.filtering.finding",
    "Alpha": "convcli.filtering.options",
    "Options": "convcli.filtering.options",
    "Range": "convcli.filtering.options",
    "Report": "convcli.filtering.report",
    "Step": "convcli.filtering.report",
    "Swatch": "convcli.filtering.report",
}


# Reading a kernel needs no Pillow.
__getattr__ = deferred(__name__, _HOMES)
