"""Kernels from what a person types: names, parameters, files, inline JSON."""

import functools
import json
import math
import re
from collections.abc import Callable

from convcli.choices import Combine
from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import CATALOGUE, Entry, Parameter
from convcli.kernels.catalogue.operators import OPERATORS
from convcli.kernels.formats.read import (
    file_exists,
    is_file,
    is_inline,
    read_inline,
    read_kernel,
)
from convcli.kernels.kernel import Kernel, WeightLayout
from convcli.kernels.modifiers import modifier
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
    import difflib

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


_NEXT_TERM = re.compile(r"\+(?=\s*[A-Za-z_\[{./~])")
"""A + that joins two kernels: in 1e+5, psi=+30 and 5x3+2+1 a digit follows."""


def combined(spec: str, layout: WeightLayout) -> Kernel | Operator:
    """Return what a specification stands for; see `convcli.kernels.spec.operand_from`."""
    terms = [_term(text.strip(), layout) for text in _terms(spec)]
    if len(terms) == 1:
        return terms[0]
    kernels = [kernel for term in terms for kernel in _kernels(term)]
    return Operator(kernels, Combine.MAGNITUDE)


def _kernels(found: Kernel | Operator) -> tuple[Kernel, ...]:
    return found.kernels if isinstance(found, Operator) else (found,)


def _terms(spec: str) -> list[str]:
    """Split where a + joins kernels: not within JSON, nor within the name of a file."""
    whole = is_file(spec)
    if spec.startswith("<") or (whole and file_exists(spec)):
        return [spec]
    found = [place.start() for place in _NEXT_TERM.finditer(spec, _after_json(spec))]
    known = [at for at in found if _stands_alone(spec[:at])]
    if not known and (whole or not found):
        return [spec]
    at = (known or found)[0]
    return [spec[:at], *_terms(spec[at + 1 :].strip())]


def _stands_alone(text: str) -> bool:
    """Whether a text is a kernel by itself, and not the first half of a file's name."""
    base = _base(text)[0]
    name = base.partition(":")[0].strip().lower()
    return is_inline(base) or file_exists(base) or name in CATALOGUE or name in OPERATORS


def _after_json(text: str) -> int:
    """Return where the JSON that a text begins with ends: 0 where there is none."""
    if not text.startswith(("[", "{")):
        return 0
    try:
        return json.JSONDecoder().raw_decode(text)[1]
    except (ValueError, RecursionError):
        return len(text)


def _term(text: str, layout: WeightLayout) -> Kernel | Operator:
    base, words = _base(text)
    changes = [modifier(word, text) for word in words]
    found = _plain(base, layout)
    if isinstance(found, Kernel):
        return _changed(found, changes)
    changed = found.changed(functools.partial(_changed, changes=changes))
    suffix = "".join(f"@{word.strip()}" for word in words)
    return Operator(
        changed.kernels, changed.combine, f"{found.name}{suffix}", found.description
    )


def _changed(kernel: Kernel, changes: list[Callable[[Kernel], Kernel]]) -> Kernel:
    for change in changes:
        kernel = change(kernel)
    return kernel


def _base(text: str) -> tuple[str, list[str]]:
    """Split off the modifiers; an @ may be part of the name of a file."""
    start = _after_json(text)
    head, *parts = text[start:].split("@")
    parts = [text[:start] + head, *parts]
    for count in range(len(parts), 1, -1):
        whole = "@".join(parts[:count])
        if "@" not in whole.partition("::")[2] and is_file(whole) and file_exists(whole):
            return whole, parts[count:]
    return parts[0], parts[1:]


def _plain(text: str, layout: WeightLayout) -> Kernel | Operator:
    """Return what a specification without modifiers stands for."""
    if is_file(text):
        return read_kernel(text, layout)
    if is_inline(text):
        return read_inline(text)
    return named(text)


_NAMED = re.compile(r"([A-Za-z][\w-]*)(?::[\w=,-]*)?")
"""A name, with parameters or not, that is no file and no kernel in itself: what a file's
name has beside, a dot or a slash, it has not."""


def kernel_from(spec: str, *, layout: WeightLayout = WeightLayout.OIHW) -> Kernel:
    """Return the kernel that a specification describes.

    Parameters
    ----------
    spec : str
        A name (``sobel-x``), a name with parameters (``gaussian:2``,
        ``gaussian:sigma=2,radius=6``), a file of any known format (``my.json``,
        ``model.safetensors::conv1.weight``), a picture (``image:patch.png``), or the text
        of a kernel in any known format (``[[0,-1,0],[-1,5,-1],[0,-1,0]]``); after it any
        number of modifiers (``@45``, ``@normalize``).
    layout : WeightLayout
        The order of the axes of filter banks in ``.npy``, ``.npz`` and ``.safetensors``.

    Returns
    -------
    Kernel

    Raises
    ------
    SpecError
        If the text names no kernel, or several; or its parameters are wrong.
    KernelError
        If a file or inline text does not hold a kernel.

    Examples
    --------
    >>> kernel_from("box:5").size
    (5, 5)
    >>> kernel_from("sobel-x@90").weights.tolist()
    [[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]
    """
    found = operand_from(spec, layout=layout)
    if isinstance(found, Operator):
        names = ", ".join(kernel.name for kernel in found.kernels)
        raise SpecError(
            f"{spec}: expected one kernel, got {len(found.kernels)}: use one of {names}"
        )
    return found


def operand_from(spec: str, *, layout: WeightLayout = WeightLayout.OIHW) -> Kernel | Operator:
    """Return the kernel, or the operator of several kernels, of a specification.

    Parameters
    ----------
    spec : str
        As for `kernel_from`, the name of an operator (``sobel``), or several joined by
        ``+`` (``sobel-x+sobel-y``), whose magnitude is taken.
    layout : WeightLayout
        As for `kernel_from`.

    Returns
    -------
    Kernel or Operator

    Raises
    ------
    SpecError, KernelError
        As `kernel_from`.

    Examples
    --------
    >>> operand_from("sobel-x+sobel-y").combine
    <Combine.MAGNITUDE: 'magnitude'>
    """
    text = spec.strip()
    name = _NAMED.fullmatch(text)
    if name and name[1].lower() in (*CATALOGUE, *OPERATORS):
        return named(text)

    return combined(text, layout)
