"""What the frames of an animation show, in numbers; and the files that they become."""

import io
import itertools
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convcli
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Plain
from convcli.lessons.animate import animation_of, scene_of
from convcli.pipeline.options import Options
from support.commands import process

GOLDEN = Path(__file__).parents[1] / "golden"
RGB = np.random.default_rng(3).integers(0, 256, (4, 5, 3)).astype(np.uint8)
BANK = [[[[1, 0], [0, 1]], [[1, 2], [3, 4]], [[-1, -1], [1, 1]]], [[[0, 2], [0, 1]]] * 3]


def test_a_filter_of_three_channels_sums_into_one_map_and_maps_stack() -> None:
    kernel = Kernel(np.array(BANK, float), [0.5, -2.0])
    scene = scene_of(Frame(RGB), kernel, Options(padding="valid"), None, 16, label="a")
    assert scene.order.size == 2 * 3 * 4
    places = itertools.product(range(2), range(3), range(4))
    for index, (number, row, column) in enumerate(places):
        step = scene.step(index)
        patch = RGB[row : row + 2, column : column + 2].transpose(2, 0, 1).astype(int)
        products = patch * np.array(BANK[number])
        assert step.filter == number
        np.testing.assert_array_equal(step.products, products)
        # This map is filled to here, and all maps before it; the others are empty.
        assert step.outputs[number, row, column] == products.sum() + kernel.bias[number]
        assert np.isfinite(step.outputs).sum() == index + 1
        assert np.argwhere(step.framed).tolist() == [[number, row, column]]
        assert step.inputs[row : row + 2, column : column + 2].all()
        assert step.inputs.sum() == 4
    sums = [int(each) for each in products.sum(axis=(1, 2))]
    text = f"sum of the products {sums[0]} + {sums[1]} + {sums[2]} + bias -2 = {sum(sums) - 2}"
    assert text in step.caption


@pytest.mark.parametrize(
    ("kind", "reduce", "said"),
    [("max", np.max, "largest of 4 values"), ("pool", np.mean, "mean of 4 values")],
)
def test_pooling_by_hand(kind: str, reduce: Callable[..., float], said: str) -> None:
    grey = RGB[:, :4, :1]
    scene = scene_of(Frame(grey), Plain(kind, 2), Options(), None, 16, label="a")
    assert scene.order.size == 4
    for index, (row, column) in enumerate(itertools.product((0, 2), (0, 2))):
        step = scene.step(index)
        window = grey[row : row + 2, column : column + 2, 0]
        np.testing.assert_array_equal(step.products[0], window)
        assert step.outputs[0, row // 2, column // 2] == reduce(window)
        assert said in step.caption


def test_flat_windows_have_a_mean_too() -> None:
    scene = scene_of(
        Frame(np.full((2, 2, 1), 7, np.uint8)), Plain("pool", 2), Options(), None, 4, label="a"
    )
    assert scene.step(0).caption == "output (0, 0): mean of 4 values: 28 / 4 = 7"


@pytest.mark.filterwarnings("error")
def test_pixels_that_are_no_numbers_are_written_and_have_no_colour() -> None:
    pixels = np.array([[[1.0], [np.nan]], [[np.inf], [4.0]]])
    for kernel in (Kernel([[-1, 1]]), Kernel([[0, 1]]), Kernel([[2]])):
        made = animation_of(Frame(pixels), kernel, Options(padding="valid"), cells=2)
        assert len(made.drawings) == made.output.size
    # twice each pixel: what is no number stays none
    np.testing.assert_array_equal(made.output[..., 0], [[2, np.nan], [np.inf, 8]])


@pytest.mark.filterwarnings("error")
def test_a_map_without_any_number_is_drawn() -> None:
    made = animation_of(Frame(np.full((3, 3, 1), np.nan)), Kernel([[2]]), Options(), cells=3)
    assert len(made.drawings) == 9


def torch_cases() -> list[Any]:
    found = json.loads((GOLDEN / "transposed.json").read_text())
    return [(n, case) for n, case in enumerate(found) if case["case"][3].get("groups", 1) == 1]


@pytest.mark.parametrize(("number", "found"), torch_cases())
def test_all_stamps_together_are_what_torch_computes(number: int, found: Any) -> None:
    channels, filters, size, settings = found["case"]
    rng = np.random.default_rng(number)
    image = rng.normal(size=(6, 7, channels))
    weights, bias = rng.normal(size=(channels, filters, *size)), rng.normal(size=filters)
    pairs: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in settings.items()
    }
    options = Options(transposed=True, **pairs)
    scene = scene_of(Frame(image), Kernel(weights), options, None, 16, label="a")
    assert scene.order.size == filters * 6 * 7
    last = scene.step(scene.order.size - 1).outputs
    rows, columns = (~scene.outside).any(axis=1), (~scene.outside).any(axis=0)
    kept = np.nan_to_num(last[:, rows][:, :, columns].transpose(1, 2, 0)) + bias
    assert list(kept.shape) == found["shape"]
    np.testing.assert_allclose(kept.ravel()[::5], found["every_fifth"], atol=1e-8)


def test_a_stamp_is_the_pixel_times_the_kernel_as_it_is_written() -> None:
    grey = np.array([[[3], [5]]], np.uint8)
    options = Options(transposed=True, stride=2, padding=0)
    scene = scene_of(Frame(grey), Kernel([[1.0, 2, -1]]), options, None, 4, label="a")
    first, second = scene.step(0), scene.step(1)
    assert first.products[0].tolist() == [[3, 6, -3]]
    assert first.outputs[0, 0, :3].tolist() == [3, 6, -3]
    assert np.isnan(first.outputs[0, 0, 3:]).all()
    assert second.outputs[0].tolist() == [[3, 6, -3 + 5, 10, -5]]
    assert second.framed[0].tolist() == [[False, False, True, True, True]]
    assert second.caption == "pixel (1, 0): 5 times the kernel: the stamp is added"


# ------------------------------------------------------------------ files

ANIMATE = ["animate", "sobel-x", "[[1,2,3],[4,5,6],[7,8,9]]"]


def pixels(path: Path) -> Any:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_frames_are_numbered_pngs(
    run: Callable[..., Any], ask: Callable[..., Any], tmp_path: Path
) -> None:
    folder, named = tmp_path / "new" / "steps", tmp_path / "step.png"
    run(*ANIMATE, str(folder), "--format", "frames", "--frames", "10")
    document = ask(*ANIMATE, str(named), "--format", "frames", "--frames", "3")
    assert sorted(path.name for path in folder.iterdir()) == [f"{n}.png" for n in range(1, 10)]
    assert document["files"] == [str(tmp_path / f"step-{n}.png") for n in (1, 2, 3)]
    one, other = folder / "9.png", tmp_path / "step-3.png"
    np.testing.assert_array_equal(pixels(one), pixels(other))


def test_a_strip_holds_all_frames(run: Callable[..., Any], tmp_path: Path) -> None:
    strip, steps = tmp_path / "strip.png", tmp_path / "steps"
    run(*ANIMATE, str(strip), "--format", "strip", "--frames", "4")
    run(*ANIMATE, str(steps), "--format", "frames", "--frames", "4")
    page = pixels(strip)
    for number in (1, 2, 3, 4):
        frame = pixels(steps / f"{number}.png")
        height, width = frame.shape[:2]
        places = itertools.product(
            range(16, page.shape[0] - height + 1, height + 16),
            range(16, page.shape[1] - width + 1, width + 16),
        )
        cuts = [page[y : y + height, x : x + width] for y, x in places]
        assert sum(np.array_equal(cut, frame) for cut in cuts) == 1


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.slow
def test_ffmpeg_makes_a_video(run: Callable[..., Any], tmp_path: Path) -> None:
    video, frames = tmp_path / "slide.mp4", tmp_path / "steps"
    result = run(*ANIMATE, str(video), "--delay", "200", "--frames", "4")
    assert result.exit_code == 0, result.output
    run(*ANIMATE, str(frames), "--format", "frames", "--frames", "4")
    shown = "stream=codec_name,width,height,duration"
    words = ["ffprobe", "-v", "error", "-show_entries", shown, "-of", "json", str(video)]
    (stream,) = json.loads(subprocess.check_output(words))["streams"]
    assert float(stream["duration"]) == pytest.approx(3 * 0.2 + 2.5, abs=0.1)
    words = ["ffmpeg", "-v", "error", "-i", str(video), "-compression_level", "0"]
    subprocess.check_call([*words, str(tmp_path / "out-%02d.png")])
    shots = sorted(tmp_path.glob("out-*.png"))
    for number, shot in ((1, shots[2]), (4, shots[-1])):
        drawn, seen = (
            each.astype(int) for each in (pixels(frames / f"{number}.png"), pixels(shot))
        )
        height, width = drawn.shape[:2]
        assert np.abs(seen[:height, :width] - drawn).mean() < 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["a.gif", "--format", "strip"], "ends in .png"),
        (["a.tif"], "ends in .gif, .png, .apng, .webp or .mp4"),
        (["a.gif", "--format", "frames"], "ends in .png"),
        (["a.gif", "--transposed", "--output-padding", "2"], "output_padding"),
    ],
)
def test_names_that_do_not_fit(refuse: Callable[..., str], more: list[str], said: str) -> None:
    assert said in refuse(*ANIMATE, *more)


def test_no_ffmpeg_no_video(
    refuse: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("ffmpeg") is None
    line = refuse(*ANIMATE, str(tmp_path / "a.mp4"))
    assert "it is not installed: install it, or write a .gif" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", ["sobel", "relu"])
def test_one_kernel_or_a_pooling(refuse: Callable[..., str], link: str) -> None:
    words = ["animate", link, "[[1,2],[3,4]]", "a.gif"]
    assert "expected one kernel, or a pooling as max:2" in refuse(*words)
    assert "leave --stride" in refuse("animate", "max:2", "[[1,2],[3,4]]", "a.gif", "--s", "2")


NINE = "[[1,2,3],[4,5,6],[7,8,9]]"


@pytest.mark.parametrize("more", [[], ["--transposed", "--stride", "2"]])
def test_numbers_of_the_output_are_those_of_apply(
    run: Callable[..., Any], tmp_path: Path, more: list[str]
) -> None:
    written, expected = tmp_path / "drawn.csv", tmp_path / "applied.csv"
    assert "raw numbers" in run("animate", "sobel-x", NINE, str(written), *more).stdout
    run("apply", "sobel-x", NINE, str(expected), *more)
    assert written.read_text() == expected.read_text()


@pytest.mark.slow
def test_standard_output_gets_a_moving_picture() -> None:
    words = ["animate", "sobel-x", NINE, "-"]
    ended = process(*words, "--format", "webp")
    assert (ended.returncode, ended.stderr) == (0, b"")
    image = Image.open(io.BytesIO(ended.stdout))
    assert (image.format, getattr(image, "n_frames", 1)) == ("WEBP", 9)
    refused = process(*words)
    said = b"Error: -: expected a gif, apng or webp to send on: add --format gif\n"
    assert (refused.returncode, refused.stderr) == (1, said)


def test_python_draws_what_the_command_draws(run: Callable[..., Any], tmp_path: Path) -> None:
    one, other = tmp_path / "one.gif", tmp_path / "other.gif"
    photo = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(photo).save(tmp_path / "in.png")
    run("animate", "sobel-x", str(tmp_path / "in.png"), str(one), "--at", "2,3", "--cells", "3")
    made = convcli.animate("sobel-x", photo, at=(2, 3), cells=3)
    assert made.save(other) == [str(other)]
    assert one.read_bytes() == other.read_bytes()
    shown = Image.open(io.BytesIO(made._repr_png_()))
    assert (getattr(shown, "n_frames", 1), shown.size) == (9, made.frames[0].shape[1::-1])
    # the middle output of the crop: a step of 1 to the right, seen by 8 weights
    assert made.output[1, 1, 0] == 8


def test_python_refuses_what_is_not_drawn() -> None:
    with pytest.raises(convcli.OptionError, match="does not draw colormap"):
        convcli.animate("sobel-x", [[1, 2]], colormap="diverging")
    with pytest.raises(convcli.OptionError, match="expected one kernel, got 2"):
        convcli.animate(["box", "relu"], [[1, 2]])
