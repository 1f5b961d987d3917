"""Kernels in JSON and as Python source."""

import ast
import itertools
import json
import re
import sys
from decimal import Decimal
from typing import Any

import numpy as np

from convcli.errors import fail
from convcli.kernels.formats.base import TextFormat, nested, over_divisor, plain
from convcli.kernels.kernel import MAX_WEIGHTS, Kernel, Weights

_KEYS = ("name", "description", "weights", "divisor", "bias")
_ONE_ROW, _ONE_FILTER = 1, 3
DIMENSIONS = (1, 2, 3, 4)  # how deep the lists of weights are nested
LARGEST = sys.float_info.max  # of the numbers


def _kernel_of(document: object) -> Kernel:
    """Return the kernel of parsed JSON: a nested list of numbers, or a dict around it."""
    fields = _fields(document)
    weights, divisor = _grid(fields["weights"]), _number(fields.get("divisor", 1), "divisor")
    if divisor == 0:
        fail("divisor", "expected a number other than 0, got 0", "use the sum, or leave it out")
    with np.errstate(over="ignore"):
        divided = weights / divisor
    return Kernel(
        divided,
        _bias(fields.get("bias"), weights),
        _text(fields.get("name", ""), "name"),
        _text(fields.get("description", ""), "description"),
    )


def _write(kernel: Kernel) -> str:
    numbers, divisor = over_divisor(kernel)
    bias = ", ".join(map(plain, kernel.bias))
    fields = {
        "name": json.dumps(kernel.name, ensure_ascii=False),
        "description": json.dumps(kernel.description, ensure_ascii=False),
        "weights": nested(numbers, indent="  "),
        "divisor": plain(divisor),
        "bias": f"[{bias}]" if len(kernel.bias) > 1 else bias,
    }
    absent = {"description": '""', "divisor": "1", "bias": ""}
    held = [f'  "{key}": {text}' for key, text in fields.items() if absent.get(key) != text]
    return "{\n" + ",\n".join(held) + "\n}\n"


def _load(text: str) -> object:
    try:
        # A NaN or an infinity is kept apart: `_number` refuses it, and knows its place.
        return json.loads(text, object_pairs_hook=_object, parse_constant=Decimal)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        fail(place, f"not JSON ({error.msg})", "mend it there")
    except RecursionError:
        fail("", "expected lists nested 1 to 4 deep, got far deeper", "use fewer brackets")
    except ValueError as error:
        fail("", f"a number that cannot be read ({error})", "use shorter numbers")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for key, value in pairs:
        if key in fields:
            fail(repr(key), "expected each key once, got it twice", "keep one of them")
        fields[key] = value
    return fields


def _fields(document: object) -> dict[str, Any]:
    if isinstance(document, list):
        return {"weights": document}
    if not isinstance(document, dict):
        fault = f"expected a list of weights or an object, got {_type_name(document)}"
        fail("", fault, "see README")
    unknown = [key for key in document if key not in _KEYS]
    if unknown:
        fail(repr(unknown[0]), "an unknown key", f"use only {', '.join(_KEYS)}")
    if "weights" not in document:
        fail("", "the key 'weights' is missing", "add it")
    return document


def _grid(weights: object) -> Weights:
    values, shape = _flat(weights)
    if len(shape) not in DIMENSIONS:
        fault = f"expected lists nested 1 to 4 deep, got {len(shape) or _type_name(weights)}"
        fail("weights", fault, "a kernel is a list of rows, as [[1, 2], [3, 4]]")
    if len(values) > MAX_WEIGHTS:
        fault = f"expected at most {MAX_WEIGHTS:,}, got {len(values):,}"
        fail("weights", fault, "split the bank")
    numbers = [_number(value, "weights", index, shape) for index, value in enumerate(values)]
    grid = np.array(numbers, dtype=np.float64).reshape(shape)
    return grid[np.newaxis] if grid.ndim in (_ONE_ROW, _ONE_FILTER) else grid


def _flat(weights: object) -> tuple[list[Any], tuple[int, ...]]:
    """Return what nested lists hold, and their lengths: at each depth all have one."""
    values: list[Any] = [weights]
    shape: tuple[int, ...] = ()
    while isinstance(values[0], list) and len(shape) <= max(DIMENSIONS):
        length = len(values[0])
        if not length:
            fail(_at("weights", 0, shape), "expected numbers, got an empty list", "fill it")
        for index, each in enumerate(values):
            if not isinstance(each, list):
                fault = f"expected a list of {length}, got {_type_name(each)}"
                fail(_at("weights", index, shape), fault, "nest all rows alike")
            if len(each) != length:
                fault = f"expected {length} entries, got {len(each)}"
                fail(_at("weights", index, shape), fault, "make all rows equally long")
        values, shape = [*itertools.chain(*values)], (*shape, length)
    return values, shape


def _at(name: str, index: int = 0, shape: tuple[int, ...] = ()) -> str:
    """Return the place of a value in nested lists of that shape: ``weights[0][2]``."""
    return name + "".join(f"[{each}]" for each in np.unravel_index(index, shape))


def _number(value: object, *place: Any) -> float:
    if isinstance(value, Decimal):
        fail(_at(*place), f"expected finite numbers, got {value}", "replace it by a number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        fail(_at(*place), f"expected a number, got {_type_name(value)}", "write it as 1 or 0.5")
    if not -LARGEST <= value <= LARGEST:  # a whole number may have more digits than a float
        fail(_at(*place), "expected a number below 1e308, got a larger one", "scale it down")
    return float(value)


def _bias(bias: object, weights: Weights) -> float | list[float] | None:
    if bias is None:
        return None
    if not isinstance(bias, list):
        return _number(bias, "bias")
    filters = weights.shape[0] if weights.ndim > _ONE_FILTER else 1
    if len(bias) != filters:
        fault = f"expected {filters} (one per filter), got {len(bias)}"
        fail("bias", fault, "give one number, or one per filter")
    return [_number(value, "bias", index, (len(bias),)) for index, value in enumerate(bias)]


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        fail(place, f"expected text, got {_type_name(value)}", 'write it as "text"')
    odd = [sign for sign in value if not sign.isprintable() and sign not in "\n\t"]
    if odd:
        # Control characters in a name could change the terminal that shows it.
        fault = f"expected signs that can be printed, got {odd[0]!a}"
        fail(place, fault, "leave it out")
    return value


def _type_name(value: object) -> str:
    names = {bool: "a boolean", str: "text", dict: "an object", list: "a list"}
    return "null" if value is None else names.get(type(value), "a number")


# ------------------------------------------------------------------ Python source

# It makes the kernel with NumPy or torch, and is read, never run.

_MAKERS = ("array", "asarray", "tensor")


def _source(kernel: Kernel, head: str, maker: str, use: str) -> str:
    numbers, divisor = over_divisor(kernel)
    rows = nested(numbers, step="    ", last=",")
    over = "" if divisor == 1 else f" / {plain(divisor)}"
    about = f"{kernel.name}: {kernel.description}" if kernel.description else kernel.name
    dtype = f"dtype={maker.partition('.')[0]}.float64"
    lines = [f"# {' '.join(about.split())}", f"# {use}", head, ""]
    lines.append(f"weights = {maker}({rows}, {dtype}){over}")
    if kernel.bias:
        values = ", ".join(plain(value) for value in kernel.bias)
        lines.append(f"bias = {maker}([{values}], {dtype})")
    return "\n".join([*lines, ""])


def _parse_source(text: str) -> Kernel:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        fail(f"line {line}", "not Python source", "mend it there")
    values = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    if "weights" not in values:
        fault = "expected an assignment 'weights = …', got none"
        fail("", fault, "name the array weights")
    weights, divisor = _parts(values["weights"])
    document = {"weights": weights, "divisor": divisor}
    if "bias" in values:
        document["bias"] = _parts(values["bias"])[0]
    return _kernel_of(document)


def _parts(node: ast.expr) -> tuple[object, object]:
    """Return the literal within ``np.array(literal, …) / divisor``, and the divisor."""
    divisor: object = 1
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        divisor = _literal(node.right)
        node = node.left
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _MAKERS and node.args:
        node = node.args[0]
    return _literal(node), divisor


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        fault = "expected plain numbers, as np.array([[1, 2], [3, 4]]), got other code"
        fail(f"line {node.lineno}", fault, "write the numbers out")


def _write_numpy(kernel: Kernel) -> str:
    use = "scipy.ndimage.correlate slides a 2-D kernel as it is written here."
    return _source(kernel, "import numpy as np", "np.array", use)


def _write_torch(kernel: Kernel) -> str:
    bank = "weights" if kernel.is_bank else "weights[None, None]"
    use = f"torch.nn.functional.conv2d(images, {bank}, padding='same') slides it as written."
    return _source(kernel, "import torch", "torch.tensor", use)


JSON = TextFormat(
    "json", (".json",), re.compile(r"\s*[\[{]"), lambda text: _kernel_of(_load(text)), _write
)
NUMPY = TextFormat("numpy", (".py",), re.compile(r"(?s).*array\("), _parse_source, _write_numpy)
TORCH = TextFormat(
    "torch", (), re.compile(r"(?s).*torch\.tensor\("), _parse_source, _write_torch
)
