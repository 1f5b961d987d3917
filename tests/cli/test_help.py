"""Help pages at 80 and 120 columns, in golden files; and what a picture looks like there.

The files are made anew by ``PYTHONPATH=tests python tests/cli/test_help.py``, and looked at
before they are kept.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convcli.cli.app import main
from support.commands import run
from support.terminal import shown

GOLDEN = Path(__file__).parents[1] / "golden"
COMMANDS = sorted(main.list_commands(None))  # type: ignore[arg-type] # it needs no context
WIDTHS = (80, 120)
MOST_LINES = 40


def page(width: int, *words: str) -> str:
    """Return what is printed at a width; a page has no blanks at its lines' ends."""
    result = run(*words, env={"COLUMNS": str(width)})
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def pages(width: int) -> str:
    """Return all help pages, each below its command line."""
    lines = [("--help",), *((name, flag) for name in COMMANDS for flag in ("-h", "--help"))]
    return "\n".join(f"$ convcli {' '.join(line)}\n{page(width, *line)}" for line in lines)


def pictures(width: int, folder: Path) -> str:
    """Return what --show writes of a picture of all hues, without and with colour."""
    hues = np.linspace(0, 255, 48, dtype=np.uint8)
    pixels = np.stack([np.tile(hues, (16, 1)), np.full((16, 48), 128, np.uint8)], axis=2)
    pixels = np.dstack([pixels, np.tile(hues[::-1], (16, 1))])
    Image.fromarray(pixels).save(folder / "in.png")
    words = ("apply", "sobel-x", "in.png", "--show", "-q")
    plain = shown(words, width, folder, b"", NO_COLOR="1")
    # Neither sixel nor kitty: the answers of a plain terminal.
    colour = shown(words, width, folder, b"\x1b[?62c\x1b[?62c")
    return plain + colour[colour.index("\x1b[38;2") :].replace("\x1b", "ESC")


@pytest.mark.parametrize("width", WIDTHS)
def test_help_pages_are_those_that_were_looked_at(width: int) -> None:
    assert pages(width) == (GOLDEN / f"help-{width}.txt").read_text("utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="openpty opens no terminals on Windows")
@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_pictures_are_those_that_were_looked_at(width: int, tmp_path: Path) -> None:
    golden = (GOLDEN / f"show-{width}.txt").read_text("utf-8")
    assert pictures(width, tmp_path) == golden


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_short_page_is_short_and_begins_with_examples(name: str, width: int) -> None:
    lines = page(width, name, "-h").splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= width
    places = [lines.index(heading) for heading in ("  Examples:", "Options:")]
    assert lines[0].startswith(f"Usage: convcli {name} ")
    assert places == sorted(places)
    whole = page(width, name, "--help").splitlines()
    assert max(map(len, whole)) <= width
    assert whole.index("  Examples:") < next(
        i for i, line in enumerate(whole) if line and not line.startswith((" ", "Usage"))
    )


def test_the_page_of_the_program_is_short_too() -> None:
    lines = page(80, "-h").splitlines()
    assert len(lines) <= MOST_LINES
    assert lines.index("  Examples:") < lines.index("Filter pictures:")


if __name__ == "__main__":
    for each in WIDTHS:
        (GOLDEN / f"help-{each}.txt").write_text(pages(each), "utf-8")
        with tempfile.TemporaryDirectory() as made:
            (GOLDEN / f"show-{each}.txt").write_text(pictures(each, Path(made)), "utf-8")
