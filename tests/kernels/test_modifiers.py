"""What follows an @: turned, mirrored, scaled; on kernels, banks, files and operators."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convcli.errors import KernelError, SpecError
from convcli.kernels.catalogue.entry import CATALOGUE
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator
from convcli.kernels.spec import kernel_from, operand_from

SMALL = hnp.arrays(np.float64, (3, 3), elements=st.integers(-9, 9).map(float))


@pytest.mark.parametrize(
    ("spec", "weights"),
    [
        ("sobel-x@45", [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]]),
        ("sobel-x@90", [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),
        ("sobel-x@-90", [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
        ("sobel-x@180", [[1, 0, -1], [2, 0, -2], [1, 0, -1]]),
        ("sobel-x@405", [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]]),
        ("[[1,2,3]]@90", [[3], [2], [1]]),
        ("[[1,2],[3,4]]@90", [[2, 4], [1, 3]]),
        ("emboss@flip", [[2, 1, 0], [1, 1, -1], [0, -1, -2]]),
        ("sobel-x@transpose", [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
        ("sobel-x@negate", [[1, 0, -1], [2, 0, -2], [1, 0, -1]]),
        ("sobel-x@normalize", [[-0.25, 0, 0.25], [-0.5, 0, 0.5], [-0.25, 0, 0.25]]),
        ("[[1,2],[3,4]]@normalize", [[0.1, 0.2], [0.3, 0.4]]),
        ("[[-1,-3]]@normalize", [[0.25, 0.75]]),
        ("sharpen@scale=0.25", [[0, -0.25, 0], [-0.25, 1.25, -0.25], [0, -0.25, 0]]),
        ("sobel-x@90@negate@SCALE=2", [[-2, -4, -2], [0, 0, 0], [2, 4, 2]]),
        (" sobel-x @ 90 ", [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),
    ],
)
def test_by_hand(spec: str, weights: list[list[float]]) -> None:
    np.testing.assert_allclose(kernel_from(spec).weights, weights, rtol=0, atol=1e-15)


def test_the_name_tells_what_was_done() -> None:
    assert kernel_from("gaussian:2@normalize@flip").name == "gaussian:sigma=2@normalize@flip"


@given(SMALL, st.integers(-16, 16))
def test_eighths_add_up(
    grid: np.ndarray[tuple[int, ...], np.dtype[np.float64]], n: int
) -> None:
    text = json.dumps(grid.tolist())
    once = kernel_from(f"{text}@{45 * n}")
    again = kernel_from(f"{json.dumps(once.weights.tolist())}@{-45 * n}")
    assert again.weights.tolist() == grid.tolist()
    two = kernel_from(f"{text}@{45 * n}@45")
    assert two == kernel_from(f"{text}@{45 * (n + 1)}")


@given(SMALL, st.integers(0, 3))
def test_quarters_are_numpys(
    grid: np.ndarray[tuple[int, ...], np.dtype[np.float64]], n: int
) -> None:
    turned = kernel_from(f"{json.dumps(grid.tolist())}@{90 * n}")
    assert turned.weights.tolist() == np.rot90(grid, n).tolist()


@pytest.mark.parametrize("name", CATALOGUE)
def test_normalised_kernels_sum_to_1_or_their_positive_part_does(name: str) -> None:
    before, after = kernel_from(name), kernel_from(f"{name}@normalize")
    if before.is_zero_sum:
        assert np.maximum(after.weights, 0).sum() == pytest.approx(1)
        assert after.is_zero_sum
    else:
        assert after.sum == pytest.approx(1)


def test_a_bank_is_changed_filter_by_filter(tmp_path: Path) -> None:
    bank = np.arange(16.0).reshape(2, 2, 2, 2)
    np.save(tmp_path / "bank.npy", bank)
    path = tmp_path / "bank.npy"
    assert (kernel_from(f"{path}@flip").weights == bank[..., ::-1, ::-1]).all()
    assert (kernel_from(f"{path}@90").weights == np.rot90(bank, axes=(2, 3))).all()
    sums = kernel_from(f"{path}@normalize").weights.sum(axis=(1, 2, 3))
    assert sums.tolist() == pytest.approx([1, 1])


def test_the_bias_stays() -> None:
    assert kernel_from('{"weights": [[2]], "bias": 7}@scale=3').bias == (7,)


def test_an_operator_is_changed_kernel_by_kernel() -> None:
    found = operand_from("sobel@normalize")
    assert isinstance(found, Operator)
    assert found.name == "sobel@normalize"
    assert list(found.kernels) == [
        kernel_from("sobel-x@normalize"),
        kernel_from("sobel-y@normalize"),
    ]


def test_an_at_sign_in_the_name_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "edge@2x.json"
    path.write_text("[[1, 2]]")
    assert kernel_from(str(path)).weights.tolist() == [[1, 2]]
    assert kernel_from(f"{path}@90").weights.tolist() == [[2], [1]]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("sobel-x@", ["sobel-x@", "nothing after '@'", "@flip"]),
        ("sobel-x@@flip", ["nothing after '@'"]),
        ("sobel-x@flp", ["'@flp'", "@flip", "@scale=0.25"]),
        ("sobel-x@flip=1", ["'@flip=1'"]),
        ("sobel-x@scale", ["after '@scale='", "nothing", "@scale=0.25"]),
        ("sobel-x@scale=", ["after '@scale='", "nothing"]),
        ("sobel-x@scale=big", ["'big'"]),
        ("sobel-x@scale=0", ["other than 0", "'0'"]),
        ("sobel-x@scale=inf", ["'inf'"]),
        ("sobel-x@30", ["multiple of 45", "30"]),
        ("gaussian:2@45", ["a 3×3 kernel", "17×17", "quarter turns"]),
        ("sobel@45x", ["'@45x'"]),
    ],
)
def test_bad_modifiers(spec: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        operand_from(spec)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_zeros_cannot_be_normalised() -> None:
    with pytest.raises(KernelError, match="leave @normalize out"):
        kernel_from("[[0,0]]@normalize")


def test_a_scale_beyond_all_numbers() -> None:
    with pytest.raises(KernelError, match="finite"):
        kernel_from("[[1e300]]@scale=1e300")


def test_modifiers_leave_the_kernel_itself_alone() -> None:
    kernel = Kernel([[1, 2]])
    assert kernel.flipped().weights.tolist() == [[2, 1]]
    assert kernel.weights.tolist() == [[1, 2]]
