"""Types: what comes in, what comes out, and how it is rounded."""

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import convcli
from convcli.engine.store import saturate
from support import cases

RESULTS = {
    "bool": "float32",
    "int8": "float32",
    "uint8": "float32",
    "int16": "float32",
    "uint16": "float32",
    "float16": "float32",
    "float32": "float32",
    "int32": "float64",
    "uint32": "float64",
    "int64": "float64",
    "uint64": "float64",
    "float64": "float64",
}
"""A raw result is float32; float64 for float64 and for integers of 32 bits or more."""

integers = pytest.mark.parametrize("dtype", cases.INTEGERS[1:])


@pytest.mark.parametrize(("dtype", "result"), RESULTS.items())
def test_the_type_of_a_raw_result(dtype: str, result: str) -> None:
    assert convcli.correlate(np.ones((2, 2), dtype), [[1]]).dtype == result


@pytest.mark.parametrize("dtype", [*cases.INTEGERS[1:], *cases.FLOATS])
@pytest.mark.parametrize("image", RESULTS)
def test_the_type_that_is_asked_for(dtype: str, image: str) -> None:
    result = convcli.correlate(np.ones((2, 2), image), [[2]], dtype=dtype)
    assert result.dtype == dtype
    assert (result == 2).all()


def test_bytes_are_not_clipped_in_a_raw_result() -> None:
    image = np.array([[200, 100]], np.uint8)
    assert convcli.correlate(image, [[-3]]).tolist() == [[-600, -300]]
    assert convcli.correlate(image, [[1, 1]]).tolist() == [[300]]


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">i4", ">f2", ">f4", ">f8", "<f8"])
def test_either_order_of_bytes(dtype: str) -> None:
    """Files in .npy, FITS or TIFF bring the order of the machine that wrote them."""
    native = np.array([[1, 2], [3, 500]])
    result = convcli.correlate(native.astype(dtype), [[1, 1]])
    assert result.tolist() == [[3], [503]]
    assert result.dtype == RESULTS[np.dtype(dtype).newbyteorder("=").name]


@pytest.mark.parametrize("dtype", [">i2", ">u4", ">f4", ">f8"])
def test_a_result_is_in_the_order_of_this_machine(dtype: str) -> None:
    result = convcli.correlate(np.full((1, 1), 3, np.uint8), [[2]], dtype=dtype)
    assert result.dtype == np.dtype(dtype).newbyteorder("=")
    assert result.tolist() == [[6]]


@integers
def test_halves_are_rounded_to_the_even_neighbour(dtype: str) -> None:
    image = np.array([[1, 3, 5, 7, 9]], np.uint8)
    result = convcli.correlate(image, [[0.5]], dtype=dtype)
    assert result.tolist() == [[0, 2, 2, 4, 4]]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_negative_halves_too(dtype: str) -> None:
    image = np.array([[1, 3, 5, 7]], np.uint8)
    assert convcli.correlate(image, [[-0.5]], dtype=dtype).tolist() == [[0, -2, -2, -4]]


@pytest.mark.parametrize(("weight", "rounded"), [(3.5, 4), (6.5, 6), (7.5, 8), (20.5, 20)])
def test_a_half_in_the_weights_is_a_tie_too(weight: float, rounded: int) -> None:
    image = np.ones((1, 1), np.uint8)
    assert convcli.correlate(image, [[weight]]).tolist() == [[weight]]
    assert convcli.correlate(image, [[weight]], dtype=np.uint8).tolist() == [[rounded]]


@integers
@pytest.mark.parametrize("image", ["float32", "float64", "int64"])
def test_what_does_not_fit_saturates(dtype: str, image: str) -> None:
    limits = np.iinfo(dtype)
    values = np.array([[-(2**62), -1, 0, 1, 2**62]]).astype(image)
    result = convcli.correlate(values, [[16]], dtype=dtype).ravel().tolist()
    least = int(limits.min)
    assert result == [least, max(least, -16), 0, 16, limits.max]


@integers
def test_not_a_number_is_0_and_infinities_saturate(dtype: str) -> None:
    limits = np.iinfo(dtype)
    for image in ("float16", "float32", "float64"):
        values = np.array([[np.nan, np.inf, -np.inf]], image)
        result = convcli.correlate(values, [[1]], dtype=dtype)
        assert result.tolist() == [[0, limits.max, limits.min]]


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_the_last_number_that_a_float64_can_hold(dtype: str) -> None:
    """Below 2⁶³ float64 steps by 1,024, below 2⁶⁴ by 2,048."""
    top = int(np.iinfo(dtype).max) + 1
    step = top // 2**53
    image = np.array([[top - step, top, 2.0**70]], np.float64)
    result = convcli.correlate(image, [[1]], dtype=dtype)
    assert result.tolist() == [[top - step, top - 1, top - 1]]


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "uint32"])
def test_the_limits_of_wide_integers_come_through(dtype: str) -> None:
    limits = np.iinfo(dtype)
    image = np.array([[limits.min, limits.max]], dtype)
    assert convcli.correlate(image, [[1]], dtype=dtype).tolist() == image.tolist()


def test_wide_integers_keep_24_bits_and_more() -> None:
    """2²⁴ + 1 is the first whole number that float32 has not."""
    image = np.array([[2**24 + 1]], np.int32)
    assert convcli.correlate(image, [[1]]).tolist() == [[2**24 + 1]]


def test_sums_of_bytes_beyond_24_bits_are_exact() -> None:
    """65,535·257 + 1 is 2²⁴ again: its last digit must not be lost before a -2²⁴ comes."""
    image = np.array([[65535, 1, 65535]], np.uint16)
    result = convcli.correlate(image, [[257, 3, -257]])
    assert result.tolist() == [[3]]
    wide = convcli.correlate(image, [[257, 3, 0]], dtype=np.int64)
    assert wide.tolist() == [[65535 * 257 + 3]]


def test_a_large_bias_keeps_the_last_digit() -> None:
    """255·65,792 - 16,777,217 = -257, though 16,777,217 = 2²⁴ + 1 is no float32."""
    image = np.array([[255]], np.uint8)
    result = convcli.correlate(image, [[65_792]], bias=-16_777_217, dtype=np.int16)
    assert result.tolist() == [[-257]]


def test_float16_results_beyond_its_range_are_infinite() -> None:
    image = np.array([[60_000, 60_000]], np.uint16)
    assert convcli.correlate(image, [[1, 1]], dtype=np.float16).tolist() == [[np.inf]]


@pytest.mark.parametrize(
    ("image", "weights"),
    [
        (np.full((1, 1), 3e38, np.float32), [[2]]),
        (np.full((1, 2), 3e38, np.float32), [[1, 1]]),
        (np.full((1, 2), 1e308), [[1, 1]]),
    ],
)
def test_pixels_whose_sum_no_float_holds_are_infinite_without_a_warning(
    image: NDArray[Any], weights: list[list[float]]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = convcli.correlate(image, weights)
    assert (result == np.inf).all()


@pytest.mark.parametrize(
    ("dtype", "settings"),
    [
        ("uint8", {"weights": [[1e300]]}),
        ("float32", {"weights": [[1e300]]}),
        ("float32", {"weights": [[1]], "bias": 1e300}),
        ("float32", {"weights": [[1, 1]], "fill": 1e300, "padding": (0, 1)}),
    ],
)
def test_settings_whose_sum_no_float32_holds_are_refused(
    dtype: str, settings: dict[str, Any]
) -> None:
    """They would be infinite whatever the image; in float64 they are not."""
    with pytest.raises(convcli.KernelError, match="scale the weights or the bias down"):
        convcli.correlate(np.ones((1, 1), dtype), **settings)
    result = convcli.correlate(np.ones((1, 1), dtype), **settings, dtype=np.float64)
    assert result.ravel().tolist()[0] == pytest.approx(1e300)


def test_opposite_infinities_are_not_a_number_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = convcli.correlate(np.array([[np.inf, -np.inf]]), [[1, 1]])
    assert np.isnan(result).all()


def test_the_image_may_be_lists() -> None:
    assert convcli.correlate([[1, 2], [3, 4]], [[1, 1]]).tolist() == [[3], [7]]
    assert convcli.correlate([[True, True]], [[1, 1]]).tolist() == [[2]]


def test_saturate_by_hand() -> None:
    out = np.empty(7, np.int8)
    saturate(np.array([-128.5, -128.6, 127.5, -0.5, 2.5, 3.5, np.nan]), out)
    assert out.tolist() == [-128, -128, 127, 0, 2, 4, 0]


@pytest.mark.parametrize("size", [(7, 3), (7, 7), (1, 15), (31, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_infinity_is_infinite_wherever_a_box_holds_it(
    size: tuple[int, int], dtype: str
) -> None:
    """A box of 2^k - 1 is two halves less what both hold, of which infinity makes NaN."""
    image = np.zeros((61, 31), dtype)
    image[30, 15] = np.inf
    result = convcli.correlate(image, np.ones(size), padding="same")
    assert np.count_nonzero(result == np.inf) == size[0] * size[1]
    assert np.count_nonzero(result) == size[0] * size[1]
