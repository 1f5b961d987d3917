"""`convcli size`: the formula filled in, and what is said where it gives no whole number."""

import pytest

from support.commands import cells, done, run

Words = tuple[str, ...]


def words(text: str) -> Words:
    return ("size", *text.split())


def unclean(text: str) -> str:
    """Return what is said of settings that do not tile; the status must be 1."""
    result = run(*words(text))
    assert (result.exit_code, result.stderr) == (1, "")
    return result.stdout


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("--w 7 --k 3 --s 2 --p 1", "(W - K + 2P)/S + 1 = (7 - 3 + 2·1)/2 + 1 = 4"),
        ("--w 7 --k 3", "(W - K + 2P)/S + 1 = (7 - 3 + 2·0)/1 + 1 = 5"),
        ("--w 32 --k 5 --p 2", "(W - K + 2P)/S + 1 = (32 - 5 + 2·2)/1 + 1 = 32"),
        ("--w 32 --k 5 --p same", "(W - K + 2P)/S + 1 = (32 - 5 + 2·2)/1 + 1 = 32"),
        ("--w 32 --k 5 --p valid", "(W - K + 2P)/S + 1 = (32 - 5 + 2·0)/1 + 1 = 28"),
        ("--w 227 --k 11 --s 4", "(W - K + 2P)/S + 1 = (227 - 11 + 2·0)/4 + 1 = 55"),
        # A kernel of 3×5 has 5 columns, a padding of 0x2 two columns a side.
        ("--w 10 --k 3x5", "(W - K + 2P)/S + 1 = (10 - 5 + 2·0)/1 + 1 = 6"),
        ("--w 10 --k 3x5 --p 0x2", "(W - K + 2P)/S + 1 = (10 - 5 + 2·2)/1 + 1 = 10"),
        ("--w 9 --k 3 --s 1x3", "(W - K + 2P)/S + 1 = (9 - 3 + 2·0)/3 + 1 = 3"),
        # An even kernel keeps the size with one pixel more at the end.
        ("--w 32 --k 4 --p same", "(W - K + P1 + P2)/S + 1 = (32 - 4 + 1 + 2)/1 + 1 = 32"),
        (
            "--w 8 --k 3 --d 2",
            "(W - (D(K-1)+1) + 2P)/S + 1 = (8 - (2·2+1) + 2·0)/1 + 1 = 4",
        ),
    ],
)
def test_the_formula_is_filled_in(text: str, line: str) -> None:
    formula, _, value = line.rpartition(" = ")
    assert ["output", f"{value} px", formula] in cells(done(*words(text)))


def test_clean_settings_say_that_nothing_is_left_over() -> None:
    rows = cells(done(*words("--w 7 --k 3 --s 2 --p 1")))
    assert ["left over", "0 columns", "(W - K + 2P) mod S = 6 mod 2"] in rows


def test_height_has_a_formula_of_its_own() -> None:
    text = done(*words("--w 10 --h 20 --k 3x5 --s 1x5"))
    assert ["output", "2 px", "(W - K + 2P)/S + 1 = (10 - 5 + 2·0)/5 + 1"] in cells(text)
    assert ["output", "18 px", "(H - K + 2P)/S + 1 = (20 - 3 + 2·0)/1 + 1"] in cells(text)


# ------------------------------------------------------------- no whole number


@pytest.mark.parametrize(
    ("text", "value", "truncated", "left"),
    [
        # (7 - 3)/3 + 1: windows at 0 and 3 see up to 5; column 6 is left.
        ("--w 7 --k 3 --s 3", "= 7/3 = 2.33", 2, "1 of the picture"),
        # (8 - 3 + 2)/2 + 1: the last window ends at column 7; its padding is left.
        ("--w 8 --k 3 --s 2 --p 1", "= 9/2 = 4.50", 4, "1 of padding"),
        # (224 - 7 + 6)/2 + 1: ResNet's first layer.
        ("--w 224 --k 7 --s 2 --p 3", "= 225/2 = 112.50", 112, "1 of padding"),
        # (9 - 3 + 2)/5 + 1: windows at -1 and 4 see up to 6; 7, 8 and the padding are left.
        ("--w 9 --k 3 --s 5 --p 1", "= 13/5 = 2.60", 2, "2 of the picture, 1 of padding"),
    ],
)
def test_no_whole_number_shows_the_fraction_and_what_is_unseen(
    text: str, value: str, truncated: int, left: str
) -> None:
    rows = {row[0]: row[1:] for row in cells(unclean(text))}
    _, fraction, decimal = value.split("= ")
    assert rows["exact"][0] == fraction.strip()
    assert rows["exact"][1].endswith(f" = {decimal}")
    assert rows["truncated"][0] == f"{truncated} px"
    assert rows["left over"][1].endswith(f": {left}")


def test_how_many_are_never_looked_at_is_told() -> None:
    found = [
        row[1]
        for text in ("--w 7 --k 3 --s 3", "--w 9 --k 3 --s 5 --p 1", "--w 6 --h 7 --k 3 --s 3")
        for row in cells(unclean(text))
        if row[0] == "left over"
    ]
    assert found == ["1 column", "3 columns", "0 columns", "1 row"]


def test_columns_between_windows_are_not_forgotten() -> None:
    # Windows of 1 px at 0, 3 and 6: columns 1, 2, 4, 5 and 7 are never looked at.
    rows = {row[0]: row[1:] for row in cells(unclean("--w 8 --k 1 --s 3"))}
    assert rows["left over"][0] == "1 column"
    assert rows["skipped"] == ["2 columns", "between two windows: S - K = 3 - 1"]


def test_the_nearest_clean_settings_change_one_letter_at_a_time() -> None:
    rows = cells(unclean("--w 7 --k 3 --s 3"))
    assert [row for row in rows if " = " in row[0] and len(row) > 1] == [
        ["K = 1", "3 px", "(7 - 1 + 2·0)/3 + 1"],
        ["K = 4", "2 px", "(7 - 4 + 2·0)/3 + 1"],
        ["S = 2", "3 px", "(7 - 3 + 2·0)/2 + 1"],
        ["S = 4", "2 px", "(7 - 3 + 2·0)/4 + 1"],
        ["P = 1", "3 px", "(7 - 3 + 2·1)/3 + 1"],
        ["W = 6", "2 px", "(6 - 3 + 2·0)/3 + 1"],
        ["W = 9", "3 px", "(9 - 3 + 2·0)/3 + 1"],
    ]


def test_no_padding_is_proposed_where_none_helps() -> None:
    # 8 - 3 + 2P is odd for each P; a height is called H.
    text = unclean("--w 7 --h 8 --k 3 --s 2 --p 1")
    assert "  P = " not in text
    assert ["H = 7", "4 px", "(7 - 3 + 2·1)/2 + 1"] in cells(text)
    assert ["H = 9", "5 px", "(9 - 3 + 2·1)/2 + 1"] in cells(text)


def test_floor_accepts_the_truncated_size() -> None:
    result = run(*words("--w 7 --k 3 --s 3 --floor"))
    assert (result.exit_code, result.stderr) == (0, "")
    rows = {row[0]: row[1] for row in cells(result.stdout) if len(row) > 1}
    assert (rows["exact"], rows["truncated"]) == ("7/3", "2 px")


def test_one_unclean_side_is_enough_for_status_1() -> None:
    text = unclean("--w 9 --h 8 --k 3 --s 2")
    rows = {row[0]: row[1:] for row in cells(text)}
    assert rows["output"][0] == "4 px"
    assert rows["exact"][0] == "7/2"
    assert rows["exact"][1].endswith(" = 3.50")
