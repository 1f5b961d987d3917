"""The colours of a kernel's cells and of its frequencies, for terminals and figures."""

import numpy as np
from numpy.typing import NDArray

from convcli.filtering.colormaps import Colormap, palette
from convcli.kernels import Kernel
from convcli.kernels.reading import frequency_response

_MIDDLE, _REACH = 128, 127
_DUST = 1e-13
"""Below this part of the largest weight another is what rounding left of 0."""


def cell_colors(grid: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the cells' colours, shape (kh, kw, 3): blue below 0, white at 0, red above.

    What is NaN or infinite is white, too.

    Examples
    --------
    >>> cell_colors(np.array([[-1.0, 0.0, 1.0]])).tolist()
    [[[5, 48, 97], [247, 247, 247], [103, 0, 31]]]
    """
    known = np.where(np.isfinite(grid), grid, 0.0)
    largest = float(np.abs(known).max()) or 1.0
    places = np.rint(_MIDDLE + _REACH * known / largest).astype(np.intp)
    return np.asarray(palette(Colormap.DIVERGING)[places], dtype=np.uint8)


def without_dust(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights to be read: 0 where only rounding left another number.

    Examples
    --------
    >>> without_dust(np.array([1.0, 5e-17, -0.5])).tolist()
    [1.0, 0.0, -0.5]
    """
    return np.where(np.abs(grid) <= _DUST * np.abs(grid).max(), 0.0, grid)


def response_pixels(kernel: Kernel, samples: int = 33) -> NDArray[np.uint8]:
    """Return the frequency response of a 2-D kernel as grey pixels: white is the strongest.

    Examples
    --------
    >>> response_pixels(Kernel([[0.25, 0.5, 0.25]]), 3)[1].tolist()
    [0, 255, 0]
    """
    response = frequency_response(kernel, samples)
    return np.rint(255 * response / (float(response.max()) or 1.0)).astype(np.uint8)
