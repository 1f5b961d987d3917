"""The JSON Schema of kernels as JSON: what the reader of that format accepts."""

from typing import Any, TypeAlias

from convcli.kernels.formats.json_text import DIMENSIONS, LARGEST
from convcli.kernels.kernel import MAX_WEIGHTS

Schema: TypeAlias = dict[str, Any]

_LISTED = 32  # lengths that the schema compares: it refuses a row of 3 beside a row of 4
_LENGTHS: list[Schema] = [
    *({"minItems": length, "maxItems": length} for length in range(1, _LISTED + 1)),
    {"minItems": _LISTED + 1},
]
_NUMBER: Schema = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
_TEXT: Schema = {"type": "string", "pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"}


def kernel_schema() -> Schema:
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
            **{f"weights{depth}": _weights(depth) for depth in DIMENSIONS},
            "weights": {"anyOf": [_ref(f"weights{depth}") for depth in DIMENSIONS]},
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
    banks = [{"allOf": [_ref("weights4"), length]} for length in _LENGTHS]
    cases: list[Schema] = [
        {"weights": {"not": _ref("weights4")}, "bias": {"maxItems": 1}},
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
