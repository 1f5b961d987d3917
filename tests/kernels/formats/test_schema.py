"""The published JSON Schema and the reader agree on what a kernel is."""

import json
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convcli.cli.app import main
from convcli.errors import KernelError
from convcli.kernels.formats.read import parse_kernel

PUBLISHED = json.loads(CliRunner().invoke(main, ["kernels", "--schema"]).stdout)
VALIDATOR = jsonschema.Draft202012Validator(PUBLISHED)

numbers = st.one_of(
    st.integers(-(10**6), 10**6), st.floats(allow_nan=False, allow_infinity=False)
)

# Which signs beyond the control characters cannot be printed, no schema can say.
signs = st.characters().filter(lambda sign: sign.isprintable() or ord(sign) < 0xA0)


@st.composite
def even_lists(draw: st.DrawFn) -> Any:
    """Nested lists of equal lengths, 1 to 5 deep, perhaps spoilt in one place."""
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    made: Any = draw(numbers)
    for length in lengths:
        made = [made] * length
    made = json.loads(json.dumps(made))
    if draw(st.booleans()):
        _spoil(made, draw)
    return made


def _spoil(made: Any, draw: st.DrawFn) -> None:
    while isinstance(made[0], list) and draw(st.booleans()):
        made = made[draw(st.integers(0, len(made) - 1))]
    kind = draw(st.sampled_from(["longer", "text", "boolean", "null", "list", "empty", "huge"]))
    changes: dict[str, Any] = {
        "text": "1",
        "boolean": True,
        "null": None,
        "list": [1],
        "empty": [],
        "huge": 10**400,
    }
    if kind == "longer":
        made.append(made[0])
    else:
        made[-1] = changes[kind]


anything = st.recursive(
    st.one_of(numbers, st.booleans(), st.none(), st.text(signs, max_size=2)),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)
objects = st.fixed_dictionaries(
    {},
    optional={
        "weights": st.one_of(even_lists(), anything),
        "divisor": st.one_of(numbers, anything, st.just(0)),
        "bias": st.one_of(numbers, st.lists(numbers, max_size=3), anything),
        "name": st.one_of(st.text(signs, max_size=3), anything),
        "description": st.text(signs, max_size=3),
        "other": st.just(1),
    },
)


def reader_accepts(document: Any) -> bool:
    try:
        parse_kernel(json.dumps(document), "drawn")
    except KernelError as error:
        # What no schema can say: weights that a division makes infinite.
        return any(words in str(error) for words in ("number, got inf", "got -inf"))
    return True


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(PUBLISHED)


@pytest.mark.slow
@given(st.one_of(even_lists(), anything, objects))
@settings(max_examples=100, deadline=None)
@example([[1, 2], [3]])
@example([[[1, 2], [3, 4]], [[5, 6]]])
@example([[[[1]], [[2]]], [[[1]]]])
@example({"weights": [[[[1]]], [[[2]]]], "bias": [1, 2]})
@example({"weights": [[[[1]]], [[[2]]]], "bias": [1]})
@example({"weights": [[1]], "bias": [1, 2]})
@example({"weights": [[1]], "divisor": 0})
@example({"weights": [[1]], "divisor": -0.0})
@example({"weights": [[True]]})
@example({})
def test_it_accepts_what_the_reader_accepts_and_refuses_what_it_refuses(document: Any) -> None:
    assert VALIDATOR.is_valid(document) == reader_accepts(document)


@pytest.mark.parametrize("width", [1, 31, 32, 33, 64, 65])
def test_long_rows(width: int) -> None:
    document = [[1] * width] * 3
    assert VALIDATOR.is_valid(document)
    assert reader_accepts(document)
    ragged = [[1] * 32, [1] * width]
    assert VALIDATOR.is_valid(ragged) == reader_accepts(ragged) == (width == 32)


def test_every_exported_kernel_fits() -> None:
    result = CliRunner().invoke(main, ["kernels", "gaussian:0.8", "--export", "json"])
    assert VALIDATOR.is_valid(json.loads(result.stdout))
