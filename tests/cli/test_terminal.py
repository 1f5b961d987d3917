"""The program at a real terminal of 40 and of 80 columns."""

import re
import sys
from pathlib import Path

import pytest

from convcli.lessons.stacks.spec import PRESETS
from support.commands import PHOTOS
from support.terminal import colours, plain, shown

pytestmark = pytest.mark.slow

if sys.platform == "win32":
    pytest.skip("openpty opens no terminals on Windows", allow_module_level=True)

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"
"""What hides the cursor, and shows it again."""

CAMERA = PHOTOS / "camera.png"

SHOWS: dict[str, tuple[str, ...]] = {
    "kernels": ("kernels", "--long"),
    "sobel-x": ("kernels", "sobel-x"),
    "gaussian": ("kernels", "gaussian:2"),
    "params": ("params", "--in", "3", "--filters", "64", "--k", "3", "--w", "32", "--p", "1"),
    "size": ("size", "--w", "224", "--k", "7", "--s", "2", "--p", "3"),
    "common": ("size", "--common"),
    "transposed": ("size", "--w", "4", "--k", "3", "--s", "2", "--p", "1", "--transposed"),
    "explain": ("explain", "sobel", str(CAMERA), "--at", "302,0"),
    "explore": ("explore", "sobel-x", str(CAMERA), "-o", "page.html"),
    "equivariance": ("equivariance", "box:3", str(CAMERA), "--stride", "2"),
    "apply": ("apply", "box:3", str(CAMERA), "out.png"),
    "matrix": ("apply", "gaussian:1", "[[1,2,3],[4,5,6],[7,8,9]]"),
    "dry run": ("apply", "box:3", str(CAMERA), "--out-dir", "out", "--dry-run"),
    "rules": ("size", "--w", "224", "--k", "3", "--s", "2", "--p", "1", "--compare"),
    "borders": ("borders",),
    "polynomial": ("conv1d", "1,2,3,4,5,6,7,8,9", "1/2,-1/3,7,8", "--as", "polynomial"),
    "digits": ("conv1d", "1234567890123", "9876543210987", "--as", "digits"),
    "dice": ("conv1d", "6", "6", "--as", "dice"),
    "stacks": ("stack", "--in", "8x8x3", "conv:4,k3", "--compare", "conv:4,k5 relu"),
    **{f"stack {name}": ("stack", "--preset", name) for name in PRESETS},
}

TABLES: dict[str, tuple[str, ...]] = {
    "params": ("layer", "weights", "biases", "total", "ratio"),
    "rules": ("rule", "output", "left", "right"),
    "borders": ("name", "drawn", "NumPy", "SciPy", "OpenCV", "torch", "ImageMagick"),
    "stacks": ("first", "second", "ratio"),
    **dict.fromkeys(
        (f"stack {name}" for name in PRESETS),
        ("#", "layer", "output", "parameters", "mult-adds", "sees", "jump", "memory"),
    ),
}
"""What stands above each table; in blocks, before each value."""


@pytest.fixture(scope="module", params=[40, 80])
def terminal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, dict[str, str]]:
    """Return the width of a terminal, and all shows as they look there."""
    columns: int = request.param
    folder = tmp_path_factory.mktemp("terminal")
    return columns, {name: shown(words, columns, folder) for name, words in SHOWS.items()}


@pytest.mark.parametrize("show", SHOWS)
def test_nothing_is_cut_or_wider_than_the_terminal(
    terminal: tuple[int, dict[str, str]], show: str
) -> None:
    columns, shows = terminal
    text = plain(shows[show])
    assert "Traceback" not in text
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= columns


@pytest.mark.parametrize(
    ("show", "narrow", "wide"),
    [
        ("kernels", ["gaussian", "laplacian4", "sharpen", "answers"], ["[:sigma,radius]"]),
        ("sobel-x", ["-2", "separable", "changes"], ["1 (separable: a column times a row)"]),
        # In a narrow terminal, as many of the middle columns as there is room for.
        ("gaussian", [".0398"], [".000729"]),
        ("params", ["locally", "201,392,128", "112,384.0"], ["multiply-adds"]),
        ("size", ["225/2", "K = 6"], ["(224 - 7 + 2·3)/2 + 1 = 112.50"]),
        ("transposed", ["2·1 + 0", "7 to 8 px"], ["a convolution maps each to 4 px"]),
        ("explain", ["sobel-y", "magnitude", "√("], ["3 of 9 taps see it"]),
        ("equivariance", ["differs", "commutes"], ["no whole number", "by multiples of 2"]),
        ("common", ["strided", "shrinkage", "16"], ["no shrinkage"]),
        ("apply", ["512 × 512 px", "range clip"], ["padding 1, border zero"]),
        # By SciPy 1.17: correlate(matrix, weights, mode="constant").
        ("matrix", ["kernel gaussian:sigma=1"], [".097  .159", "1.455634172002439  "]),
        ("dry run", ["write", "camera.png", "passes"], ["out/camera.png"]),
        ("rules", ["SAME_LOWER", "225/2"], ["no whole number: not allowed"]),
        ("borders", ["dcb|abcd|cba", "REFLECT_101", "ImageMagick"], []),
        ("polynomial", ["(1 + 2x + 3x²", "+ 72x¹¹"], ["n = 128, 191 to 256"]),
        ("digits", ["10^25", "12193263113"], ["3·9 + 2·8 + 1·7"]),
        ("dice", ["1/36", "0.1667", "████"], ["1/6·1/6 + 1/6·1/6 + 1/6·1/6 "]),
        ("stacks", ["(3·3·3+1)·4", "112", "304"], []),
        ("stack resnet18", ["conv:64,k7,s2,p3,nobias", "fc:1000"], ["2,359,296"]),
        ("stack vgg16", ["conv:64,k3,p1", "(25088+1)·4096"], ["102,764,544"]),
    ],
)
def test_all_that_matters_can_be_read(
    terminal: tuple[int, dict[str, str]], show: str, narrow: list[str], wide: list[str]
) -> None:
    columns, shows = terminal
    text = plain(shows[show])
    parts = narrow if columns == 40 else [*narrow, *wide]
    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize("show", TABLES)
def test_tables_are_tables_in_80_columns_and_blocks_where_they_must_be(
    terminal: tuple[int, dict[str, str]], show: str
) -> None:
    columns, shows = terminal
    lines = [line.split() for line in plain(shows[show]).splitlines()]
    headings = list(TABLES[show])
    firsts = {line[0] for line in lines if line}
    assert headings in lines or (columns == 40 and firsts.issuperset(headings[2:]))


def test_a_blank_line_parts_the_blocks_of_a_narrow_terminal(tmp_path: Path) -> None:
    text = plain(shown(SHOWS["stack lenet"], 40, tmp_path))
    blocks = [block.splitlines() for block in text.split("\n\n")]
    assert [block[0] for block in blocks[1:4]] == ["input", "1 conv:6,k5", "2 relu"]
    assert [line.split()[0] for line in blocks[3][1:]] == ["output", "sees", "jump", "memory"]


@pytest.mark.parametrize("columns", [30, 40, 80])
def test_the_progress_and_the_curve_of_a_descent_fit(tmp_path: Path, columns: int) -> None:
    words = ("learn", str(CAMERA), str(CAMERA), "--method", "sgd", "--steps", "100")
    text = shown(words, columns, tmp_path)
    lines = plain(text.replace(HIDDEN, "").replace(SHOWN, "")).splitlines()
    drawn = [line for line in lines if "│" in line or "└" in line or "learning" in line]
    # eight rows and the axis, and the bar at its beginning and at its end
    assert len(drawn) >= 8 + 1 + 2
    assert max(map(len, drawn)) <= columns


def test_a_terminal_gets_colour(terminal: tuple[int, dict[str, str]], tmp_path: Path) -> None:
    columns, shows = terminal
    assert colours(shows["sobel-x"])
    assert colours(shown(("kernels", "sobl-x"), columns, tmp_path))


def test_the_grid_has_another_colour_below_0_than_above(tmp_path: Path) -> None:
    grid = [line for line in shown(SHOWS["sobel-x"], 80, tmp_path).splitlines() if "-2" in line]
    (row,) = grid
    backgrounds = re.findall(r"48;[0-9;]+?(?=m)", row)
    assert len(set(backgrounds)) == 3


@pytest.mark.parametrize(
    "words",
    [
        SHOWS["sobel-x"],
        SHOWS["params"],
        SHOWS["size"],
        SHOWS["apply"],
        ("kernels", "sobl-x"),
        ("apply", "[[1]]", str(CAMERA), "out.png", "-s", "3", "-q"),
    ],
)
def test_no_color_is_heeded(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert colours(shown(words, 80, tmp_path, NO_COLOR="1")) == []


def test_a_terminal_that_knows_no_escapes_gets_none(tmp_path: Path) -> None:
    text = shown(SHOWS["sobel-x"], 80, tmp_path, TERM="dumb")
    assert "\x1b" not in text
    assert " -2   0   2" in text


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_frequencies_are_letters_where_there_is_no_colour(
    tmp_path: Path, name: str, value: str
) -> None:
    text = shown(("kernels", "[[1,1]]"), 80, tmp_path, b"", **{name: value})
    # By hand: |1 + e^(-2πif)| / 2 is 1 at f = 0 in the middle, and 0 at ½ at the rim: "@", " ".
    rows = [line for line in text.splitlines() if line[16:17] == "@"]
    assert len(rows) == 17
    assert all(row[:1] == row[32:33] == " " for row in rows)


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "box", "-", "out.png"),
        ("pool", "max", "-", "out.png"),
        ("learn", "-", str(CAMERA)),
        ("borders", "box:3", "-"),
    ],
)
def test_no_picture_is_waited_for_from_a_terminal(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert "INPUT is - but standard input is a terminal" in plain(shown(words, 80, tmp_path))


def test_a_picture_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    text = plain(shown(("apply", "box", str(CAMERA), "-"), 80, tmp_path))
    assert "standard output is a terminal" in text
    assert "PNG" not in text
    assert len(text.splitlines()) == 1


def test_a_quiz_asks_again_and_wraps(tmp_path: Path) -> None:
    words = ("size", "--quiz", "--seed", "7", "--count", "2")
    text = plain(shown(words, 40, tmp_path, keys=b"seven\n7\n4\n"))
    assert "> No number: answer again, or q to end. > Right." in " ".join(text.split())
    assert "2 of 2 right." in text
    assert max(len(line) for line in text.splitlines()) <= 40
