"""Pictures in the terminal (--show), and before and after as a picture (--compare)."""

import base64
import io
import re
import shutil
import subprocess
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

MAGICK = next((shutil.which(n) for n in ("magick", "convert-im6.q16") if shutil.which(n)), None)
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


ATTRIBUTES, KITTY, CELLS = b"\x1b[?62%sc", b"\x1b_Gi=1;OK\x1b\\", b"\x1b[6;20;10t"
"""What a terminal answers: what it has (4 is sixel); kitty's graphics; 10 × 20 px a cell."""


def page_shown(folder: Path, answers: bytes) -> tuple[str, Image.Image]:
    """Return what a terminal that answers so is sent, and the page that it should show."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20] = 255, 0, 0
    pixels[20:, 30:] = 0, 102, 204
    Image.fromarray(pixels).save(folder / "in.png")
    words = ("apply", "identity@scale=0.6", "in.png", "--show", "-q", "--compare", "page.png")
    text = shown(words, 80, folder, answers)
    page = Image.open(folder / "page.png").convert("RGB")
    rows = round(80 * 10 * page.height / page.width / 20)
    columns = 80
    if rows > 20:  # a terminal of 24 lines keeps 4 for what stands around
        rows, columns = 20, round(20 * 20 * page.width / page.height / 10)
    return text, page.resize((columns * 10, rows * 20))


def test_kitty_gets_a_png(tmp_path: Path) -> None:
    text, page = page_shown(tmp_path, ATTRIBUTES % b"" + KITTY + CELLS)
    assert "\x1b[c" in text
    chunks = re.findall(r"\x1b_Gi=\d+,m=[01],f=100,q=2;([^\x1b]*)\x1b", text)
    sent = Image.open(io.BytesIO(base64.b64decode("".join(chunks))))
    np.testing.assert_array_equal(np.asarray(sent), np.asarray(page))
    placed = re.search(r"a=p,i=\d+,c=(\d+),r=(\d+),U=1", text)
    assert placed is not None
    assert (10 * int(placed[1]), 20 * int(placed[2])) == page.size
    assert not CELL.search(text)


@pytest.mark.skipif(MAGICK is None, reason="ImageMagick is not installed")
def test_sixels_are_the_page(tmp_path: Path) -> None:
    text, page = page_shown(tmp_path, ATTRIBUTES % b";4" + CELLS)
    (sixels,) = re.findall(r"\x1bP[^\x1b]*\x1b\\", text)
    line = [str(MAGICK), "sixel:-", "png:-"]
    ended = subprocess.run(line, input=sixels.encode(), capture_output=True, check=True)
    sent = np.asarray(Image.open(io.BytesIO(ended.stdout)).convert("RGB")).astype(int)
    assert sent.shape[:2] == (page.height, page.width)
    # Sixels have 256 colours, of 100 levels each.
    distance = np.abs(sent - np.asarray(page).astype(int)).max(axis=2)
    assert np.quantile(distance, 0.98) <= 8
    assert distance.mean() < 2
    assert not CELL.search(text)


def test_find_shows_the_picture_and_its_places(tmp_path: Path) -> None:
    pixels = np.zeros((12, 20), np.uint8)
    pixels[4:9, 5:10] = 200
    Image.fromarray(pixels).save(tmp_path / "in.png")
    text = shown(("find", "box:5", "in.png", "--top", "1", "--show"), 120, tmp_path)
    lines = [line for line in text.splitlines() if CELL.search(line)]
    assert len(lines) == 6
    before = [[list(map(int, c)) for c in CELL.findall(line)[:20]] for line in lines]
    assert [row[7] for row in before] == [
        [c] * 3 + [d] * 3 for c, d in pixels[:, 7].reshape(6, 2)
    ]
    after = [CELL.findall(line)[20:] for line in lines]
    assert any(len({cell[:3] for cell in row}) > 1 for row in after)
    assert before != [[list(map(int, c)) for c in row] for row in after]


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


def test_a_matrix_is_compared_whether_or_not_an_output_is_named(tmp_path: Path) -> None:
    matrix, pages = "[[0,1,0],[1,0,0.5]]", [tmp_path / "one.png", tmp_path / "two.png"]
    done("apply", "box:3", matrix, tmp_path / "out.npy", "--compare", pages[0], "-q")
    assert done("apply", "box:3", matrix, "--compare", pages[1], "-q") == ""
    first, second = [np.asarray(Image.open(page)) for page in pages]
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("bands", [1, 2, 4, 5])
def test_floats_from_0_to_1_are_compared_in_all_shades(tmp_path: Path, bands: int) -> None:
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (40, 1))
    # Of channels that are no colours the first is shown, which is the ramp.
    np.save(tmp_path / "in.npy", np.dstack([ramp, *[9 * ramp] * (bands - 1)]))
    page = tmp_path / "page.png"
    words = (tmp_path / "in.npy", tmp_path / "out.npy", "--compare", page, "-q")
    done("apply", "identity@scale=0.25", *words)
    row = np.asarray(Image.open(page))[30, :, 0].tolist()
    assert "".join(map(chr, row)).count("".join(map(chr, range(256)))) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "box", "-", "out.png", "--show"),
        ("apply", "box", "-", "--compare", "page.png"),
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
