"""From what a person writes to a `Kernel`: a name, parameters, a file, inline JSON."""

import difflib
import math

from convcli.errors import SpecError
from convcli.kernels.catalogue import CATALOGUE, Entry, Parameter
from convcli.kernels.files import parse_kernel, read_kernel
from convcli.kernels.kernel import Kernel


def kernel_from(spec: str) -> Kernel:
    """Return the kernel that a specification describes.

    Parameters
    ----------
    spec : str
        A name (``sobel-x``), a name with parameters (``gaussian:2``,
        ``gaussian:sigma=2,radius=6``), a path to a ``.json`` file, or inline JSON
        (``[[0,-1,0],[-1,5,-1],[0,-1,0]]``).

    Returns
    -------
    Kernel

    Raises
    ------
    SpecError
        If the text names no kernel, or its parameters are wrong.
    KernelError
        If a file or inline JSON does not hold a kernel.

    Examples
    --------
    >>> kernel_from("box:5").size
    (5, 5)
    """
    text = spec.strip()
    if text.startswith(("[", "{")):
        return parse_kernel(text, "inline kernel")
    if text.lower().endswith(".json"):
        return read_kernel(text)
    name, colon, arguments = text.partition(":")
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
    near = difflib.get_close_matches(key, CATALOGUE, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "'convcli kernels' lists them"
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
        expected = f"{kind} for {parameter.name} ({parameter.unit})"
        raise SpecError(f"{entry.name}: expected {expected}, got {text!r}")
    return value
