"""What lies beyond the edge of a picture: the border modes, and the filling of borders."""

from convcli.borders.filling import Sides, Stretch, fill_rows, sides_of, stretches
from convcli.borders.modes import ALIASES, Border, border_named, source_indices

__all__ = [
    "ALIASES",
    "Border",
    "Sides",
    "Stretch",
    "border_named",
    "fill_rows",
    "sides_of",
    "source_indices",
    "stretches",
]
