"""Layers as a person writes them: ``conv:64,k3,p1``, in files, or as networks with a name."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from convcli.errors import GeometryError, fail
from convcli.geometry.layers import Volume
from convcli.geometry.window import Padding, Pair, Window, window
from convcli.values import Record, replace

_SETTINGS = {
    "conv": ("filters", "kspdg"),
    "pool": ("kernel", "kspd"),
    "avgpool": ("kernel", "ksp"),
    "adaptive": ("size", ""),
    "fc": ("units", ""),
}
"""What the number after the colon means, and the letters of the settings."""

_LETTERS = {
    "": "", "k": "kernel", "s": "stride", "p": "padding", "d": "dilation", "g": "groups"
}  # fmt: skip

# Layers without settings:
_PLAIN = ("relu", "bn", "dropout", "flatten", "softmax", "gap", "residual", "shortcut", "add")
_ALIASES = {"maxpool": "pool", "max": "pool", "linear": "fc", "dense": "fc", "batchnorm": "bn"}
_POOLS, _WITH_BIAS = ("pool", "avgpool"), ("conv", "fc")
SLIDING = ("conv", *_POOLS)
_LARGEST, _MOST_DIGITS = 10**7, 100


class LayerSpec(Record, kw_only=True):
    """One layer of a stack, as a person writes it in `text`."""

    text: str
    layer_type: str
    units: int = 0  # filters, or the units of a fully connected layer
    kernel: Pair = (1, 1)  # of ``adaptive``: the size of its output
    stride: Pair = (1, 1)
    padding: Padding = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True
    weights: str = ""  # ``file::name``, or a name, in a file of weights

    @property
    def window(self) -> Window:
        """How its kernel slides."""
        return window(self.kernel, self.stride, self.padding, self.dilation)

    def seen(self, axis: int, size: int, place: int) -> Pair:
        """Return the first and the last place of its input, on an axis, that an output sees."""
        if self.layer_type in SLIDING:
            first = self.window.axes[axis].source(place)
            return first, first + self.window.axes[axis].extent - 1
        if self.layer_type in {"adaptive", "gap"}:
            count = self.kernel[axis]  # window i goes from ⌊i·size/n⌋ to ⌈(i+1)·size/n⌉
            return max(place, 0) * size // count, -(-min(place + 1, count) * size // count) - 1
        return (0, size - 1) if self.layer_type in {"fc", "flatten"} else (place, place)


def layer_from(text: str) -> LayerSpec:
    """Parse one layer: its name, a colon, its number, and settings by their letters."""
    text = text.strip()
    name, colon, rest = text.partition(":")
    layer_type = _ALIASES.get(name.lower(), name.lower())
    if layer_type in _SETTINGS:
        return _layer(text, layer_type, _settings(text, layer_type, rest.strip().lower()))
    if layer_type not in _PLAIN:
        known = [*_SETTINGS, *_PLAIN]
        near = difflib.get_close_matches(layer_type, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"
        _refuse(text, "no such layer", hint)
    if colon:
        _refuse(text, f"{layer_type} takes no settings", f"write '{layer_type}'")
    return LayerSpec(text=layer_type, layer_type=layer_type)


def _settings(text: str, layer_type: str, rest: str) -> dict[str, Any]:
    """Return the settings by their names; the first number has none."""
    settings: dict[str, Any] = {}
    first, letters = _SETTINGS[layer_type]
    more = ["nobias"] * (layer_type in _WITH_BIAS)
    for part in (part.strip() for part in rest.split(",") if rest):
        letter = part[:1] if part[:1].isalpha() else ""
        if part in more:
            settings["bias"] = False
            continue
        if not part:
            _refuse(text, "nothing stands beside a comma", "leave the comma out")
        if letter and letter not in letters:
            takes = [f"a number of {first}", *(f"{each}N" for each in letters), *more]
            _refuse(text, f"no setting '{part}'", f"{layer_type} takes {', '.join(takes)}")
        if _LETTERS[letter] in settings:
            _refuse(text, f"'{letter or first}' is given twice", "give it once")
        value = _value(text, letter, part.removeprefix(letter))
        settings[_LETTERS[letter]] = value[0] if letter == "g" else value
    return settings


def _layer(text: str, layer_type: str, given: dict[str, Any]) -> LayerSpec:
    is_pool, is_counted = layer_type in _POOLS, layer_type in _WITH_BIAS
    if is_pool and given.keys() >= {"", "kernel"}:
        _refuse(text, "the kernel is given twice", "give it once")
    number = given.pop("", given.get("kernel") if is_pool else None)
    noun = _SETTINGS[layer_type][0]
    if is_counted:
        noun = f"number of {noun}"
    if number is None:
        _refuse(text, f"its {noun} is missing", f"write {layer_type}:N, N a number")
    if layer_type == "conv" and "kernel" not in given:
        _refuse(text, "its kernel size is missing", f"write {text},k3")
    if is_counted and number[0] != number[1]:
        _refuse(text, f"expected one {noun}, got two", "give one")
    known = {"units": number[0]} if is_counted else {"kernel": number}
    known |= {"stride": number} if is_pool else {}
    layer = LayerSpec(text=text, layer_type=layer_type, **(known | given))
    if is_pool and any(axis.before > axis.kernel // 2 for axis in layer.window.axes):
        _refuse(text, "the padding is wider than half of the kernel", "pad less")  # as torch
    return layer


def _value(text: str, letter: str, value: str) -> Pair | str:
    """Return rows and columns, or the word of a padding."""
    if letter == "p" and value in {"same", "valid"}:
        return value
    sides = list(map(_whole, value.replace("×", "x").split("x")))
    if len(sides) > (1 if letter == "g" else 2) or -1 in sides:
        two = f", or {letter}3x5 (rows x columns)" if letter in set("kspd") else ""
        _refuse(text, f"expected a whole number in '{letter}{value}'", f"write {letter}3{two}")
    if max(sides) > _LARGEST:
        _refuse(text, f"expected at most {_LARGEST:,} in '{letter}{value}'", "use less")
    rows, columns = sides[0], sides[-1]
    if letter != "p" and min(rows, columns) < 1:
        _refuse(text, f"expected at least 1 in '{letter}{value}'", "use a larger number")
    return rows, columns


def _whole(text: str) -> int:
    """Return a whole number, cut where it has too many digits to read; -1 for other texts."""
    if not (text.isascii() and text.isdigit()):
        return -1
    # Python converts at most 4,300 digits to a number.
    return int(text) if len(text) < _MOST_DIGITS else _LARGEST + 1


def _refuse(text: str, fault: str, remedy: str) -> NoReturn:
    fail(f"layer '{text}'", fault, remedy, GeometryError)


def volume_from(text: str) -> Volume:
    """Parse the size of an input: rows × columns × channels, or rows × columns."""
    parts = text.strip().lower().replace("×", "x").split("x")
    numbers = list(map(_whole, parts))
    if len(parts) not in {2, 3} or not all(1 <= number <= _LARGEST for number in numbers):
        form = "rows x columns x channels, each at least 1, as 224x224x3"
        raise GeometryError(f"in: expected {form}; got '{text}'")
    height, width, *channels = numbers
    return Volume(channels[0] if channels else 1, height, width)


# ------------------------------------------------------------------ files, and networks by name

_LAYER_KEYS = ("layer", "filters", "units", "size", "k", "s", "p", "d", "g", "bias", "weights")


def layers_of(words: Sequence[str]) -> tuple[Volume | None, list[LayerSpec]]:
    """Return the layers of a network's name, a ``.json`` file, or words; the size, if given."""
    if len(words) == 1 and words[0] in PRESETS:
        size, text = PRESETS[words[0]]
        return volume_from(size), layers_of([text])[1]
    if len(words) == 1 and Path(words[0]).suffix.lower() == ".json":
        return _layers_in_file(words[0])
    return None, [layer_from(part) for word in words for part in word.split()]


def _layers_in_file(path: str) -> tuple[Volume | None, list[LayerSpec]]:
    """Read a list of layers, as texts or objects, or ``{"in": "224x224x3", "layers": […]}``."""
    try:
        document: object = json.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise GeometryError(f"{path}: cannot be read: {reason}: check the path") from None
    except (ValueError, RecursionError) as error:
        raise GeometryError(f"{path}: expected JSON: {error}: mend it there") from None
    given: dict[str, object] = document if isinstance(document, dict) else {"layers": document}
    _check_keys(path, given, ("in", "layers"))
    layers = given.get("layers")
    if not isinstance(layers, list) or not layers:
        raise GeometryError(f'{path}: expected a list of layers: ["conv:64,k3,p1", "relu"]')
    volume = volume_from(_joined(given["in"])) if "in" in given else None
    return volume, [_layer_in_file(entry, Path(path).parent) for entry in layers]


def _check_keys(where: str, given: dict[str, object], known: Sequence[str]) -> None:
    unknown = [key for key in given if key not in known]
    if unknown:
        raise GeometryError(f"{where}: an unknown key '{unknown[0]}': use {', '.join(known)}")


def _layer_in_file(entry: object, folder: Path) -> LayerSpec:
    """Parse a text, or an object as such a text; its file of weights is sought in a folder."""
    if isinstance(entry, str):
        return layer_from(entry)
    if not isinstance(entry, dict) or not isinstance(entry.get("layer"), str):
        _refuse(str(entry), "expected text or an object with 'layer'", 'as "conv:64,k3,p1"')
    name, bias, weights = entry["layer"], entry.get("bias", True), entry.get("weights", "")
    _check_keys(f"layer '{name}'", entry, _LAYER_KEYS)
    if not isinstance(bias, bool):
        _refuse(name, "expected a bias of true or false", "leave it out for true")
    parts = [_joined(entry[key]) for key in ("filters", "units", "size") if key in entry]
    parts += [f"{key}{_joined(entry[key])}" for key in "kspdg" if key in entry]
    parts += ["nobias"] * (not bias)
    layer = layer_from(f"{name}:{','.join(parts)}" if parts else name)
    if not isinstance(weights, str):
        _refuse(str(entry), "expected weights as text", 'as "model.safetensors::conv1"')
    file, colons, tensor = weights.rpartition("::")
    return replace(layer, weights=f"{folder / file}::{tensor}" if colons else weights)


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
            f"conv:{filters},k3,p1 relu " * layers + "pool:2"
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
