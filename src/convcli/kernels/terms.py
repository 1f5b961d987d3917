"""Specifications of several parts: kernels joined by ``+``, and modifiers after ``@``.

Most specifications are a name alone, which needs neither this module nor the formats of files.
"""

import json
import re

from convcli.choices import Combine, WeightLayout
from convcli.errors import SpecError, fail
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS, catalogued
from convcli.kernels.formats.read import (
    file_exists,
    is_file,
    parse_kernel,
    read_kernel,
    recognised,
)
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, modifier
from convcli.values import replace

_PLUS = re.compile(r"\+(?=\s*[A-Za-z_\[{./~])")  # joins kernels; in 1e+5 a digit follows
_MOST_TERMS = _MOST_MODIFIERS = 64  # kernels that may be joined, and modifiers of all together
_LONGEST = 16_384  # characters of a specification, besides an inline kernel at its beginning


def operand_in(spec: str, layout: WeightLayout) -> Kernel | Operator:
    """Return the operand of a specification: an operator where a + joins several kernels."""
    _check_limits(spec)
    operands = [_term(term.strip(), layout) for term in _terms(spec)]
    if len(operands) == 1:
        return operands[0]
    kernels = [kernel for operand in operands for kernel in operand.kernels]
    return Operator(kernels, Combine.MAGNITUDE)


def _check_limits(spec: str) -> None:
    """Refuse specifications that no person writes: some checks compare each part with all."""
    # One inline kernel with nothing after it may be long.
    is_inline = spec.startswith("<") or (not _PLUS.search(spec) and recognised(spec))
    if is_inline and spec.count("@") <= _MOST_MODIFIERS:
        return
    start = _end_of_json(spec)
    counts = (
        ("modifiers", spec.count("@", start), _MOST_MODIFIERS),
        ("kernels joined by +", len(_PLUS.findall(spec, start)) + 1, _MOST_TERMS),
        ("characters", len(spec) - start, _LONGEST),
    )
    for noun, count, most in counts:
        if count > most:
            fault = f"expected at most {most:,} {noun}, got {count:,}"
            remedy = "write a shorter one, or put the weights into a file"
            fail("kernel", fault, remedy, SpecError)


def _terms(spec: str) -> list[str]:
    """Split a specification where a + joins kernels: not in JSON, nor in a file's name."""
    may_be_file = is_file(spec)
    if spec.startswith("<") or (may_be_file and file_exists(spec)):
        return [spec]
    pluses = [match.start() for match in _PLUS.finditer(spec, _end_of_json(spec))]
    sure = next((at for at in pluses if _is_whole_term(spec[:at])), None)
    if sure is None and (may_be_file or not pluses):
        return [spec]
    at = pluses[0] if sure is None else sure
    return [spec[:at], *_terms(spec[at + 1 :].strip())]


def _is_whole_term(text: str) -> bool:
    """Tell whether a text is a kernel by itself, not the first half of a file's name."""
    base = _without_modifiers(text)[0]
    name = base.partition(":")[0].strip().lower()
    is_made = recognised(base) is not None or file_exists(base)
    return is_made or name in CATALOGUE or name in OPERATORS


def _term(text: str, layout: WeightLayout) -> Kernel | Operator:
    """Return the kernel or operator of a term, after its modifiers."""
    base, words = _without_modifiers(text)
    changes = [modifier(word, text) for word in words]
    if is_file(base):
        operand: Kernel | Operator = read_kernel(base, layout)
    elif form := recognised(base):
        operand = parse_kernel(base, "inline kernel", form=form, fault=SpecError)
    else:
        operand = catalogued(base)
    for change in changes:
        operand = operand.changed(change)
    if isinstance(operand, Kernel):
        return operand
    return replace(operand, name="@".join([operand.name, *map(str.strip, words)]))


def _without_modifiers(text: str) -> tuple[str, list[str]]:
    """Split a term at each @ that begins a modifier: a file's name may have an @ too."""
    start = _end_of_json(text)
    head, *parts = text[start:].split("@")
    parts = [text[:start] + head, *parts]
    for count in range(len(parts), 1, -1):
        file = "@".join(parts[:count])
        if "@" not in file.partition("::")[2] and is_file(file) and file_exists(file):
            return file, parts[count:]
    return parts[0], parts[1:]


def _end_of_json(text: str) -> int:
    """Return where the JSON ends that a text begins with: 0 where there is none."""
    if not text.startswith(("[", "{")):
        return 0
    try:
        return json.JSONDecoder().raw_decode(text)[1]
    except (ValueError, RecursionError):
        return len(text)
