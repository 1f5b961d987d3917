"""What the documents' cog blocks call: the program's own words, run and pasted.

Refresh all documents with ``cog -P -r -I docs README.md docs/*.md``, and the pictures that
they show with ``python docs/generate.py``.
"""

import contextlib
import importlib
import io
import json
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner, Result

from convcli.cli.app import main

if TYPE_CHECKING:
    from convcli.kernels.catalogue.entry import Entry

_ROOT = Path(__file__).parent.parent
_TIME = re.compile(r"^(  time +)(\d[\d.,]*)( ms *)", re.MULTILINE)
_RATE = re.compile(r"^(  (?:time|rate) +)(\d[\d.,]*)(   [a-z])", re.MULTILINE)
"""Cells that are different at each run: of the report, and of the summary of a batch."""

PICTURES = {
    "chelsea-sobel-x.png": (
        "convcli apply sobel-x sample_images/chelsea.png {} --border replicate --quiet"
    ),
    "explained.png": "convcli explain sobel-x sample_images/camera.png --at 302,228 --png {}",
    "field.png": (
        "convcli stack --preset vgg16 --run sample_images/chelsea.png --unit 17:0@2,20 --png {}"
    ),
    "erf.png": (
        "convcli stack --in 64x64x1 conv:8,k5 relu conv:8,k5 relu conv:8,k5 relu conv:8,k5 "
        "--erf {}"
    ),
    "slide.gif": "convcli animate sobel-x sample_images/camera.png {} --at 302,228 --cells 4",
    "edges.png": "convcli apply edge sample_images/camera.png {} --quiet",
    "signs.png": "convcli apply "
    "'[ [[[-1,0,1],[-2,0,2],[-1,0,1]] ], [[[-1,-2,-1],[0,0,0],[1,2,1]] ] ]' "
    "sample_images/camera.png {} --border replicate --sheet --colormap diverging --quiet",
    "depth.png": "convcli animate "
    "'[ [[[1,0],[0,-1]], [[0,1],[-1,0]], [[1,1],[-1,-1]] ], "
    "[[[0,1],[0,0]], [[0,1],[0,0]], [[0,1],[0,0]] ] ]' sample_images/coffee.png {} "
    "--at 300,150 --cells 4 --padding valid --format strip --frames 1",
    "borders.png": "convcli borders box:5 sample_images/camera.png --png {}",
    "pooling.png": "convcli animate max:2 sample_images/coffee.png {} --at 300,150 --cells 6 "
    "--format strip --frames 1",
    "stamps.gif": "convcli animate '[[1,2,1],[2,4,2],[1,2,1]]' sample_images/camera.png {} "
    "--transposed --stride 2 --padding 0 --at 302,228 --cells 2",
    "checkerboard.png": "convcli animate '[[1,1,1],[1,1,1],[1,1,1]]' sample_images/camera.png "
    "{} --transposed --stride 2 --padding 0 --at 30,30 --cells 4 --format strip --frames 1",
}
"""The pictures in docs/images, and the command that makes each."""

PAGES = {
    "explorer.png": (
        "convcli explore sobel-x sample_images/camera.png -o {} --quiet",
        "goTo(302, 228); page.pinned = true; showPixel()",
    ),
}
"""The pictures of web pages: the command that makes each page, and what is done there first."""

_PAGE_SIZE, _PAGE_COLOURS = (1200, 760), 128

TERMINALS = {
    "explain.svg": "convcli explain sobel-x sample_images/camera.png --at 302,228",
}
"""What a terminal shows of a command, as a picture."""


def make_terminals(folder: Path) -> None:
    """Draw what a terminal of 80 columns shows of a command, in colour."""
    from rich.console import Console
    from rich.text import Text

    for name, command in TERMINALS.items():
        shown = Console(width=80, record=True, file=io.StringIO(), legacy_windows=False)
        shown.print(
            Text.from_ansi(_run(command, str(_ROOT), FORCE_COLOR="1", COLORTERM="truecolor"))
        )
        shown.save_svg(str(folder / name), title=command, unique_id="shown")


def make_pictures(folder: Path) -> None:
    """Make the documents' pictures in a folder, by running their commands."""
    for name, command in PICTURES.items():
        _run(command.format(shlex.quote(str(folder.resolve() / name))), str(_ROOT))


def photograph_pages(folder: Path) -> None:
    """Make the pictures of pages: they need Chromium, whose letters differ between machines."""
    from PIL import Image

    sys.path.insert(0, str(_ROOT / "tests"))
    from support.browser import Browser

    browser = Browser()
    browser.resize(*_PAGE_SIZE)
    for name, (command, script) in PAGES.items():
        with tempfile.TemporaryDirectory() as scratch:
            page = Path(scratch, "page.html")
            _run(command.format(shlex.quote(str(page))), str(_ROOT))
            browser.open(page)
            browser.run(script)
            browser.until("page.frame === null")
            browser.driver.save_screenshot(str(folder / name))
        # A page has few colours beside greys: a palette halves the file, and keeps them.
        shot = Image.open(folder / name).convert("RGB")
        palette = shot.quantize(_PAGE_COLOURS, Image.Quantize.MAXCOVERAGE)
        palette.save(folder / name, optimize=True)
    browser.driver.quit()


def run(*commands: str) -> str:
    """Run commands as a reader would type them, and return them with what they print.

    Parameters
    ----------
    *commands : str
        As ``convcli size --w 7 --k 3``; all are run in one scratch folder that has the
        sample images. Times are shown as …, so that a document is the same everywhere.

    Returns
    -------
    str
        A fenced console block.
    """
    outputs = _outputs(*commands)
    shown = [part for pair in zip(commands, outputs, strict=True) for part in _typed(*pair)]
    body = "\n".join(part for part in shown if part)
    return f"```console\n{body}\n```"


def piped(answers: str, command: str) -> str:
    """Run a command with lines on standard input, as `run` does without.

    Parameters
    ----------
    answers : str
        The lines, parted by blanks.
    command : str
        As in `run`.
    """
    lines = answers.replace(" ", "\n") + "\n"
    with tempfile.TemporaryDirectory() as scratch:
        output = _run(command, scratch, lines)
    shown = lines.replace("\n", "\\n")
    return f"```console\n$ printf '{shown}' | {command}\n{output}\n```"


def _typed(command: str, output: str) -> tuple[str, str]:
    return f"$ {command}", output


def command_pages() -> str:
    """Return the help page of each command, under its heading."""
    import click

    from convcli.cli.app import main

    names = main.list_commands(click.Context(main))
    pages = [(f"convcli {name}", _output(f"convcli {name} --help")) for name in names]
    return "\n\n".join(f"## {name}\n\n```text\n{page}\n```" for name, page in pages)


def kernel_names() -> str:
    """Return the names of all kernels and operators, by theme, as a Markdown table."""
    from convcli.kernels.catalogue import THEMES
    from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS

    lines = ["| kind | names |", "|---|---|"]
    for theme in THEMES:
        names = [f"`{e.form}`" for e in CATALOGUE.values() if e.theme == theme]
        lines.append(f"| {theme} | {', '.join(names)} |")
    lines.append(f"| Operators | {', '.join(f'`{name}`' for name in OPERATORS)} |")
    return "\n".join(lines)


def kernel_tables() -> str:
    """Return the catalogue as Markdown tables, one a theme."""
    from convcli.kernels.catalogue import THEMES
    from convcli.kernels.catalogue.entry import CATALOGUE

    parts = []
    for theme in THEMES:
        entries = [entry for entry in CATALOGUE.values() if entry.theme == theme]
        head = ["| kernel | size | sum | what the sum says | use | source |", "|" + "---|" * 6]
        parts.append("\n".join([f"### {theme}", "", *head, *map(_kernel_row, entries)]))
        parts.append(_parameter_table(entries))
    return "\n\n".join(part for part in parts if part)


def _kernel_row(entry: "Entry") -> str:
    kernel = entry.kernel()
    size = "×".join(str(length) for length in kernel.size)
    facts = (f"{kernel.sum:g}", kernel.effect.value, entry.description, entry.source)
    return f"| {' | '.join((f'`{entry.form}`', size, *facts))} |"


def _parameter_table(entries: "list[Entry]") -> str:
    rows = [
        f"| `{entry.name}` | `{p.name}` | {p.about} | {p.unit or '–'} | {p.range} | "
        f"{'worked out' if p.default is None else f'{p.default:g}'} |"
        for entry in entries
        for p in entry.parameters
    ]
    head = ["| kernel | parameter | meaning | unit | range | default |", "|" + "---|" * 6]
    return "\n".join([*head, *rows]) if rows else ""


def operator_table() -> str:
    """Return the operators as a Markdown table."""
    from convcli.kernels.catalogue.entry import OPERATORS

    lines = ["| operator | combines | use | source |", "|" + "---|" * 4]
    for entry in OPERATORS.values():
        names = entry.kernels
        shown = " + ".join(names) if len(names) < 5 else f"{names[0]} … {names[-1]}"  # noqa: PLR2004
        how = f"{entry.combine.value} of {shown}"
        lines.append(f"| `{entry.name}` | {how} | {entry.description} | {entry.source} |")
    return "\n".join(lines)


_KERNEL_FORMATS = {
    "json": "convcli's own, with a schema: convcli kernels --schema",
    "vips": "libvips matrix: vips conv in.png out.png kernel.mat",
    "imagemagick": 'ImageMagick: convert in.png -morphology Correlate "3x3:…" out.png',
    "ffmpeg": 'ffmpeg: ffmpeg -i in.png -vf "convolution=…" out.png',
    "svg": "SVG: the element feConvolveMatrix, to stand in a filter element",
    "csv": "rows of numbers or fractions, between commas or semicolons: a table, numpy.savetxt",
    "npy": "NumPy array",
    "npz": "NumPy archive: weights and bias",
    "numpy": "Python source with NumPy",
    "torch": "Python source with torch",
    "safetensors": "layers of trained networks: FILE::TENSOR (extra models)",
}


def format_table() -> str:
    """Return the formats of kernels as a Markdown table."""
    from convcli.kernels.formats.read import FORMATS

    lines = ["| `--export` | files | what it is |", "|---|---|---|"]
    for entry in FORMATS.values():
        name = f"`{entry.name}`" if entry.write else "only read"
        suffixes = ", ".join(f"`{suffix}`" for suffix in entry.suffixes) or "–"
        lines.append(f"| {name} | {suffixes} | {_KERNEL_FORMATS[entry.name]} |")
    return "\n".join(lines)


def json_sections() -> str:
    """Return what each command prints with --json, from the schemas, as Markdown."""
    from convcli.cli.schema import FOLDER, documented

    names = [name for name in documented() if name not in ("recipe", "version")]
    parts = []
    for name in (*names, "version"):
        schema = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        if "properties" not in schema and "anyOf" not in schema and "items" not in schema:
            continue
        head = "convcli --version" if name == "version" else f"convcli {name}"
        keys: dict[str, tuple[str, str]] = {}
        _collect_keys(schema, "", keys, schema.get("$defs", {}))
        rows = [f"| `{key}` | {kind} | {about} |" for key, (kind, about) in keys.items()]
        table = ["| key | type | meaning |", "|---|---|---|", *rows]
        link = f"The schema: [{name}.json](../src/convcli/cli/schemas/{name}.json)"
        parts.append("\n".join([f"## {head}", "", link, "", *table]))
    return "\n\n".join(parts)


def _collect_keys(
    schema: dict[str, Any],
    path: str,
    keys: dict[str, tuple[str, str]],
    parts: dict[str, Any],
) -> None:
    """Collect the keys of a schema with their types and meanings: ``steps[].kernel``."""
    schema = {**parts.get(schema.get("$ref", "").rpartition("/")[2], {}), **schema}
    for form in schema.get("anyOf", ()):
        _collect_keys(form, path, keys, parts)
    for key, named in schema.get("properties", {}).items():
        value = {**parts.get(named.get("$ref", "").rpartition("/")[2], {}), **named}
        here = f"{path}.{key}" if path and not path.endswith(".") else f"{path}{key}"
        kinds = value.get("type", "any")
        told = keys[here][0].split(" or ") if here in keys else []
        kinds = dict.fromkeys([*told, *([kinds] if isinstance(kinds, str) else kinds)])
        keys[here] = (" or ".join(kinds), value.get("description", ""))
        _collect_keys(value, here, keys, parts)
    items = schema.get("items")
    if isinstance(items, dict):
        _collect_keys(items, f"{path}[]", keys, parts)


def strategy_table() -> str:
    """Return the strategies of the engine as a Markdown table, in their own words."""
    from convcli.engine.strategies import STRATEGIES

    lines = ["| strategy | `--method` | what it does |", "|---|---|---|"]
    for strategy in STRATEGIES:
        about = (strategy.__doc__ or "").splitlines()[0].removesuffix(".")
        lines.append(f"| {strategy.name} | `{strategy.method.value}` | {about} |")
    return "\n".join(lines)


def picture_table() -> str:
    """Return what each format keeps of each kind of picture: the cases of the tests."""
    from convcli.images.formats import FORMATS

    cases = _cases()

    heads = ("format", "suffixes", *cases.PICTURES, "frames", "what is lost", "notes")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in cases.ROWS:
        entry = FORMATS[row.format]
        cells = [{"-": "–"}.get(row.cells[name], row.cells[name]) for name in cases.PICTURES]
        kept, note = ["yes" if row.frames else "–", row.lost], cases.NOTES.get(row.format, "")
        suffixes = " ".join(f"`{suffix}`" for suffix in entry.suffixes)
        lines.append(f"| {' | '.join((row.format, suffixes, *cells, *kept, note))} |")
    return "\n".join(lines)


def mode_table() -> str:
    """Return what each of Pillow's modes is filtered as: the cases of the tests."""
    lines = [
        "| mode | filtered with | channels | tested in | what that means |",
        "|" + "---|" * 5,
    ]
    cases = _cases()
    for case in cases.READ:
        depth = {"8": "8 bits", "16": "16 bits", "float": "floats"}[case.depth]
        channels = f"{case.channels}{' + alpha' if case.alpha else ''}"
        held, about = case.format or "memory", cases.MEANINGS[case.mode]
        lines.append(f"| `{case.mode}` | {depth} | {channels} | {held} | {about} |")
    return "\n".join(lines)


def _cases() -> ModuleType:
    sys.path.insert(0, str(_ROOT / "tests"))
    try:
        return importlib.import_module("support.format_cases")
    finally:
        sys.path.pop(0)


def _output(command: str) -> str:
    return _outputs(command)[0]


def _outputs(*commands: str) -> list[str]:
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(_ROOT / "sample_images", Path(scratch, "sample_images"))
        return [_run(command, scratch) for command in commands]


def run_in(folder: Path, command: str) -> None:
    """Run one command in a folder.

    Raises
    ------
    RuntimeError
        If its exit status is not 0.
    """
    done = _done(command, str(folder))
    if done.exit_code:
        raise RuntimeError(f"{command}: {done.output}")


def _run(command: str, folder: str, lines: str = "", **more: str) -> str:
    done = _done(command, folder, lines, **more)
    said = (done.stdout + done.stderr).strip()
    # The other cells of the line stay where they are.
    said = _TIME.sub(lambda cell: f"{cell[1]}…{cell[3]}{' ' * (len(cell[2]) - 1)}", said)
    return _RATE.sub(lambda cell: f"{cell[1]}{'…':>{len(cell[2])}}{cell[3]}", said)


def _done(command: str, folder: str, lines: str = "", **more: str) -> Result:
    # In this process: a process a command would take a quarter of a second each.
    # Plans are then the same with and without numba.
    environment = {"CONVCLI_FAST": "never", **more, "COLUMNS": "80"}
    with contextlib.chdir(folder):
        words = shlex.split(command)[1:]
        names: dict[str, Any] = {"prog_name": "convcli", "terminal_width": 78}
        return CliRunner().invoke(main, words, input=lines, env=environment, **names)


if __name__ == "__main__":
    make_pictures(_ROOT / "docs" / "images")
    photograph_pages(_ROOT / "docs" / "images")
    make_terminals(_ROOT / "docs" / "images")
