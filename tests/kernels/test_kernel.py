"""What a kernel is, and what is read from its weights."""

from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from convcli.errors import KernelError
from convcli.kernels.kernel import MAX_WEIGHTS, Effect, Kernel
from convcli.kernels.spec import kernel_from

whole_grids = hnp.arrays(
    np.int64,
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    elements=st.integers(-100, 100),
)


def test_weights_are_a_read_only_copy() -> None:
    given_weights = np.ones((3, 3))
    kernel = Kernel(given_weights)
    given_weights[0, 0] = 7
    assert kernel.weights[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        kernel.weights[0, 0] = 7
    with pytest.raises(AttributeError, match="frozen"):
        kernel.name = "other"  # type: ignore[misc]


def test_equal_weights_and_bias_make_equal_kernels() -> None:
    kernel = Kernel([[1, 2]], bias=3)
    assert kernel == Kernel(np.array([[1.0, 2.0]]), [3.0])
    assert hash(kernel) == hash(Kernel([[1, 2]], 3))
    assert kernel != Kernel([[1], [2]], 3)
    assert kernel != Kernel([[1, 2]], 4)
    assert kernel != Kernel([[1, 3]], 3)
    assert kernel != [[1, 2]]
    assert kernel == ANY, "the other side has a say, too"


def test_a_2d_kernel_and_a_bank() -> None:
    kernel, bank = Kernel(np.ones((2, 3))), Kernel(np.ones((4, 5, 2, 3)), bias=[1, 2, 3, 4])
    described = [(one.is_bank, one.size, one.filters, one.channels) for one in (kernel, bank)]
    assert described == [(False, (2, 3), 1, 1), (True, (2, 3), 4, 5)]
    assert list(bank.bias) == [1, 2, 3, 4]
    assert bank.sums.tolist() == [30, 30, 30, 30]


@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 2, 3)])
@pytest.mark.parametrize("bias", [None, 5])
def test_flipping_turns_both_axes_and_keeps_the_rest(
    shape: tuple[int, ...], bias: float | None
) -> None:
    weights = np.arange(np.prod(shape), dtype=float).reshape(shape)
    kernel = Kernel(weights, bias, "name", "about")
    flipped = kernel.flipped()
    np.testing.assert_array_equal(flipped.weights, weights[..., ::-1, ::-1])
    assert (flipped.bias, flipped.name, flipped.description) == (kernel.bias, "name", "about")
    assert flipped.flipped() == kernel


def test_another_bias_for_the_same_weights() -> None:
    kernel = Kernel(np.ones((2, 1, 1, 1)), [1, 2])
    assert kernel.with_bias(None).bias == ()
    assert kernel.with_bias([3, 4]).bias == (3, 4)
    assert kernel.with_bias(5) == Kernel(np.ones((2, 1, 1, 1)), 5)


@pytest.mark.parametrize(
    ("weights", "total", "effect"),
    [
        ([[1]], 1, Effect.KEEPS),
        ([[0.1] * 10], 1, Effect.KEEPS),
        ([[-1, 3, -1]], 1, Effect.SHARPENS),
        ([[0.1, 0.2, -0.3]], 0, Effect.CHANGE),
        ([[-1, 1]], 0, Effect.CHANGE),
        ([[0, 0]], 0, Effect.CHANGE),
        ([[1, 2, 1]], 4, Effect.SCALES),
        ([[0.5]], 0.5, Effect.SCALES),
        ([[-1]], -1, Effect.SCALES),
        ([[1e-12]], 1e-12, Effect.SCALES),
    ],
)
def test_the_sum_and_what_it_says(
    weights: list[list[float]], total: float, effect: Effect
) -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17 in floats: noise, not intent."""
    kernel = Kernel(weights)
    assert kernel.sum == pytest.approx(total, rel=1e-12, abs=0)
    assert kernel.effect is effect
    assert kernel.is_zero_sum == (effect is Effect.CHANGE)


def test_a_bank_answers_change_only_if_each_filter_does() -> None:
    edges = np.array([[[[-1.0, 1.0]]], [[[-2.0, 2.0]]]])
    assert Kernel(edges).effect is Effect.CHANGE
    mixed = np.array([[[[-1.0, -1.0]]], [[[1.0, 1.0]]]])
    assert Kernel(mixed).sum == 0
    assert Kernel(mixed).effect is Effect.SCALES


@given(weights=whole_grids)
def test_the_rank_of_numpy(weights: NDArray[np.int64]) -> None:
    assert Kernel(weights).rank == np.linalg.matrix_rank(weights)


@pytest.mark.parametrize(
    ("weights", "rank"),
    [([[0, 0], [0, 0]], 0), ([[1, 2], [2, 4]], 1), ([[1, 2], [3, 4]], 2), (np.eye(3), 3)],
)
def test_ranks_by_hand(weights: Any, rank: int) -> None:
    assert Kernel(weights).rank == rank


@pytest.mark.parametrize(
    ("spec", "symmetries", "flip_matters"),
    [
        ("box", {"left-right", "top-bottom", "half-turn", "transpose"}, False),
        ("laplacian4", {"left-right", "top-bottom", "half-turn", "transpose"}, False),
        ("sobel-x", {"top-bottom", "anti left-right", "anti half-turn"}, True),
        ("sobel-y", {"left-right", "anti top-bottom", "anti half-turn"}, True),
        ("emboss", {"transpose"}, True),
        ("[[1, 2, 3], [4, 5, 6]]", set(), True),
        ("[[1, 2, 1]]", {"left-right", "top-bottom", "half-turn"}, False),
        ("[[0, 1], [-1, 0]]", {"anti half-turn", "anti transpose"}, True),
        ("[[0, 0], [0, 0]]", {"left-right", "top-bottom", "half-turn", "transpose"}, False),
    ],
)
def test_symmetries(spec: str, symmetries: set[str], flip_matters: bool) -> None:  # noqa: FBT001 - a column of the table
    kernel = kernel_from(spec)
    assert kernel.flip_matters is flip_matters
    assert sorted(kernel.symmetries) == sorted(symmetries)


@given(weights=whole_grids)
def test_symmetries_by_definition(weights: NDArray[np.int64]) -> None:
    images = {
        "left-right": np.fliplr(weights),
        "top-bottom": np.flipud(weights),
        "half-turn": np.rot90(weights, 2),
        "transpose": weights.T,
    }
    even = {name for name, image in images.items() if np.array_equal(image, weights)}
    odd = {f"anti {n}" for n, image in images.items() if np.array_equal(image, -weights)}
    assert set(Kernel(weights).symmetries) == even | (odd if weights.any() else set())
    assert Kernel(weights).flip_matters == ("half-turn" not in even)


def test_a_bank_has_no_rank_and_no_symmetry() -> None:
    bank = Kernel(np.ones((2, 1, 3, 3)), name="bank")
    with pytest.raises(KernelError, match="bank: expected a 2-D kernel, got a bank of shape"):
        _ = bank.rank
    with pytest.raises(KernelError, match="take one of its slices"):
        _ = bank.symmetries


@pytest.mark.parametrize(
    ("spec", "integers", "divisor"),
    [
        ("sobel-x", [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], 1),
        ("box", [[1] * 3] * 3, 9),
        ("box:5", [[1] * 5] * 5, 25),
        ("box:7", [[1] * 7] * 7, 49),
        ("binomial", [[1, 2, 1], [2, 4, 2], [1, 2, 1]], 16),
        ("[[0.25, 0.5, 0.25]]", [[1, 2, 1]], 4),
        ("[[0.1, -0.2, 0.3]]", [[1, -2, 3]], 10),
        ("[[-0.5, 0, 0.5]]", [[-1, 0, 1]], 2),
        ("[[3.5]]", [[7]], 2),
        ("[[1.75, -7]]", [[7, -28]], 4),
        ("[[0, 0]]", [[0, 0]], 1),
        ("[[6, 4]]", [[6, 4]], 1),
    ],
)
def test_integer_forms_by_hand(spec: str, integers: list[list[int]], divisor: float) -> None:
    form = kernel_from(spec).integer_form
    assert form is not None
    assert form.integers.tolist() == integers
    assert form.divisor == divisor
    assert not form.integers.flags.writeable


@given(weights=whole_grids, divisor=st.integers(1, 400))
def test_an_integer_form_gives_back_the_weights(
    weights: NDArray[np.int64], divisor: int
) -> None:
    """To the last bit, and there is one wherever the smallest weight is a small integer."""
    kernel = Kernel(weights / divisor)
    form = kernel.integer_form
    magnitudes = np.abs(weights[weights != 0])
    if magnitudes.size and magnitudes.min() <= 64:
        assert form is not None
    if form is not None:
        np.testing.assert_array_equal(form.integers / form.divisor, kernel.weights)


@pytest.mark.parametrize("spec", ["gaussian", "[[0.1234567, 0.7654321]]", "[[1e12, 1]]"])
def test_some_kernels_have_no_integer_form(spec: str) -> None:
    assert kernel_from(spec).integer_form is None


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([[1, 2], [3]], "ragged"),
        ([[1, float("nan")]], "weights[0][1]: expected a finite number, got nan"),
        ([[1], [float("-inf")]], "weights[1][0]: expected a finite number, got -inf"),
        ([[]], "expected at least one"),
        ([1, 2], "expected a 2-D kernel (kh, kw) or a 4-D filter bank"),
        ([["a"]], "expected real numbers"),
        ([[1j]], "expected real numbers"),
        (np.broadcast_to(0.0, (MAX_WEIGHTS + 1, 1)), "expected at most 4,194,304"),
    ],
)
def test_weights_that_are_refused(weights: Any, said: str) -> None:
    with pytest.raises(KernelError) as raised:
        Kernel(weights)
    assert said in str(raised.value)


def test_as_many_weights_as_are_allowed() -> None:
    assert Kernel(np.broadcast_to(0.0, (1024, 1024, 2, 2))).size == (2, 2)


@pytest.mark.parametrize("bias", ["x", float("nan"), [1, 2, 3], [[1, 2]], []])
def test_a_bias_that_fits_no_bank_of_two(bias: Any) -> None:
    with pytest.raises(KernelError, match=r"^bias: expected"):
        Kernel(np.ones((2, 1, 1, 1)), bias)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32"])
def test_weights_of_every_type_are_kept_as_float64(dtype: str) -> None:
    kernel = Kernel(np.ones((2, 2), dtype))
    assert kernel.weights.dtype == np.float64
    assert kernel.sum == 4
