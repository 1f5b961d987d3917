"""The named kernels, one file a theme. A new one is one function or one call in its file.

The order of the imports is the order in which the kernels are shown.
"""

from convcli.kernels.catalogue import (  # noqa: I001 - the order in which they are shown
    smoothing,
    derivatives,
    laplacians,
    sharpening,
    compass,
    texture,
    pillow,
)
from convcli.kernels.catalogue.entry import CATALOGUE, Entry, Parameter
from convcli.kernels.catalogue.operators import OPERATORS, OperatorEntry

THEMES = tuple(
    module.THEME.name
    for module in (smoothing, derivatives, laplacians, sharpening, compass, texture, pillow)
)
"""The headings of the catalogue, in order."""

__all__ = ["CATALOGUE", "OPERATORS", "THEMES", "Entry", "OperatorEntry", "Parameter", "kernels"]


def kernels() -> dict[str, str]:
    """Return the name of every kernel and operator of the catalogue, and what it does.

    Examples
    --------
    >>> kernels()["sobel-x"]
    'vertical edges: brighter to the right'
    """
    named = {name: entry.description for name, entry in CATALOGUE.items()}
    return named | {name: entry.description for name, entry in OPERATORS.items()}
