"""JSON kernels: what is read, and that every fault names file, place and remedy."""

from pathlib import Path
from typing import Any

import pytest

from convcli.errors import KernelError
from convcli.kernels.formats.read import parse_kernel, read_kernel


def written(folder: Path, text: str) -> Path:
    path = folder / "kernel.json"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "weights", "bias"),
    [
        ("[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]], ()),
        ("[1, 2, 1]", [[1, 2, 1]], ()),
        ("[[1e-3, -2.5E2]]", [[0.001, -250]], ()),
        ("[[[1, 2]], [[3, 4]]]", [[[[1, 2]], [[3, 4]]]], ()),
        ("[[[[1]]], [[[2]]]]", [[[[1]]], [[[2]]]], ()),
        ('{"weights": [[1, 2, 1]], "divisor": 4}', [[0.25, 0.5, 0.25]], ()),
        ('{"weights": [[1, 2, 1]], "divisor": -0.5}', [[-2, -4, -2]], ()),
        ('{"weights": [[1]], "bias": 128}', [[1]], (128,)),
        ('{"weights": [[4]], "divisor": 2, "bias": 3}', [[2]], (3,)),
        ('{"weights": [[[[1]]], [[[2]]]], "bias": [3, 4]}', [[[[1]]], [[[2]]]], (3, 4)),
        ('{"weights": [[[1]], [[2]]], "bias": [3]}', [[[[1]], [[2]]]], (3,)),
        ("\ufeff[[1]]\n", [[1]], ()),
    ],
)
def test_what_is_read(tmp_path: Path, text: str, weights: Any, bias: Any) -> None:
    kernel = read_kernel(written(tmp_path, text))
    assert kernel.weights.tolist() == weights
    assert kernel.bias == bias


def test_name_and_description(tmp_path: Path) -> None:
    text = '{"name": "Schärfe", "description": "more contrast", "weights": [[1]]}'
    kernel = read_kernel(written(tmp_path, text))
    assert (kernel.name, kernel.description) == ("Schärfe", "more contrast")
    assert read_kernel(written(tmp_path, "[[1]]")).name == "kernel"
    assert parse_kernel("[[1]]", "inline kernel").name == "inline kernel"


@pytest.mark.parametrize(
    ("text", "place", "fault", "remedy"),
    [
        ("sobel", "line 1, column 1", "not JSON", "mend it there"),
        ("", "line 1, column 1", "not JSON", "mend it there"),
        ("[[1, 2],\n [3, 4,]]", "line 2", "not JSON", "mend it there"),
        ("[[1, 2], [3]]", "weights[1]", "expected 2 entries, got 1", "make all rows equally"),
        ("[[1], [2, 3]]", "weights[1]", "expected 1 entries, got 2", "make all rows equally"),
        ("[[1], 2]", "weights[1]", "expected a list of 1, got a number", "nest all rows alike"),
        ("[[1, [2]]]", "weights[0][1]", "expected a number, got a list", "write it as"),
        ('[[1, "2"]]', "weights[0][1]", "expected a number, got text", "write it as 1"),
        ("[[1, true]]", "weights[0][1]", "expected a number, got a boolean", "write it as 1"),
        ("[[null]]", "weights[0][0]", "expected a number, got null", "write it as 1"),
        ("[[{}]]", "weights[0][0]", "expected a number, got an object", "write it as 1"),
        ("[[NaN]]", "weights", "expected finite numbers, got NaN", "replace it"),
        ("[[Infinity]]", "weights", "expected finite numbers, got Infinity", "replace it"),
        ("[[-Infinity]]", "weights", "expected finite numbers, got -Infinity", "replace it"),
        ("[[1e999]]", "weights[0][0]", "expected a number below 1e308", "scale it down"),
        ("[[1" + "0" * 400 + "]]", "weights[0][0]", "expected a number below", "scale it down"),
        ("[[1" + "0" * 5000 + "]]", "", "a number that cannot be read", "use shorter numbers"),
        ("[]", "weights", "expected numbers, got an empty list", "fill it"),
        ("[[], []]", "weights[0]", "expected numbers, got an empty list", "fill it"),
        ('{"weights": [[[]]]}', "weights[0][0]", "got an empty list", "fill it"),
        ("[1, [2]]", "weights[1]", "expected a number, got a list", "write it as 1"),
        ("[[[[[1]]]]]", "weights", "expected lists nested 1 to 4 deep, got 5", "a kernel is"),
        ("[" * 100_000, "", "expected lists nested 1 to 4 deep", "use fewer brackets"),
        ("3", "", "expected a list of weights or an object, got a number", "see README"),
        ('"sobel-x"', "", "expected a list of weights or an object, got text", "see README"),
        ("{}", "", "the key 'weights' is missing", "add it"),
        ('{"weights": 5}', "weights", "expected lists nested 1 to 4 deep, got a number", ""),
        (
            '{"weights": [[1]], "divisor": 0}',
            "divisor",
            "expected a number other than 0",
            "use",
        ),
        ('{"weights": [[1]], "divisor": 0.0}', "divisor", "expected a number other than 0", ""),
        ('{"weights": [[1]], "divisor": "9"}', "divisor", "expected a number, got text", ""),
        ('{"weights": [[1]], "divisor": true}', "divisor", "expected a number, got a bool", ""),
        ('{"weights": [[1]], "divisor": [9]}', "divisor", "expected a number, got a list", ""),
        ('{"weights": [[1]], "offset": 1}', "'offset'", "an unknown key", "use only name, "),
        ('{"weights": [[1]], "Bias": 1}', "'Bias'", "an unknown key", "use only name, "),
        ('{"weights": [[1]], "weights": [[2]]}', "'weights'", "each key once", "keep one"),
        (
            '{"weights": [[1]], "bias": [1, 2]}',
            "bias",
            "expected 1 (one per filter), got 2",
            "",
        ),
        ('{"weights": [[[[1]]], [[[2]]]], "bias": [1]}', "bias", "expected 2 (one per", "give"),
        (
            '{"weights": [[1]], "bias": []}',
            "bias",
            "expected 1 (one per filter), got 0",
            "give",
        ),
        ('{"weights": [[1]], "bias": ["1"]}', "bias[0]", "expected a number, got text", ""),
        ('{"weights": [[1]], "bias": false}', "bias", "expected a number, got a boolean", ""),
        ('{"weights": [[1]], "bias": NaN}', "", "expected finite numbers, got NaN", "replace"),
        ('{"weights": [[1]], "name": 5}', "name", "expected text, got a number", "write it as"),
        ('{"weights": [[1]], "description": null}', "description", "expected text", "write it"),
        (
            "[[" + "0," * 4_194_304 + "0]]",
            "weights",
            "at most 4,194,304, got 4,194,305",
            "split",
        ),
    ],
    ids=lambda text: text[:30],
)
def test_faults(tmp_path: Path, text: str, place: str, fault: str, remedy: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(KernelError) as raised:
        read_kernel(path)
    said = str(raised.value)
    assert said.startswith(f"{path}: {place}")
    assert fault in said
    assert said.index(fault) < said.rindex(remedy) or not remedy
    assert "\n" not in said
    assert len(said) < 400


def test_the_place_of_a_constant_is_where_it_stands(tmp_path: Path) -> None:
    """A NaN in the bias is not one in the weights."""
    path = written(tmp_path, '{"weights": [[1]], "bias": NaN}')
    with pytest.raises(KernelError) as raised:
        read_kernel(path)
    assert "weights" not in str(raised.value).removeprefix(str(path))


def test_inline_faults_name_their_place_too() -> None:
    with pytest.raises(KernelError) as raised:
        parse_kernel("[[1, 2], [3]]", "inline kernel")
    said = str(raised.value)
    assert said == (
        "inline kernel: weights[1]: expected 2 entries, got 1: make all rows equally long"
    )


def test_a_divisor_that_makes_the_weights_infinite(tmp_path: Path) -> None:
    path = written(tmp_path, '{"weights": [[1e300]], "divisor": 1e-300}')
    with pytest.raises(KernelError, match="expected a finite number, got inf") as raised:
        read_kernel(path)
    assert str(raised.value).startswith(str(path))


def test_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "kernel.json"
    path.write_bytes('{"name": "Schärfe", "weights": [[1]]}'.encode("latin-1"))
    with pytest.raises(KernelError, match="at byte 13: save the file as UTF-8"):
        read_kernel(path)
    path.write_bytes("[[1]]".encode("utf-16"))
    with pytest.raises(KernelError, match="save the file as UTF-8"):
        read_kernel(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"absent\.json: the kernel file cannot be read: No"):
        read_kernel(tmp_path / "absent.json")
    folder = tmp_path / "folder.json"
    folder.mkdir()
    with pytest.raises(KernelError, match=r"folder\.json: the kernel file cannot be read"):
        read_kernel(folder)


def test_a_file_of_far_too_many_bytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(1 << 28)
    with pytest.raises(KernelError, match=r"at most 4,194,304 weights.*: split the bank"):
        read_kernel(path)
