"""Kernels in JSON and as Python source, and the schema of that JSON."""

import ast
import functools
import json
import math
import sys
from typing import Any, TypeAlias

import numpy as np

from convcli.kernels.formats.base import TextFormat, fail, nested, over_divisor, plain
from convcli.kernels.kernel import MAX_WEIGHTS, Kernel, Weights
from convcli.values import Record

_KEYS = ("name", "description", "weights", "divisor", "bias")
_DIMENSIONS = (1, 2, 3, 4)
_ONE_ROW, _ONE_FILTER = 1, 3
_LARGEST = sys.float_info.max


def kernel_of(document: object) -> Kernel:
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
    fields = [f'"name": {json.dumps(kernel.name, ensure_ascii=False)}']
    if kernel.description:
        words = json.dumps(kernel.description, ensure_ascii=False)
        fields.append(f'"description": {words}')
    fields.append(f'"weights": {nested(numbers, indent="  ")}')
    if divisor != 1:
        fields.append(f'"divisor": {plain(divisor)}')
    if kernel.bias:
        bias = ", ".join(map(plain, kernel.bias))
        fields.append(f'"bias": {f"[{bias}]" if len(kernel.bias) > 1 else bias}')
    return "{\n" + ",\n".join(f"  {field}" for field in fields) + "\n}\n"


JSON = TextFormat(
    "json",
    "convcli's own, with a schema: convcli kernels --schema",
    (".json",),
    lambda text: text.lstrip().startswith(("[", "{")),
    lambda text: kernel_of(_load(text)),
    _write,
)


def _load(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_Constant)
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


class _Constant(Record):
    """A NaN or an infinity: `_number` refuses it, and knows its place."""

    name: str


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
    shape = _shape(weights)
    count = math.prod(shape)
    if count > MAX_WEIGHTS:
        fail("weights", f"expected at most {MAX_WEIGHTS:,}, got {count:,}", "split the bank")
    numbers: list[float] = []
    _collect(weights, shape, (), numbers)
    grid = np.array(numbers, dtype=np.float64).reshape(shape)
    return grid[np.newaxis] if grid.ndim in (_ONE_ROW, _ONE_FILTER) else grid


def _shape(weights: object) -> tuple[int, ...]:
    """Return the lengths of the first list at each depth."""
    shape: list[int] = []
    inner = weights
    while isinstance(inner, list) and len(shape) <= max(_DIMENSIONS):
        if not inner:
            fail(_at((0,) * len(shape)), "expected numbers, got an empty list", "fill it")
        shape.append(len(inner))
        inner = inner[0]
    if len(shape) not in _DIMENSIONS:
        fault = f"expected lists nested 1 to 4 deep, got {len(shape) or _type_name(weights)}"
        fail("weights", fault, "a kernel is a list of rows, as [[1, 2], [3, 4]]")
    return tuple(shape)


def _collect(
    weights: object, shape: tuple[int, ...], path: tuple[int, ...], numbers: list[float]
) -> None:
    """Append all numbers in order; check that each list has its length."""
    if not shape:
        numbers.append(_number(weights, "weights", path))
        return
    if not isinstance(weights, list):
        fault = f"expected a list of {shape[0]}, got {_type_name(weights)}"
        fail(_at(path), fault, "nest all rows alike")
    if len(weights) != shape[0]:
        fault = f"expected {shape[0]} entries, got {len(weights)}"
        fail(_at(path), fault, "make all rows equally long")
    for index, inner in enumerate(weights):
        _collect(inner, shape[1:], (*path, index), numbers)


def _at(path: tuple[int, ...], name: str = "weights") -> str:
    return name + "".join(f"[{index}]" for index in path)


def _number(value: object, name: str, path: tuple[int, ...] = ()) -> float:
    if isinstance(value, _Constant):
        fault = f"expected finite numbers, got {value.name}"
        fail(_at(path, name), fault, "replace it by a number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        fault = f"expected a number, got {_type_name(value)}"
        fail(_at(path, name), fault, "write it as 1 or 0.5")
    if not -_LARGEST <= value <= _LARGEST:  # a whole number may have more digits than a float
        fault = "expected a number below 1e308, got a larger one"
        fail(_at(path, name), fault, "scale it down")
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
    return [_number(value, "bias", (index,)) for index, value in enumerate(bias)]


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


def _write_source(kernel: Kernel, head: str, maker: str, use: str) -> str:
    numbers, divisor = over_divisor(kernel)
    rows = nested(numbers, step="    ", last=",")
    over = "" if divisor == 1 else f" / {plain(divisor)}"
    about = f"{kernel.name}: {kernel.description}" if kernel.description else kernel.name
    bank = "weights" if kernel.is_bank else "weights[None, None]"
    dtype = f"dtype={maker.partition('.')[0]}.float64"
    lines = [f"# {' '.join(about.split())}", f"# {use.format(bank)}", head, ""]
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
    return kernel_of(document)


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


NUMPY = TextFormat(
    "numpy",
    "Python source with NumPy",
    (".py",),
    lambda text: "array(" in text,
    _parse_source,
    functools.partial(
        _write_source,
        head="import numpy as np",
        maker="np.array",
        use="scipy.ndimage.correlate slides a 2-D kernel as it is written here.",
    ),
)
TORCH = TextFormat(
    "torch",
    "Python source with torch",
    (),
    lambda text: "torch.tensor(" in text,
    _parse_source,
    functools.partial(
        _write_source,
        head="import torch",
        maker="torch.tensor",
        use="torch.nn.functional.conv2d(images, {}, padding='same') slides it as written.",
    ),
)


# ------------------------------------------------------------------ the schema

Schema: TypeAlias = dict[str, Any]

_LISTED = 32  # lengths that the schema compares: it refuses a row of 3 beside a row of 4
_LENGTHS: list[Schema] = [
    *({"minItems": length, "maxItems": length} for length in range(1, _LISTED + 1)),
    {"minItems": _LISTED + 1},
]
_NUMBER: Schema = {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST}
_TEXT: Schema = {"type": "string", "pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"}


def schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of kernels as JSON."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A convcli kernel",
        "description": (
            "A list of weights, or an object around it: 1-D a row, 2-D a kernel, 3-D one "
            f"filter (I, kh, kw), 4-D a filter bank (O, I, kh, kw); at most {MAX_WEIGHTS:,} "
            "weights."
        ),
        "anyOf": [_ref("weights"), _ref("object")],
        "$defs": {
            "number": _NUMBER,
            **{f"weights{depth}": _weights(depth) for depth in _DIMENSIONS},
            "weights": {"anyOf": [_ref(f"weights{depth}") for depth in _DIMENSIONS]},
            "object": _object_schema(),
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _weights(depth: int) -> Schema:
    """Return the schema of lists of this depth, of equal lengths at each level."""
    lists = _nested(_ref("number"), depth, type="array", minItems=1)
    equal = [
        {"anyOf": [_nested(length, level) for length in _LENGTHS]} for level in range(1, depth)
    ]
    return {"allOf": [lists, *equal]}


def _nested(inner: Schema, depth: int, **facts: object) -> Schema:
    """Return the schema of lists, with these facts, around an inner schema."""
    for _ in range(depth):
        inner = {**facts, "items": inner}
    return inner


def _object_schema() -> Schema:
    biases = _nested(_ref("number"), 1, type="array", minItems=1)
    single = {"anyOf": [_ref(f"weights{depth}") for depth in _DIMENSIONS[:-1]]}
    banks = [{"allOf": [_ref("weights4"), length]} for length in _LENGTHS]
    cases: list[Schema] = [
        {"bias": {"not": {"type": "array"}}},
        {"weights": single, "bias": {"maxItems": 1}},
        *({"weights": b, "bias": n} for b, n in zip(banks, _LENGTHS, strict=True)),
    ]
    return {
        "type": "object",
        "required": ["weights"],
        "additionalProperties": False,
        "properties": {
            "name": _TEXT,
            "description": _TEXT,
            "weights": _ref("weights"),
            "divisor": {**_NUMBER, "not": {"const": 0}},
            "bias": {"anyOf": [{"type": "null"}, _ref("number"), biases]},
        },
        # A list of biases has one number for each filter.
        "anyOf": [{"properties": case} for case in cases],
    }
