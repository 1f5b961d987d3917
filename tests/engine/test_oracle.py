"""Every strategy equals the plain loops of the oracle, whatever is asked of it."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from support import cases, oracle
from support.cases import Case


def assert_close(
    way: str, result: NDArray[Any], expected: NDArray[Any], atol: float = 0.0
) -> None:
    assert result.shape == expected.shape, way
    np.testing.assert_allclose(result, expected, rtol=0, atol=atol, err_msg=way)


@given(case=cases.cases())
def test_every_type_of_image_with_real_weights(case: Case) -> None:
    expected = case.expected
    for way, result in case.results():
        assert_close(way, result, expected, case.tolerance(result.dtype))


@given(case=cases.cases(cases.INTEGERS, cases.whole_weights))
def test_whole_weights_on_integers_are_exact(case: Case) -> None:
    expected = case.expected
    for way, result in case.results():
        assert_close(way, result, expected.astype(result.dtype), case.slack(way))


@given(case=cases.cases(("float64",)))
def test_float64_images_keep_their_digits(case: Case) -> None:
    expected = case.expected
    for way, result in case.results():
        assert result.dtype == np.float64
        assert_close(way, result, expected, case.tolerance(result.dtype))


@given(case=cases.cases(), wanted=st.sampled_from(cases.FLOATS[1:]))
def test_a_float_type_may_be_asked_for(case: Case, wanted: str) -> None:
    """A float64 result of a float32 image has at least float32's digits."""
    expected = case.expected
    for way, result in case.results(dtype=wanted):
        assert result.dtype == wanted
        assert_close(way, result, expected, case.tolerance(np.dtype(np.float32)))


@given(
    case=cases.cases(cases.INTEGERS, cases.whole_weights),
    divisor=st.sampled_from([2, 4, 6, 9, 10, 16, 25, 256]),
    wanted=st.sampled_from(cases.INTEGERS[1:]),
)
def test_integers_over_a_divisor_are_rounded_exactly(
    case: Case, divisor: int, wanted: str
) -> None:
    """Ties go to the even neighbour, what does not fit saturates."""
    bias = case.settings["bias"] or 0
    sums = (case.expected - bias) / divisor + bias
    limits = np.iinfo(wanted)
    expected = [min(max(round(v), int(limits.min)), int(limits.max)) for v in sums.flat]
    for way, result in case.with_weights(case.weights / divisor).results(dtype=wanted):
        assert result.dtype == wanted
        slack = case.slack(way)
        allowed = int(slack) + 1 if slack else 0
        pairs = zip(result.ravel().tolist(), expected, strict=True)
        assert all(abs(value - exact) <= allowed for value, exact in pairs), way


@given(
    case=cases.cases(("uint8", "uint16", "float32")),
    wanted=st.sampled_from(["uint8", "int16", "int32"]),
)
def test_integers_of_real_weights_are_off_at_ties_only(case: Case, wanted: str) -> None:
    limits = np.iinfo(wanted)
    exact = np.clip(case.expected, limits.min, limits.max)
    for way, result in case.results(dtype=wanted):
        distance = np.abs(result.astype(np.float64) - exact)
        assert distance.max() <= 0.5 + 1e-5 * max(case.scale(), 100), way


@given(case=cases.cases(("float32", "float64")), data=st.data())
def test_nan_and_infinity_stay_where_the_kernel_looks(case: Case, data: st.DataObject) -> None:
    spoilt = case.image.copy()
    place = tuple(data.draw(st.integers(0, size - 1)) for size in spoilt.shape)
    spoilt[place] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    bad = Case(spoilt, case.weights, case.settings)
    with np.errstate(invalid="ignore"):
        expected = bad.expected
    touched = ~np.isfinite(expected)
    for way, result in bad.results():
        np.testing.assert_array_equal(~np.isfinite(result), touched, way)
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected), way)
        atol = case.tolerance(result.dtype)
        assert_close(way, result[~touched], expected[~touched], atol)


def test_the_oracle_itself_by_hand() -> None:
    """Two pixels, two weights, one pixel of border: 3·0 + 4·1, 3·1 + 4·2, 3·2 + 4·9."""
    maps = oracle.correlate(
        np.array([[1, 2]]), np.array([[3, 4]]), padding=(0, 1), fill=9, bias=-1
    )
    assert maps[..., 0].tolist() == [[3 * 9 + 4 * 1 - 1, 3 * 1 + 4 * 2 - 1, 3 * 2 + 4 * 9 - 1]]
