"""The pages of reference are complete: JSON keys, variables, exit statuses, dependencies."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convcli.cli.ending import INTERRUPTED
from convcli.cli.schema import FOLDER, documented
from support.schema_words import expanded

ROOT = Path(__file__).parents[2]
SOURCES = [path.read_text("utf-8") for path in ROOT.glob("src/**/*.py")]


def rows(page: str, section: str = "") -> list[list[str]]:
    """Return the cells of a page's tables, or of the tables of one section."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    if section:
        text = text.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def keys_without_meaning(schema: Any, path: str = "") -> Iterator[str]:
    if isinstance(schema, list):
        for value in schema:
            yield from keys_without_meaning(value, path)
    if not isinstance(schema, dict):
        return
    for key, value in schema.get("properties", {}).items():
        if not value.get("description"):
            yield f"{path}.{key}"
        yield from keys_without_meaning(value, f"{path}.{key}")
    for part in ("items", "additionalProperties", "anyOf"):
        yield from keys_without_meaning(schema.get(part), path)


@pytest.mark.parametrize("name", [name for name in documented() if name != "recipe"])
def test_each_key_of_the_json_says_what_it_means(name: str) -> None:
    """Where it fails: add it to tests/support/schema_words.py, run golden/make_schemas.py."""
    schema = expanded(json.loads((FOLDER / f"{name}.json").read_text("utf-8")))
    assert list(keys_without_meaning(schema, name)) == []


def test_each_variable_that_is_looked_at_has_its_row() -> None:
    asked = r'environ(?:\.get\(|\.setdefault\(|\[)"(\w+)"|"(_?CONVCLI_\w+)"'
    found = {"".join(names) for text in SOURCES for names in re.findall(asked, text)}
    shown = {cells[0].strip("`") for cells in rows("scripts.md", "Environment variables")[1:]}
    # The shell itself sets what is completed.
    assert shown == found - {"COMP_WORDS"} | {"CONVCLI_COMMAND_OPTION"}


def test_each_exit_status_has_its_row() -> None:
    named = r"^_FAILED, _USAGE, _BUG = (\d+), (\d+), (\d+)\b"
    app = (ROOT / "src/convcli/cli/app.py").read_text("utf-8")
    found = re.search(named, app, re.MULTILINE)
    assert found is not None
    shown = [int(cells[0]) for cells in rows("scripts.md", "Exit statuses")[1:]]
    assert shown == [0, *map(int, found.groups()), INTERRUPTED, 128 + 15]


def test_each_dependency_has_its_row() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted: dict[str, list[str]] = {}
    for extra in ("", "cluster", "fast", "formats", "models", "show"):
        for need in extras[extra] if extra else project["dependencies"]:
            name = re.match(r"[\w-]+", need)
            assert name is not None
            wanted.setdefault(name[0], []).append(extra)
    shown = {
        cells[0]: re.findall(r"`(\w+)`", cells[1]) or [""]
        for cells in rows("dependencies.md")[1:]
    }
    assert shown == wanted
    assert set(extras) - {extra for used in wanted.values() for extra in used} == {
        "test", "docs", "bench", "dev",
    }  # fmt: skip
