import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from convcli.cli.app import main
from support.commands import PHOTOS


@pytest.fixture
def run() -> Callable[..., Result]:
    def call(*words: str, text: str | None = None) -> Result:
        return CliRunner().invoke(main, list(words), input=text)

    return call


@pytest.fixture
def ask(run: Callable[..., Result]) -> Callable[..., Any]:
    """Run a command with --json; it must succeed."""

    def call(*words: str, text: str | None = None) -> Any:
        result = run(*words, "--json", text=text)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call


@pytest.fixture
def refuse(run: Callable[..., Result]) -> Callable[..., str]:
    """Run a command that must fail in one line; return the line."""

    def call(*words: str, text: str | None = None) -> str:
        result = run(*words, text=text)
        assert result.exit_code in (1, 2), result.output
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.output
        assert lines[0].startswith("Error: ")
        return lines[0]

    return call


@pytest.fixture
def sample() -> Callable[[str], str]:
    return lambda name: str(PHOTOS / name)
