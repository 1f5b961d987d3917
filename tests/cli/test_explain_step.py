"""`convcli explain --step`, at a real terminal."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy import ndimage

from convcli.cli.app import main
from support.terminal import plain, played

RIGHT, DOWN, LEFT, UP = b"\x1b[C", b"\x1bOB", b"\x1b[D", b"\x1b[A"
AWAY, BACK = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture
def picture(tmp_path: Path) -> np.ndarray:
    pixels = np.random.default_rng(5).integers(0, 200, (6, 9, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    return pixels


def sums(text: str) -> list[tuple[int, int, str, int]]:
    """Return the place, the channel and the sum of each screen."""
    found = re.findall(r"x = (\d+), y = (\d+), (\w+)\n.*?\n  sum +(-?\d+) *\n", text, re.DOTALL)
    return [(int(x), int(y), name, int(total)) for x, y, name, total in found]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="openpty opens no terminals on Windows")
def test_arrow_keys_step_over_the_picture(picture: np.ndarray, tmp_path: Path) -> None:
    play = [
        ("y = 0, red", RIGHT + RIGHT),  # two keys in one read; the edge stops the second
        ("x = 8, y = 0, red", DOWN),
        ("y = 1, red", b"\t"),
        ("y = 1, green", LEFT),
        ("x = 7, y = 1, green", UP),
        ("x = 7, y = 0, green", b"q"),
    ]
    words = ("explain", "sobel-x", "small.png", "--at", "7,0", "--step")
    text = played(words, 80, tmp_path, play)
    before, _, rest = text.partition(AWAY)
    screens, _, after = rest.partition(BACK)
    assert not before
    kernel = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    answers = [
        ndimage.correlate(picture[..., c].astype(int), kernel, mode="constant") for c in (0, 1)
    ]
    places = [(7, 0, 0), (8, 0, 0), (8, 1, 0), (8, 1, 1), (7, 1, 1), (7, 0, 1)]
    expected = [(x, y, ("red", "green")[c], int(answers[c][y, x])) for x, y, c in places]
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screens)
    assert sums(lines) == expected
    assert sums(plain(after)) == expected[-1:]  # the last one stays, below the prompt
    # Each screen is drawn over the one before, and none scrolls.
    assert screens.count("\x1b[H") == len(expected)
    assert max(part.count("\n") for part in screens.split("\x1b[H")) < 24


@pytest.mark.usefixtures("picture")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--step"], "--step needs a terminal"),
        (["--step", "--json"], "leave --json"),
        ([], "Missing option '--at'"),
    ],
)
def test_steps_need_a_terminal(tmp_path: Path, more: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["explain", "box:3", str(tmp_path / "small.png"), *more])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
