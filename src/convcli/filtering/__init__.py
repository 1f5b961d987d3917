"""The use case of `convcli apply`: pictures and kernels in, pictures and a report out."""

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
