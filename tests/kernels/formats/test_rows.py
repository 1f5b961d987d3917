"""Kernels as rows of numbers."""

import io
from pathlib import Path

import numpy as np
import pytest

from convcli.errors import ConvcliError
from convcli.kernels.spec import kernel_from

GRID = [[0.5, -1, 0.25], [1e-3, 2, 0]]


@pytest.mark.parametrize("between", [" ", ",", ";x"])
def test_what_numpy_saves_is_read(tmp_path: Path, between: str) -> None:
    path = tmp_path / "kernel.txt"
    np.savetxt(path, GRID, delimiter=between[0] if between != ";x" else "\t", header="mine")
    assert kernel_from(str(path)).weights.tolist() == GRID


@pytest.mark.parametrize("text", ["1 2 1\n2 4 2\n", "1\t2\t1\r\n2\t4\t2", "1,2,1;2,4,2"])
def test_a_block_of_numbers_is_a_kernel(text: str) -> None:
    assert kernel_from(text).weights.tolist() == [[1, 2, 1], [2, 4, 2]]


def test_fractions_are_numbers() -> None:
    assert kernel_from("1/9 -2/4\n.5/2 3").weights.tolist() == [[1 / 9, -0.5], [0.25, 3]]
    with pytest.raises(ConvcliError, match="expected a fraction, got 1/0"):
        kernel_from("1/0 1")


def test_a_kernel_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"-1 0 1\n")))
    assert kernel_from("-").weights.tolist() == [[-1, 0, 1]]


def test_bytes_that_are_no_text_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\x89PNG\r\n")))
    with pytest.raises(ConvcliError, match="standard input: expected UTF-8 text, got another"):
        kernel_from("-")


def test_rows_of_other_lengths_are_refused() -> None:
    with pytest.raises(ConvcliError, match="as many numbers each, got 2, 3"):
        kernel_from("1 2 3\n4 5")
