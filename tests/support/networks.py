"""Networks with random weights, the same for torch and for convcli."""

import functools
from typing import Any

import numpy as np

from convcli.lessons.stacks import stack, weights
from convcli.lessons.stacks.spec import layers_of

_CONVOLUTIONS = " ".join(
    f"conv:{filters},k3,p1 relu " * layers + "pool:2"
    for filters, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
)

CASES: dict[str, tuple[str, tuple[int, int, int]]] = {
    "lenet": ("lenet", (32, 32, 1)),
    "vgg16": (f"{_CONVOLUTIONS} adaptive:7 avgpool:3,s2,p1 flatten fc:10 softmax", (40, 32, 3)),
    "resnet18": ("resnet18", (64, 64, 3)),
}
"""Layers, and the input's rows, columns and channels. VGG16 has smaller connected layers."""

_ODD = (
    "conv:6,k3x4,s2,d2 relu conv:6,k3,p1,g3 bn residual conv:8,k3,p1 relu conv:6,k1 "
    "shortcut conv:6,k1 relu add pool:3,s2,p1 conv:4,k3,psame,nobias avgpool:2x3,s1 pool:2,d2 "
    "adaptive:2x3 gap flatten dropout fc:5 softmax"
)
"""Windows that leave remainders, groups, dilation, and a shortcut."""

BACKWARD: dict[str, tuple[str, tuple[int, int, int], list[tuple[int, int, int]]]] = {
    "lenet": (*CASES["lenet"], [(6, 2, 2), (6, 0, 4), (12, 0, 0)]),
    "vgg16": (*CASES["vgg16"], [(10, 1, 2), (36, 0, 0)]),
    "resnet18": (*CASES["resnet18"], [(28, 7, 0), (30, 3, 3), (80, 0, 0)]),
    "odd": (_ODD, (40, 57, 3), [(8, 2, 5), (11, 7, 9), (14, 8, 0), (16, 2, 4), (22, 0, 0)]),
}
"""Layers, the input, and units of which the gradient is known: layer, row and column."""

_SCHEMES: dict[str, Any] = {
    "lenet": weights.counted_names,
    "resnet18": functools.partial(weights.counted_names, blocks=True),
}


def random_tensors(
    words: str, shape: tuple[int, int, int]
) -> tuple[dict[str, Any], dict[int, str]]:
    """Return the tensors of a network by torchvision's names, and the name of each layer."""
    _, specs = layers_of([words])
    names = _SCHEMES.get(words, weights.in_two_parts)(specs)
    rng = np.random.default_rng(0)
    tensors: dict[str, Any] = {}
    channels, entry, before = shape[2], shape[2], shape
    for number, row in enumerate(stack(words, shape).rows):
        spec, name = row.spec, names.get(number, "")
        inputs = before[0] * before[1] * before[2]
        if spec.layer_type == "shortcut":
            channels = entry
        elif spec.layer_type == "residual":
            entry = channels
        if spec.layer_type in ("conv", "fc"):
            size = (
                (channels // spec.groups, *spec.kernel)
                if spec.layer_type == "conv"
                else (inputs,)
            )
            scale = np.float32((2 / np.prod(size)) ** 0.5)
            tensors[f"{name}.weight"] = scale * rng.standard_normal(
                (spec.units, *size), dtype=np.float32
            )
            if spec.bias:
                tensors[f"{name}.bias"] = rng.standard_normal(spec.units, dtype=np.float32)
        elif spec.layer_type == "bn":
            for part in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"{name}.{part}"] = rng.random(channels, dtype=np.float32) + 0.5
        volume = row.volume
        channels, before = volume.channels, (volume.height, volume.width, volume.channels)
    return tensors, names
