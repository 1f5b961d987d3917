"""The use case of `convcli apply`: pictures and kernels in, pictures and a report out."""

from convcli.filtering.files import STANDARD, filter_file, plan_file
from convcli.filtering.filter import Filtered, filter_picture
from convcli.filtering.options import Alpha, Options, Range
from convcli.filtering.report import Report, Step

__all__ = [
    "STANDARD",
    "Alpha",
    "Filtered",
    "Options",
    "Range",
    "Report",
    "Step",
    "filter_file",
    "filter_picture",
    "plan_file",
]
