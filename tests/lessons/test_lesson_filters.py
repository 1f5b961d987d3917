"""pool, equivariance, borders."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from convcli.borders import Border
from convcli.lessons.border_strips import drawn

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
