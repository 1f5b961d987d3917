"""The arithmetic of sliding a window: sizes, remainders, receptive fields, parameters.

Pure integers. The engine and the commands share this package, so a size that
`convcli size` explains is the size that `convcli apply` makes. Pairs are
(rows, columns), as arrays are indexed; lengths are in pixels.
"""

from typing import TYPE_CHECKING

from convcli.deferred import deferred
from convcli.geometry.axis import Axis, Unseen
from convcli.geometry.windows import IntOrPair, Padding, Pair, Window, pair, window

if TYPE_CHECKING:
    from convcli.geometry.clean import CleanSetting, clean_settings
    from convcli.geometry.fields import ReceptiveField
    from convcli.geometry.layers import (
        Layer,
        Volume,
        convolution_layer,
        fully_connected_layer,
        locally_connected_layer,
    )
    from convcli.geometry.rules import ceil_padding, transposed_size

__all__ = [
    "Axis",
    "CleanSetting",
    "IntOrPair",
    "Layer",
    "Padding",
    "Pair",
    "ReceptiveField",
    "Unseen",
    "Volume",
    "Window",
    "ceil_padding",
    "clean_settings",
    "convolution_layer",
    "fully_connected_layer",
    "locally_connected_layer",
    "pair",
    "transposed_size",
    "window",
]

_CLEAN, _LAYERS = "convcli.geometry.clean", "convcli.geometry.layers"
_RULES = "convcli.geometry.rules"

# Most commands slide windows and count nothing.
__getattr__ = deferred(
    __name__,
    {
        "CleanSetting": _CLEAN,
        "clean_settings": _CLEAN,
        "ReceptiveField": "convcli.geometry.fields",
        "Layer": _LAYERS,
        "Volume": _LAYERS,
        "convolution_layer": _LAYERS,
        "fully_connected_layer": _LAYERS,
        "locally_connected_layer": _LAYERS,
        "ceil_padding": _RULES,
        "transposed_size": _RULES,
    },
)
