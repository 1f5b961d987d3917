"""Transposed convolution: the numbers of torch, of hands, and the pictures it makes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.engine.transposed import checkerboard_of

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "transposed.json").read_text())


@pytest.mark.parametrize("number", range(len(GOLDEN)))
def test_equals_torch(number: int) -> None:
    channels, filters, kernel, settings = GOLDEN[number]["case"]
    rng = np.random.default_rng(number)
    image = rng.normal(size=(6, 7, channels))
    weights = rng.normal(size=(channels, filters // settings.get("groups", 1), *kernel))
    bias = rng.normal(size=filters)
    answer = convcli.correlate_transposed(image, weights, bias=bias.tolist(), **settings)
    assert list(answer.shape) == GOLDEN[number]["shape"]
    assert answer.ravel()[::5] == pytest.approx(GOLDEN[number]["every_fifth"], abs=1e-8)


def test_is_the_adjoint_of_correlate() -> None:
    # <correlate(x), e> = <x, transposed(e)>, for uneven sides and a stride with a remainder
    rng = np.random.default_rng(5)
    image, bank = rng.normal(size=(8, 9, 3)), rng.normal(size=(4, 3, 3, 2))
    settings: Any = {"stride": 2, "padding": ((1, 0), (2, 1)), "dilation": (1, 2)}
    answer = convcli.correlate(image, bank, **settings)
    error = rng.normal(size=answer.shape)
    down = 8 - ((answer.shape[0] - 1) * 2 + 3 - 1)
    across = 9 - ((answer.shape[1] - 1) * 2 + 3 - 3)
    back = convcli.correlate_transposed(error, bank, **settings, output_padding=(down, across))
    assert back.shape == image.shape
    assert (answer * error).sum() == pytest.approx((image * back).sum())


def test_same_is_stride_times_as_large() -> None:
    for kernel, stride in ((3, 2), (4, 2), (1, 3), (5, 4), (2, 1)):
        answer = convcli.correlate_transposed(
            np.ones((5, 6)), np.ones((kernel, kernel)), stride=stride, padding="same"
        )
        assert answer.shape == (5 * stride, 6 * stride)


def test_a_picture_of_one_stamp_is_the_stamp() -> None:
    stamp = [[1, 2, 3], [4, 5, 6]]
    image = np.zeros((3, 3), np.uint8)
    image[1, 1] = 2
    answer = convcli.apply(stamp, image, transposed=True, stride=2, padding="valid").array
    assert answer.shape == (6, 7)
    assert answer[2:4, 2:5].tolist() == [[2, 4, 6], [8, 10, 12]]
    assert answer.sum() == 42


def test_warns_of_the_checkerboard_of_ones() -> None:
    # every pixel 1: the overlaps of a 3×3 kernel at stride 2 are 1, 2 and 4 (Odena et al.)
    ones = convcli.correlate_transposed(np.ones((4, 4)), np.ones((3, 3)), stride=2)
    assert ones[2:5, 2:5].tolist() == [[4, 2, 4], [2, 1, 2], [4, 2, 4]]
    result = convcli.apply("box:3", np.ones((4, 4)), transposed=True, stride=2)
    assert "checkerboard" in result.warnings[0]


@pytest.mark.parametrize(
    ("weights", "settings", "warns"),
    [
        (np.ones((2, 2)), {"stride": 3}, True),
        (np.ones((6, 6)), {"stride": 3}, False),
        (np.ones((4, 4)), {"stride": 2, "dilation": 2}, True),  # all on even pixels
        (np.outer([1, 2, 1], [1, 2, 1]), {"stride": 2}, False),  # 1 + 1 = 2: interpolation
    ],
)
def test_warns_where_a_flat_picture_does_not_stay_flat(
    weights: Any, settings: Any, warns: Any
) -> None:
    flat = convcli.correlate_transposed(np.ones((9, 9)), weights, **settings)[6:-6, 6:-6]
    assert (np.ptp(flat) > 0) == warns
    assert bool(checkerboard_of(convcli.window(len(weights), **settings), weights)) == warns


def test_apply_takes_torchs_bank_and_picks_a_map() -> None:
    rng = np.random.default_rng(1)
    bank, image = rng.normal(size=(3, 2, 4, 4)), rng.random((5, 5, 3))
    whole = convcli.correlate_transposed(image, bank, stride=2, padding=1)
    options: Any = {"transposed": True, "stride": 2, "padding": 1}
    assert convcli.apply(bank, image, **options).array == pytest.approx(whole)
    one = convcli.apply(bank, image, map=1, **options).array
    assert one.squeeze() == pytest.approx(whole[..., 1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"border": "wrap"}, "leave --border out"),
        ({"padding": 9}, "at least 1 pixel"),
        ({"output_padding": 1}, "which chooses it"),
        ({"output_padding": 2, "padding": 1}, "less than the stride"),
    ],
)
def test_refusals(settings: Any, words: str) -> None:
    with pytest.raises(convcli.GeometryError, match=words):
        convcli.apply("box:3", np.ones((4, 4)), transposed=True, stride=2, **settings)


def test_refuses_transparency_and_wrong_groups() -> None:
    with pytest.raises(convcli.ImageError, match="--background"):
        convcli.apply("box:3", np.ones((4, 4, 4), np.uint8), transposed=True)
    with pytest.raises(convcli.KernelError, match="divisor"):
        convcli.correlate_transposed(np.ones((4, 4, 3)), np.ones((3, 1, 2, 2)), groups=2)
