"""SVG's `feConvolveMatrix`, which convolves: the matrix is the kernel, half turned.

Each result is Σ source(x - targetX + j, y - targetY + i) · matrix(order - 1 - j, …) over
the divisor, plus bias × white (Filter Effects Module Level 1, "feConvolveMatrix").
"""

import xml.etree.ElementTree as ET

from convcli.kernels.formats.base import (
    TextFormat,
    centred,
    fail,
    grid_of,
    lines,
    number,
    over_divisor,
    plain,
    single,
    split_numbers,
)
from convcli.kernels.kernel import Kernel

_WHITE = 255
_ELEMENT = "feConvolveMatrix"


def _write(kernel: Kernel) -> str:
    weights, bias = single(kernel, "svg", bias=True)
    grid, divisor = over_divisor(weights, kernel)
    rows, columns = kernel.size
    attributes = {
        # Without it SVG filters in linear light, which other programs do not.
        "color-interpolation-filters": "sRGB",
        "order": f"{columns} {rows}",
        "kernelMatrix": "  ".join(lines(grid[::-1, ::-1])),
        "divisor": plain(divisor),
        "bias": plain(bias / _WHITE),
        "targetX": str((columns - 1) // 2),
        "targetY": str((rows - 1) // 2),
        "edgeMode": "none",
        "preserveAlpha": "true",
    }
    return ET.tostring(ET.Element(_ELEMENT, attributes), encoding="unicode") + "\n"


def _parse(text: str) -> Kernel:
    element = _found(text)
    order = [_whole(word, "order") for word in split_numbers(element.get("order", "3"))]
    if len(order) not in (1, 2):
        fail("order", f"expected 1 or 2 numbers, got {len(order)}", "write the size, as 3")
    columns, rows = order[0], order[-1]
    words = split_numbers(element.get("kernelMatrix", ""))
    matrix = grid_of([number(word, "kernelMatrix") for word in words], rows, columns)
    divisor = number(element.get("divisor", "0"), "divisor") or float(matrix.sum()) or 1.0
    row = _target(element, "targetY", rows)
    column = _target(element, "targetX", columns)
    grid = centred(matrix[::-1, ::-1] / divisor, row, column)
    bias = number(element.get("bias", "0"), "bias") * _WHITE
    return Kernel(grid, bias or None)


def _found(text: str) -> ET.Element:
    if "<!" in text.replace("<!--", ""):
        # A document type may define entities that grow without bounds.
        fail("", "expected SVG without a document type, got one", "remove the <!…> lines")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a document type nothing grows
    except ET.ParseError as error:
        line, column = error.position
        fail(f"line {line}, column {column + 1}", "not well-formed XML", "mend it there")
    elements = [e for e in root.iter() if e.tag.rpartition("}")[2] == _ELEMENT]
    if len(elements) != 1:
        fail("", f"expected one {_ELEMENT}, got {len(elements)}", "keep one of them")
    return elements[0]


def _target(element: ET.Element, name: str, size: int) -> int:
    at = _whole(element.get(name, str(size // 2)), name)
    if at >= size:
        fail(name, f"expected at most {size - 1}, got {at}", "mend it")
    return at


def _whole(text: str, place: str) -> int:
    if not (text.isascii() and text.isdigit()):
        fail(place, f"expected a whole number, got {text[:40]!r}", "mend it")
    return int(text[:9])


SVG = TextFormat(
    "svg",
    "SVG: the element feConvolveMatrix, to stand in a filter element",
    (".svg", ".xml"),
    lambda text: text.lstrip().startswith("<"),
    _parse,
    _write,
)
