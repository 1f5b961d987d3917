"""The documents say what the program does: generated parts are fresh, nothing is left out."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from convcli import kernel_from
from convcli.cli import main
from convcli.kernels import CATALOGUE, OPERATORS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]


def commands() -> dict[str, click.Command]:
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_generated_parts_are_fresh(document: Path) -> None:
    check = [sys.executable, "-m", "cogapp", "--check", "-P", "-I", "docs", str(document)]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run: cog -P -r -I docs {document.name}\n{done.stdout}"


@pytest.mark.parametrize("name", commands())
def test_each_command_has_its_section(name: str) -> None:
    assert f"convcli {name}" in README


@pytest.mark.parametrize("name", [*CATALOGUE, *OPERATORS])
def test_each_kernel_has_its_row(name: str) -> None:
    row = rf"^\| `{re.escape(name)}[`\[]"
    assert re.search(row, (ROOT / "docs" / "kernels.md").read_text("utf-8"), re.MULTILINE)
    assert re.search(rf"`{re.escape(name)}[`\[]", README)


@pytest.mark.parametrize("name", commands())
def test_each_option_says_what_it_does(name: str) -> None:
    for parameter in commands()[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts


def test_the_python_example_prints_what_its_comments_say() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(example.group(1), {})  # noqa: S102 - the example is ours
    lines = printed.getvalue().splitlines()
    assert lines == ["[  0.   0.   0. 400. 400.   0.   0.   0.]", "(4, 4, 4)"]
    assert all(
        f"print({what})  # {line}" in README
        for what, line in zip(("edges[0]", "maps.shape"), lines, strict=True)
    )


def test_the_picture_in_the_readme_is_what_the_program_makes(tmp_path: Path) -> None:
    made = tmp_path / "edges.png"
    source = str(ROOT / "sample_images" / "chelsea.png")
    main(["apply", "sobel-x", source, str(made), "--quiet"], standalone_mode=False)
    shown = ROOT / "docs" / "images" / "chelsea-sobel-x.png"
    with Image.open(made) as one, Image.open(shown) as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_the_json_example_is_a_kernel(tmp_path: Path) -> None:
    example = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert example is not None
    path = tmp_path / "relief.json"
    path.write_text(example.group(1), "utf-8")
    kernel = kernel_from(str(path))
    assert kernel.weights.tolist() == [[0.5, 0.25, 0], [0.25, 0, -0.25], [0, -0.25, -0.5]]
    assert kernel.bias == (128.0,)
