"""Recipes: the kernels, the chain and the options of a run, as a text that repeats it.

A recipe is TOML. `recipe` is the version of its form, `kernel`, `then` and `times` are the
chain, and the table `options` has the options that are not the default, each as a word or a
number of the command line. Kernels that are not in the catalogue are written out as JSON.
"""

import enum
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convcli.choices import Combine, Edges
from convcli.errors import OptionError, own_version
from convcli.images.metadata import RECIPE_MARK
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, Plain
from convcli.kernels.spec import operand_from
from convcli.pipeline.options import Options, Region
from convcli.pipeline.steps import Link, Operand
from convcli.storage.atomic import replacing
from convcli.values import Record, asdict

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
_KEYS = ("recipe", "convcli", "kernel", "then", "times", "options")
_NO_CHOICE = ("jobs", "collect_stats")  # options that say how a run is done, not what it gives

_AXES = 2


class Recipe(Record):
    """A run that can be repeated.

    Attributes
    ----------
    kernel : str
        The kernel, as on the command line.
    then : tuple of str
        The further steps of the chain.
    times : int
        How often the chain is done.
    options : dict
        The words of the options, by their names in `Options`.

    Examples
    --------
    >>> import convcli
    >>> blur = Recipe("box:3", ("relu",), 1, {"border": "replicate"})
    >>> convcli.apply(blur, [[0, 0, 9, 9]]).array.round(3).tolist()
    [[0.0, 3.0, 6.0, 9.0]]
    """

    kernel: str
    then: tuple[str, ...] = ()
    times: int = 1
    options: Mapping[str, Any] = {}

    def save(self, target: "str | Path") -> None:
        """Write it into a file, as ``--save-recipe`` does: complete, or not at all."""
        with replacing(os.fspath(target)) as file:
            file.write(str(self).encode("ascii"))

    def __str__(self) -> str:
        """Return it as TOML, in ASCII."""
        lines = [
            f"{RECIPE_MARK}: convcli apply --recipe FILE INPUT OUTPUT",
            f"recipe = {VERSION}",
            f"convcli = {_toml(own_version())}",
            f"kernel = {_toml(self.kernel)}",
            *([f"then = {_toml(list(self.then))}"] if self.then else []),
            *([f"times = {self.times}"] if self.times > 1 else []),
            "\n[options]",
            *(f"{name} = {_toml(word)}" for name, word in self.options.items()),
        ]
        return "\n".join(lines) + "\n"


def recipe_of(links: Sequence[Link], times: int, options: Options) -> Recipe:
    """Return the recipe of a chain; an `OptionError` says what a recipe cannot hold."""
    given, default = asdict(options), asdict(Options())
    changed = {name for name in OPTION_NAMES if given[name] != default[name]}
    changed -= {name for name in ("stride", "dilation") if given[name] == (1, 1)}
    words = {name: option_word(name, given[name]) for name in given if name in changed}
    joined = [link for link in links if isinstance(link, Operator)]
    rules = {each.combine for each in joined if not _named(each)}
    if len(rules) > 1:
        raise OptionError("recipe: expected kernels joined in one way: use --combine")
    if rules and options.combine is None and rules != {Combine.MAGNITUDE}:
        words["combine"] = rules.pop().value
    first, *others = [
        link.name
        if isinstance(link, Plain)
        else _named(link) or "+".join(map(_as_json, link.kernels))
        for link in links
    ]
    return Recipe(first, tuple(others), times, words)


def recipe_from(text: str, label: str = "recipe") -> Recipe:
    """Return the recipe that a text holds; its kernels and options are not read yet."""
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{label}: no recipe: {error}: mend it there") from None
    unknown = [key for key in document if key not in _KEYS]
    version, kernel = document.get("recipe"), document.get("kernel")
    then, times = document.get("then", []), document.get("times", 1)
    options = document.get("options", {})
    has_texts = isinstance(then, list) and all(isinstance(each, str) for each in then)
    expected = {
        f"expected a recipe = {VERSION}, got {version!r}: use the convcli that wrote it": (
            version == VERSION
        ),
        f"an unknown key {unknown[:1]}: use {', '.join(_KEYS)}": not unknown,
        "expected a text as kernel": isinstance(kernel, str),
        "expected a list of texts as then": has_texts,
        "expected a whole number as times": isinstance(times, int),
        f"expected options of {', '.join(sorted(OPTION_NAMES))}": (
            isinstance(options, dict) and OPTION_NAMES.issuperset(options)
        ),
    }
    for fault, is_met in expected.items():
        if not is_met:
            raise OptionError(f"{label}: {fault}")
    return Recipe(str(kernel), tuple(then), times, options)


OPTION_NAMES = frozenset(asdict(Options())) - frozenset(_NO_CHOICE)


def option_word(name: str, value: Any) -> Any:
    """Return an option as a person writes it."""
    if name == "mask":
        if value.name == "array":
            raise OptionError("recipe: expected a mask from a file, got an array: write it")
        return value.name
    if isinstance(value, enum.Enum | Edges):
        return value.value
    if not isinstance(value, tuple):
        return str(value) if isinstance(value, Region) else value
    if name == "background":
        return f"#{bytes(value).hex()}"
    if name == "padding" and isinstance(value[0], tuple):
        (top, bottom), (left, right) = value
        value = (top, right, bottom, left)
    return ("x" if len(value) == _AXES and name != "channels" else ",").join(map(str, value))


def _named(operand: Operand) -> str:
    """Return the name by which the catalogue has exactly this; empty where it does not."""
    terms = [re.split("[:@]", term, maxsplit=1)[0] for term in operand.name.split("+")]
    if not all(term in CATALOGUE or term in OPERATORS for term in terms):
        return ""
    known = operand_from(operand.name)
    is_same = known.kernels == operand.kernels and known.combine is operand.combine
    return operand.name if is_same else ""


def _as_json(kernel: Kernel) -> str:
    """Return a kernel with all digits of its weights."""
    fields: dict[str, Any] = {"name": kernel.name, "weights": kernel.weights.tolist()}
    if kernel.bias:
        fields["bias"] = list(kernel.bias) if len(kernel.bias) > 1 else kernel.bias[0]
    return json.dumps(fields)


def _toml(value: Any) -> str:
    """Return a value of TOML: JSON has the same words, but for signs beyond 16 bits."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if not isinstance(value, str):
        return json.dumps(value)
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "".join(sign if sign < "\x80" else f"\\U{ord(sign):08x}" for sign in text)
