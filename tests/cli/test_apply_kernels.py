"""`convcli apply`: where kernels come from, and kernels that are none."""

from pathlib import Path

import numpy as np
import pytest

from support.commands import cells, done, load, refusal, run, save


@pytest.fixture
def gray(tmp_path: Path) -> Path:
    return save(tmp_path / "gray.png", [[10, 20, 30]])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.png"


@pytest.mark.parametrize(
    "text",
    [
        "[[1, 2, 1]]",
        '{"weights": [[1, 2, 1]]}',
        '{"weights": [[2, 4, 2]], "divisor": 2}',
        '{"name": "n", "description": "d", "weights": [[1, 2, 1]], "divisor": 1, "bias": 0}',
        "\ufeff [[1,\n 2.0, 1e0]]\n",
    ],
)
def test_a_kernel_file_and_the_same_text_inline(
    tmp_path: Path, gray: Path, out: Path, text: str
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(text, encoding="utf-8")
    done("apply", file, gray, out)
    assert load(out) == [[40, 80, 80]]
    if not text.startswith("\ufeff"):
        done("apply", text, gray, out)
        assert load(out) == [[40, 80, 80]]


@pytest.mark.parametrize(
    ("kernel", "shape", "named"),
    [
        ("box", "3×3", "box"),
        ("box:5", "5×5", "box:size=5"),
        ("box:size=5", "5×5", "box:size=5"),
        # Radius int(4σ + ½): 4, 8 and 2.
        ("gaussian", "9×9", "gaussian"),
        ("gaussian:2", "17×17", "gaussian:sigma=2"),
        ("gaussian:0.5", "5×5", "gaussian:sigma=0.5"),
        ("gaussian:2,3", "7×7", "gaussian:sigma=2,radius=3"),
        ("gaussian:sigma=2,radius=6", "13×13", "gaussian:sigma=2,radius=6"),
        ("gaussian:radius=6,sigma=2", "13×13", "gaussian:sigma=2,radius=6"),
        ("binomial:2", "5×5", "binomial:radius=2"),
        ("SOBEL-X", "3×3", "sobel-x"),
    ],
)
def test_a_kernel_by_its_name_and_parameters(
    gray: Path, out: Path, kernel: str, shape: str, named: str
) -> None:
    rows = cells(done("apply", kernel, gray, out))
    (row,) = [row for row in rows if row[0] == "kernel"]
    assert (row[1], row[2].split(",")[0]) == (named, shape)


def test_parameters_change_the_weights(gray: Path, out: Path) -> None:
    # σ = 1, radius 1: weights 1 : e^½ : 1 in each direction, normalised; three rows of
    # one picture row repeat it, so only the direction x shows.
    done("apply", "gaussian:sigma=1,radius=1", gray, out, "--border", "replicate")
    side = np.exp(-0.5) / (1 + 2 * np.exp(-0.5))
    ends = 10 * side
    assert load(out) == [[round(10 + ends), 20, round(30 - ends)]]


def test_a_file_gives_its_name_to_the_kernel(tmp_path: Path, gray: Path, out: Path) -> None:
    file = tmp_path / "ripple.json"
    file.write_text("[[1]]", encoding="utf-8")
    assert ["kernel", "ripple", "1×1"] in [
        [*row[:2], row[-1].split(",")[0]] for row in cells(done("apply", file, gray, out))
    ]


@pytest.mark.parametrize(
    ("kernel", "parts"),
    [
        ("sobl-x", ("'sobl-x'", "did you mean sobel-x")),
        ("gausian:2", ("'gausian'", "did you mean gaussian")),
        ("qqqqqq", ("'qqqqqq'", "convcli kernels")),
        ("", ("''", "convcli kernels")),
        ("gaussian:", ("gaussian", "drop the ':'")),
        ("gaussian:wide", ("sigma", "'wide'")),
        ("gaussian:nan", ("sigma", "'nan'")),
        ("gaussian:0", ("sigma above 0", "got 0")),
        ("gaussian:1,1,1", ("no place for '1'", "sigma, radius")),
        ("gaussian:width=2", ("'width'", "sigma, radius")),
        ("gaussian:2,sigma=2", ("sigma is given twice",)),
        ("box:2.5", ("whole number", "'2.5'")),
        ("box:0", ("size at least 1", "got 0")),
        ("box:99999", ("size at least 1, at most", "got 99999")),
        ("sobel-x:3", ("'3'", "takes no parameters")),
    ],
)
def test_a_specification_that_names_no_kernel_is_wrong_usage(
    gray: Path, out: Path, kernel: str, parts: tuple[str, ...]
) -> None:
    line = refusal("apply", kernel, gray, out, status=2)
    assert [part for part in parts if part not in line] == []


# Each: the file's text, and what its error must name: the place and the remedy.
BAD_FILES = {
    "empty file": ("", ("line 1", "not JSON")),
    "not JSON": ("[[1, 2], [3, 4", ("line 1, column 15", "not JSON")),
    "trailing comma": ("[[1,\n 2,]]", ("line 2", "not JSON")),
    "number": ("5", ("a list of weights or an object", "a number")),
    "text": ('"sobel-x"', ("a list of weights or an object", "text")),
    "ragged": ("[[1, 2], [3]]", ("weights[1]", "expected 2", "got 1", "equally long")),
    "string": ('[[1, "2"]]', ("weights[0][1]", "text", "write it as 1")),
    "boolean": ("[[1], [true]]", ("weights[1][0]", "a boolean")),
    "null": ("[[null]]", ("weights[0][0]", "null")),
    "NaN": ("[[1, NaN]]", ("weights", "NaN", "replace")),
    "infinity": ("[[1, -Infinity]]", ("weights", "-Infinity", "replace")),
    "overflow": ("[[1, 1e999]]", ("weights[0][1]", "scale it down")),
    "no list": ("[]", ("weights", "empty")),
    "empty row": ("[[], []]", ("weights[0]", "empty")),
    "too deep": ("[[[[[1]]]]]", ("weights", "1 to 4 deep")),
    "divisor 0": ('{"weights": [[1]], "divisor": 0}', ("divisor", "other than 0")),
    "divisor text": ('{"weights": [[1]], "divisor": "9"}', ("divisor", "text")),
    "unknown key": ('{"weights": [[1]], "scale": 2}', ("'scale'", "unknown", "divisor")),
    "no weights": ('{"name": "x"}', ("'weights'", "missing")),
    "key twice": ('{"weights": [[1]], "weights": [[2]]}', ("'weights'", "twice")),
    "bias of a 2-D kernel": ('{"weights": [[1]], "bias": [1, 2, 3]}', ("bias", "expected 1")),
    "bias of a bank": (
        '{"weights": [[[[1]]], [[[2]]]], "bias": [1]}',
        ("bias", "expected 2", "got 1"),
    ),
    "bias text": ('{"weights": [[1]], "bias": "1"}', ("bias", "text")),
    "name": ('{"weights": [[1]], "name": 5}', ("name", "a number")),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_kernel_file_is_refused_by_file_and_place(
    tmp_path: Path, gray: Path, out: Path, case: str
) -> None:
    text, parts = BAD_FILES[case]
    file = tmp_path / "bad.json"
    file.write_text(text, encoding="utf-8")
    line = refusal("apply", file, gray, out, status=2)
    assert line.startswith(f"{file}: ")
    assert [part for part in parts if part not in line] == []
    assert not out.exists()


def test_bytes_that_are_no_text_are_no_kernel(tmp_path: Path, gray: Path, out: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(b"[[1]]\xff")
    line = refusal("apply", file, gray, out, status=2)
    assert str(file) in line
    assert "UTF-8" in line


def test_more_than_4_mi_weights_are_refused(tmp_path: Path, gray: Path, out: Path) -> None:
    file = tmp_path / "big.json"
    row = "[" + "0," * 2047 + "0]"
    file.write_text("[" + ",".join([row] * 2049) + "]", encoding="utf-8")
    line = refusal("apply", file, gray, out, status=2)
    assert str(file) in line
    assert "at most 4,194,304" in line
    assert "4,196,352" in line


@pytest.mark.parametrize("kernel", ["nowhere.json", "no/where.json"])
def test_a_kernel_file_that_is_not_there(gray: Path, out: Path, kernel: str) -> None:
    assert refusal("apply", kernel, gray, out, status=2).startswith(f"{kernel}: ")


# ----------------------------------------------------- weights that overflow float32


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ("[[1e38]]", ()),
        ("[[1e300]]", ()),
        ("[[1e38, -1e38]]", ("--range", "stretch")),
        ("box", ("--bias", "1e300")),
        ("box", ("--bias", "inf")),
        ("box", ("--bias", "nan")),
        ("[[1e300]]", ("--json",)),
    ],
)
def test_values_beyond_float32_do_not_crash(
    gray: Path, out: Path, kernel: str, options: tuple[str, ...]
) -> None:
    result = run("apply", kernel, gray, out, *options)
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.exit_code in ((2,) if {"inf", "nan"} & set(options) else (0, 2))
    assert "Infinity" not in result.stdout
    assert "NaN" not in result.stdout
    assert len(result.stderr.splitlines()) == (result.exit_code > 0)
