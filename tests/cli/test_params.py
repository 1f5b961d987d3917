"""`convcli params`: weights, biases, and what layers without shared weights would need."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.commands import cells, done, refusal

Words = tuple[str, ...]


def words(text: str) -> Words:
    return ("params", *text.split())


def document(text: str) -> dict[str, Any]:
    shown = done(*words(text), "--json")
    assert shown.count("\n") == 1
    parsed: dict[str, Any] = json.loads(shown)
    return parsed


def test_the_arithmetic_is_written_out() -> None:
    rows = cells(done(*words("--in 3 --filters 64 --k 3")))
    assert [row for row in rows if len(row) > 1] == [
        ["what", "count", "arithmetic"],
        ["weights", "1,728", "64 · 3 · 3 · 3"],
        ["biases", "64", "one per filter"],
        ["total", "1,792", "1,728 + 64"],
    ]


@pytest.mark.parametrize(
    ("text", "weights", "biases"),
    [
        ("--in 3 --filters 64 --k 3", 1728, 64),
        ("--in 3 --filters 64 --k 3 --no-bias", 1728, 0),
        ("--in 1 --filters 1 --k 1", 1, 1),
        # 10 filters of 5×5×3.
        ("--in 3 --filters 10 --k 5", 750, 10),
        ("--in 3 --filters 10 --k 3x5", 450, 10),
        # Depthwise: a 3×3 for each of 32 channels.
        ("--in 32 --filters 32 --k 3 --groups 32", 288, 32),
        ("--in 32 --filters 64 --k 3 --groups 4 --no-bias", 4608, 0),
        # AlexNet's first layer: 96 filters of 11×11×3.
        ("--in 3 --filters 96 --k 11", 34_848, 96),
        # The dense third layer of VGG, as a count beyond 32 bits.
        ("--in 100000 --filters 100000 --k 3", 90_000_000_000, 100_000),
    ],
)
def test_counts(text: str, weights: int, biases: int) -> None:
    found = document(text)
    assert (found["weights"], found["biases"]) == (weights, biases)
    assert found["total"] == weights + biases


def test_groups_show_in_the_arithmetic() -> None:
    text = done(*words("--in 32 --filters 64 --k 3 --groups 4"))
    assert ["weights", "4,608", "64 · 32/4 · 3 · 3"] in cells(text)


def test_no_bias_is_said() -> None:
    text = done(*words("--in 3 --filters 64 --k 3 --no-bias"))
    assert ["biases", "0", "none"] in cells(text)
    assert ["total", "1,728", "1,728 + 0"] in cells(text)


# ------------------------------------------------------------- the comparison


def test_other_layers_for_the_same_output() -> None:
    # 8 filters of 3×3×3 over 8×8×3 give 6×6×8 = 288 values of 27 products each.
    found = document("--in 3 --filters 8 --k 3 --w 8 --h 8 --hidden 10")
    assert found["output"] == {"channels": 8, "height": 6, "width": 6}
    assert found["multiply_adds"] == 36 * 216
    assert [
        (row["layer"], row["weights"], row["biases"], row["total"]) for row in found["compared"]
    ] == [
        ("locally connected", 288 * 27, 288, 8064),
        ("fully connected, same output", 192 * 288, 288, 55_584),
        ("fully connected, 10 units", 192 * 10, 10, 1930),
    ]
    ratios = [row["ratio"] for row in found["compared"]]
    assert ratios == pytest.approx([36, 55_584 / 224, 1930 / 224])


def test_other_layers_without_bias_and_with_groups() -> None:
    # 4 filters of 3×3×(6/2) over 5×4×6, stride 2, padding 1: 3×2×4 = 24 values.
    found = document("--in 6 --filters 4 --k 3 --groups 2 --no-bias --w 4 --h 5 --s 2 --p 1")
    assert found["output"] == {"channels": 4, "height": 3, "width": 2}
    assert found["total"] == 4 * 3 * 9
    assert found["multiply_adds"] == 6 * 108
    assert [row["total"] for row in found["compared"]] == [24 * 27, 120 * 24, 120 * 1000]


def test_hidden_is_1000_units_and_height_the_width() -> None:
    found = document("--in 3 --filters 64 --k 3 --w 32 --p 1")
    assert found["output"] == {"channels": 64, "height": 32, "width": 32}
    assert found["compared"][2]["layer"] == "fully connected, 1,000 units"
    # 32·32·3 inputs to 1,000 units, as the notes on fully connected layers count.
    assert found["compared"][2]["weights"] == 3_072_000
    assert found["compared"][1]["total"] == 3072 * 65_536 + 65_536


def test_the_comparison_is_a_table_with_ratios() -> None:
    text = done(*words("--in 3 --filters 64 --k 3 --w 32 --h 32 --p 1"))
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "output values 65,536 32 × 32 × 64" in rows
    assert "multiply-adds 1,769,472 32 × 32 · 1,728" in rows
    assert "convolution 1,728 64 1,792 1.0 ×" in rows
    assert "locally connected 1,769,472 65,536 1,835,008 1,024.0 ×" in rows
    assert "fully connected, same output 201,326,592 65,536 201,392,128 112,384.0 ×" in rows
    assert "fully connected, 1,000 units 3,072,000 1,000 3,073,000 1,714.8 ×" in rows


# ------------------------------------------------------------- a kernel's own


@pytest.mark.parametrize(
    ("kernel", "weights", "biases"),
    [
        ("sobel-x", 9, 0),
        ("gaussian:2", 289, 0),
        ("[[1,2,1]]", 3, 0),
        ('{"weights":[[1,2]],"bias":1}', 2, 1),
        ("[[[[1,2],[3,4]]],[[[5,6],[7,8]]]]", 8, 0),
        ('{"weights":[[[[1]],[[2]],[[3]]],[[[4]],[[5]],[[6]]]],"bias":[1,2]}', 6, 2),
    ],
)
def test_a_kernel_is_counted_as_it_is(
    tmp_path: Path, kernel: str, weights: int, biases: int
) -> None:
    found = json.loads(done("params", "--kernel", kernel, "--json"))
    assert (found["weights"], found["biases"]) == (weights, biases)
    if kernel.startswith(("[", "{")):
        file = tmp_path / "kernel.json"
        file.write_text(kernel, encoding="utf-8")
        assert json.loads(done("params", "--kernel", file, "--json")) == found


def test_a_kernel_and_no_bias() -> None:
    kernel = '{"weights":[[1,2]],"bias":1}'
    assert json.loads(done("params", "--kernel", kernel, "--no-bias", "--json"))["biases"] == 0


def test_a_kernel_is_compared_too() -> None:
    found = document("--kernel [[[[1,1]]],[[[1,1]]]] --w 4 --h 2")
    # 3×2 positions of 2 maps, 2 products each.
    assert found["output"] == {"channels": 2, "height": 2, "width": 3}
    assert found["multiply_adds"] == 24


@pytest.mark.parametrize("option", ["--in 5", "--filters 9", "--k 7"])
def test_a_kernel_and_numbers_that_contradict_it_are_wrong_usage(option: str) -> None:
    # Else 9 weights are answered to a question that names 9 filters.
    line = refusal(*words(f"--kernel sobel-x {option}"), status=2)
    assert option.split(maxsplit=1)[0] in line


# ------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "--in"),
        ("--in 3", "--filters"),
        ("--in 3 --filters 4", "--k"),
        ("--in 0 --filters 4 --k 3", "--in"),
        ("--in 3 --filters -4 --k 3", "--filters"),
        ("--in 3 --filters 4 --k 3x", "--k"),
        ("--in 3 --filters 4 --k 3 --groups 0", "--groups"),
        ("--in 3 --filters 4 --k 3 --h 9", "--w"),
        ("--in 3 --filters 4 --k 3 --w 9 --hidden 0", "--hidden"),
        ("--in 3 --filters 4 --k 3 --w 9 --s 0", "--s"),
    ],
)
def test_wrong_usage_is_one_line(text: str, part: str) -> None:
    line = refusal(*words(text), status=2)
    assert part in line
    assert line.endswith("(see 'convcli params --help')")


def test_a_misspelt_kernel_is_wrong_usage() -> None:
    assert "sobel-x" in refusal(*words("--kernel sobel-xx"), status=2)


def test_groups_that_divide_nothing_are_wrong_usage() -> None:
    line = refusal(*words("--in 4 --filters 6 --k 3 --groups 3"), status=2)
    assert "expected a divisor of 4 input channels and 6 filters, got 3" in line


@pytest.mark.parametrize(
    ("text", "parts", "status"),
    [
        ("--in 3 --filters 4 --k 9 --w 4", ("9 px", "4 px"), 1),
        ("--kernel nowhere.json", ("nowhere.json",), 2),
    ],
)
def test_what_does_not_fit_fails(text: str, parts: Words, status: int) -> None:
    line = refusal(*words(text), status=status)
    assert [part for part in parts if part not in line] == []
