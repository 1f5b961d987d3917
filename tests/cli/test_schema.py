"""`convcli schema`: which commands have one, and that outputs are held against it."""

import json

import jsonschema
import pytest

from convcli.cli.schema import documented
from support.commands import done, refusal
from support.schemas import validator


def test_each_command_that_prints_json_has_one() -> None:
    assert done("schema").split() == documented()
    assert {"apply", "size", "params", "explain", "kernels"} <= set(documented())


@pytest.mark.parametrize("name", documented())
def test_it_is_a_schema_and_has_a_number(name: str) -> None:
    schema = json.loads(done("schema", name))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"convcli:{name}:1"


def test_what_is_no_output_is_refused() -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator("size").validate({"clean": "yes"})
    assert refusal("schema", "nosuch", status=2).startswith(
        "expected a command that has --json"
    )
