"""SVG's `feConvolveMatrix`, which convolves: the matrix is the kernel, turned by 180°.

Each result is Σ source(x - targetX + j, y - targetY + i) · matrix(order - 1 - j, …) over
the divisor, plus bias × white (Filter Effects Module Level 1, "feConvolveMatrix").
"""

import xml.etree.ElementTree as ET

from convcli.kernels.formats import base
from convcli.kernels.kernel import Kernel

_WHITE = 255
_TAG = "feConvolveMatrix"


def _write(kernel: Kernel) -> str:
    bias = base.single_bias(kernel, "svg")
    grid, divisor = base.over_divisor(kernel)
    rows, columns = kernel.size
    attributes = {
        # By default SVG filters in linear light, and other programs do not.
        "color-interpolation-filters": "sRGB",
        "order": f"{columns} {rows}",
        "kernelMatrix": "  ".join(base.lines(grid[::-1, ::-1])),
        "divisor": base.plain(divisor),
        "bias": base.plain(bias / _WHITE),
        "targetX": str((columns - 1) // 2),
        "targetY": str((rows - 1) // 2),
        "edgeMode": "none",
        "preserveAlpha": "true",
    }
    return ET.tostring(ET.Element(_TAG, attributes), encoding="unicode") + "\n"


def _parse(text: str) -> Kernel:
    element = _element(text)
    order = [_whole(word, "order") for word in base.split_numbers(element.get("order", "3"))]
    if len(order) not in (1, 2):
        base.fail("order", f"expected 1 or 2 numbers, got {len(order)}", "write the size, as 3")
    columns, rows = order[0], order[-1]
    values = base.numbers(element.get("kernelMatrix", ""), "kernelMatrix")
    matrix = base.grid_of(values, rows, columns)
    divisor = base.number(element.get("divisor", "0"), "divisor") or float(matrix.sum()) or 1.0
    target = _target(element, "targetY", rows), _target(element, "targetX", columns)
    grid = base.centred(matrix[::-1, ::-1] / divisor, *target)
    bias = base.number(element.get("bias", "0"), "bias") * _WHITE
    return Kernel(grid, bias or None)


def _element(text: str) -> ET.Element:
    if "<!" in text.replace("<!--", ""):
        # A document type may define entities whose text grows without limit.
        base.fail("", "expected SVG without a document type, got one", "remove the <!…> lines")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a document type nothing grows
    except ET.ParseError as error:
        line, column = error.position
        base.fail(f"line {line}, column {column + 1}", "not well-formed XML", "mend it there")
    except (ValueError, LookupError) as error:
        fault = f"not well-formed XML: {' '.join(str(error).split())[:80]}"
        base.fail("", fault, "save it as UTF-8, and mend it")
    elements = [e for e in root.iter() if e.tag.rpartition("}")[2] == _TAG]
    if len(elements) != 1:
        base.fail("", f"expected one {_TAG}, got {len(elements)}", "keep one of them")
    return elements[0]


def _target(element: ET.Element, name: str, size: int) -> int:
    at = _whole(element.get(name, str(size // 2)), name)
    if at >= size:
        base.fail(name, f"expected at most {size - 1}, got {at}", "mend it")
    return at


def _whole(text: str, place: str) -> int:
    if not (text.isascii() and text.isdigit()):
        base.fail(place, f"expected a whole number, got {text[:40]!r}", "mend it")
    return int(text[:9])


SVG = base.TextFormat(
    "svg",
    "SVG: the element feConvolveMatrix, to stand in a filter element",
    (".svg", ".xml"),
    lambda text: text.lstrip().startswith("<"),
    _parse,
    _write,
)
