"""What lies beyond the edge of a picture: the border modes.

=========== ================== ============ =============== ============= =========
name        drawn              NumPy pad    SciPy           OpenCV        torch
=========== ================== ============ =============== ============= =========
zero        ``000|abcd|000``   constant     constant        CONSTANT      zeros
replicate   ``aaa|abcd|ddd``   edge         nearest         REPLICATE     replicate
reflect     ``dcb|abcd|cba``   reflect      mirror          REFLECT_101   reflect
symmetric   ``cba|abcd|dcb``   symmetric    reflect         REFLECT       (none)
wrap        ``bcd|abcd|abc``   wrap         wrap            WRAP          circular
=========== ================== ============ =============== ============= =========
"""

import enum

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError


class Border(enum.Enum):
    """How the picture goes on beyond its edge."""

    ZERO = "zero"
    REPLICATE = "replicate"
    REFLECT = "reflect"
    SYMMETRIC = "symmetric"
    WRAP = "wrap"


ALIASES: dict[str, Border] = {
    "constant": Border.ZERO,
    "zeros": Border.ZERO,
    "edge": Border.REPLICATE,
    "nearest": Border.REPLICATE,
    "clamp": Border.REPLICATE,
    "duplicate": Border.REPLICATE,
    "reflect-101": Border.REFLECT,
    "reflect101": Border.REFLECT,
    "circular": Border.WRAP,
    "periodic": Border.WRAP,
    "tile": Border.WRAP,
    "loop": Border.WRAP,
}
"""Names of other tools that mean one mode only (``mirror`` means two, so it is not here)."""


def border_named(name: "str | Border") -> Border:
    """Return the border mode of a name or an alias.

    Parameters
    ----------
    name : str or Border
        A canonical name (``"replicate"``), an alias (``"edge"``) or a member.

    Returns
    -------
    Border

    Raises
    ------
    GeometryError
        If no border mode has that name.

    Examples
    --------
    >>> border_named("edge")
    <Border.REPLICATE: 'replicate'>
    """
    if isinstance(name, Border):
        return name
    key = str(name).strip().lower()
    if key in ALIASES:
        return ALIASES[key]
    if key in {border.value for border in Border}:
        return Border(key)
    known = ", ".join(border.value for border in Border)
    hint = ": use one of these"
    if key == "mirror":
        hint = " ('mirror' is 'reflect' in SciPy and 'symmetric' in ImageMagick: name one)"
    raise GeometryError(f"border: expected one of {known}; got {str(name)!r}{hint}")


def source_indices(border: Border, size: int, before: int, after: int) -> NDArray[np.intp]:
    """Return where each position of a padded axis takes its value from.

    Where the padding is wider than the axis the pattern goes on, as `numpy.pad`
    continues it: mirrors are mirrored again, wraps wrap again.

    Parameters
    ----------
    border : Border
        The border mode.
    size : int
        Length of the axis without padding, in pixels, at least 1.
    before, after : int
        Width of the padding at the start and at the end, in pixels.

    Returns
    -------
    ndarray of intp, shape (before + size + after,)
        Indices into the axis; -1 where the constant of `Border.ZERO` stands.

    Examples
    --------
    >>> source_indices(Border.REFLECT, 4, 3, 3).tolist()
    [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    >>> source_indices(Border.ZERO, 2, 1, 1).tolist()
    [-1, 0, 1, -1]
    """
    positions = np.arange(-before, size + after, dtype=np.intp)
    if border is Border.ZERO:
        return np.where((positions >= 0) & (positions < size), positions, -1)
    if border is Border.REPLICATE:
        return np.clip(positions, 0, size - 1)
    if border is Border.WRAP:
        return positions % size
    if border is Border.SYMMETRIC:
        folded = positions % (2 * size)
        return np.minimum(folded, 2 * size - 1 - folded)
    if size == 1:
        return np.zeros_like(positions)
    folded = positions % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)
