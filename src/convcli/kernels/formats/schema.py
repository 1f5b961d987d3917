"""The JSON Schema of our own format: what the reader accepts, as far as schemas can say.

A schema has no way to say "as long as its neighbour", so equal lengths are listed one by
one up to `_LISTED`. What it cannot say at all is left to the reader: equal lengths above
that, the limit on all weights together, a key given twice, a division that overflows, and
which signs beyond the control characters cannot be printed.
"""

import sys
from typing import Any, TypeAlias

from convcli.kernels.checks import MAX_WEIGHTS

Schema: TypeAlias = dict[str, Any]

_LISTED = 32
"""Lengths up to here are told apart: a row of 3 beside a row of 4 is refused."""

_DIMENSIONS = (2, 3, 4)
_BANK = 4
_NUMBER: Schema = {
    "type": "number",
    "minimum": -sys.float_info.max,
    "maximum": sys.float_info.max,
}
_TEXT: Schema = {"type": "string", "pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"}


def schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of kernels as JSON.

    Examples
    --------
    >>> sorted(schema()["$defs"]["object"]["properties"])
    ['bias', 'description', 'divisor', 'name', 'weights']
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A convcli kernel",
        "description": (
            f"A list of weights, or an object around it: 2-D a kernel, 3-D one filter "
            f"(I, kh, kw), 4-D a filter bank (O, I, kh, kw); at most {MAX_WEIGHTS:,} weights."
        ),
        "anyOf": [{"$ref": "#/$defs/weights"}, {"$ref": "#/$defs/object"}],
        "$defs": {
            "number": _NUMBER,
            **{f"weights{depth}": _weights(depth) for depth in _DIMENSIONS},
            "weights": {"anyOf": [_ref(f"weights{depth}") for depth in _DIMENSIONS]},
            "object": _object(),
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _weights(depth: int) -> Schema:
    """Return the schema of lists nested so deep, of equal lengths at each depth."""
    levels = [_equal(level) for level in range(1, depth)]
    return {"allOf": [_nested(depth, _ref("number")), *levels]}


def _nested(depth: int, inner: Schema) -> Schema:
    """Wrap a schema into lists that are not empty."""
    for _ in range(depth):
        inner = {"type": "array", "minItems": 1, "items": inner}
    return inner


def _equal(level: int) -> Schema:
    """Return the schema of lists whose inner ones, so deep, have one length."""
    lengths = [{"minItems": n, "maxItems": n} for n in range(1, _LISTED + 1)]
    return {"anyOf": [_inside(level, one) for one in (*lengths, {"minItems": _LISTED + 1})]}


def _inside(level: int, inner: Schema) -> Schema:
    for _ in range(level):
        inner = {"items": inner}
    return inner


def _object() -> Schema:
    return {
        "type": "object",
        "required": ["weights"],
        "additionalProperties": False,
        "properties": {
            "name": _TEXT,
            "description": _TEXT,
            "weights": _ref("weights"),
            "divisor": {**_NUMBER, "not": {"const": 0}},
            "bias": {
                "anyOf": [
                    {"type": "null"},
                    _ref("number"),
                    {"type": "array", "minItems": 1, "items": _ref("number")},
                ]
            },
        },
        "anyOf": _fitting_biases(),
    }


def _fitting_biases() -> list[Schema]:
    """Return the cases in which a list of biases has one number for each filter."""
    single: Schema = {"anyOf": [_ref("weights2"), _ref("weights3")]}
    cases: list[Schema] = [{"properties": {"bias": {"not": {"type": "array"}}}}]
    cases.append({"properties": {"weights": single, "bias": {"maxItems": 1}}})
    lengths = [{"minItems": n, "maxItems": n} for n in range(1, _LISTED + 1)]
    for length in (*lengths, {"minItems": _LISTED + 1}):
        bank = {"allOf": [_ref(f"weights{_BANK}"), length]}
        cases.append({"properties": {"weights": bank, "bias": length}})
    return cases
