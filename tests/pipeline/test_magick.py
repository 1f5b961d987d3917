"""Mixing with the original, beside ImageMagick: its mask, its region and its blend.

ImageMagick computes with 16 bits, so that its numbers are within 0.01 of ours, of 255.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import convcli

MAGICK = next((shutil.which(n) for n in ("magick", "convert-im6.q16") if shutil.which(n)), None)

pytestmark = pytest.mark.skipif(MAGICK is None, reason="ImageMagick is not installed")

RNG = np.random.default_rng(1)
PHOTO = RNG.integers(0, 256, (24, 33, 3), dtype=np.uint8)
MASK = RNG.integers(0, 256, (24, 33), dtype=np.uint8)
WEIGHTS = (np.arange(1, 10).reshape(3, 3) / 45).tolist()

FILTER = [
    *("-virtual-pixel", "edge", "-define", "convolve:scale=!"),
    *("-morphology", "Correlate", "3x3: 1,2,3 4,5,6 7,8,9"),
]
FILTERED = ["(", "+clone", *FILTER, ")"]
"""The picture, and the filtered one on top of it."""

BOX = ["(", "-size", "33x24", "xc:black", "-fill", "white", "-draw", "rectangle 3,6 19,11", ")"]


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PHOTO).save("in.png")
    Image.fromarray(MASK).save("mask.png")


def theirs(*words: str) -> NDArray[Any]:
    """Return what ImageMagick makes of the picture: numbers from 0 to 255, not rounded."""
    line = [str(MAGICK), "in.png", *words, "-depth", "16", "-endian", "LSB", "rgb:-"]
    ended = subprocess.run(line, check=True, capture_output=True)
    return np.frombuffer(ended.stdout, "<u2").reshape(PHOTO.shape) / 257


CASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "the filter": (FILTER, {}),
    "-mask keeps what is white": (
        ["-mask", "mask.png", *FILTER, "+mask"],
        {"mask": 255 - MASK},
    ),
    "a soft mask": ([*FILTERED, "mask.png", "-composite"], {"mask": "mask.png"}),
    "a box": ([*FILTERED, *BOX, "-composite"], {"region": "3,6,17x6"}),
    **{
        f"blend {share}": (
            [*FILTERED, "-define", f"compose:args={share}", "-compose", "blend", "-composite"],
            {"amount": share / 100},
        )
        for share in (0, 30, 75, 100)
    },
}


@pytest.mark.parametrize(("words", "options"), CASES.values(), ids=CASES.keys())
def test_numbers_are_those_of_imagemagick(words: list[str], options: dict[str, Any]) -> None:
    settings = {"border": "replicate", **options}
    exact = convcli.apply(WEIGHTS, "in.png", depth="float", **settings).array
    expected = theirs(*words)
    np.testing.assert_allclose(exact, expected, atol=0.01)
    # Eight bits are those numbers, rounded.
    pixels = convcli.apply(WEIGHTS, "in.png", **settings).array
    np.testing.assert_allclose(pixels, expected, atol=0.51)


def test_a_region_is_that_of_imagemagick_where_its_kernel_sees_all() -> None:
    """ImageMagick's kernel does not see the pixels around the region; ours does."""
    expected = theirs("-region", "17x6+3+6", "-convolve", "1,1,1,1,1,1,1,1,1", "+region")
    ours = convcli.apply("box:3", "in.png", depth="float", region="3,6,17x6").array
    rim = np.zeros(PHOTO.shape[:2], bool)
    rim[6:12, 3:20] = True
    rim[7:11, 4:19] = False
    np.testing.assert_allclose(ours[~rim], expected[~rim], atol=0.01)
    assert np.abs(ours[rim] - expected[rim]).max() > 1
