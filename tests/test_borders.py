"""Borders against `numpy.pad`, SciPy and OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from convcli.borders import fill_of, runs, source_indices
from convcli.choices import ALIASES, Border, Edges, border_named
from convcli.errors import GeometryError
from convcli.lessons.pictures import beyond
from support import oracle


def padded_axis(border: Border, size: int, before: int, after: int) -> NDArray[np.intp]:
    """Return the source of each position of a padded axis."""
    return source_indices(border, size, np.arange(-before, size + after))


borders = pytest.mark.parametrize(
    "border", [border for border in Border if border is not Border.ODD]
)


@borders
@given(size=st.integers(1, 9), before=st.integers(0, 40), after=st.integers(0, 40))
def test_indices_equal_numpy_pad(border: Border, size: int, before: int, after: int) -> None:
    """Also where the padding is several times as wide as the axis."""
    constant = {"constant_values": -1} if border is Border.ZERO else {}
    mode = oracle.NUMPY_MODES[border.value]
    expected = np.pad(np.arange(size), (before, after), mode, **constant)
    np.testing.assert_array_equal(padded_axis(border, size, before, after), expected)


@pytest.mark.parametrize(
    ("border", "drawn"),
    [
        (Border.ZERO, "000abcd000"),
        (Border.REPLICATE, "aaaabcdddd"),
        (Border.REFLECT, "dcbabcdcba"),
        (Border.SYMMETRIC, "cbaabcddcb"),
        (Border.WRAP, "bcdabcdabc"),
    ],
)
def test_the_drawings_of_the_table(border: Border, drawn: str) -> None:
    """Index -1 is the last letter, which stands for the constant."""
    letters = "abcd0"
    assert "".join(letters[i] for i in padded_axis(border, 4, 3, 3)) == drawn


@borders
def test_one_pixel_goes_on_as_itself(border: Border) -> None:
    indices = padded_axis(border, 1, 2, 3)
    outside = -1 if border is Border.ZERO else 0
    assert indices.tolist() == [outside, outside, 0, outside, outside, outside]


def test_a_name_and_a_member_are_the_same() -> None:
    for border in Border:
        assert border_named(border) is border
        assert border_named(border.value) is border
        assert border_named(f" {border.value.upper()} ") is border


OPENCV = {
    "zero": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
    "wrap": cv2.BORDER_WRAP,
}


@borders
def test_indices_equal_opencv(border: Border) -> None:
    expected = [cv2.borderInterpolate(at, 5, OPENCV[border.value]) for at in range(-9, 14)]
    assert padded_axis(border, 5, 9, 9)[: len(expected)].tolist() == expected


@pytest.mark.parametrize("alias", ["constant", "nearest", "wrap"])
def test_scipys_names_mean_what_scipy_does(alias: str) -> None:
    shifted = ndimage.correlate1d(np.arange(1.0, 6), [1, 0, 0, 0, 0, 0, 0], mode=alias)
    letters = np.append(np.arange(1.0, 6), 0)
    indices = padded_axis(border_named(alias), 5, 3, 0)
    np.testing.assert_array_equal(shifted, letters[indices[:5]])


@pytest.mark.parametrize("alias", ["constant", "edge", "wrap", "reflect", "symmetric"])
def test_numpys_names_mean_what_numpy_does(alias: str) -> None:
    expected = np.pad(np.arange(1, 5), 3, alias)  # type: ignore[call-overload]
    letters = np.append(np.arange(1, 5), 0)
    indices = padded_axis(border_named(alias), 4, 3, 3)
    np.testing.assert_array_equal(letters[indices], expected)


@pytest.mark.parametrize(
    ("alias", "border"),
    [
        ("zeros", Border.ZERO),
        ("circular", Border.WRAP),
        ("tile", Border.WRAP),
        ("periodic", Border.WRAP),
        ("loop", Border.WRAP),
        ("clamp", Border.REPLICATE),
        ("duplicate", Border.REPLICATE),
        ("reflect-101", Border.REFLECT),
        ("reflect101", Border.REFLECT),
    ],
)
def test_names_of_torch_gmic_gegl_and_opencv(alias: str, border: Border) -> None:
    assert border_named(alias) is border


def test_no_alias_hides_a_canonical_name() -> None:
    assert not {border.value for border in Border} & set(ALIASES)


@pytest.mark.parametrize("name", ["banana", "", "mirror", "none"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(GeometryError) as raised:
        border_named(name)
    said = str(raised.value)
    assert repr(name) in said
    assert all(border.value in said for border in Border)


def test_mirror_is_refused_because_it_means_two() -> None:
    with pytest.raises(GeometryError, match="'reflect' in SciPy and 'symmetric' in Image"):
        border_named("mirror")


def test_an_odd_border_goes_on_as_it_begins() -> None:
    place = np.arange(-2, 4)
    found = beyond(np.array([[1, 4]]), Border.ODD, np.arange(1), place)
    assert found.tolist() == [[-5.0, -2.0, 1.0, 4.0, 7.0, 10.0]]


def test_a_grey_fills_a_picture_in_grey_at_its_depth() -> None:
    white = Edges("constant:white", (Border.ZERO,) * 2, (255.0, 255.0, 255.0))
    assert fill_of(white, 1, 65535) == (65535.0,)


def test_sources_by_hand() -> None:
    assert padded_axis(Border.REFLECT, 4, 3, 3).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert padded_axis(Border.ZERO, 2, 1, 1).tolist() == [-1, 0, 1, -1]


def test_runs_by_hand() -> None:
    found = runs(np.array([-1, -1, 0, 1, 2, 1, 0, 0, 0]))
    assert found == [
        (slice(0, 2), None),
        (slice(2, 5), slice(0, 3, 1)),
        (slice(5, 7), slice(1, None, -1)),
        (slice(7, 9), slice(0, 1, 1)),
    ]
