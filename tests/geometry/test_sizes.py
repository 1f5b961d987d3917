"""Output sizes and remainders, against windows that are counted one by one."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convcli.errors import GeometryError
from convcli.geometry.window import Axis, Unseen, window

axes = st.builds(
    Axis,
    kernel=st.integers(1, 7),
    stride=st.integers(1, 9),
    before=st.integers(0, 9),
    after=st.integers(0, 9),
    dilation=st.integers(1, 4),
)


def windows(axis: Axis, size: int) -> list[list[int]]:
    """Return the picture positions under the taps of each window that fits."""
    reach = axis.dilation * (axis.kernel - 1)
    last = size + axis.after - 1
    starts = range(-axis.before, last - reach + 1, axis.stride)
    return [list(range(at, at + reach + 1, axis.dilation)) for at in starts]


@given(axis=axes, size=st.integers(1, 30))
def test_as_many_outputs_as_windows_fit(axis: Axis, size: int) -> None:
    count = len(windows(axis, size))
    if count == 0:
        with pytest.raises(GeometryError, match="the kernel spans"):
            axis.output_size(size)
    else:
        assert axis.output_size(size) == count


@given(axis=axes, size=st.integers(1, 30))
@example(axis=Axis(kernel=1, stride=9, before=5), size=1)
def test_unseen_is_what_lies_behind_the_last_window(axis: Axis, size: int) -> None:
    fitting = windows(axis, size)
    if fitting:
        behind = range(fitting[-1][-1] + 1, size + axis.after)
        picture = sum(0 <= at < size for at in behind)
        assert axis.unseen(size) == Unseen(picture=picture, padding=len(behind) - picture)
        assert axis.tiles(size) == (len(behind) == 0)


@given(axis=axes, size=st.integers(1, 30))
def test_where_each_output_looks(axis: Axis, size: int) -> None:
    for output, taps in enumerate(windows(axis, size)):
        assert axis.source(output) == taps[0]
        assert axis.centre(output) == taps[(axis.kernel - 1) // 2]


@given(axis=axes, size=st.integers(1, 30))
def test_the_magic_formula_keeps_its_fraction(axis: Axis, size: int) -> None:
    fitting = windows(axis, size)
    if fitting:
        behind = size + axis.after - 1 - fitting[-1][-1]
        assert axis.exact_output_size(size) == len(fitting) + Fraction(behind, axis.stride)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "output"),
    [
        (7, 3, 1, 0, 5),
        (7, 5, 1, 2, 7),
        (5, 3, 1, 1, 5),
        (7, 3, 2, 1, 4),
        (32, 3, 1, 1, 32),
        (224, 3, 1, 1, 224),
        (224, 3, 2, 1, 112),
        (224, 7, 2, 3, 112),
        (227, 11, 4, 0, 55),
    ],
)
def test_sizes_of_textbooks(
    size: int, kernel: int, stride: int, padding: int, output: int
) -> None:
    """The notes' examples, and the first layers of ResNet (112) and AlexNet (55)."""
    axis = Axis(kernel, stride, padding, padding)
    assert axis.output_size(size) == output


def test_7_3_3_is_seven_thirds() -> None:
    """(7 - 3 + 0)/3 + 1 = 4/3 + 1: two windows, and one column of the picture left over."""
    axis = Axis(kernel=3, stride=3)
    assert axis.exact_output_size(7) == Fraction(7, 3)
    assert axis.output_size(7) == 2
    assert not axis.tiles(7)
    assert axis.unseen(7) == Unseen(picture=1, padding=0)


@pytest.mark.parametrize("size", [2, 8, 224, 1000])
def test_3x3_stride_2_padding_1_on_an_even_width_loses_padding_only(size: int) -> None:
    axis = Axis(kernel=3, stride=2, before=1, after=1)
    assert axis.unseen(size) == Unseen(picture=0, padding=1)
    assert axis.unseen(size).total == 1


@pytest.mark.parametrize("size", [1, 7, 225])
def test_on_an_odd_width_it_loses_nothing(size: int) -> None:
    axis = Axis(kernel=3, stride=2, before=1, after=1)
    assert axis.unseen(size) == Unseen(picture=0, padding=0)


@pytest.mark.parametrize(
    ("kernel", "dilation", "sides"),
    [
        (1, 1, (0, 0)),
        (2, 1, (0, 1)),
        (3, 1, (1, 1)),
        (4, 1, (1, 2)),
        (5, 1, (2, 2)),
        (2, 2, (1, 1)),
        (2, 3, (1, 2)),
        (3, 2, (2, 2)),
        (4, 3, (4, 5)),
    ],
)
def test_same_padding_has_its_odd_pixel_at_the_end(
    kernel: int, dilation: int, sides: tuple[int, int]
) -> None:
    """torch 2.13: conv2d(ones, …, padding="same") of a 4-tap kernel pads 1 and 2."""
    assert window(kernel, padding="same", dilation=dilation).padding == (sides, sides)


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 9),
    stride=st.integers(1, 9),
    dilation=st.integers(1, 3),
)
def test_same_padding_gives_the_ceiling(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    sliding = window(kernel, stride, "same", dilation)
    assert sliding.output_shape((size, size)) == (-(-size // stride),) * 2


@pytest.mark.parametrize(
    ("padding", "sides"),
    [
        (0, ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        ((1, 2), ((1, 1), (2, 2))),
        ([1, 2], ((1, 1), (2, 2))),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        (((1, 2), 3), ((1, 2), (3, 3))),
        ("valid", ((0, 0), (0, 0))),
        ("same", ((1, 1), (2, 2))),
    ],
)
def test_every_form_of_padding(padding: Any, sides: Any) -> None:
    assert window((3, 5), padding=padding).padding == sides


def test_pairs_are_rows_then_columns() -> None:
    sliding = window((3, 5), stride=(1, 2), padding=(0, 1), dilation=(2, 1))
    assert (sliding.kernel, sliding.stride, sliding.dilation) == ((3, 5), (1, 2), (2, 1))
    assert sliding.output_shape((9, 9)) == (5, 4)
    assert sliding.unseen((9, 10)) == (Unseen(0, 0), Unseen(0, 1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kernel": 0}, "kernel: expected a whole number of at least 1, got 0"),
        ({"kernel": (3, -1)}, "kernel: expected a whole number of at least 1, got -1"),
        ({"kernel": 3, "stride": 0}, "stride: expected a whole number of at least 1, got 0"),
        ({"kernel": 3, "dilation": -2}, "dilation: expected a whole number of at least 1, "),
        ({"kernel": 3, "padding": -2}, "padding: expected 0 or more pixels, got -2"),
        ({"kernel": 3, "padding": {1, 2}}, "padding: expected a whole number, got {1, 2}"),
        ({"kernel": 3, "padding": "some"}, "got 'some'"),
        ({"kernel": 2.0}, "kernel: expected a whole number, got 2.0"),
        ({"kernel": True}, "kernel: expected a whole number, got True"),
        ({"kernel": "3"}, "kernel: expected a whole number, got '3'"),
        ({"kernel": (3, 3, 3)}, "kernel: expected one number or two"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(GeometryError) as raised:
        window(**settings)
    assert said in str(raised.value)


def test_the_axis_that_does_not_fit_is_named() -> None:
    with pytest.raises(GeometryError) as raised:
        window((3, 7), padding=(0, 1)).output_shape((9, 4))
    said = str(raised.value)
    assert said.startswith("columns: the kernel spans 7 px but the padded image only 6 px")
    assert "padding that is 1 px larger" in said


@pytest.mark.parametrize("size", [0, -3])
def test_an_empty_axis_is_refused(size: int) -> None:
    with pytest.raises(GeometryError, match=f"expected at least 1 pixel, got {size}"):
        Axis(kernel=1, before=5, after=5).output_size(size)


def test_an_axis_by_hand() -> None:
    """Windows of 3 at stride 2 start at 0, 2, 4 and 6: the last ends at 8."""
    assert Axis(kernel=3, stride=2).input_size(4) == 9
    assert Axis(kernel=3, stride=2).inputs(slice(1, 4)) == slice(2, 9)
    assert Axis(kernel=3, stride=2, before=1, after=1).output_size(7) == 4
    assert Axis(kernel=3, stride=3).exact_output_size(7) == Fraction(7, 3)
    behind = Axis(kernel=3, stride=2, before=1, after=1).unseen(8)
    assert behind == Unseen(picture=0, padding=1)


@pytest.mark.parametrize("more", [{"padding": 10**12}, {"padding": "same", "dilation": 10**12}])
def test_no_picture_is_padded_beyond_all_memory(more: dict[str, Any]) -> None:
    with pytest.raises(GeometryError, match="use less padding or dilation"):
        window(3, **more).output_shape((75, 113))
    assert window(3, padding=10**6).output_shape((75, 113)) == (2_000_073, 2_000_111)
