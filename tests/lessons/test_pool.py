"""pool, against plain loops, torch's values and NumPy."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.commands import cells

Ask = Callable[..., Any]

MODES = {"edge": "edge", "reflect": "reflect", "symmetric": "symmetric", "zero": "constant"}


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("kernel", ["1x2", "3x2", "3"])
def test_max_pooling_is_a_maximum_over_plain_loops(
    run: Callable[..., Any], tmp_path: Path, border: str, kernel: str
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (7, 8)).astype(np.uint8)
    source, out = str(tmp_path / "in.png"), str(tmp_path / "out.npy")
    Image.fromarray(image).save(source)
    size = tuple(int(part) for part in kernel.split("x")) * 2
    for stride, padding, dilation in itertools.product([1, 2], ["0", "same"], [1, 2]):
        words = ["--k", kernel, "--s", str(stride), "-p", padding, "-d", str(dilation)]
        result = run("pool", "max", source, out, *words, "--border", border, "-q")
        assert result.exit_code == 0, result.output
        reach = [dilation * (length - 1) * (padding == "same") for length in size[:2]]
        around = [(total // 2, total - total // 2) for total in reach]
        padded = np.pad(image, around, mode=MODES[border])  # type: ignore[call-overload]
        got = np.load(out)
        for y, x in np.ndindex(got.shape):
            seen = padded[y * stride :, x * stride :][::dilation, ::dilation]
            assert got[y, x] == seen[: size[0], : size[1]].max()


def test_pooling_a_photograph(
    run: Callable[..., Any], ask: Ask, sample: Callable[[str], str], tmp_path: Path
) -> None:
    most, mean = tmp_path / "max.png", tmp_path / "mean.png"
    report = ask("pool", "max", sample("coffee.png"), str(most))
    assert report["output"] == {"width": 300, "height": 200, "channels": 3}
    run("pool", "average", sample("coffee.png"), str(mean), "--k", "2", "--s", "2")
    source = np.asarray(Image.open(sample("coffee.png"))).reshape(200, 2, 300, 2, 3)
    np.testing.assert_array_equal(np.asarray(Image.open(most)), source.max(axis=(1, 3)))
    averages = np.rint(source.mean(axis=(1, 3)))
    np.testing.assert_array_equal(np.asarray(Image.open(mean)), averages)


def test_sixteen_bits_and_transparency_stay(run: Callable[..., Any], tmp_path: Path) -> None:
    deep, half = tmp_path / "deep.png", tmp_path / "half.png"
    Image.fromarray(np.array([[1, 60_000], [500, 3]], np.uint16)).save(deep)
    run("pool", "max", str(deep), str(half))
    with Image.open(half) as picture:
        assert picture.getpixel((0, 0)) == 60_000
    glass = np.array([[[9, 8, 7, 200]] * 2] * 2, np.uint8)
    Image.fromarray(glass).save(deep)
    for kind in ("max", "average"):
        run("pool", kind, str(deep), str(half))
        with Image.open(half) as picture:
            assert picture.getpixel((0, 0)) == (9, 8, 7, 200)


def test_every_frame_is_pooled(run: Callable[..., Any], tmp_path: Path) -> None:
    moving, half = tmp_path / "moving.gif", tmp_path / "half.gif"
    frames = [Image.new("L", (4, 4), level) for level in (0, 100, 200)]
    frames[0].save(moving, save_all=True, append_images=frames[1:], duration=70)
    run("pool", "max", str(moving), str(half))
    with Image.open(half) as picture:
        assert (getattr(picture, "n_frames", 1), picture.size) == (3, (2, 2))


NEGATIVE = [[-3, -1, -4, -1], [-5, -9, -2, -6], [-5, -3, -5, -8]]


@pytest.mark.parametrize(
    ("kind", "words", "result"),
    [
        # What torch 2.13 gives: max_pool2d(x, 3, 2, 1) and so on. Padding never wins a
        # maximum; in a mean it counts (count_include_pad).
        ("max", "--k 3 --s 2 -p 1", [[-1, -1], [-3, -2]]),
        (
            "max",
            "--k 2 --s 1 -p 1 -d 2",
            [[-9, -2, -6, -2], [-1, -3, -1, -4], [-9, -2, -6, -2]],
        ),
        ("max", "--k 2x3 --s 1x2 -p 1x0", [[-1], [-1], [-2], [-3]]),
        ("average", "--k 3 --s 2 -p 1", [[-18 / 9, -23 / 9], [-22 / 9, -33 / 9]]),
        ("average", "--k 2x3 --s 1x2 -p 1x0", [[-8 / 6], [-24 / 6], [-29 / 6], [-13 / 6]]),
        # A border that is asked for counts.
        ("max", "--k 3 --s 2 -p 1 --border zero", [[0, 0], [0, 0]]),
        ("max", "--k 3 --s 2 -p 1 --border replicate", [[-1, -1], [-3, -2]]),
    ],
)
def test_padding_is_torchs(
    run: Callable[..., Any], tmp_path: Path, kind: str, words: str, result: list[list[float]]
) -> None:
    source, out = tmp_path / "in.npy", tmp_path / "out.npy"
    np.save(source, np.array(NEGATIVE, np.float32))
    done = run("pool", kind, str(source), str(out), *words.split(), "-q")
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(np.load(out), result, rtol=1e-6)


def test_a_border_of_the_environment_counts_too(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVCLI_POOL_BORDER", "zero")
    source, out = tmp_path / "in.npy", tmp_path / "out.npy"
    np.save(source, np.array(NEGATIVE, np.float32))
    run("pool", "max", str(source), str(out), "--k", "3", "--s", "2", "-p", "1", "-q")
    assert not np.load(out).any()


def test_a_window_as_large_as_a_photograph(
    ask: Ask, sample: Callable[[str], str], tmp_path: Path
) -> None:
    out = str(tmp_path / "out.npy")
    photo = np.asarray(Image.open(sample("coffee.png")))
    report = ask("pool", "max", sample("coffee.png"), out, "--k", "400x600")
    assert report["output"] == {"width": 1, "height": 1, "channels": 3}
    np.testing.assert_array_equal(np.load(out), photo.max(axis=(0, 1))[None, None])
    ask("pool", "average", sample("coffee.png"), out, "--k", "400x600")
    means = photo.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    np.testing.assert_array_equal(np.load(out), means[None, None])


@pytest.mark.parametrize("size", [5, 6, 7, 8, 33])
def test_windows_of_all_sizes_are_doubled_rightly(
    run: Callable[..., Any], tmp_path: Path, size: int
) -> None:
    image = np.random.default_rng(2).integers(0, 256, (70, 70)).astype(np.uint8)
    source, out = str(tmp_path / "in.png"), str(tmp_path / "out.npy")
    Image.fromarray(image).save(source)
    seen = np.lib.stride_tricks.sliding_window_view(image, (size, size))[::3, ::3]
    run("pool", "max", source, out, "--k", str(size), "--s", "3", "-q")
    np.testing.assert_array_equal(np.load(out), seen.max(axis=(2, 3)))
    run("pool", "average", source, out, "--k", str(size), "--s", "3", "-q")
    np.testing.assert_allclose(np.load(out), seen.mean(axis=(2, 3)), rtol=1e-6)


def test_a_mean_of_glass_counts_colours_by_their_opacity(
    run: Callable[..., Any], refuse: Callable[..., str], tmp_path: Path
) -> None:
    glass, out = str(tmp_path / "glass.png"), str(tmp_path / "out.png")
    Image.fromarray(np.array([[[200, 255], [100, 51]]], np.uint8)).save(glass)
    wanted = {
        # (200·1 + 100·0.2)/(1 + 0.2) = 183.3 under (255 + 51)/2
        ("average", "auto"): (183, 153),
        ("average", "keep"): (150, 255),
        ("average", "filter"): (150, 153),
        ("max", "auto"): (200, 255),
        ("max", "filter"): (200, 255),
    }
    for (kind, alpha), pixel in wanted.items():
        run("pool", kind, glass, out, "--k", "1x2", "--alpha", alpha, "-q")
        with Image.open(out) as picture:
            assert picture.getpixel((0, 0)) == pixel
    words = ["pool", "max", glass, out, "--k", "1x2", "--alpha", "premultiply"]
    assert "use --alpha keep" in refuse(*words)


def test_a_mean_in_linear_light(run: Callable[..., Any], tmp_path: Path) -> None:
    # Half the light of white is 188 in sRGB (IEC 61966-2-1).
    source, out = str(tmp_path / "in.png"), str(tmp_path / "out.png")
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(source)
    run("pool", "average", source, out, "--k", "1x2", "--linear", "-q")
    with Image.open(out) as picture:
        assert picture.getpixel((0, 0)) == 188


def test_the_report_says_it_once(run: Callable[..., Any], tmp_path: Path) -> None:
    source, out = str(tmp_path / "in.png"), str(tmp_path / "out.png")
    Image.new("L", (8, 8)).save(source)
    text = run("pool", "max", source, out).stdout
    (kernel,) = [row for row in cells(text) if row[0] == "kernel"]
    assert kernel[1] == "max pooling"
    assert kernel[2].startswith("2×2, method direct")
    assert text.count("2×2") == 1
    assert "border none" in text


def test_pooling_warns_and_refuses(
    run: Callable[..., Any],
    refuse: Callable[..., str],
    sample: Callable[[str], str],
    tmp_path: Path,
) -> None:
    out = str(tmp_path / "out.png")
    result = run("pool", "max", sample("chelsea.png"), out)
    assert "last column of the picture (x = 450) unseen" in result.stderr
    words = ["pool", "max", sample("chelsea.png"), out]
    strict = refuse(*words, "--strict")
    assert "expected windows that tile 451 columns" in strict
    assert "(1 column of picture left over)" in strict
    assert "use a smaller kernel" in refuse("pool", "average", *words[2:], "--k", "999")
    assert "use a smaller kernel" in refuse(*words, "--k", "999")
    # As torch, whose kernels "pad at most half of effective kernel size".
    assert "expected at most half of the window, 1 px for 3, got 2" in refuse(
        *words, "--k", "3", "-p", "2"
    )


def test_channels_that_no_picture_has(
    run: Callable[..., Any], refuse: Callable[..., str], tmp_path: Path
) -> None:
    source = str(tmp_path / "five.npy")
    np.save(source, np.zeros((4, 4, 5), np.uint8))
    words = ["pool", "max", source]
    assert "got 5: write a .npy or .tif, put {map} into the name" in refuse(
        *words, str(tmp_path / "o.png")
    )
    run(*words, str(tmp_path / "m-{map}.png"), "-q")
    assert len(list(tmp_path.glob("m-*.png"))) == 5
