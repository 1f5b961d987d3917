"""equivariance, borders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from convcli.choices import Border
from convcli.lessons.borders import drawn

Ask = Callable[..., Any]


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
    for mode in ask("borders", "--padding", "2"):
        if mode["name"] == "odd":
            assert mode["drawn"] == "CB|abcd|CB"
            odd = np.pad(line, 2, mode="reflect", reflect_type="odd")
            assert odd.tolist() == [-1, 0, 1, 2, 3, 4, 5, 6]
            continue
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
    words = ["borders", "box:5", sample("camera.png")]
    # the modes differ most at the bottom right, of which --corner chooses another
    assert {strip["place"] for strip in ask(*words)["strips"]} == {"bottom-right"}
    found = ask(*words, "--corner", "top-left")["strips"]
    for strip in found:
        out = tmp_path / "out.png"
        run("apply", "box:5", sample("camera.png"), str(out), "--border", strip["border"], "-q")
        corner = np.asarray(Image.open(out))[:4, :4]
        assert np.array(strip["corner"])[..., 0].tolist() == corner.tolist()
    assert len(found) == 6


def test_borders_refuse(refuse: Callable[..., str], sample: Callable[[str], str]) -> None:
    assert "give KERNEL and IMAGE, or neither" in refuse("borders", "box:3")
    assert "give KERNEL and IMAGE, or neither" in refuse("borders", "--gray")
    assert "at most 40" in refuse("borders", "--padding", "99")
    words = ["borders", "box:3", sample("camera.png"), "--padding", "2"]
    assert "--padding is for the names alone" in refuse(*words)


def test_a_picture_of_one_pixel_keeps_the_names(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "one.png"
    Image.new("L", (1, 1), 9).save(path)
    text = run("borders", "box:3", str(path)).stdout
    assert text.split()[:5] == ["zero", "replicate", "reflect", "symmetric", "wrap"]
    assert "The top left pixel with each border mode." in text


@pytest.fixture
def holed(tmp_path: Path) -> str:
    """A row of floats with a NaN and an infinity far from both ends."""
    row = np.ones((1, 20, 1), np.float32)
    row[0, 9], row[0, 12] = np.nan, np.inf
    path = tmp_path / "holed.npy"
    np.save(path, row)
    return str(path)


def test_what_is_no_number_moves_along_with_the_picture(ask: Ask, holed: str) -> None:
    found = ask("equivariance", "[[1]]", holed, "--shift", "2,0")
    assert (found["inside"], found["commutes"]) == (0, True)


def test_corners_of_what_is_no_number_are_json(run: Callable[..., Any], holed: str) -> None:
    """A null is what JSON has for it; browsers and jq refuse NaN."""

    def refused(name: str) -> None:
        raise AssertionError(name)

    result = run("borders", "box:15", holed, "--json")
    found = json.loads(result.stdout, parse_constant=refused)["strips"]
    assert None in [value for strip in found for (value,) in strip["corner"][0]]
    assert result.stderr == ""


def test_strips_of_a_bank_show_its_first_map(run: Callable[..., Any], tmp_path: Path) -> None:
    path, drawn = tmp_path / "colour.png", tmp_path / "strips.png"
    Image.fromarray(np.full((30, 30, 3), (50, 100, 200), np.uint8)).save(path)
    bank = [[[[float(place == output % 3)]] for place in range(3)] for output in range(5)]
    result = run("borders", json.dumps(bank), str(path), "--png", str(drawn))
    assert result.exit_code == 0, result.output
    with Image.open(drawn) as strips:
        assert strips.getpixel((160, 200)) == (50, 50, 50)
