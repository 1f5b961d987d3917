"""Linear light: sRGB's transfer function and its inverse.

Source: IEC 61966-2-1. Values beyond black and white go on symmetrically around 0, as in
IEC 61966-2-2 (scRGB), so that the answers of edge kernels keep their sign.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_CODE_KNEE, _LIGHT_KNEE = 0.04045, 0.0031308
_SLOPE, _OFFSET, _EXPONENT = 12.92, 0.055, 2.4


def to_linear(codes: NDArray[Any], white: int) -> NDArray[np.float32]:
    """Return the light that sRGB codes stand for.

    Parameters
    ----------
    codes : ndarray
        Pixels; `white` is the largest.
    white : int
        What stands for full light, in the result as well.

    Returns
    -------
    ndarray of float32, same shape

    Examples
    --------
    >>> to_linear(np.array([0, 188, 255], np.uint8), 255).round(1).tolist()
    [0.0, 128.1..., 255.0]
    """
    part = np.abs(codes.astype(np.float32)) / np.float32(white)
    bent = ((part + _OFFSET) / (1 + _OFFSET)) ** _EXPONENT
    light = np.where(part <= _CODE_KNEE, part / _SLOPE, bent)
    return _signed(light, codes, white)


def from_linear(light: NDArray[Any], white: int) -> NDArray[np.float32]:
    """Return the sRGB codes of light: the inverse of `to_linear`, unrounded.

    Examples
    --------
    >>> from_linear(np.array([0.0, 127.5, 255.0]), 255).round(1).tolist()
    [0.0, 187.5..., 255.0]
    """
    part = np.abs(light.astype(np.float32)) / np.float32(white)
    bent = (1 + _OFFSET) * part ** (1 / _EXPONENT) - _OFFSET
    codes = np.where(part <= _LIGHT_KNEE, part * _SLOPE, bent)
    return _signed(codes, light, white)


def _signed(part: NDArray[Any], source: NDArray[Any], white: int) -> NDArray[np.float32]:
    signed: NDArray[np.float32] = np.copysign(part * white, source).astype(np.float32)
    return signed
