"""Networks as stacks of layers, counted."""

from convcli.lessons.stacks.files import read_stack
from convcli.lessons.stacks.presets import PRESETS
from convcli.lessons.stacks.rows import Reached, StackRow
from convcli.lessons.stacks.spec import LayerSpec, layer_from, layers_from, volume_from
from convcli.lessons.stacks.stack import Stack, stack_of

__all__ = [
    "PRESETS",
    "LayerSpec",
    "Reached",
    "Stack",
    "StackRow",
    "layer_from",
    "layers_from",
    "read_stack",
    "stack_of",
    "volume_from",
]
