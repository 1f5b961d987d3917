"""Colour maps for pictures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import RED_BLUE, Colormap
from convcli.pipeline.report import Swatch

Values = NDArray[Any]

_VIRIDIS = (
    "440154 46085c 471063 481769 481d6f 482475 472a7a 46307e 453781 433d84 414287 3f4889 "
    "3d4e8a 3a538b 38598c 355e8d 33638d 31688e 2e6d8e 2c718e 2a768e 297b8e 27808e 25848e "
    "23898e 218e8d 20928c 1f978b 1e9c89 1fa188 21a585 24aa83 28ae80 2eb37c 35b779 3dbc74 "
    "46c06f 50c46a 5ac864 65cb5e 70cf57 7cd250 89d548 95d840 a2da37 b0dd2f bddf26 cae11f "
    "d8e219 e5e419 f1e51d fde725"
)
_MAGMA = (
    "000004 02020b 050416 090720 0e0b2b 140e36 1a1042 21114e 29115a 311165 390f6e 420f75 "
    "4a1079 52137c 5a167e 621980 6a1c81 721f81 792282 812581 892881 912b81 992d80 a1307e "
    "aa337d b2357b ba3878 c23b75 ca3e72 d2426f d9466b e04c67 e75263 ec5860 f1605d f4695c "
    "f7725c f97b5d fb8560 fc8e64 fd9869 fea16e feaa74 feb47b febd82 fec68a fecf92 fed89a "
    "fde2a3 fdebac fcf4b6 fcfdbf"
)


def palette(colormap: Colormap) -> Values:
    """Return the colours of the pixel values 0 to 255: uint8, shape (256, 3).

    >>> palette(Colormap.DIVERGING)[[1, 128, 255]].tolist()
    [[5, 48, 97], [247, 247, 247], [103, 0, 31]]
    """
    values = np.arange(256)
    if colormap is Colormap.GRAY:
        return np.repeat(values[:, np.newaxis], 3, axis=1).astype(np.uint8)
    if colormap is Colormap.DIVERGING:
        knots = np.array(RED_BLUE)
    else:
        text = _VIRIDIS if colormap is Colormap.VIRIDIS else _MAGMA
        knots = np.array([list(bytes.fromhex(color)) for color in text.split()])
    # A balanced map has 0 at 128 and its ends 127 away: 1 and 255.
    start = 1 if colormap is Colormap.DIVERGING else 0
    places = np.linspace(start, 255, len(knots))
    channels = [np.interp(values, places, knots[:, channel]) for channel in range(3)]
    colors: Values = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return colors


def colored(pixels: Values, colormap: Colormap) -> Values:
    """Return a grey map (H, W) of uint8 in colour: shape (H, W, 3)."""
    return np.asarray(palette(colormap)[pixels])


def legend(colormap: Colormap, meanings: dict[int, str]) -> tuple[Swatch, ...]:
    """Return the colours of some pixel values, with their meanings."""
    colors = palette(colormap)
    return tuple(
        Swatch(meaning, (int(colors[at, 0]), int(colors[at, 1]), int(colors[at, 2])))
        for at, meaning in meanings.items()
    )
