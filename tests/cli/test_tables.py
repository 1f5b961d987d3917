"""The tables of results: heads, aligned numbers, colours that can be read everywhere."""

import pytest
from rich.color import Color

from convcli.cli.render.size import show_sides
from convcli.cli.render.tables import BAD, GOOD, ODD, Row, show_table
from convcli.cli.size import Side
from convcli.geometry.window import Axis
from support.commands import cells

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def luminance(color: tuple[int, ...]) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [value / 255 for value in color]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("style", [GOOD, ODD, BAD])
@pytest.mark.parametrize("ground", [BLACK, WHITE])
def test_colours_can_be_read_on_dark_and_on_light(style: str, ground: tuple[int, ...]) -> None:
    assert contrast(tuple(Color.parse(style).get_truecolor()), ground) >= 3


def test_numbers_are_aligned_below_their_heads(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("Title", "what | >count", [("a", 1), ("b", 1000)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Title"
    heads, rule, *rows = [line for line in lines[1:] if line]
    assert heads.split() == ["what", "count"]
    assert set(rule.strip()) == {"─"}
    assert len({len(line) for line in (heads, *rows)}) == 1


@pytest.mark.parametrize(
    ("stride", "row", "style"), [(2, "left over", GOOD), (3, "exact", ODD)]
)
def test_a_colour_says_whether_a_size_is_clean(
    monkeypatch: pytest.MonkeyPatch, stride: int, row: str, style: str
) -> None:
    tables: list[list[Row]] = []
    monkeypatch.setattr(
        "convcli.cli.render.size.show_table",
        lambda _title, _heads, rows: tables.append(list(rows)),
    )
    show_sides([Side("W", 7, Axis(kernel=3, stride=stride))], floor=False)
    (value,) = [cell for name, cell, _ in tables[0] if name == row]
    assert getattr(value, "style", None) == style


def test_no_table_is_cut_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    text = "word " * 200
    show_table("Long", "name | text", [("a", text)])
    assert ["a", text.strip()] in cells(capsys.readouterr().out)
