"""Recipes: the kernels, the chain and the options of a run, as a text that repeats it.

A recipe is TOML. `recipe` is the version of its form; `options` has those that are not the
default. Kernels that are not in the catalogue are written out as JSON.
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
from convcli.kernels.operator import Operator, Plain
from convcli.kernels.spec import operand_from
from convcli.pipeline.options import Options
from convcli.pipeline.steps import Link, Operand
from convcli.storage.atomic import replacing
from convcli.values import Record, asdict

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
_KEYS = ("recipe", "convcli", "kernel", "then", "times", "options")
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
    joined = (link for link in links if isinstance(link, Operator) and not _is_named(link))
    rules = {each.combine for each in joined}
    if len(rules) > 1:
        raise OptionError("recipe: expected kernels joined in one way: use --combine")
    if rules and options.combine is None and rules != {Combine.MAGNITUDE}:
        words["combine"] = rules.pop().value
    first, *others = map(_written, links)
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
    is_known = isinstance(options, dict) and OPTION_NAMES.issuperset(options)
    other = f"expected a recipe = {VERSION}, got {version!r}: use the convcli that wrote it"
    expected = {
        other: version == VERSION,
        f"an unknown key {unknown[:1]}: use {', '.join(_KEYS)}": not unknown,
        "expected a text as kernel": isinstance(kernel, str),
        "expected a list of texts as then": has_texts,
        "expected a whole number as times": isinstance(times, int),
        f"expected options of {', '.join(sorted(OPTION_NAMES))}": is_known,
    }
    for fault, is_met in expected.items():
        if not is_met:
            raise OptionError(f"{label}: {fault}")
    return Recipe(str(kernel), tuple(then), times, options)


# Two options say how a run is done, not what it gives.
OPTION_NAMES = frozenset(asdict(Options())) - {"jobs", "collect_stats"}


def option_word(name: str, value: Any) -> Any:
    """Return an option as a person writes it."""
    if name == "mask":
        if value.name == "array":
            raise OptionError("recipe: expected a mask from a file, got an array: write it")
        return value.name
    if isinstance(value, enum.Enum | Edges):
        return value.value
    if not isinstance(value, tuple):
        return value
    if name == "background":
        return f"#{bytes(value).hex()}"
    if name == "padding" and isinstance(value[0], tuple):
        (top, bottom), (left, right) = value
        value = (top, right, bottom, left)
    return ("x" if len(value) == _AXES and name != "channels" else ",").join(map(str, value))


def _is_named(operand: Operand) -> bool:
    """Tell whether the catalogue has exactly this by its name."""
    terms = [re.split("[:@]", term, maxsplit=1)[0] for term in operand.name.split("+")]
    if not all(term in CATALOGUE or term in OPERATORS for term in terms):
        return False
    known = operand_from(operand.name)
    return known.kernels == operand.kernels and known.combine is operand.combine


def _written(link: Link) -> str:
    """Return a step by its name in the catalogue, or with all digits of its weights."""
    if isinstance(link, Plain) or _is_named(link):
        return link.name
    fields = [{"name": each.name, "weights": each.weights.tolist()} for each in link.kernels]
    for kernel, each in zip(link.kernels, fields, strict=True):
        if kernel.bias:
            each["bias"] = list(kernel.bias) if len(kernel.bias) > 1 else kernel.bias[0]
    return "+".join(map(json.dumps, fields))


def _toml(value: Any) -> str:
    """Return a value of TOML: JSON has the same words, but for signs beyond 16 bits."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "".join(sign if sign < "\x80" else f"\\U{ord(sign):08x}" for sign in text)
