"""`convcli kernels`: the registry, and one kernel read from its weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.commands import cells, done, refusal

KEEPS, CHANGE, SHARPENS = "keeps brightness", "answers change", "sharpens"

NAMED = {
    "identity": ("3×3", 1, KEEPS),
    "box": ("3×3", 1, KEEPS),
    "gaussian": ("9×9", 1, KEEPS),
    "binomial": ("3×3", 1, KEEPS),
    "sobel-x": ("3×3", 0, CHANGE),
    "sobel-y": ("3×3", 0, CHANGE),
    "prewitt-x": ("3×3", 0, CHANGE),
    "prewitt-y": ("3×3", 0, CHANGE),
    "scharr-x": ("3×3", 0, CHANGE),
    "scharr-y": ("3×3", 0, CHANGE),
    "laplacian4": ("3×3", 0, CHANGE),
    "laplacian8": ("3×3", 0, CHANGE),
    "edge": ("3×3", 0, CHANGE),
    "sharpen": ("3×3", 1, SHARPENS),
    "emboss": ("3×3", 1, SHARPENS),
}
"""Kernels that must be there: size, sum, and what the sum says."""

GRIDS: dict[str, list[list[float]]] = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "sobel-x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sobel-y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "prewitt-x": [[-1, 0, 1]] * 3,
    "prewitt-y": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "scharr-x": [[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]],
    "scharr-y": [[-3, -10, -3], [0, 0, 0], [3, 10, 3]],
    "laplacian4": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "laplacian8": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "edge": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    "binomial": [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]],
}


def document(kernel: str | Path) -> dict[str, Any]:
    text = done("kernels", kernel, "--json")
    assert text.count("\n") == 1
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@pytest.mark.parametrize("name", NAMED)
def test_the_table_has_a_line_for_each_kernel(name: str) -> None:
    size, total, says = NAMED[name]
    lines = [line.split() for line in done("kernels", "--long").splitlines()]
    (row,) = [line for line in lines if line and line[0].partition("[")[0] == name]
    assert row[1:3] == [size, str(total)]
    assert " ".join(row[3:]).startswith(says)


def test_the_table_names_the_parameters() -> None:
    text = done("kernels")
    assert "box[:size]" in text
    assert "gaussian[:sigma,radius]" in text
    assert "binomial[:radius]" in text


def test_the_registry_as_json_is_the_registry_as_a_table() -> None:
    text = done("kernels", "--json")
    assert text.count("\n") == 1
    found = {entry["name"]: entry for entry in json.loads(text)}
    for name, (size, total, says) in NAMED.items():
        entry = found[name]
        assert "×".join(map(str, entry["shape"])) == size
        assert entry["sum"] == pytest.approx(total, abs=1e-12)
        assert entry["effect"] == says
        assert entry["description"]
        assert entry["source"]
    table = done("kernels")
    assert [name for name in found if name not in table] == []


@pytest.mark.parametrize("name", GRIDS)
def test_the_weights_of_a_kernel(name: str) -> None:
    found = document(name)
    assert found["weights"] == GRIDS[name]
    assert found["sum"] == sum(sum(row) for row in GRIDS[name])
    assert found["bias"] == []


@pytest.mark.parametrize(
    ("name", "rank", "symmetries"),
    [
        # 1 2 1 down times -1 0 1 across.
        ("sobel-x", 1, {"top-bottom", "anti left-right", "anti half-turn"}),
        ("box:5", 1, {"left-right", "top-bottom", "half-turn", "transpose"}),
        ("laplacian4", 2, {"left-right", "top-bottom", "half-turn", "transpose"}),
        ("emboss", 3, {"transpose"}),
        ("[[1,2,3]]", 1, {"top-bottom"}),
        ("[[1,2],[3,5]]", 2, set()),
        ("[[0,0],[0,0]]", 0, {"left-right", "top-bottom", "half-turn", "transpose"}),
    ],
)
def test_rank_and_symmetry(name: str, rank: int, symmetries: set[str]) -> None:
    found = document(name)
    assert found["rank"] == rank
    assert set(found["symmetries"]) == symmetries
    text = done("kernels", name)
    (shown,) = [row[1] for row in cells(text) if row[0] == "rank"]
    assert shown.split()[0] == str(rank)
    assert [word for word in symmetries if word not in text] == []


def test_one_kernel_is_shown_as_a_grid_with_its_sum() -> None:
    text = done("kernels", "emboss")
    assert text.startswith("emboss\n")
    assert ["size", "3×3"] in cells(text)
    assert ["sum", "1: keeps brightness and sharpens"] in cells(text)
    assert "\n -2  -1   0\n -1   1   1\n  0   1   2\n" in text


def test_a_kernel_says_whether_flipping_it_matters() -> None:
    assert ["--flip", "changes the result"] in cells(done("kernels", "sobel-x"))
    assert ["--flip", "changes nothing"] in cells(done("kernels", "gaussian:2"))


def test_a_large_kernel_shows_its_middle() -> None:
    text = done("kernels", "box:25")
    assert "25×25" in text
    grid = [line for line in text.splitlines() if set(line.split()) == {".0016"}]
    assert len(grid) == 9
    assert {len(line.split()) for line in grid} == {9}
    assert "middle 9×9 of 25×25" in text


def test_a_bank_is_read_too() -> None:
    bank = '{"name":"pair","weights":[[[[1,2]]],[[[3,-6]]]],"bias":[0.5,1]}'
    found = document(bank)
    assert found["name"] == "pair"
    assert found["shape"] == [2, 1, 1, 2]
    assert found["bias"] == [0.5, 1]
    assert "rank" not in found
    text = done("kernels", bank)
    assert "2×1×1×2" in text
    assert "0.5, 1" in text


def test_a_kernel_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "soft.json"
    text = '{"weights": [[1, 2, 1]], "divisor": 4, "description": "a soft row"}'
    file.write_text(text, encoding="utf-8")
    found = document(file)
    assert found["name"] == "soft"
    assert found["description"] == "a soft row"
    assert found["weights"] == [[0.25, 0.5, 0.25]]
    assert "a soft row" in done("kernels", file)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("sobl-x", "sobel-x"),
        ("laplacian-4", "laplacian4"),
        ("guassian:2", "gaussian"),
        ("Sharpn", "sharpen"),
        ("embos", "emboss"),
    ],
)
def test_a_misspelt_name_suggests_the_nearest(name: str, nearest: str) -> None:
    line = refusal("kernels", name, status=2)
    _, _, suggested = line.partition("did you mean ")
    assert nearest in suggested


def test_a_name_like_no_other_points_to_the_list() -> None:
    assert "'convcli kernels' lists them" in refusal("kernels", "qqqqqq", status=2)


def test_two_names_are_wrong_usage() -> None:
    assert "box" in refusal("kernels", "sobel-x", "box", status=2)


def test_a_bad_file_fails(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text("[[1, 2], [3]]", encoding="utf-8")
    assert refusal("kernels", file, status=2).startswith(f"{file}: weights[1]")
