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


@pytest.mark.parametrize("end", ["\n", "\r\n", ";\r\n"])
def test_semicolons_of_a_spreadsheet_part_the_numbers_of_a_line(
    tmp_path: Path, end: str
) -> None:
    """Each number became a row of its own."""
    path = tmp_path / "edge.csv"
    path.write_bytes(f"# mine; by hand{end}1;0;-1{end}{end}2;0;-2{end}1;0;-1{end}".encode())
    assert kernel_from(str(path)).weights.tolist() == [[1, 0, -1], [2, 0, -2], [1, 0, -1]]


def test_a_single_line_has_rows_between_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "edge.csv"
    path.write_text("# mine\n1 0 -1; 2 0 -2;\n")
    assert kernel_from(str(path)).weights.tolist() == [[1, 0, -1], [2, 0, -2]]


@pytest.mark.parametrize("text", ["0,5;1,5\n1;0\n", "1,2;3,4\n5,6;7,8"])
def test_decimal_commas_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "edge.csv"
    path.write_text(text)
    fault = "expected commas or semicolons between numbers, got both: write 1.5 for 1,5"
    with pytest.raises(ConvcliError, match=f"edge.csv: {fault}"):
        kernel_from(str(path))
    with pytest.raises(ConvcliError, match=f"inline kernel: {fault}"):
        kernel_from(text)


def test_a_word_that_is_no_number_is_found_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "edge.csv"
    path.write_bytes(b"# mine\r\n1;2\r\n\r\n3;x\r\n")
    with pytest.raises(ConvcliError, match="line 4: expected a finite number, got 'x'"):
        kernel_from(str(path))
    path.write_text("\n# mine\n1 x\n")
    with pytest.raises(ConvcliError, match="line 3: expected a finite number, got 'x'"):
        kernel_from(str(path))


def test_fractions_are_numbers() -> None:
    assert kernel_from("1/9 -2/4\n.5/2 3").weights.tolist() == [[1 / 9, -0.5], [0.25, 3]]
    with pytest.raises(ConvcliError, match="expected a fraction, got 1/0"):
        kernel_from("1/0 1")


def test_a_kernel_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"-1 0 1\n")))
    assert kernel_from("-").weights.tolist() == [[-1, 0, 1]]


def test_a_file_called_as_standard_input_is_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"-1 0 1\n")))
    monkeypatch.chdir(tmp_path)
    Path("./-").write_text("1 2 1", "utf-8")
    assert kernel_from("./-").weights.tolist() == [[1, 2, 1]]
    assert kernel_from("-").weights.tolist() == [[-1, 0, 1]]


def test_bytes_that_are_no_text_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\x89PNG\r\n")))
    with pytest.raises(ConvcliError, match="standard input: expected UTF-8 text, got another"):
        kernel_from("-")


def test_rows_of_other_lengths_are_refused() -> None:
    with pytest.raises(ConvcliError, match="as many numbers each, got 2, 3"):
        kernel_from("1 2 3\n4 5")


@pytest.mark.parametrize("text", ["1" * 16_000 + "x", "3x3" + " " * 15_000 + "x"])
def test_long_texts_that_are_no_kernel_are_told_at_once(text: str) -> None:
    """They took a minute and 5 s: many digits, and many spaces, were cut in every way."""
    with pytest.raises(ConvcliError, match=f"no kernel is called '{text[:9]}"):
        kernel_from(text)
