"""`convcli apply`: filter banks, whose maps become pictures, and raw floats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.commands import done, load, mode, refusal, save

COLOURS = [[[1, 20, 100], [2, 40, 50]]]
"""Two pixels: red, green, blue."""

SWAP = "[[[[0]],[[0]],[[1]]],[[[1]],[[0]],[[0]]],[[[0]],[[2]],[[0]]]]"
"""Three maps: blue, red, twice the green."""

TOTAL = "[[[[1]],[[1]],[[1]]]]"
"""One map: the sum of three channels."""

TWO_MAPS = "[[[[1]],[[0]],[[0]]],[[[1]],[[-1]],[[2]]]]"
"""Two maps: red, and red - green + twice blue."""


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    return save(tmp_path / "colours.png", COLOURS)


@pytest.fixture
def gray(tmp_path: Path) -> Path:
    return save(tmp_path / "gray.png", [[10, 20, 30]])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.png"


def test_a_bank_of_one_map_makes_a_gray_picture(colours: Path, out: Path) -> None:
    done("apply", TOTAL, colours, out)
    assert mode(out) == "L"
    assert load(out) == [[121, 92]]


def test_a_three_dimensional_list_is_one_filter(colours: Path, out: Path) -> None:
    done("apply", "[[[1]],[[1]],[[1]]]", colours, out)
    assert load(out) == [[121, 92]]


def test_a_bank_of_three_maps_makes_a_colour_picture(colours: Path, out: Path) -> None:
    done("apply", SWAP, colours, out)
    assert mode(out) == "RGB"
    assert load(out) == [[[100, 1, 40], [50, 2, 80]]]


def test_a_bank_of_three_maps_colours_a_gray_picture(gray: Path, out: Path) -> None:
    done("apply", "[[[[1]]],[[[2]]],[[[3]]]]", gray, out)
    assert mode(out) == "RGB"
    assert load(out) == [[[10, 20, 30], [20, 40, 60], [30, 60, 90]]]


def test_each_map_of_a_bank_has_its_own_bias(gray: Path, out: Path) -> None:
    bank = '{"weights": [[[[1]]], [[[1]]], [[[1]]]], "bias": [0, 5, -15]}'
    done("apply", bank, gray, out)
    assert load(out) == [[[10, 15, 0], [20, 25, 5], [30, 35, 15]]]


def test_a_bank_keeps_opacity(tmp_path: Path, out: Path) -> None:
    source = save(tmp_path / "rgba.png", [[[1, 20, 100, 7], [2, 40, 50, 99]]])
    done("apply", TOTAL, source, out)
    assert mode(out) == "LA"
    assert load(out) == [[[121, 7], [92, 99]]]


def test_a_chain_of_banks_passes_its_maps_on(colours: Path, out: Path) -> None:
    # Red and red - green + 2 blue; then their sum: 1 + 181, 2 + 62.
    done("apply", TWO_MAPS, colours, out, "--then", "[[[[1]],[[1]]]]")
    assert load(out) == [[182, 64]]


@pytest.mark.parametrize("name", ["out.png", "-"])
def test_another_number_of_maps_is_no_picture(colours: Path, tmp_path: Path, name: str) -> None:
    target = name if name == "-" else str(tmp_path / name)
    line = refusal("apply", TWO_MAPS, colours, target, status=1)
    assert "got 2" in line
    assert ".npy" in line
    assert "map-{map}.png" in line


def test_maps_become_pictures_of_their_own(colours: Path, tmp_path: Path) -> None:
    done("apply", TWO_MAPS, colours, tmp_path / "map-{map}.png")
    assert load(tmp_path / "map-0.png") == [[1, 2]]
    assert load(tmp_path / "map-1.png") == [[181, 62]]
    assert mode(tmp_path / "map-0.png") == "L"
    assert {path.name for path in tmp_path.iterdir()} == {
        "colours.png",
        "map-0.png",
        "map-1.png",
    }


def test_the_channels_of_a_2_d_kernel_are_maps_too(colours: Path, tmp_path: Path) -> None:
    done("apply", "identity", colours, tmp_path / "{map}.png")
    assert [load(tmp_path / f"{index}.png") for index in range(3)] == [
        [[1, 2]],
        [[20, 40]],
        [[100, 50]],
    ]


@pytest.mark.parametrize(
    ("kernel", "picture", "parts"),
    [
        (TOTAL, "gray", ("expects 3", "has 1", "colour picture")),
        ("[[[[1]]]]", "colours", ("expects 1", "has 3", "--gray")),
        ("[[[[1]],[[1]]]]", "colours", ("expects 2", "has 3", "3 input channels")),
    ],
)
def test_a_bank_that_does_not_fit_the_picture_says_what_to_do(
    request: pytest.FixtureRequest, out: Path, kernel: str, picture: str, parts: tuple[str, ...]
) -> None:
    line = refusal("apply", kernel, request.getfixturevalue(picture), out, status=1)
    assert [part for part in parts if part not in line] == []
    assert not out.exists()


def test_gray_is_no_remedy_where_there_is_no_grey(tmp_path: Path, out: Path) -> None:
    np.save(tmp_path / "four.npy", np.zeros((2, 2, 4), np.uint8))
    line = refusal("apply", "[[[[1]]]]", tmp_path / "four.npy", out, status=1)
    assert line.endswith("the bank expects 1, the image has 4: use a 2-D kernel")
    assert not out.exists()


def test_the_remedy_for_a_gray_bank_works(colours: Path, out: Path) -> None:
    done("apply", "[[[[1]]]]", colours, out, "--gray")
    # 0.299 + 11.74 + 11.4 and 0.598 + 23.48 + 5.7.
    assert load(out) == [[23, 30]]


# ------------------------------------------------------------------- raw floats


@pytest.mark.parametrize(
    ("kernel", "picture", "expected"),
    [
        ("[[-1.5]]", "gray", [[-15, -30, -45]]),
        ("[[100]]", "colours", [[[100, 2000, 10_000], [200, 4000, 5000]]]),
        (TWO_MAPS, "colours", [[[1, 181], [2, 62]]]),
        (TOTAL, "colours", [[121, 92]]),
    ],
)
def test_npy_holds_the_raw_floats(
    request: pytest.FixtureRequest, tmp_path: Path, kernel: str, picture: str, expected: Any
) -> None:
    target = tmp_path / "raw.npy"
    done("apply", kernel, request.getfixturevalue(picture), target)
    made = np.load(target)
    assert made.dtype == np.float32
    assert made.tolist() == expected


def test_npy_for_each_map(colours: Path, tmp_path: Path) -> None:
    done("apply", TWO_MAPS, colours, tmp_path / "{map}.npy")
    assert np.load(tmp_path / "1.npy").tolist() == [[181, 62]]
