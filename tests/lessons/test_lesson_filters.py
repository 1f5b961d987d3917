"""pool, learn, equivariance, borders."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from convcli import correlate, kernel_from
from convcli.borders import Border
from convcli.lessons.border_strips import drawn
from convcli.lessons.learning import Samples, gradient

Ask = Callable[..., Any]


# ------------------------------------------------------------------------------- pool


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
    for stride, padding, dilation in itertools.product([1, 2], [0, 2], [1, 2]):
        words = ["--k", kernel, "--s", str(stride), "-p", str(padding), "-d", str(dilation)]
        result = run("pool", "max", source, out, *words, "--border", border, "-q")
        assert result.exit_code == 0, result.output
        padded = np.pad(image, padding, mode=MODES[border])  # type: ignore[call-overload]
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
    assert "expected windows that tile" in refuse(*words, "--strict")
    assert "use a smaller kernel" in refuse("pool", "average", *words[2:], "--k", "999")
    assert "at most 1024 pixels for a maximum" in refuse(*words, "--k", "999")


# ------------------------------------------------------------------------------ learn


@pytest.fixture
def edges(run: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path) -> str:
    path = str(tmp_path / "edges.npy")
    run("apply", "sobel-x", sample("coffee.png"), path, "--quiet")
    return path


def test_sobel_x_is_found_from_its_floats(
    ask: Ask, sample: Callable[[str], str], edges: str, tmp_path: Path
) -> None:
    out = tmp_path / "kernel.json"
    found = ask("learn", sample("coffee.png"), edges, "--k", "3", "-o", str(out))
    weights = json.loads(out.read_text())["weights"]
    np.testing.assert_allclose(weights, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], atol=1e-4)
    assert found["nearest"][0]["kernel"] == "sobel-x"
    assert found["residual"] < 1e-6
    assert found["warnings"] == []


def test_a_blur_is_found_from_eight_bits(
    run: Callable[..., Any], ask: Ask, sample: Callable[[str], str], tmp_path: Path
) -> None:
    blurred = str(tmp_path / "blurred.png")
    run("apply", "gaussian:sigma=1,radius=2", sample("camera.png"), blurred, "--quiet")
    found = ask("learn", sample("camera.png"), blurred, "--k", "5")
    # SciPy's Gaussian: the response of an impulse
    impulse = np.zeros((5, 5))
    impulse[2, 2] = 1
    expected = ndimage.gaussian_filter(impulse, 1, radius=2, mode="constant")
    np.testing.assert_allclose(found["kernel"]["weights"], expected, atol=1e-2)
    assert found["nearest"][0]["kernel"] == "gaussian:sigma=1,radius=2"
    assert 0 < found["rounding_error"] < 1e-2


def test_gradient_descent_finds_it_too_and_its_loss_falls(
    run: Callable[..., Any], sample: Callable[[str], str], edges: str, tmp_path: Path
) -> None:
    history, out = tmp_path / "history.json", tmp_path / "kernel.json"
    result = run(
        "learn",
        sample("coffee.png"),
        edges,
        "--method",
        "sgd",
        "--history",
        str(history),
        "-o",
        str(out),
    )
    assert result.exit_code == 0, result.output
    weights = json.loads(out.read_text())["weights"]
    np.testing.assert_allclose(weights, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], atol=1e-4)
    losses = [point["loss"] for point in json.loads(history.read_text())["history"]]
    assert losses[-1] < 1e-6 * losses[0]
    assert "loss over 4000 steps" in result.stdout


def test_the_gradient_is_a_correlation_of_input_and_error() -> None:
    chance = np.random.default_rng(3)
    image, errors = chance.normal(size=(12, 15)), chance.normal(size=(10, 13))
    known = np.ones((10, 13), bool)
    samples = Samples(image[np.newaxis], errors[np.newaxis], known, (3, 3))
    found = gradient(samples.patches((0, 0), (10, 13)), errors.reshape(1, -1)).reshape(3, 3)
    np.testing.assert_allclose(found * errors.size, correlate(image, errors), rtol=1e-9)


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    chance = np.random.default_rng(4)
    image, target = chance.normal(size=(8, 9)), chance.normal(size=(6, 7))
    weights, step = chance.normal(size=(3, 3)), 1e-6

    def loss(tried: Any) -> float:
        return float(((correlate(image, tried) - target) ** 2).mean() / 2)

    known = np.ones((6, 7), bool)
    samples = Samples(image[np.newaxis], target[np.newaxis], known, (3, 3))
    errors = (correlate(image, weights) - target).reshape(1, -1)
    found = gradient(samples.patches((0, 0), (6, 7)), errors).reshape(3, 3)
    for place in np.ndindex(3, 3):
        moved = weights.copy()
        moved[place] += step
        slope = (loss(moved) - loss(weights)) / step
        assert slope == pytest.approx(found[place], abs=1e-4)


def test_a_full_bank_from_rgb_to_rgb(
    ask: Ask, sample: Callable[[str], str], tmp_path: Path
) -> None:
    source = np.asarray(Image.open(sample("coffee.png")))[:120, :120].astype(np.float64)
    bank = np.random.default_rng(5).normal(size=(3, 3, 3, 3))
    image, target = str(tmp_path / "in.npy"), str(tmp_path / "out.npy")
    np.save(image, source)
    np.save(target, correlate(source, bank, bias=[1, 2, 3]))
    found = ask("learn", image, target, "--mix")
    np.testing.assert_allclose(found["kernel"]["weights"], bank, atol=1e-6)
    np.testing.assert_allclose(found["kernel"]["bias"], [1, 2, 3], atol=1e-5)


def test_each_channel_on_its_own(
    ask: Ask, sample: Callable[[str], str], tmp_path: Path
) -> None:
    source = np.asarray(Image.open(sample("coffee.png"))).astype(np.float32)
    grids = [kernel_from(name).weights for name in ("sobel-x", "sharpen", "laplacian4")]
    planes = [
        cv2.filter2D(np.ascontiguousarray(source[..., c]), cv2.CV_32F, grid)
        for c, grid in enumerate(grids)
    ]
    target = str(tmp_path / "out.npy")
    np.save(target, np.stack(planes, axis=2))
    found = ask("learn", sample("coffee.png"), target, "--per-channel")
    names = [entry["kernel"] for entry in found["nearest"]]
    assert names == ["sobel-x", "sharpen", "laplacian4"]


def test_what_limits_the_answer_is_told(
    run: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path
) -> None:
    flat, ramp, out = (str(tmp_path / name) for name in ("flat.png", "ramp.npy", "out.npy"))
    Image.new("L", (20, 20), 90).save(flat)
    assert "cannot tell 9 of the weights apart" in run("learn", flat, flat).stderr
    np.save(ramp, np.add.outer(np.arange(20.0), 2 * np.arange(20.0)))
    assert "cannot tell 8 of the weights apart" in run("learn", ramp, ramp).stderr
    small = str(tmp_path / "small.png")
    Image.open(sample("camera.png")).crop((0, 0, 14, 14)).save(small)
    run("apply", "binomial", small, out.replace("npy", "png"), "--quiet")
    stderr = run("learn", small, out.replace("npy", "png")).stderr
    assert "rounding to whole numbers leaves a weight uncertain" in stderr
    run("apply", "sobel-x", sample("camera.png"), small, "--range", "abs", "--quiet")
    assert "no kernel of this size explains" in run("learn", sample("camera.png"), small).stderr


def test_learning_refuses(
    refuse: Callable[..., str], sample: Callable[[str], str], tmp_path: Path
) -> None:
    camera, coffee = sample("camera.png"), sample("coffee.png")
    assert "target: expected INPUT's size, 512 × 512 px" in refuse("learn", camera, coffee)
    assert "fits into 512 × 512 px" in refuse("learn", camera, camera, "--k", "600")
    gray = str(tmp_path / "gray.png")
    Image.open(coffee).convert("L").save(gray)
    assert "use --gray, or --mix" in refuse("learn", coffee, gray)
    assert "exclude each other" in refuse("learn", coffee, gray, "--mix", "--gray")
    assert "needs --method sgd" in refuse("learn", camera, camera, "--history", "x.json")
    bad = tmp_path / "bad.npy"
    np.save(bad, np.array([[np.nan] * 5] * 5))
    assert "got NaN" in refuse("learn", str(bad), str(bad))


# ----------------------------------------------------------------------- equivariance


def test_translation_equivariance(ask: Ask, sample: Callable[[str], str]) -> None:
    found = ask("equivariance", "sobel-x", sample("coffee.png"), "--shift", "10,0")
    assert (found["inside"], found["commutes"]) == (0, True)
    assert found["border"] > 0
    assert all(step["commutes"] for step in found["steps"])
    wrapped = ask("equivariance", "sobel-x", sample("coffee.png"), "--border", "wrap")
    assert wrapped["border"] == 0


@pytest.mark.parametrize("stride", [2, 3])
def test_a_stride_commutes_with_its_multiples_only(
    ask: Ask, sample: Callable[[str], str], stride: int
) -> None:
    found = ask("equivariance", "box:3", sample("camera.png"), "--stride", str(stride))
    commuting = [step["shift"]["x"] for step in found["steps"] if step["commutes"]]
    assert commuting == [n for n in range(1, 7) if n % stride == 0]


def test_the_difference_at_the_border_by_hand(ask: Ask, tmp_path: Path) -> None:
    # 5 6 7 under [1 1 1]: 11 18 13. Shifted by one: 0 5 6 → 5 11 11; filtered first: 0 11 18.
    path = tmp_path / "row.png"
    Image.fromarray(np.array([[5, 6, 7]], np.uint8)).save(path)
    found = ask("equivariance", "[[1,1,1]]", str(path), "--shift", "1,0")
    assert found["border"] == 7
    assert found["inside"] is None


def test_a_shift_as_large_as_the_picture_is_refused(
    refuse: Callable[..., str], sample: Callable[[str], str]
) -> None:
    words = ["equivariance", "box:3", sample("camera.png"), "--shift", "0,512"]
    assert "expected y between -511 and 511" in refuse(*words)


def test_small_pictures_have_nowhere_to_go(
    run: Callable[..., Any], refuse: Callable[..., str], ask: Ask, tmp_path: Path
) -> None:
    one, line = str(tmp_path / "one.png"), str(tmp_path / "line.png")
    Image.new("L", (1, 1)).save(one)
    Image.new("L", (50, 1), 9).save(line)
    assert "expected x = 0 where a picture is 1 px long, got 10: use" in refuse(
        "equivariance", "sobel-x", one
    )
    text = run("equivariance", "sobel-x", line).stdout
    assert "nothing inside" in text
    assert "All windows look beyond the picture" in text
    assert len(ask("equivariance", "sobel-x", line)["steps"]) == 6


def test_gradients_move_with_the_picture(ask: Ask, sample: Callable[[str], str]) -> None:
    found = ask("equivariance", "sobel", sample("coffee.png"), "--border", "wrap")
    assert (found["inside"], found["border"], found["commutes"]) == (0, 0, True)


# ---------------------------------------------------------------------------- borders


def test_the_drawings_are_numpys() -> None:
    modes = {
        Border.REPLICATE: "edge",
        Border.REFLECT: "reflect",
        Border.WRAP: "wrap",
        Border.SYMMETRIC: "symmetric",
    }
    for border, mode in modes.items():
        for width in (1, 3, 9):
            letters = np.pad(np.array(list("abcd")), width, mode=mode)  # type: ignore[call-overload]
            assert drawn(border, width).replace("|", "") == "".join(letters)


def test_the_names_elsewhere_are_those_tools_own(ask: Ask) -> None:
    row = np.array([[1, 2, 3, 4]], np.uint8)
    line = row[0].astype(float)
    letters = dict(zip("abcd0", [1, 2, 3, 4, 0], strict=True))
    for mode in ask("borders", "--width", "2"):
        expected = [letters[letter] for letter in mode["drawn"].replace("|", "")]
        kind = getattr(cv2, f"BORDER_{mode['opencv']}")
        assert cv2.copyMakeBorder(row, 0, 0, 2, 2, kind, value=0)[0].tolist() == expected
        assert np.pad(row[0], 2, mode=mode["numpy"]).tolist() == expected
        shifted = ndimage.shift(line, 2, order=0, mode=_grid(mode["scipy"]))
        assert shifted[:2].tolist() == expected[:2]


def _grid(name: str) -> str:
    """ndimage's shift calls two of the modes by other names than its filters do."""
    return {"wrap": "grid-wrap", "constant": "grid-constant"}.get(name, name)


def test_strips_are_what_apply_writes(
    ask: Ask, run: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path
) -> None:
    found = ask("borders", sample("camera.png"), "box:5")["strips"]
    for strip in found:
        out = tmp_path / "out.png"
        run("apply", "box:5", sample("camera.png"), str(out), "--border", strip["border"], "-q")
        corner = np.asarray(Image.open(out))[:4, :4]
        assert np.array(strip["corner"])[..., 0].tolist() == corner.tolist()
    assert len(found) == 5


def test_borders_refuse(refuse: Callable[..., str], sample: Callable[[str], str]) -> None:
    assert "give IMAGE and KERNEL, or neither" in refuse("borders", sample("camera.png"))
    assert "at most 40" in refuse("borders", "--width", "99")
