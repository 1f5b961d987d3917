"""Specifications that are more than a name: files, JSON, modifiers, several joined."""

import functools
import json
import re
from collections.abc import Callable

from convcli.kernels.catalogue import CATALOGUE, OPERATORS
from convcli.kernels.formats import (
    file_exists,
    is_file,
    is_inline,
    read_inline,
    read_kernel,
)
from convcli.kernels.kernel import Kernel
from convcli.kernels.layout import Layout
from convcli.kernels.modifiers import modifier
from convcli.kernels.named import named
from convcli.kernels.operator import Combine, Operator

_NEXT_TERM = re.compile(r"\+(?=\s*[A-Za-z_\[{./~])")
"""A + that joins two kernels: in 1e+5, psi=+30 and 5x3+2+1 a digit follows."""


def combined(spec: str, layout: Layout) -> Kernel | Operator:
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


def _term(text: str, layout: Layout) -> Kernel | Operator:
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


def _plain(text: str, layout: Layout) -> Kernel | Operator:
    """Return what a specification without modifiers stands for."""
    if is_file(text):
        return read_kernel(text, layout)
    if is_inline(text):
        return read_inline(text)
    return named(text)
