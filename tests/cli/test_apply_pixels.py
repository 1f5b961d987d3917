"""`convcli apply`: from raw values to pixels, channels, opacity, 16 bits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.commands import done, gradient, load, mode, save

STEPS = [[10, 200, 100, 58]]
"""Under [[-1, 1]], without padding: 190, -100, -42."""


def filtered(
    tmp_path: Path, pixels: Any, kernel: str, *options: str, dtype: Any = np.uint8
) -> Any:
    source, target = save(tmp_path / "in.png", pixels, dtype), tmp_path / "out.png"
    done("apply", kernel, source, target, *options)
    return load(target)


@pytest.mark.parametrize(
    ("mapping", "expected", "clipped"),
    [
        ("auto", [[190, 100, 42]], 0),
        ("clip", [[190, 0, 0]], 200 / 3),
        ("abs", [[190, 100, 42]], 0),
        ("shift", [[255, 28, 86]], 100 / 3),
        # -100 becomes 0, 190 becomes 255, and -42 lies a fifth of the way: 51.
        ("stretch", [[255, 0, 51]], 0),
    ],
)
def test_range_says_what_becomes_of_values_that_no_pixel_holds(
    tmp_path: Path, mapping: str, expected: list[list[int]], clipped: float
) -> None:
    source, target = save(tmp_path / "in.png", STEPS), tmp_path / "out.png"
    words = ("apply", "[[-1,1]]", source, target, "-p", "valid", "--range", mapping, "--json")
    report = json.loads(done(*words))
    assert load(target) == expected
    assert report["raw"] == {"min": -100, "max": 190}
    assert report["clipped_percent"] == pytest.approx(clipped, abs=1e-4)
    assert report["range"] == ("abs" if mapping == "auto" else mapping)


def test_auto_clips_where_the_kernel_does_not_sum_to_0(tmp_path: Path) -> None:
    # 10 - 400, 200 - 200, 100 - 116 are all below 0 or 0.
    assert filtered(tmp_path, STEPS, "[[1,-2]]", "-p", "valid") == [[0, 0, 0]]
    assert filtered(tmp_path, STEPS, "[[-1,2]]", "-p", "valid") == [[255, 0, 16]]


def test_stretch_takes_all_channels_alike(tmp_path: Path) -> None:
    # The smallest value of the picture, not of each channel, becomes 0.
    pixels = [[[10, 20, 30], [10, 35, 61]]]
    assert filtered(tmp_path, pixels, "[[1]]", "--range", "stretch") == [
        [[0, 50, 100], [0, 125, 255]]
    ]


def test_stretch_of_a_flat_result_is_black(tmp_path: Path) -> None:
    assert filtered(tmp_path, [[7, 7]], "[[1]]", "--range", "stretch") == [[0, 0]]


def test_values_are_rounded_half_to_even(tmp_path: Path) -> None:
    assert filtered(tmp_path, [[1, 3, 5, 7]], "[[0.5]]") == [[0, 2, 2, 4]]


@pytest.mark.parametrize(
    ("bias", "expected"),
    [("5", [[15, 16, 255]]), ("5.5", [[16, 16, 255]]), ("-10.75", [[0, 0, 243]])],
)
def test_bias_is_added_before_rounding(
    tmp_path: Path, bias: str, expected: list[list[int]]
) -> None:
    # 10 + 5.5 and 11 + 5.5 both round to 16, the even neighbour.
    assert filtered(tmp_path, [[10, 11, 254]], "[[1]]", "--bias", bias) == expected


def test_bias_comes_beside_the_kernels_own(tmp_path: Path) -> None:
    kernel = '{"weights": [[1]], "bias": 3}'
    assert filtered(tmp_path, [[10]], kernel) == [[13]]
    assert filtered(tmp_path, [[10]], kernel, "--bias", "5") == [[18]]
    assert filtered(tmp_path, [[10]], kernel, "--bias", "0") == [[13]]


def test_flip_turns_the_kernel_by_half(tmp_path: Path) -> None:
    impulse = [[0, 0, 0], [0, 10, 0], [0, 0, 0]]
    kernel = "[[1,2,3],[4,5,6],[7,8,9]]"
    # Correlation answers an impulse with the kernel turned, convolution with itself.
    turned = [[90, 80, 70], [60, 50, 40], [30, 20, 10]]
    assert filtered(tmp_path, impulse, kernel) == turned
    assert filtered(tmp_path, impulse, kernel, "--flip") == [
        [10, 20, 30],
        [40, 50, 60],
        [70, 80, 90],
    ]


def test_a_vertical_edge_under_sobel_x(tmp_path: Path) -> None:
    # 1·25 + 2·25 + 1·25 on both sides of the edge, brighter to the right.
    edge = [[0, 0, 25, 25]] * 3
    made = filtered(tmp_path, edge, "sobel-x", "--border", "replicate")
    assert made == [[0, 100, 100, 0]] * 3


# ------------------------------------------------------------------ chains


def test_a_chain_is_not_rounded_between_its_steps(tmp_path: Path) -> None:
    # Rounded, the halves would come back as 0, 4, 4.
    assert filtered(tmp_path, [[1, 3, 5]], "[[0.5]]", "--then", "[[2]]") == [[1, 3, 5]]


def test_a_chain_is_not_cut_off_between_its_steps(tmp_path: Path) -> None:
    made = filtered(tmp_path, [[200, 50]], "[[-4]]", "--then", "[[-0.25]]")
    assert made == [[200, 50]]


def test_a_chain_runs_in_the_order_given(tmp_path: Path) -> None:
    # (10 + 1) · 2 + 1, then 23 · 3 + 1: the bias is added by every step.
    options = ("--bias", "1", "--then", "[[2]]", "--then", "[[3]]")
    assert filtered(tmp_path, [[10]], "[[1]]", *options) == [[70]]


def test_a_chain_with_a_zero_sum_kernel_shows_its_sign_less(tmp_path: Path) -> None:
    made = filtered(tmp_path, [[10, 50, 20]], "[[-1,1]]", "-p", "valid", "--then", "[[1]]")
    assert made == [[40, 30]]


# ------------------------------------------------------- channels, opacity, depth


def test_each_colour_is_filtered_on_its_own(tmp_path: Path) -> None:
    made = filtered(tmp_path, [[[1, 2, 3], [10, 20, 30]]], "[[1,1]]")
    assert made == [[[11, 22, 33], [10, 20, 30]]]


def test_gray_is_luma_as_pillow_makes_it(tmp_path: Path) -> None:
    # 0.299, 0.587 and 0.114 of 255: 76.2, 149.7, 29.1.
    colours = [[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]]
    assert filtered(tmp_path, colours, "identity", "--gray") == [[76, 150, 29, 255]]
    assert mode(tmp_path / "out.png") == "L"


def test_gray_leaves_a_gray_picture_as_it_is(tmp_path: Path) -> None:
    assert filtered(tmp_path, [[1, 2, 3]], "identity", "--gray") == [[1, 2, 3]]


@pytest.mark.parametrize(("colours", "expected"), [(3, "RGBA"), (1, "LA")])
@pytest.mark.parametrize("kernel", ["laplacian8", "box"])
def test_opacity_is_carried_over_untouched(
    tmp_path: Path, kernel: str, colours: int, expected: str
) -> None:
    alpha = gradient(3, 4) * 20
    pixels = np.dstack([*[np.full((3, 4), 90, np.uint8)] * colours, alpha])
    made = np.array(filtered(tmp_path, pixels, kernel, "--alpha", "keep"))
    assert mode(tmp_path / "out.png") == expected
    assert made[..., -1].tolist() == alpha.tolist()


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize(
    ("options", "rows", "columns"),
    [
        (("-s", "2"), slice(0, None, 2), slice(0, None, 2)),
        (("-s", "2", "-p", "1"), slice(0, None, 2), slice(0, None, 2)),
        (("-s", "2x1"), slice(0, None, 2), slice(None)),
        (("-p", "valid"), slice(1, -1), slice(1, -1)),
        (("-p", "valid", "-d", "2"), slice(2, -2), slice(2, -2)),
        (("--then", "box", "-p", "valid"), slice(2, -2), slice(2, -2)),
        (("--then", "box", "-s", "2"), slice(0, None, 4), slice(0, None, 4)),
    ],
)
def test_opacity_is_that_under_the_middle_of_each_window(
    tmp_path: Path, colours: int, options: tuple[str, ...], rows: slice, columns: slice
) -> None:
    alpha = gradient(9, 9)
    pixels = np.dstack([*[alpha] * colours, alpha])
    made = np.array(filtered(tmp_path, pixels, "box", *options, "--alpha", "keep"))
    assert made[..., -1].tolist() == alpha[rows, columns].tolist()


def test_gray_keeps_opacity(tmp_path: Path) -> None:
    pixels = [[[255, 0, 0, 9], [0, 255, 0, 200]]]
    assert filtered(tmp_path, pixels, "identity", "--gray") == [[[76, 9], [150, 200]]]
    assert mode(tmp_path / "out.png") == "LA"


@pytest.mark.parametrize(
    ("kernel", "options", "expected"),
    [
        ("[[1]]", (), [[1000, 1257, 50_001]]),
        ("[[2]]", (), [[2000, 2514, 65_535]]),
        ("[[-1,1]]", ("-p", "valid"), [[257, 48_744]]),
        ("[[1,-1]]", ("-p", "valid", "--range", "shift"), [[32_511, 0]]),
        ("[[1]]", ("--range", "stretch"), [[0, 344, 65_535]]),
    ],
)
def test_16_bit_grey_stays_16_bit(
    tmp_path: Path, kernel: str, options: tuple[str, ...], expected: list[list[int]]
) -> None:
    # Shifted, 0 is 32,768; stretched, 257 of 49,001 is 343.7 of 65,535.
    fine = [[1000, 1257, 50_001]]
    assert filtered(tmp_path, fine, kernel, *options, dtype=np.uint16) == expected
    assert mode(tmp_path / "out.png") == "I;16"
