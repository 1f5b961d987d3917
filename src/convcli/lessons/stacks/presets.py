"""Stacks from words: well-known networks by name, files, or the layers themselves."""

import json
from collections.abc import Sequence
from pathlib import Path

from convcli.errors import GeometryError
from convcli.geometry.layers import Volume
from convcli.lessons.stacks.spec import LayerSpec, layer_from, layers_from, refuse, volume_from
from convcli.values import replace

_KEYS = ("in", "layers")
_LAYER_KEYS = ("layer", "filters", "units", "size", "k", "s", "p", "d", "g", "bias", "weights")


def layers_of(words: Sequence[str]) -> tuple[Volume | None, list[LayerSpec]]:
    """Return the layers that some words mean, and the input's size where they give it.

    One word can be the name of a network or a ``.json`` file; others are layers. A layer or a
    file that cannot be read is a `GeometryError`.

    >>> size, layers = layers_of(["lenet"])
    >>> size, layers[0].text
    (Volume(channels=1, height=32, width=32), 'conv:6,k5')
    """
    if len(words) == 1 and words[0] in PRESETS:
        size, text = PRESETS[words[0]]
        return volume_from(size), layers_from([text])
    if len(words) == 1 and Path(words[0]).suffix.lower() == ".json":
        return _layers_in_file(words[0])
    return None, layers_from(words)


def _layers_in_file(path: str) -> tuple[Volume | None, list[LayerSpec]]:
    """Read a list of layers, or ``{"in": "224x224x3", "layers": […]}``.

    A layer is text (``"conv:64,k3,p1"``) or an object (``{"layer": "conv", "filters": 64,
    "k": 3, "p": 1, "bias": false}``); the size may be a list (``[224, 224, 3]``) too.
    """
    document = _read(path)
    given: dict[str, object] = document if isinstance(document, dict) else {"layers": document}
    _check_keys(path, given, _KEYS)
    layers = given.get("layers")
    if not isinstance(layers, list) or not layers:
        raise GeometryError(f'{path}: expected a list of layers: ["conv:64,k3,p1", "relu"]')
    volume = volume_from(_joined(given["in"])) if "in" in given else None
    return volume, [
        replace(layer_from(_text(entry)), weights=_weights(entry, Path(path).parent))
        for entry in layers
    ]


def _weights(entry: object, folder: Path) -> str:
    """Return where a layer's weights are; a file is sought beside the JSON."""
    place = entry.get("weights", "") if isinstance(entry, dict) else ""
    if not isinstance(place, str):
        refuse(str(entry), "expected weights as text", 'as "model.safetensors::conv1"')
    file, colons, name = place.rpartition("::")
    return f"{folder / file}::{name}" if colons else place


def _read(path: str) -> object:
    try:
        document: object = json.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise GeometryError(f"{path}: cannot be read: {reason}: check the path") from None
    except (ValueError, RecursionError) as error:
        raise GeometryError(f"{path}: expected JSON: {error}: mend it there") from None
    return document


def _check_keys(where: str, given: dict[str, object], known: Sequence[str]) -> None:
    unknown = [key for key in given if key not in known]
    if unknown:
        raise GeometryError(f"{where}: an unknown key '{unknown[0]}': use {', '.join(known)}")


def _text(entry: object) -> str:
    """Return a layer as a person writes it on the command line."""
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict) or not isinstance(entry.get("layer"), str):
        refuse(str(entry), "expected text or an object with 'layer'", 'as "conv:64,k3,p1"')
    _check_keys(f"layer '{entry['layer']}'", entry, _LAYER_KEYS)
    if not isinstance(entry.get("bias", True), bool):
        refuse(str(entry["layer"]), "expected a bias of true or false", "leave it out for true")
    parts = [_joined(entry[key]) for key in ("filters", "units", "size") if key in entry]
    parts += [f"{key}{_joined(entry[key])}" for key in "kspdg" if key in entry]
    parts += ["nobias"] * (entry.get("bias") is False)
    return f"{entry['layer']}:{','.join(parts)}" if parts else str(entry["layer"])


def _joined(value: object) -> str:
    return "x".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _basic_block(filters: int, stride: int = 1) -> str:
    """Return ResNet's block of two 3×3 layers; a stride needs a 1×1 shortcut."""
    step = f",s{stride}" if stride > 1 else ""
    shortcut = f"shortcut conv:{filters},k1{step},nobias bn" if stride > 1 else ""
    return (
        f"residual conv:{filters},k3{step},p1,nobias bn relu "
        f"conv:{filters},k3,p1,nobias bn {shortcut} add relu"
    )


def _vgg_block(filters: int, layers: int) -> str:
    return f"conv:{filters},k3,p1 relu " * layers + "pool:2"


PRESETS: dict[str, tuple[str, str]] = {
    "lenet": (
        "32x32x1",
        "conv:6,k5 relu pool:2 conv:16,k5 relu pool:2 flatten fc:120 relu fc:84 relu fc:10",
    ),
    "alexnet": (
        "224x224x3",
        """conv:64,k11,s4,p2 relu pool:3,s2 conv:192,k5,p2 relu pool:3,s2 conv:384,k3,p1 relu
        conv:256,k3,p1 relu conv:256,k3,p1 relu pool:3,s2 adaptive:6 flatten dropout
        fc:4096 relu dropout fc:4096 relu fc:1000""",
    ),
    "vgg16": (
        "224x224x3",
        " ".join(
            _vgg_block(filters, layers)
            for filters, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
        )
        + " adaptive:7 flatten fc:4096 relu dropout fc:4096 relu dropout fc:1000",
    ),
    "resnet18": (
        "224x224x3",
        "conv:64,k7,s2,p3,nobias bn relu pool:3,s2,p1 "
        + " ".join(
            f"{_basic_block(filters, stride)} {_basic_block(filters)}"
            for filters, stride in ((64, 1), (128, 2), (256, 2), (512, 2))
        )
        + " gap flatten fc:1000",
    ),
}
"""Name, size of the input (rows × columns × channels), layers."""
