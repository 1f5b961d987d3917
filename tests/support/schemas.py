"""Each --json output of a test is held against the published schema of its command."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import click
import jsonschema

from convcli.cli import output
from convcli.cli.schema import FOLDER, documented

RECORD = os.environ.get("RECORD_OUTPUTS")
"""A file to which the outputs are written instead, for ``tests/golden/make_schemas.py``."""

_show = output.show_json


@cache
def validator(name: str) -> Any:
    schema = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)


def show_and_check(document: Any, *, err: bool = False) -> None:
    """Print a document as the program does, then hold it against the schema."""
    _show(document, err=err)
    name = click.get_current_context().command.name or ""
    name = {"main": "version"}.get(name, name)
    plain = json.loads(json.dumps(output.plain_json(document)))
    if RECORD:
        with Path(RECORD).open("a", encoding="utf-8") as file:
            file.write(json.dumps([name, plain]) + "\n")
    elif name in documented():
        validator(name).validate(plain)


def check_all_outputs() -> None:
    """Check what commands print from now on; call it before a command is imported."""
    output.show_json = show_and_check
