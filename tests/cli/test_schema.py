"""`convcli schema`: which commands have one, and that outputs are held against it."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from convcli.cli.schema import documented
from support.commands import done, refusal, save
from support.schemas import validator


def test_each_command_that_prints_json_has_one() -> None:
    assert done("schema").split() == documented()
    assert {"apply", "size", "params", "explain", "kernels"} <= set(documented())


@pytest.mark.parametrize("name", documented())
def test_it_is_a_schema_and_has_a_number(name: str) -> None:
    schema = json.loads(done("schema", name))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"convcli:{name}:1"


@pytest.mark.parametrize(
    "words",
    [
        "explain box in.png --at 1,1 --png figure.png",
        "borders box:5 in.png --png corners.png",
        "size --quiz --seed 1",
        "apply box in.png out.png",
        "pool max in.png out.png",
    ],
)
def test_values_that_most_outputs_do_not_have_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    # A figure, no answer to a quiz, and a picture with transparency.
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "in.png", np.arange(8 * 8 * 4).reshape(8, 8, 4) % 256)
    name, *more = words.split()
    validator(name).validate(json.loads(done(name, *more, "--json")))


def test_what_is_no_output_is_refused() -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator("size").validate({"clean": "yes"})
    assert refusal("schema", "nosuch", status=2).startswith(
        "expected a command that has --json"
    )
