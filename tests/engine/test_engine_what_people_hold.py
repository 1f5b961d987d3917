"""`correlate` and `convolve` take a kernel, its name, and anything that gives an array."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import convcli
from convcli.errors import ConvcliError, KernelError, SpecError
from support import oracle

IMAGE = np.random.default_rng(13).integers(0, 256, (9, 11, 2), np.uint8)
GRID = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]])
BANK = np.random.default_rng(14).normal(size=(3, 2, 3, 3))


class Held:
    """Pixels that are no array, and give one."""

    def __array__(self, dtype: Any = None, *, copy: Any = None) -> NDArray[Any]:
        return IMAGE if dtype is None else IMAGE.astype(dtype)


@pytest.mark.parametrize("weights", [GRID, BANK])
@pytest.mark.parametrize("own", [None, 2.5])
@pytest.mark.parametrize("bias", [None, -7.0])
def test_a_kernel_brings_its_bias(
    weights: NDArray[Any], own: float | None, bias: float | None
) -> None:
    result = convcli.correlate(IMAGE, convcli.Kernel(weights, own), bias=bias)
    expected = oracle.correlate(IMAGE, weights, bias=(own or 0) + (bias or 0))
    np.testing.assert_allclose(result, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("own", "bias", "sums"),
    [
        ([1.0, 2.0, 3.0], 10.0, [11.0, 12.0, 13.0]),
        (10.0, [1.0, 2.0, 3.0], [11.0, 12.0, 13.0]),
        ([1.0, 2.0, 3.0], [1.0, 0.0, -1.0], [2.0, 2.0, 2.0]),
    ],
)
def test_a_bias_is_added_output_by_output(own: Any, bias: Any, sums: list[float]) -> None:
    result = convcli.correlate(IMAGE, convcli.Kernel(BANK, own), bias=bias)
    expected = oracle.correlate(IMAGE, BANK, bias=sums)
    np.testing.assert_allclose(result, expected, rtol=0, atol=2e-3)


def test_biases_of_two_lengths_do_not_fit() -> None:
    with pytest.raises(KernelError, match=r"bias: expected one number or 2.*got 3: give one"):
        convcli.correlate(IMAGE, convcli.Kernel(GRID, [1.0, 2.0]), bias=[1.0, 2.0, 3.0])


def test_convolve_keeps_the_bias_of_a_kernel() -> None:
    result = convcli.convolve(IMAGE, convcli.Kernel(GRID, 2.0), bias=1.0)
    expected = oracle.correlate(IMAGE, GRID[::-1, ::-1], bias=3.0)
    np.testing.assert_allclose(result, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ["gaussian:2", "sobel-x", "[[1, 2, 3]]"])
def test_a_name_is_the_kernel_that_it_names(name: str) -> None:
    weights = convcli.kernel_from(name).weights
    for mine, grid in (
        (convcli.correlate(IMAGE, name, padding="same"), weights),
        (convcli.convolve(IMAGE, name, padding="same"), weights[::-1, ::-1]),
    ):
        expected = oracle.correlate(IMAGE, grid, padding="same")
        np.testing.assert_allclose(mine, expected, rtol=0, atol=2e-3)


def test_a_name_of_no_kernel_is_refused() -> None:
    with pytest.raises(SpecError, match="sobel-x"):
        convcli.correlate(IMAGE, "sobel-z")


def test_the_image_may_give_an_array() -> None:
    assert np.array_equal(convcli.correlate(Held(), GRID), convcli.correlate(IMAGE, GRID))


def test_a_list_of_texts_is_no_name() -> None:
    with pytest.raises(ConvcliError, match="expected real numbers"):
        convcli.correlate(IMAGE, ["sobel-x"])
