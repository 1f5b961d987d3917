"""`convcli size`: the formula filled in, and what is said where it gives no whole number."""

import pytest

from support.commands import done, run

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
    assert done(*words(text)).splitlines()[0] == line


def test_clean_settings_say_that_nothing_is_left_over() -> None:
    assert "no column is left over" in done(*words("--w 7 --k 3 --s 2 --p 1"))


def test_height_has_a_formula_of_its_own() -> None:
    text = done(*words("--w 10 --h 20 --k 3x5 --s 1x5"))
    assert "(W - K + 2P)/S + 1 = (10 - 5 + 2·0)/5 + 1 = 2\n" in text
    assert "(H - K + 2P)/S + 1 = (20 - 3 + 2·0)/1 + 1 = 18\n" in text


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
    shown = unclean(text)
    assert shown.splitlines()[0].endswith(value)
    assert f"Truncated it is {truncated};" in shown
    assert f": {left}." in shown


def test_how_many_are_never_looked_at_is_told() -> None:
    assert "1 column is never looked at" in unclean("--w 7 --k 3 --s 3")
    assert "3 columns left over at the end are never looked at" in unclean(
        "--w 9 --k 3 --s 5 --p 1"
    )
    assert "1 row is never looked at" in unclean("--w 6 --h 7 --k 3 --s 3")


def test_columns_between_windows_are_not_forgotten() -> None:
    # Windows of 1 px at 0, 3 and 6: columns 1, 2, 4, 5 and 7 are never looked at.
    assert "1 column is never looked at" not in unclean("--w 8 --k 1 --s 3")


def test_the_nearest_clean_settings_change_one_letter_at_a_time() -> None:
    lines = unclean("--w 7 --k 3 --s 3").splitlines()
    found = [tuple(line.replace("= ", "").split()) for line in lines if line.startswith("  ")]
    assert found == [
        ("K", "1", "gives", "3"),  # (7 - 1)/3 + 1
        ("K", "4", "gives", "2"),  # (7 - 4)/3 + 1
        ("S", "2", "gives", "3"),  # (7 - 3)/2 + 1
        ("S", "4", "gives", "2"),  # (7 - 3)/4 + 1
        ("P", "1", "gives", "3"),  # (7 - 3 + 2)/3 + 1
        ("W", "6", "gives", "2"),  # (6 - 3)/3 + 1
        ("W", "9", "gives", "3"),  # (9 - 3)/3 + 1
    ]


def test_no_padding_is_proposed_where_none_helps() -> None:
    # 8 - 3 + 2P is odd for each P; a height is called H.
    text = unclean("--w 7 --h 8 --k 3 --s 2 --p 1")
    assert "  P = " not in text
    assert "  H = 7      gives 4\n" in text
    assert "  H = 9      gives 5\n" in text


def test_floor_accepts_the_truncated_size() -> None:
    result = run(*words("--w 7 --k 3 --s 3 --floor"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "= 7/3 = 2.33" in result.stdout
    assert "Truncated it is 2;" in result.stdout


def test_one_unclean_side_is_enough_for_status_1() -> None:
    text = unclean("--w 9 --h 8 --k 3 --s 2")
    assert "= 4\n" in text
    assert "= 7/2 = 3.50" in text
