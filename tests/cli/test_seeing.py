"""Pictures in the terminal (--show), and before and after as a picture (--compare)."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.commands import PHOTOS, done, refusal, run
from support.terminal import plain, shown

pytestmark = pytest.mark.slow

if sys.platform == "win32":
    pytest.skip("openpty opens no terminals on Windows", allow_module_level=True)

CELL = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀")
"""A cell of two pixels: the upper is the colour of the sign, the lower of its ground."""

PHOTO = str(PHOTOS / "coffee.png")
QUERY = re.compile(r"\x1b\[c|\x1b_G.*?\x1b\\")
"""What asks a terminal for its graphics."""


def picture(folder: Path) -> np.ndarray:
    """Save a picture of 2 × 2 colours; return its pixels."""
    pixels = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 8, 7]]], np.uint8)
    Image.fromarray(pixels).save(folder / "in.png")
    return pixels


def test_before_and_after_are_cells_of_two_pixels(tmp_path: Path) -> None:
    pixels = picture(tmp_path)
    text = shown(
        ("apply", "identity@negate", "in.png", "--range", "shift", "--show", "-q"), 80, tmp_path
    )
    cells = [[int(number) for number in cell] for cell in CELL.findall(text)]
    upper_and_lower = np.concatenate([pixels[0], pixels[1]], axis=1)
    assert cells[:2] == upper_and_lower.tolist()
    # Range shift puts 0 at 128: -v becomes 128 - v, and at least 0.
    assert cells[2:] == np.maximum(128 - upper_and_lower.astype(int), 0).tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png"]


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "sobel-x", PHOTO, "--show", "-q"),
        ("pool", "max", PHOTO, "out.png", "--show", "-q"),
        ("find", "log:4@negate", PHOTO, "--show"),
        ("kernels", "gaussian:2", "--show"),
        ("explain", "sobel-x", PHOTO, "--at", "30,40", "--show"),
    ],
)
@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(tmp_path: Path, words: tuple[str, ...], columns: int) -> None:
    text = QUERY.sub("", shown(words, columns, tmp_path))
    assert len(CELL.findall(text)) > 100
    assert max(map(len, plain(text).splitlines())) <= columns


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_letters_where_there_is_no_colour(tmp_path: Path, name: str, value: str) -> None:
    pixels = np.array([[0, 255, 130], [0, 255, 130]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    words = ("apply", "identity", "in.png", "--show", "-q")
    text = shown(words, 80, tmp_path, b"", **{name: value})
    # By hand: 0, 255 and 130 of 256 are the signs 0, 9 and 5 of ten.
    assert text == " @+ │  @+\n"


def test_never_in_a_pipe(tmp_path: Path) -> None:
    picture(tmp_path)
    line = refusal("apply", "box", tmp_path / "in.png", "--show", status=2)
    assert "needs a terminal" in line
    out = tmp_path / "out.png"
    result = run("apply", "box", tmp_path / "in.png", out, "--show", "--quiet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "not shown: standard output is no terminal\n"
    assert out.exists()


def test_compare_has_both_pictures_as_they_are(tmp_path: Path) -> None:
    before = np.random.default_rng(1).integers(0, 256, (60, 90, 3)).astype(np.uint8)
    Image.fromarray(before).save(tmp_path / "in.png")
    page, out = tmp_path / "page.png", tmp_path / "out.png"
    done("apply", "box:3", tmp_path / "in.png", out, "--compare", page, "-q")
    drawn, after = np.asarray(Image.open(page)), np.asarray(Image.open(out))
    places = [
        (y, x)
        for y in range(drawn.shape[0] - 59)
        for x in range(drawn.shape[1] - 89)
        if (drawn[y : y + 60, x : x + 90] == before).all()
        or (drawn[y : y + 60, x : x + 90] == after).all()
    ]
    assert len(places) == 2
    assert places[0][0] == places[1][0]
    assert places[1][1] - places[0][1] >= 90


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "box", "-", "out.png", "--show"),
        ("apply", "box", "in.png", "-", "--compare", "page.png"),
        ("apply", "box", "in.png", "--out-dir", "out", "--show"),
        ("apply", "box", "in.png", "{map}.png", "--show"),
        ("pool", "max", "-", "out.png", "--show"),
    ],
)
def test_what_cannot_be_shown_is_wrong_usage(words: tuple[str, ...]) -> None:
    refusal(*words, status=2)


def test_a_page_is_a_png(tmp_path: Path) -> None:
    picture(tmp_path)
    refusal("pool", "max", tmp_path / "in.png", "--compare", tmp_path / "a.jpg", status=1)
