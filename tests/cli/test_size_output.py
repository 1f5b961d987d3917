"""`convcli size`: the bare number, JSON, the table of common settings, wrong input."""

import json
from typing import Any

import pytest

from support.commands import done, refusal, run

Words = tuple[str, ...]


def words(text: str) -> Words:
    return ("size", *text.split())


def document(text: str, status: int = 0) -> dict[str, Any]:
    result = run(*words(text), "--json")
    assert (result.exit_code, result.stderr) == (status, "")
    assert result.stdout.count("\n") == 1
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--w 7 --k 3 --s 2 --p 1", "4\n"),
        ("--w 7 --k 3 --s 3 --floor", "2\n"),
        ("--w 10 --h 20 --k 3x5", "6x18\n"),
        ("--w 32 --k 5 --p same", "32\n"),
    ],
)
@pytest.mark.parametrize("option", ["--quiet", "-q"])
def test_quiet_prints_the_bare_number(text: str, expected: str, option: str) -> None:
    assert done(*words(text), option) == expected


def test_quiet_prints_no_number_that_is_not_whole() -> None:
    line = refusal(*words("--w 7 --k 3 --s 3 --quiet"), status=1)
    assert "7/3" in line
    assert "--floor" in line


def test_json_of_clean_settings() -> None:
    assert document("--w 7 --h 9 --k 3x5 --s 2 --p 1 --d 2x1") == {
        "clean": True,
        "output": {"width": 3, "height": 4},
        "width": {
            "size": 7,
            "kernel": 5,
            "stride": 2,
            "padding": [1, 1],
            "dilation": 1,
            "clean": True,
            "exact": "3",
            "output": 3,
            "receptive_field": 5,
            "unseen": {"total": 0, "picture": 0, "padding": 0},
            "gap": 0,
            "clean_settings": [],
        },
        "height": {
            "size": 9,
            "kernel": 3,
            "stride": 2,
            "padding": [1, 1],
            "dilation": 2,
            "clean": True,
            "exact": "4",
            "output": 4,
            "receptive_field": 5,
            "unseen": {"total": 0, "picture": 0, "padding": 0},
            "gap": 0,
            "clean_settings": [],
        },
    }


def test_json_of_settings_that_do_not_tile() -> None:
    found = document("--w 9 --k 3 --s 5 --p 1", status=1)
    assert found["clean"] is False
    assert found["output"] == {"width": 2}
    assert found["width"]["exact"] == "13/5"
    assert found["width"]["unseen"] == {"total": 3, "picture": 2, "padding": 1}
    # (9 - 1 + 2)/5 + 1 = 3 and (9 - 6 + 2)/5 + 1 = 2.
    assert found["width"]["clean_settings"][:2] == [
        {"letter": "K", "value": 1, "output": 3},
        {"letter": "K", "value": 6, "output": 2},
    ]


def test_json_with_floor_has_status_0() -> None:
    assert document("--w 7 --k 3 --s 3 --floor")["width"]["exact"] == "7/3"


@pytest.mark.parametrize(
    ("text", "outputs"), [("--common", [32, 32, 30, 16]), ("--common --w 28", [28, 28, 26, 14])]
)
def test_common_settings(text: str, outputs: list[int]) -> None:
    found = json.loads(done(*words(text), "--json"))
    assert [(row["k"], row["s"], row["p"]) for row in found] == [
        (3, 1, 1),
        (5, 1, 2),
        (3, 1, 0),
        (3, 2, 1),
    ]
    assert [row["output"] for row in found] == outputs
    lines = done(*words(text)).splitlines()
    shown = [line.split() for line in lines if "3×3" in line or "5×5" in line]
    assert [row[:6] for row in shown] == [
        ["same", "3×3", "3", "1", "1", str(outputs[0])],
        ["same", "5×5", "5", "1", "2", str(outputs[1])],
        ["valid", "3×3", "3", "1", "0", str(outputs[2])],
        ["strided", "3×3", "3", "2", "1", f"{outputs[3]}.5"],  # marked: it is rounded down
    ]


# ------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "--w"),
        ("--k 3", "--w"),
        ("--w 7", "--k"),
        ("--w 0 --k 3", "--w"),
        ("--w 7.5 --k 3", "--w"),
        ("--w 7 --h 0 --k 3", "--h"),
        ("--w 7 --k 0", "--k"),
        ("--w 7 --k 3x3x3", "--k"),
        ("--w 7 --k three", "--k"),
        ("--w 7 --k 3 --s 0", "--s"),
        ("--w 7 --k 3 --s -1", "--s"),
        ("--w 7 --k 3 --p -1", "--p"),
        ("--w 7 --k 3 --p both", "--p"),
        ("--w 7 --k 3 --d 0", "--d"),
        ("--w 7 --k 3 --strides 2", "--strides"),
        ("7 3", "7"),
    ],
)
def test_wrong_usage_is_one_line(text: str, part: str) -> None:
    line = refusal(*words(text), status=2)
    assert part in line
    assert line.endswith("(see 'convcli size --help')")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("--w 3 --k 5", ("5 px", "3 px")),
        ("--w 3 --k 2 --d 4", ("5 px", "3 px")),
        ("--w 9 --h 2 --k 5 --p 1", ("5 px", "4 px")),
    ],
)
def test_a_kernel_larger_than_the_padded_input_fails(text: str, parts: Words) -> None:
    line = refusal(*words(text), status=1)
    assert [part for part in parts if part not in line] == []


@pytest.mark.parametrize(
    ("name", "value", "rest"),
    [
        ("W", "9", "--k 3"),
        ("K", "3", "--w 9"),
        ("S", "2", "--w 15 --k 3"),
        ("P", "1", "--w 7 --k 3"),
        ("D", "2", "--w 11 --k 3"),
    ],
)
def test_each_option_may_be_set_by_environment(name: str, value: str, rest: str) -> None:
    settings = {f"CONVCLI_SIZE_{name}": value}
    assert done(*words(rest), "--quiet", env=settings) == "7\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("--common --w 5000", "5000"), ("--w 9000 --k 3 --p 1500 --compare", "1500")],
)
def test_pixels_have_no_commas_in_tables(text: str, shown: str) -> None:
    printed = done(*words(text))
    assert shown in printed.split()
    assert f"{int(shown):,}" not in printed
