"""The store: divisor, bias, the range of pixels, and what it sees."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convcli.choices import Range
from convcli.engine.buffers import Scratch
from convcli.engine.store import Accumulators, StoreRule, ValueStats

RAW = [-300.0, -0.5, 0.5, 1.5, 255.4, 255.6]


def write(
    out: NDArray[Any], values: Any, row: int = 0, dtype: str = "float64", **rule: Any
) -> Any:
    """Write one row of accumulators."""
    accumulators = np.array([values], dtype)
    part = out[row : row + 1]
    block = Accumulators(accumulators, accumulators)
    return StoreRule(out.dtype, **rule).finish(block, part.shape, None, Scratch())(part)


def row_of_bytes(length: int) -> NDArray[np.uint8]:
    return np.zeros((1, length, 1), np.uint8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("pixels", "expected", "clipped"),
    [
        (Range.CLIP, [0, 0, 0, 2, 255, 255], 2),
        (Range.ABS, [255, 0, 0, 2, 255, 255], 2),
        (Range.SHIFT, [0, 128, 128, 130, 255, 255], 3),
    ],
)
def test_ranges_of_bytes(dtype: str, pixels: Range, expected: list[int], clipped: int) -> None:
    """-0.5 and 0.5 around 128 are ties: both go to 128, the even neighbour."""
    out = row_of_bytes(6)
    seen = write(out, RAW, dtype=dtype, pixels=pixels)
    assert out.ravel().tolist() == expected
    assert seen.clipped == clipped
    assert seen.low == -300
    assert seen.high == pytest.approx(255.6)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
@pytest.mark.parametrize(
    ("pixels", "expected", "clipped"),
    [
        (Range.CLIP, [0, 0, 0, 200, 255, 255], 4),
        (Range.ABS, [255, 129, 1, 200, 255, 255], 2),
        (Range.SHIFT, [0, 0, 127, 255, 255, 255], 5),
    ],
)
def test_ranges_of_whole_numbers(
    dtype: str, pixels: Range, expected: list[int], clipped: int
) -> None:
    """30,000 + 128 still fits an int16, and 32,700 + 128 no more."""
    out = row_of_bytes(6)
    seen = write(out, [-30_000, -129, -1, 200, 255, 32_700], dtype=dtype, pixels=pixels)
    assert out.ravel().tolist() == expected
    assert (seen.low, seen.high, seen.clipped) == (-30_000, 32_700, clipped)


def test_sixteen_bits_shift_to_their_own_middle() -> None:
    out = np.empty((1, 3, 1), np.uint16)
    seen = write(out, [-40_000.0, 0.0, 40_000.0], pixels=Range.SHIFT)
    assert out.ravel().tolist() == [0, 32_768, 65_535]
    assert seen.clipped == 2


@pytest.mark.parametrize(
    ("limit", "clipped"), [(255.5, 1), (255.49, 0), (-0.5, 0), (-0.51, 1), (254.5, 0)]
)
def test_clipped_is_what_rounds_out_of_range(limit: float, clipped: int) -> None:
    """255.5 rounds to 256, the even neighbour; -0.5 to 0."""
    assert write(row_of_bytes(1), [limit], pixels=Range.CLIP).clipped == clipped


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_the_divisor_comes_before_the_bias(dtype: str) -> None:
    out = np.empty((1, 2, 1))
    write(out, [8, 2], dtype=dtype, divisor=4, bias=(10,))
    assert out.ravel().tolist() == [12, 10.5]


def test_a_row_goes_to_its_place_and_what_is_seen_adds_up() -> None:
    out = np.zeros((3, 1, 2), np.uint8)
    rule: dict[str, Any] = {"bias": (1, 2), "pixels": Range.CLIP}
    seen = write(out, [10.0, 300.0], row=2, **rule) + write(out, [-10.0, 20.0], row=0, **rule)
    assert out.tolist() == [[[0, 22]], [[0, 0]], [[11, 255]]]
    assert seen == ValueStats(low=-9, high=302, clipped=2)


def test_raw_values_are_stored_without_a_look() -> None:
    assert write(np.empty((1, 1, 1)), [1e9]) is None


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32"])
@pytest.mark.parametrize("divisor", [2, 16, 64, 3, 25])
def test_whole_numbers_are_divided_to_the_nearest_half_to_even(
    dtype: str, divisor: int
) -> None:
    """Python rounds fractions half to even, without any float."""
    sums = list(range(-(0 if divisor % 2 or dtype == "uint16" else 100 * divisor), 7000))
    out = np.empty((1, len(sums), 1), np.int16)
    limits = (sums[0] / divisor, sums[-1] / divisor)
    write(out, sums, dtype=dtype, divisor=divisor, limits=limits)
    assert out.ravel().tolist() == [round(Fraction(total, divisor)) for total in sums]


def test_quotients_that_do_not_fit_saturate() -> None:
    out = row_of_bytes(4)
    write(out, [-200, -2, 1022, 1200], dtype="int16", divisor=4, limits=(-50, 300))
    assert out.ravel().tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_shift_rounds_before_it_adds(dtype: str) -> None:
    """4644.5006 rounds to 4645; in float32 4644.5006 + 32,768 is 37,412.5, a tie."""
    out = np.empty((1, 2, 1), np.uint16)
    write(out, [4644.5006, -561.499], dtype=dtype, pixels=Range.SHIFT)
    assert out.ravel().tolist() == [32_768 + 4645, 32_768 - 561]


@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_sixteen_bits_shift_whole_numbers_that_are_all_negative(dtype: str) -> None:
    """32,768 itself is no int16."""
    out = np.empty((1, 3, 1), np.uint16)
    write(out, [-32_768, -300, -1], dtype=dtype, pixels=Range.SHIFT)
    assert out.ravel().tolist() == [0, 32_468, 32_767]


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_a_quotient_in_float64_has_all_its_digits(dtype: str) -> None:
    out = np.empty((1, 2, 1))
    write(out, [1132, 100], dtype=dtype, divisor=9)
    assert out.ravel().tolist() == [1132 / 9, 100 / 9]


@pytest.mark.parametrize("result", ["uint8", "int16", "uint16", "int32"])
def test_nan_becomes_0_whatever_its_mantissa_holds(result: str) -> None:
    """R writes a missing number as the NaN whose low word is 1954."""
    missing = np.array([0x7FF00000000007A2], np.uint64).view(np.float64)
    out = np.ones((1, 2, 1), result)
    write(out, [missing[0], 7.0])
    assert out.ravel().tolist() == [0, 7]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("collect_stats", [True, False])
@pytest.mark.parametrize(
    ("pixels", "expected", "clipped"),
    [
        (Range.CLIP, [0, 0, 7, 255], 2),
        (Range.ABS, [3, 0, 7, 255], 1),
        (Range.SHIFT, [125, 128, 135, 255], 1),
    ],
)
def test_nan_changes_no_other_pixel(
    pixels: Range, expected: list[int], clipped: int, dtype: str, *, collect_stats: bool
) -> None:
    out = row_of_bytes(4)
    seen = write(
        out, [-3.0, np.nan, 7.0, 300.0], dtype=dtype, pixels=pixels, collect_stats=collect_stats
    )
    assert out.ravel().tolist() == expected
    assert seen == (ValueStats(low=-3, high=300, clipped=clipped) if collect_stats else None)


def test_nan_is_neither_the_smallest_nor_the_largest() -> None:
    missing = write(row_of_bytes(2), [np.nan, np.nan], pixels=Range.ABS)
    assert missing + ValueStats(-2, 5, 1) == ValueStats(-2, 5, 1)
