"""Layers as a person writes them: ``conv:64,k3,p1``."""

import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from convcli.errors import GeometryError
from convcli.geometry.layers import Volume
from convcli.geometry.window import Padding, Pair, Window, window
from convcli.values import Record

_FIRST = {
    "conv": "filters",
    "pool": "kernel",
    "avgpool": "kernel",
    "adaptive": "size",
    "fc": "units",
}
"""The meaning of the number after the colon, for the layers that need one."""

_PLAIN = ("relu", "bn", "dropout", "flatten", "softmax", "gap", "residual", "shortcut", "add")
"""Layers without settings."""

_ALIASES = {"maxpool": "pool", "linear": "fc", "dense": "fc", "batchnorm": "bn"}

_SETTINGS = {"conv": "kspdg", "pool": "kspd", "avgpool": "ksp", "adaptive": "", "fc": ""}
"""The letters that a layer takes: kernel, stride, padding, dilation, groups."""

_POOLS, _WITH_BIAS = ("pool", "avgpool"), ("conv", "fc")
_LARGEST, _MOST_DIGITS = 10**7, 100


class LayerSpec(Record, kw_only=True):
    """One layer of a stack, as a person writes it in `text`.

    `layer_type` is ``conv``, ``pool`` (maximum), ``avgpool``, ``adaptive``, ``gap``, ``fc``,
    ``bn``, ``relu``, ``dropout``, ``flatten``, ``softmax``, or a part of a residual block:
    ``residual``, ``shortcut``, ``add``. `units` are the filters of a convolution, or the units
    of a fully connected layer. The kernel of ``adaptive`` is the size of its output. `padding`
    is what `convcli.geometry.window.window` takes. `weights` says where a file of weights has
    them: ``file::name``, or a name.
    """

    text: str
    layer_type: str
    units: int = 0
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Padding = 0
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True
    weights: str = ""

    @property
    def window(self) -> Window:
        """How its kernel slides."""
        return window(self.kernel, self.stride, self.padding, self.dilation)


def layer_from(text: str) -> LayerSpec:
    """Parse one layer: its name, a colon, its number, and settings by their letters.

    Examples are ``conv:64,k3,s2,p1,d1,g1,nobias``, ``pool:3,s2``, ``avgpool:2``,
    ``adaptive:7``, ``fc:1000`` and ``relu``. The stride of a pool is its kernel unless it is
    given, as in torch. Other text is a `GeometryError`.

    >>> layer_from("pool:3,s2").stride
    (2, 2)
    """
    name, colon, rest = text.strip().partition(":")
    layer_type = _ALIASES.get(name.lower(), name.lower())
    if layer_type in _PLAIN:
        if colon:
            refuse(text, f"{layer_type} takes no settings", f"write '{layer_type}'")
        return LayerSpec(text=layer_type, layer_type=layer_type)
    if layer_type not in _FIRST:
        near = difflib.get_close_matches(layer_type, [*_FIRST, *_PLAIN], n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"use {', '.join([*_FIRST, *_PLAIN])}"
        refuse(text, "no such layer", hint)
    parts = [part.strip() for part in rest.lower().split(",")] if rest.strip() else []
    return _with_settings(text.strip(), layer_type, parts)


def _with_settings(text: str, layer_type: str, parts: list[str]) -> LayerSpec:
    settings: dict[str, Any] = {}
    bias = True
    for part in parts:
        if part == "nobias" and layer_type in _WITH_BIAS:
            bias = False
            continue
        if not part:
            refuse(text, "nothing stands beside a comma", "leave the comma out")
        letter = part[:1] if part[:1].isalpha() else ""
        if letter and letter not in _SETTINGS[layer_type]:
            refuse(
                text, f"no setting '{part}'", f"{layer_type} takes {_settings_of(layer_type)}"
            )
        if letter in settings:
            refuse(text, f"'{letter or _FIRST[layer_type]}' is given twice", "give it once")
        settings[letter] = _value(text, letter, part.removeprefix(letter))
    if layer_type in _POOLS and "" in settings:
        if "k" in settings:
            refuse(text, "the kernel is given twice", "give it once")
        settings["k"] = settings.pop("")
    return _layer(text, layer_type, settings, bias=bias)


def _layer(text: str, layer_type: str, settings: dict[str, Any], *, bias: bool) -> LayerSpec:
    if ("k" if layer_type in _POOLS else "") not in settings:
        what = {"filters": "number of filters", "units": "number of units"}.get(
            _FIRST[layer_type]
        )
        refuse(
            text,
            f"its {what or _FIRST[layer_type]} is missing",
            f"write {layer_type}:N, N a number",
        )
    if layer_type == "conv" and "k" not in settings:
        refuse(text, "its kernel size is missing", f"write {text},k3")
    first = settings.get("", (1, 1))
    kernel = first if layer_type == "adaptive" else settings.get("k", (1, 1))
    if layer_type in _WITH_BIAS and first[0] != first[1]:
        refuse(text, f"expected one number of {_FIRST[layer_type]}, got two", "give one")
    layer = LayerSpec(
        text=text,
        layer_type=layer_type,
        units=first[0],
        kernel=kernel,
        stride=settings.get("s", kernel if layer_type in _POOLS else (1, 1)),
        padding=settings.get("p", (0, 0)),
        dilation=settings.get("d", (1, 1)),
        groups=settings.get("g", (1, 1))[0],
        bias=bias,
    )
    if layer_type in _POOLS:
        _check_pool(layer)
    return layer


def _check_pool(layer: LayerSpec) -> None:
    """Refuse a padding wider than half of the kernel, as torch does."""
    if any(axis.before > axis.kernel // 2 for axis in layer.window.axes):
        refuse(layer.text, "the padding is wider than half of the kernel", "pad less")


def _value(text: str, letter: str, value: str) -> Pair | str:
    """Return rows and columns, or the word of a padding."""
    if letter == "p" and value in ("same", "valid"):
        return value
    numbers = value.lower().replace("×", "x").split("x")
    most = 1 if letter == "g" else 2
    if len(numbers) > most or not all(map(_is_whole, numbers)):
        two = f", or {letter}3x5 (rows x columns)" if letter in ("k", "s", "p", "d") else ""
        refuse(text, f"expected a whole number in '{letter}{value}'", f"write {letter}3{two}")
    if not all(map(_is_in_range, numbers)):
        refuse(text, f"expected at most {_LARGEST:,} in '{letter}{value}'", "use less")
    pair = (int(numbers[0]), int(numbers[-1]))
    if letter != "p" and min(pair) < 1:
        refuse(text, f"expected at least 1 in '{letter}{value}'", "use a larger number")
    return pair


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_in_range(digits: str) -> bool:
    # Python converts at most 4,300 digits to a number.
    return len(digits) < _MOST_DIGITS and int(digits) <= _LARGEST


def _settings_of(layer_type: str) -> str:
    letters = [f"{letter}N" for letter in _SETTINGS[layer_type]]
    words = ["nobias"] if layer_type in _WITH_BIAS else []
    return ", ".join([f"a number of {_FIRST[layer_type]}", *letters, *words])


def refuse(text: str, fault: str, remedy: str) -> NoReturn:
    """Raise an error that says what is wrong with a layer, and the remedy."""
    raise GeometryError(f"layer '{text}': {fault}: {remedy}")


def volume_from(text: str) -> Volume:
    """Parse the size of an input: rows × columns × channels, or rows × columns.

    >>> volume_from("224x224x3")
    Volume(channels=3, height=224, width=224)
    """
    parts = text.strip().lower().replace("×", "x").split("x")
    numbers = [int(part) for part in parts if _is_whole(part) and _is_in_range(part)]
    if len(numbers) != len(parts) or len(parts) not in (2, 3) or 0 in numbers:
        raise GeometryError(
            "in: expected rows x columns x channels, each at least 1, as 224x224x3; got "
            f"'{text}'"
        )
    height, width, *channels = numbers
    return Volume(channels[0] if channels else 1, height, width)


def layers_from(words: Sequence[str]) -> list[LayerSpec]:
    """Parse layers; a word may hold several, with spaces between them.

    >>> [layer.layer_type for layer in layers_from(["conv:8,k3 relu", "pool:2"])]
    ['conv', 'relu', 'pool']
    """
    return [layer_from(part) for word in words for part in word.split()]
