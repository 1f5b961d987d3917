"""The documents say what the program does: generated parts are fresh, nothing is left out."""

import inspect
import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import generate
import numpy as np
import pytest
import reference
from cogapp import Cog
from PIL import Image, ImageSequence

import convcli
from convcli.cli.app import main
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS
from convcli.kernels.spec import kernel_from
from support.commands import environment, script

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]


def commands() -> dict[str, click.Command]:
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_generated_parts_are_fresh(
    document: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    check = ["cog", "--check", "-P", "-I", str(ROOT / "docs"), str(document)]
    status = Cog().main(check)
    said = capsys.readouterr().out
    assert status == 0, f"run: cog -P -r -I docs {document.name}\n{said}"


@pytest.mark.parametrize("name", commands())
def test_each_command_has_its_section(name: str) -> None:
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert f"## convcli {name}\n" in page


@pytest.mark.parametrize("name", commands())
def test_each_command_has_its_place_in_the_readme(name: str) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"`{name}`" in readme.split("## Commands\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("name", [*CATALOGUE, *OPERATORS])
def test_each_kernel_has_its_row(name: str) -> None:
    row = rf"^\| `{re.escape(name)}[`\[]"
    assert re.search(row, (ROOT / "docs" / "kernels.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", commands())
def test_each_option_says_what_it_does(name: str) -> None:
    for parameter in commands()[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts


@pytest.mark.parametrize("name", [one for one in convcli.__all__ if one != "__version__"])
def test_each_public_name_is_documented_with_an_example(name: str) -> None:
    heading = rf"^### `{name}\b"
    assert re.search(heading, (ROOT / "docs" / "api.md").read_text("utf-8"), re.MULTILINE)
    assert ">>> " in (inspect.getdoc(reference.value_of(name)) or "")


ELSEWHERE = {"api.md", "cluster.md"}
"""Pages whose examples are tested as docstrings, or need a cluster."""

EXAMPLES = [
    example
    for document in DOCUMENTS
    if document.name not in ELSEWHERE
    for example in re.findall(r"```python\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_python_examples_print_what_their_comments_say(
    example: str, tmp_path: Path
) -> None:
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    done = script(example, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    expected = re.findall(r"^ *print\(.*\)  # (.*)$", example, re.MULTILINE)
    assert done.stdout.splitlines() == expected


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_service_answers_pictures_of_16_bits(channels: int, tmp_path: Path) -> None:
    (service,) = (example for example in EXAMPLES if "def soften" in example)
    (tmp_path / "service.py").write_text(service.partition("\nprint(")[0])
    names = runpy.run_path(str(tmp_path / "service.py"))
    pixels = np.full((4, 5, channels), 65_535, np.uint16)
    convcli.apply("identity", pixels, alpha="keep").save(tmp_path / "deep.png")
    status, answer = names["soften"]((tmp_path / "deep.png").read_bytes())
    assert status == 200, answer
    with Image.open(io.BytesIO(answer)) as picture:
        assert picture.getextrema()[-1] in (255, (255, 255))


@pytest.mark.slow
def test_the_six_things_to_try_work_as_they_are_written(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.split("## Six things to try\n", 1)[1].split("\n## ", 1)[0]
    things = re.findall(r"^\| `(convcli .*?)` \|", section, re.MULTILINE)
    assert len(things) == 6
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    for thing in things:
        if "|" not in thing:
            generate.run_in(tmp_path, thing)
    pipe = next(thing.replace("\\|", "|") for thing in things if "|" in thing)
    program = f"{shlex.quote(sys.executable)} -m convcli "
    script = "set -o pipefail; " + pipe.replace("convcli ", program)
    done = subprocess.run(
        [shutil.which("bash") or "", "-c", script],
        cwd=tmp_path,
        env=environment(),
        check=False,
    )
    made = {path.name for path in tmp_path.iterdir()}
    assert done.returncode == 0
    assert made >= {"soft.png", "edges", "out.png", "slide.gif", "page.html"}


def frames(path: Path) -> list[Any]:
    with Image.open(path) as picture:
        return [
            np.asarray(frame.convert("RGB")).astype(int)
            for frame in ImageSequence.Iterator(picture)
        ]


@pytest.mark.slow
def test_the_pictures_are_what_the_program_makes(tmp_path: Path) -> None:
    """What is drawn has letters, which another FreeType rasterises a shade differently."""
    generate.make_pictures(tmp_path)
    generate.make_terminals(tmp_path)
    shown = ROOT / "docs" / "images"
    names = {path.name for path in shown.iterdir()}
    assert names == {*generate.PICTURES, *generate.TERMINALS, *generate.PAGES}
    for name in generate.TERMINALS:
        assert (tmp_path / name).read_text("utf-8") == (shown / name).read_text("utf-8")
    for name, command in generate.PICTURES.items():
        drawn = not command.startswith("convcli apply")
        for one, other in zip(frames(tmp_path / name), frames(shown / name), strict=True):
            assert one.shape == other.shape
            assert np.abs(one - other).mean() < 0.5 if drawn else (one == other).all()


@pytest.mark.parametrize("name", [*generate.PICTURES, *generate.TERMINALS, *generate.PAGES])
def test_each_picture_is_shown(name: str) -> None:
    assert any(f"images/{name}" in path.read_text("utf-8") for path in DOCUMENTS)


def test_the_json_example_is_a_kernel(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "own-kernels.md").read_text("utf-8")
    example = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert example is not None
    path = tmp_path / "relief.json"
    path.write_text(example.group(1), "utf-8")
    kernel = kernel_from(str(path))
    assert kernel.weights.tolist() == [[0.5, 0.25, 0], [0.25, 0, -0.25], [0, -0.25, -0.5]]
    assert kernel.bias == (128.0,)
