"""A name of the catalogue, and the parameters that follow it."""

import math
import re

from convcli.errors import SpecError
from convcli.kernels.catalogue import CATALOGUE, OPERATORS, Entry, Parameter
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator

_LIKE_A_FILE = re.compile(r"[/\\]|\.[A-Za-z]\w*$")
"""What looks like a path: names of kernels have neither a slash nor a suffix."""


def named(text: str) -> Kernel | Operator:
    """Return the kernel of ``name`` or ``name:parameters``, or the named operator.

    Raises
    ------
    SpecError
        If nothing has that name, or the parameters are wrong.
    """
    name, colon, arguments = text.partition(":")
    operator = OPERATORS.get(name.strip().lower())
    if operator is not None and not colon:
        return operator.operator()
    if operator is not None:
        raise SpecError(f"{name}: expected no parameters, got {arguments!r}: drop them")
    entry = entry_named(name)
    if colon and not arguments.strip():
        raise SpecError(f"{name}: expected parameters after ':', got nothing: drop the ':'")
    return entry.kernel(_values(entry, arguments) if colon else {})


def entry_named(name: str) -> Entry:
    """Return the catalogue's entry of that name.

    Raises
    ------
    SpecError
        If there is none; the message suggests the nearest.
    """
    key = name.strip().lower()
    if key in CATALOGUE:
        return CATALOGUE[key]
    import difflib  # noqa: PLC0415 - for mistakes only

    near = difflib.get_close_matches(key, [*CATALOGUE, *OPERATORS], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "'convcli kernels' lists them"
    if _LIKE_A_FILE.search(name):
        hint = "if it is a file, there is none of that name: check the path"
    raise SpecError(f"no kernel is called {name!r}: {hint}")


def _values(entry: Entry, arguments: str) -> dict[str, float]:
    values: dict[str, float] = {}
    for position, part in enumerate(arguments.split(",")):
        name, equals, value = (text.strip() for text in part.partition("="))
        parameter = _by_name(entry, name) if equals else _by_position(entry, position, part)
        if parameter.name in values:
            raise SpecError(f"{entry.name}: {parameter.name} is given twice: give it once")
        values[parameter.name] = _number(entry, parameter, value if equals else name)
    return values


def _by_name(entry: Entry, name: str) -> Parameter:
    for parameter in entry.parameters:
        if parameter.name == name:
            return parameter
    raise SpecError(f"{entry.name}: no parameter is called {name!r}: {_known(entry)}")


def _by_position(entry: Entry, position: int, part: str) -> Parameter:
    if position < len(entry.parameters):
        return entry.parameters[position]
    raise SpecError(f"{entry.name}: no place for {part.strip()!r}: {_known(entry)}")


def _known(entry: Entry) -> str:
    if not entry.parameters:
        return "it takes no parameters"
    return "it takes " + ", ".join(parameter.name for parameter in entry.parameters)


def _number(entry: Entry, parameter: Parameter, text: str) -> float:
    kind = "a whole number" if parameter.kind is int else "a number"
    try:
        value = parameter.kind(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        unit = f" ({parameter.unit})" if parameter.unit else ""
        expected = f"{kind} for {parameter.name}{unit}"
        raise SpecError(f"{entry.name}: expected {expected}, got {text!r}")
    return value
