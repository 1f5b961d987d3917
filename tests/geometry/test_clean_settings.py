"""Clean settings against a search with the formula of the notes, (W - K + 2P)/S."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.geometry.layers import CleanSetting, clean_settings, size_rules
from convcli.geometry.window import Axis

LEAST = {"W": 1, "K": 1, "S": 1, "P": 0}


def is_clean(values: dict[str, int]) -> bool:
    travel = values["W"] - values["K"] + 2 * values["P"]
    return travel >= 0 and travel % values["S"] == 0


def nearest(values: dict[str, int], letter: str) -> list[int]:
    current = values[letter]
    below = range(current - 1, LEAST[letter] - 1, -1)
    sides = (below, range(current + 1, current + 200))
    hits = ([v for v in side if is_clean({**values, letter: v})] for side in sides)
    return [found[0] for found in hits if found]


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 9),
    stride=st.integers(1, 9),
    padding=st.integers(0, 9),
)
def test_one_letter_at_a_time_to_the_nearest(
    size: int, kernel: int, stride: int, padding: int
) -> None:
    values = {"W": size, "K": kernel, "S": stride, "P": padding}
    found = clean_settings(Axis(kernel, stride, padding, padding), size)
    for letter in "KSPW":
        assert [s.value for s in found if s.letter == letter] == nearest(values, letter)
    for setting in found:
        new = {**values, setting.letter: setting.value}
        assert setting.output == (new["W"] - new["K"] + 2 * new["P"]) // new["S"] + 1


def test_7_3_3_0_by_hand() -> None:
    """4/3: K 1 (6/3), K 4 (3/3), S 2 (4/2), S 4 (4/4), P 1 (6/3), W 6 (3/3), W 9 (6/3)."""
    assert clean_settings(Axis(kernel=3, stride=3), 7) == [
        CleanSetting("K", 1, 3),
        CleanSetting("K", 4, 2),
        CleanSetting("S", 2, 3),
        CleanSetting("S", 4, 2),
        CleanSetting("P", 1, 3),
        CleanSetting("W", 6, 2),
        CleanSetting("W", 9, 3),
    ]


def test_uneven_sides_have_no_one_p() -> None:
    letters = {s.letter for s in clean_settings(Axis(kernel=4, stride=3, before=1, after=2), 9)}
    assert letters == {"K", "S", "W"}


@pytest.mark.parametrize("dilation", [2, 3])
def test_the_kernel_grows_by_its_dilation(dilation: int) -> None:
    for setting in clean_settings(Axis(kernel=3, stride=4, dilation=dilation), 24):
        if setting.letter == "K":
            assert (24 - dilation * (setting.value - 1) - 1) % 4 == 0


def test_what_each_tool_makes_of_one_axis() -> None:
    """224 columns, 3 taps, stride 2: torch takes 1 on each side, SAME one at one end only."""
    rules = size_rules(Axis(kernel=3, stride=2, before=1, after=1), 224, "column")
    assert [(rule.rule, rule.output, rule.padding) for rule in rules] == [
        ("course", "225/2", (1, 1)),
        ("torch", "112", (1, 0)),
        ("TensorFlow SAME", "112", (0, 1)),
        ("ONNX SAME_UPPER", "112", (0, 1)),
        ("ONNX SAME_LOWER", "112", (1, 0)),
    ]
