"""The tables of results: heads, aligned numbers, colours that can be read everywhere."""

import pytest
from rich.color import Color

from convcli.batch.job import Summary
from convcli.cli.ending import printable, shortened, wrapped
from convcli.cli.render.batch import line
from convcli.cli.render.layers import show_sides
from convcli.cli.render.learn import curve
from convcli.cli.render.tables import BAD, GOOD, ODD, layout_for, show_table
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


def test_a_row_may_be_one_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("Title", "what | >count | ", [("a", 1000), ("", 2, "b, c")], note="Below.")
    cells_apart = capsys.readouterr().out
    show_table("Title", "what | >count | ", ["a | 1,000", " | 2 | b, c"], note="Below.")
    assert capsys.readouterr().out == cells_apart
    assert cells_apart.endswith("Below.\n")


@pytest.mark.parametrize(
    ("stride", "row", "style"), [(2, "left over", GOOD), (3, "exact", ODD)]
)
def test_a_colour_says_whether_a_size_is_clean(
    monkeypatch: pytest.MonkeyPatch, stride: int, row: str, style: str
) -> None:
    tables: list[list[tuple[object, ...]]] = []
    monkeypatch.setattr(
        "convcli.cli.render.layers.show_table",
        lambda _title, _heads, rows: tables.append(list(rows)),
    )
    show_sides([Side("W", 7, Axis(kernel=3, stride=stride))], floor=False)
    (value,) = [cell for name, cell, _ in tables[0] if name == row]
    assert getattr(value, "style", None) == style


def test_no_table_is_cut_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    text = "word " * 200
    show_table("Long", "name | text", [("a", text)])
    assert ["a", text.strip()] in cells(capsys.readouterr().out)


def test_cells_wrap_at_spaces_commas_and_never_within_a_sum() -> None:
    assert wrapped("  conv:512,k3,s2,p1", 14) == ["  conv:512,k3,", "  s2,p1"]
    assert wrapped("(3·3·64+1)·64 = 36,928", 20) == ["(3·3·64+1)·64", "= 36,928"]


def test_a_narrow_table_moves_its_cells_together() -> None:
    assert layout_for(("layer", "parameters"), [("conv", "9·9 = 81")], 16) == (1, (5, 10))


def test_messages_are_printable_and_keep_their_end() -> None:
    assert printable("red\x1b[31m.png") == r"red\x1b[31m.png"
    assert len(shortened("x" * 100_000)) == 450 + len(" … ") + 250


def test_progress_is_a_line() -> None:
    assert line(Summary.of(0, 12, 3), 10, "files") == "0/10 files, 12.0 MP, 4.0 MP/s"


def test_a_loss_is_drawn_on_a_logarithmic_scale() -> None:
    drawn = [each.rstrip() for each in curve([(0, 1e7), (1, 1e4), (2, 1.0)], room=40)]
    # 1e4 lies 3 of 7 powers of ten below the top: in line 3 of 0 to 7.
    assert [drawn[0], drawn[3], drawn[7]] == ["   1e+07 │•", "         │ •", "       1 │  •"]
    assert {*drawn[1:3], *drawn[4:7]} == {"         │"}
    assert drawn[8:] == ["         └───", "          loss over 3 steps"]
