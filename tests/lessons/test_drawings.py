"""What the lessons draw: golden pictures, which were looked at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from convcli.drawing.canvas import ACCENT, PADDING

GOLDEN = Path(__file__).parent / "golden"

EXPLAINED = ["explain", "sobel-x", "coffee.png", "--at", "0,50", "--channel", "0"]
STRIPS = ["borders", "box:5", "coffee.png"]
MOVING = ["animate", "sobel-x", "coffee.png"]


def pixels(path: Path, frame: int = 0) -> Any:
    with Image.open(path) as picture:
        picture.seek(frame)
        return np.asarray(picture.convert("RGB")).astype(int)


def assert_same(path: Path, golden: str, frame: int = 0) -> None:
    """Shapes and colours are exact; letters may be rasterised a shade differently.

    Another FreeType moves the grey of a letter's rim. A wrong digit, a cell of another
    colour or a frame elsewhere moves far more than half a level on average.
    """
    one, other = pixels(path, frame), pixels(GOLDEN / golden)
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 0.5


@pytest.mark.parametrize(
    ("words", "golden"), [(EXPLAINED, "explain.png"), (STRIPS, "strips.png")]
)
def test_drawings(
    run: Callable[..., Any],
    sample: Callable[[str], str],
    tmp_path: Path,
    words: list[str],
    golden: str,
) -> None:
    out = tmp_path / "out.png"
    ready = [sample(word) if word.endswith(".png") else word for word in words]
    result = run(*ready, "--png", str(out))
    assert result.exit_code == 0, result.output
    assert_same(out, golden)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["gif", "png", "apng", "webp"])
def test_animations(
    run: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"out.{suffix}"
    words = ["animate", "sobel-x", sample("coffee.png"), str(out), "--at", "300,150"]
    result = run(*words, "--cells", "4", "--delay", "120")
    assert result.exit_code == 0, result.output
    with Image.open(out) as picture:
        assert getattr(picture, "n_frames", 1) == 16
        assert picture.info["loop"] == 0
        durations = []
        for frame in ImageSequence.Iterator(picture):
            frame.load()  # WebP tells a frame's duration when it is decoded
            durations.append(frame.info["duration"])
        assert durations == [120] * 15 + [2500]
    assert_same(out, "animate-5.png", frame=5)


@pytest.mark.slow
def test_stride_and_dilation_show(
    run: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    words = ["animate", "box:3", sample("coffee.png"), str(out), "--at", "300,150"]
    run(*words, "--cells", "7", "--stride", "2", "--dilation", "2", "--border", "reflect")
    assert_same(out, "animate-dilated-6.png", frame=6)


def test_padding_has_its_own_ground_and_the_window_a_frame(
    run: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    run("animate", "box:3", sample("camera.png"), str(out), "--cells", "3", "--padding", "1")
    first = pixels(out).reshape(-1, 3)
    assert (first == PADDING).all(axis=1).any()
    assert (first == ACCENT).all(axis=1).any()


@pytest.mark.slow
def test_frames_are_bounded(
    ask: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path
) -> None:
    words = ["animate", "box:3", sample("camera.png"), str(tmp_path / "a.gif")]
    assert ask(*words, "--cells", "4", "--frames", "10")["frames"] == 10
    assert ask(*words, "--cells", "11")["frames"] == 100  # of 121


def test_one_frame_is_said_to_be_one(
    run: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path
) -> None:
    out = str(tmp_path / "a.gif")
    text = run("animate", "box:3", sample("camera.png"), out, "--frames", "1").stdout
    assert text.startswith(f"{out}: 1 frame of ")


def test_the_last_frame_holds_what_apply_writes(
    run: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path
) -> None:
    crop, applied = tmp_path / "crop.png", tmp_path / "applied.png"
    with Image.open(sample("camera.png")) as picture:
        picture.crop((254, 254, 258, 258)).save(crop)
    run("apply", "sobel-x", str(crop), str(applied), "--quiet")
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    run("animate", "sobel-x", sample("camera.png"), str(one), "--cells", "4", "--frames", "1")
    run("animate", "sobel-x", str(crop), str(other), "--cells", "4", "--frames", "1")
    np.testing.assert_array_equal(pixels(one), pixels(other))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sobel-x", "camera.png", "a.jpg"], "ends in .gif, .png, .apng, .webp or .mp4"),
        (["sobel-x", "camera.png", "a.gif", "--at", "512,0"], "x 0 to 511"),
        (["gaussian:9", "camera.png", "a.gif"], "cells of at least 8 px"),
        (["[[[[1]],[[1]]]]", "camera.png", "a.gif"], "the bank expects 2"),
    ],
)
def test_nonsense_is_refused(
    refuse: Callable[..., str], sample: Callable[[str], str], words: list[str], said: str
) -> None:
    ready = [sample(word) if word == "camera.png" else word for word in words]
    assert said in refuse("animate", *ready)


def test_16_bits_in_small_cells_are_counted_in_thousands(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    deep, out = tmp_path / "deep.png", tmp_path / "out.png"
    pixels = np.random.default_rng(0).integers(20_000, 65_536, (16, 16))
    Image.fromarray(pixels.astype(np.uint16)).save(deep)
    run("animate", "sobel-x", str(deep), str(out), "--cells", "16", "--frames", "2")
    assert_same(out, "animate-deep-0.png")


def test_a_figure_shows_small_weights_as_such(run: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "unsharp.png"
    run("kernels", "unsharp", "--png", str(out))
    assert_same(out, "unsharp.png")
