"""The program as a whole: help, version, wrong commands, shell completion."""

import json
import platform
import re
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import features

from convcli.cli.app import main
from support.commands import done, refusal, run

COMMANDS = ("apply", "kernels", "params", "size")


def test_version_is_that_of_the_package() -> None:
    assert done("--version").startswith(f"convcli {version('convcli')}\n")


def test_version_tells_what_a_report_needs() -> None:
    found = json.loads(done("--version", "--json"))
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["pillow"] == version("pillow")
    assert found["decoders"]["jpg"] == features.version("jpg")
    assert found["extras"]["models"]["safetensors"] == version("safetensors")
    lines = done("--version").splitlines()
    assert max(map(len, lines[:3])) <= 80
    assert any(line.startswith(f"NumPy {np.__version__}") for line in lines)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_commands(option: str) -> None:
    lines = [line.split() for line in done(option).splitlines()]
    assert [name for name in COMMANDS if not any(line[:1] == [name] for line in lines)] == []


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_each_command_has_help_with_examples(command: str, option: str) -> None:
    text = done(command, option)
    assert text.startswith(f"Usage: convcli {command} ")
    assert f"\n    convcli {command}" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_no_command_shows_the_help_and_is_wrong_usage() -> None:
    result = run()
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Filter pictures:" in result.stderr


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("aply",), ("'aply'", "(see 'convcli --help')")),
        (("--nonsense",), ("'--nonsense'", "(see 'convcli --help')")),
        (("apply",), ("KERNEL", "(see 'convcli apply --help')")),
        (("apply", "box"), ("INPUT", "(see 'convcli apply --help')")),
        (("apply", "box", "a.png"), ("OUTPUT", "(see 'convcli apply --help')")),
        (("apply", "box", "a.png", "b.png", "c.png"), ("c.png",)),
        (("apply", "box", "a.png", "b.png", "--bordr", "wrap"), ("--bordr", "--border")),
        (("apply", "box", "a.png", "b.png", "--border"), ("--border", "argument")),
    ],
)
def test_wrong_usage_is_one_line(words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    line = refusal(*words, status=2)
    assert [part for part in parts if part not in line] == []


GRID = "[[1,2],[3,4]]"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (2, ("conv1d", "a,b", "1")),
        (2, ("conv1d", "1", "")),
        (2, ("conv1d", "0.5,0.4", "6", "--as", "dice")),
        (1, ("conv1d", "@nowhere.txt", "1")),
        (1, ("explain", "box", "nowhere.png", "--at", "0,0")),
        (2, ("explain", "box", GRID, "--at", "0,2")),
        (2, ("explain", "box", GRID, "--at", "0,0", "--channel", "1")),
        (2, ("animate", "box", GRID, "nowhere/out.gif", "--at", "2,0")),
        (2, ("animate", "sobel", GRID, "nowhere/out.gif")),
        (2, ("learn", GRID, GRID, "--k", "1", "--show-step", "--at", "-1,0")),
        (2, ("equivariance", "box", GRID, "--shift", "2,0")),
        (2, ("matrix", "[[[[1]],[[1]]]]", "--w", "2")),
        (2, ("apply", "box", "nowhere.png", "--out-dir", "-")),
        (2, ("apply", "box", "nowhere.png", "--out-dir", "nowhere", "--manifest", "-")),
        (
            2,
            (
                "stack",
                "--preset",
                "lenet",
                "--run",
                "a.png",
                "--weights",
                "b",
                "--out-dir",
                "-",
            ),
        ),
        (2, ("params", "--in", "3", "--filters", "4", "--k", "3", "--height", "9")),
    ],
)
def test_a_wrong_value_is_wrong_usage_and_a_file_is_not(
    status: int, words: tuple[str, ...]
) -> None:
    refusal(*words, status=status)


# ------------------------------------------------------------------ completion


def completed(shell: str, *words: str) -> list[str]:
    """Return what a shell is told of the last of these words."""
    texts = {"COMP_WORDS": " ".join(("convcli", *words))}
    texts["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words))
    texts["_CONVCLI_COMPLETE"] = f"{shell}_complete"
    result = run(env=texts)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    if shell == "zsh":
        return [line.replace("\\:", ":") for line in lines[1::3]]
    return [line.partition(",")[2].partition("\t")[0] for line in lines]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("",), ["apply", "kernels", "params", "size"]),
        (("ke",), ["kernels"]),
        (("apply", "sob"), ["sobel-x", "sobel-y"]),
        (("kernels", "sch"), ["scharr-x", "scharr-y"]),
        (("params", "--kernel", "prew"), ["prewitt-x", "prewitt-y"]),
        (("apply", "box", "a", "b", "--then", "lap"), ["laplacian4", "laplacian8"]),
        (("apply", "box", "a", "b", "--b"), ["--border", "--bias"]),
        (("apply", "box", "a", "b", "--border", "re"), ["replicate", "reflect"]),
        (("apply", "box", "a", "b", "--range", "s"), ["shift", "stretch"]),
        (("apply", "box", "a", "b", "-p", ""), ["same", "valid"]),
        (("size", "--p", "v"), ["valid"]),
        (("apply", "gaussian:"), ["gaussian:sigma=1", "gaussian:radius="]),
        (("apply", "gaussian:sigma=2,"), ["gaussian:sigma=2,radius="]),
        (("apply", "sobel-x@"), ["sobel-x@45", "sobel-x@flip"]),
        (("size", "--fl"), ["--floor"]),
        (("params", "--no"), ["--no-bias"]),
    ],
)
def test_completion(shell: str, words: tuple[str, ...], expected: list[str]) -> None:
    found = completed(shell, *words)
    assert [word for word in expected if word not in found] == []
    assert [word for word in found if not word.startswith(words[-1])] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("words", [("apply", "my"), ("apply", "box", "ph"), ("kernels", "./k")])
def test_completion_of_a_file_is_left_to_the_shell(shell: str, words: tuple[str, ...]) -> None:
    texts = {"COMP_WORDS": " ".join(("convcli", *words))}
    texts["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words))
    result = run(env={**texts, "_CONVCLI_COMPLETE": f"{shell}_complete"})
    assert result.exit_code == 0
    assert result.stdout.startswith("file")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_that_switches_completion_on(shell: str) -> None:
    result = run(env={"_CONVCLI_COMPLETE": f"{shell}_source"})
    assert result.exit_code == 0
    assert f"_CONVCLI_COMPLETE={shell}_complete" in result.stdout


# ------------------------------------------------------------------ help


def test_the_commands_stand_by_what_they_are_for() -> None:
    text = done("--help")
    places = [
        text.index(head)
        for head in ("Filter pictures:", "Work out networks:", "See and learn:")
    ]
    assert places == sorted(places)
    assert places[0] < text.index("  apply ") < places[1] < text.index("  size ") < places[2]
    assert "docs/lessons.md" in text
    assert done("help") == text


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_the_short_page_is_short_and_the_long_one_has_the_examples_first(name: str) -> None:
    brief, whole = done(name, "-h"), done(name, "--help")
    assert len(brief.splitlines()) <= 40
    assert max(map(len, brief.splitlines())) <= 80
    for page in (brief, whole):
        assert page.startswith(f"Usage: convcli {name} ")
        assert page.index("Examples:") < page.index("\n  -") < len(page)
    assert f"convcli {name} --help" in brief
    assert set(re.findall(r"--\w[\w-]+", brief)) <= set(re.findall(r"--\w[\w-]+", whole))
    assert done("help", name) == whole


def test_the_short_page_has_the_dozen_that_most_need() -> None:
    brief = done("apply", "-h")
    lines = brief.partition("Options:\n")[2].splitlines()
    assert 10 <= len([line for line in lines if line.startswith("  -")]) <= 16
    assert brief.count("  convcli apply ") == 5


def test_completion_of_the_arrays_in_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "bank.npz", first=np.ones((3, 3)), second=np.ones((5, 5)))
    path = f"{tmp_path / 'bank.npz'}::"
    assert completed("fish", "apply", path) == [f"{path}first", f"{path}second"]
    assert completed("zsh", "apply", f"{path}s") == [f"{path}second"]
