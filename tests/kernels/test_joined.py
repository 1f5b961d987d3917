"""Kernels joined by + : how a specification is split, and what it becomes."""

from pathlib import Path

import numpy as np
import pytest

from convcli.choices import Combine
from convcli.errors import KernelError, SpecError
from convcli.kernels.catalogue.entry import OPERATORS
from convcli.kernels.operator import Operator
from convcli.kernels.spec import kernel_from, operand_from


def names(spec: str) -> list[str]:
    found = operand_from(spec)
    return [one.name for one in found.kernels] if isinstance(found, Operator) else [found.name]


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ("sobel-x+sobel-y", 2),
        (" sobel-x + sobel-y ", 2),
        ("sobel-x+sobel-y+laplacian4@negate", 3),
        ("sobel+prewitt", 4),
        ("gaussian:1e+0+box", 2),
        ("gabor:psi=+30+gabor:8", 2),
        ("[[1e+2, 3]]+box", 2),
        ("[[1]]+[[2]]", 2),
        ('{"weights": [[1]], "name": "a+b"}+box', 2),
        ("3x3+1+1:1,2,3 4,5,6 7,8,9+box", 2),
        ("3x3+1+1:1,2,3 4,5,6 7,8,9", 1),
        ("box", 1),
    ],
)
def test_where_a_plus_joins(spec: str, count: int) -> None:
    assert len(names(spec)) == count


def test_a_plus_in_the_name_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a+b.json"
    path.write_text("[[1, 2]]")
    assert kernel_from(str(path)).weights.tolist() == [[1, 2]]
    assert len(names(f"{path}+box")) == 2
    assert len(names(f"box+{path}")) == 2


def test_a_missing_file_is_named_in_full(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"a\+missing\.json: the kernel file"):
        kernel_from(str(tmp_path / "a+missing.json"))


def test_joined_kernels_look_at_the_same_pixel() -> None:
    found = operand_from("[[1,2,3,4,5]]+[[1],[2],[3]]+roberts-1")
    assert isinstance(found, Operator)
    assert [one.size for one in found.kernels] == [(3, 5)] * 3
    row, column, small = (one.weights for one in found.kernels)
    assert row[1].tolist() == [1, 2, 3, 4, 5]
    assert column[:, 2].tolist() == [1, 2, 3]
    # The upper left of an even kernel stands over the pixel, as "same" padding has it.
    assert small[1:, 2:4].tolist() == [[1, 0], [0, -1]]
    assert np.count_nonzero(small) == 2


def test_magnitude_unless_told() -> None:
    found = operand_from("sobel-x+sobel-y")
    assert isinstance(found, Operator)
    assert found.combine is Combine.MAGNITUDE
    assert found.name == "sobel-x+sobel-y"


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_just_its_kernels(name: str) -> None:
    found = operand_from(name)
    assert isinstance(found, Operator)
    assert found.name == name
    assert [one.name for one in found.kernels] == list(OPERATORS[name].kernels)
    assert found.is_zero_sum


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("sobl-x+sobel-y", "did you mean sobel-x"),
        ("sobel-x+sobl-y", "did you mean sobel-y"),
        ("sobel-x+", "no kernel is called 'sobel-x\\+'"),
        ("[[[[1]]]]+box", "combine like with like"),
    ],
)
def test_bad_joins(spec: str, words: str) -> None:
    with pytest.raises(KernelError, match=words):
        operand_from(spec)


def test_where_one_kernel_is_needed() -> None:
    with pytest.raises(
        SpecError, match="expected one kernel, got 2: use one of sobel-x, sobel-y"
    ):
        kernel_from("sobel")
