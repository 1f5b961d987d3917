"""Receptive fields, against published ones and against pixels that are counted."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.geometry.layers import ReceptiveField
from convcli.geometry.window import Axis


def stacked(*layers: Axis) -> ReceptiveField:
    field = ReceptiveField()
    for layer in layers:
        field = field.through(layer)
    return field


def same(kernel: int, stride: int = 1) -> Axis:
    return Axis(kernel, stride, (kernel - 1) // 2, kernel // 2)


ALEXNET_V2 = (
    Axis(11, 4),
    Axis(3, 2),
    same(5),
    Axis(3, 2),
    same(3),
    same(3),
    same(3),
    Axis(3, 2),
)
POOL = Axis(2, 2)
VGG_16 = (
    *(same(3), same(3), POOL),
    *(same(3), same(3), POOL),
    *(same(3), same(3), same(3), POOL),
    *(same(3), same(3), same(3), POOL),
    *(same(3), same(3), same(3), POOL),
)


@pytest.mark.parametrize(("layers", "size"), [(ALEXNET_V2, 195), (VGG_16, 212)])
def test_published_fields(layers: tuple[Axis, ...], size: int) -> None:
    """Araujo, Norris & Sim, "Computing Receptive Fields of CNNs", Distill 2019, table."""
    field = stacked(*layers)
    assert (field.size, field.jump) == (size, 32)


def test_two_3x3_see_as_much_as_one_5x5() -> None:
    assert stacked(same(3), same(3)) == stacked(same(5))


def test_three_3x3_see_as_much_as_one_7x7() -> None:
    assert stacked(same(3), same(3), same(3)).size == 7


def test_nothing_sees_one_pixel() -> None:
    assert ReceptiveField() == ReceptiveField(size=1, jump=1, start=Fraction(0))


@given(
    layers=st.lists(
        st.builds(
            Axis,
            kernel=st.integers(1, 5),
            stride=st.integers(1, 3),
            before=st.integers(0, 4),
            after=st.integers(0, 4),
            dilation=st.integers(1, 3),
        ),
        max_size=4,
    )
)
def test_fields_equal_the_pixels_that_are_reached(layers: list[Axis]) -> None:
    first, second = ({0}, {1})
    for layer in reversed(layers):
        first, second = (below(layer, outputs) for outputs in (first, second))
    field = stacked(*layers)
    assert field.size == max(first) - min(first) + 1
    assert field.jump == min(second) - min(first)
    assert field.start == Fraction(min(first) + max(first), 2)


def below(layer: Axis, outputs: set[int]) -> set[int]:
    """Return the inputs that these outputs of a layer look at."""
    return {
        output * layer.stride - layer.before + tap * layer.dilation
        for output in outputs
        for tap in range(layer.kernel)
    }
