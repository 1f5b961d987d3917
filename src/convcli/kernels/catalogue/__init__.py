"""The named kernels: files of themes, in which a call or a function is a kernel.

The order of the imports is the order in which the kernels are shown.
"""

from convcli.kernels.catalogue import blurs_and_edges, oriented  # noqa: F401 - they register kernels
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS

# The headings of the catalogue, in order.
THEMES = tuple(dict.fromkeys(entry.theme for entry in CATALOGUE.values()))


def kernels() -> dict[str, str]:
    """Return the name of every kernel and operator of the catalogue, and what it does.

    Examples
    --------
    >>> kernels()["sobel-x"]
    'vertical edges: brighter to the right'
    """
    named = {name: entry.description for name, entry in CATALOGUE.items()}
    return named | {name: entry.description for name, entry in OPERATORS.items()}
