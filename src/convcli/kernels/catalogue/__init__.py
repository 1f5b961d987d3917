"""The named kernels: a file for each theme, in which one call or one function is a kernel.

The order of the imports is the order in which the kernels are shown.
"""

from convcli.kernels.catalogue import (  # noqa: F401, I001 - each import registers kernels
    smoothing,
    derivatives,
    laplacians,
    compass,
    texture,
    pillow,
)
from convcli.kernels.catalogue.entry import CATALOGUE

THEMES = tuple(dict.fromkeys(entry.theme for entry in CATALOGUE.values()))
"""The headings of the catalogue, in order."""
