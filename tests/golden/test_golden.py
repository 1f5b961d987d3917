"""Each folder here is a case: a command, a small photograph, and what must come out.

The expected pictures are made by make.py from SciPy, OpenCV, Pillow and NumPy.
"""

import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli.cli.app import main

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/command.txt"))


def test_there_are_cases() -> None:
    assert len(FOLDERS) >= 12


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_pixels_are_exactly_as_expected(folder: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.png"
    places = {"{in}": str(folder / "input.png"), "{out}": str(made)}
    command = shlex.split((folder / "command.txt").read_text(encoding="utf-8"))
    result = CliRunner().invoke(main, [places.get(word, word) for word in command])
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    with Image.open(made) as image, Image.open(folder / "expected.png") as expected:
        assert image.mode == expected.mode
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
