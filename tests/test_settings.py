"""What a person writes for an option: the library and the command line read it alike."""

import enum
from pathlib import Path
from typing import Any

import pytest

from convcli import choices, settings
from convcli.cli.apply import command
from convcli.cli.command import Option
from convcli.errors import OptionError
from convcli.pipeline.options import Options
from convcli.settings import options_from_words
from convcli.values import asdict
from support.commands import refusal, run, save

FILTER_OPTIONS = {
    parameter.name or "": parameter
    for parameter in command.params
    if isinstance(parameter, Option) and parameter.part_of == "options"
}


def test_the_command_and_the_library_have_the_same_options() -> None:
    words = {name: None for name in asdict(Options()) if name != "collect_stats"}
    assert set(FILTER_OPTIONS) == set(words)


def test_the_defaults_are_the_same() -> None:
    read = {}
    for name, parameter in FILTER_OPTIONS.items():
        default = parameter.default
        if isinstance(default, str | int) and not parameter.is_flag:
            read[name] = default
    expected = asdict(Options())
    for name, value in asdict(options_from_words(**read)).items():
        assert value in (expected[name], (expected[name], expected[name]))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("stride", "0"),
        ("padding", "both"),
        ("dilation", "1x2x3"),
        ("border", "mirror"),
        ("border", "zeros-and-ones"),
        ("bias", "inf"),
        ("range", "cut"),
        ("depth", "12"),
        ("alpha", "drop"),
        ("method", "magic"),
        ("combine", "product"),
        ("colormap", "rainbow"),
        ("map", "-1"),
        ("map", "one"),
        ("jobs", "0"),
    ],
)
def test_a_wrong_value_is_refused_with_the_same_words(
    tmp_path: Path, name: str, word: str
) -> None:
    with pytest.raises(OptionError) as caught:
        options_from_words(**{name: word})
    message = str(caught.value).removeprefix(f"{name}: ").rstrip(".")
    source = save(tmp_path / "in.png", [[1, 2]])
    line = refusal("apply", "box", source, tmp_path / "out.png", f"--{name}", word, status=2)
    assert f": {message} (see " in line


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("stride", 2, (2, 2)),
        ("stride", (2, 1), (2, 1)),
        ("stride", "2x1", (2, 1)),
        ("padding", "valid", "valid"),
        ("padding", ((0, 1), (2, 3)), ((0, 1), (2, 3))),
        ("border", "edge", choices.Border.REPLICATE),
        ("border", choices.Border.WRAP, choices.Border.WRAP),
        ("depth", 16, choices.Depth.SIXTEEN),
        ("depth", None, None),
        ("range", "abs", choices.Range.ABS),
        ("bias", "2.5", 2.5),
        ("map", "3", 3),
        ("gray", True, True),
    ],
)
def test_values_may_be_words_or_what_they_stand_for(
    name: str, value: Any, expected: Any
) -> None:
    assert getattr(options_from_words(**{name: value}), name) == expected


@pytest.mark.parametrize(
    ("name", "value"), [("gray", "yes"), ("stride", True), ("range", None), ("bias", "x")]
)
def test_values_of_another_type_are_refused(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"^{name}: "):
        options_from_words(**{name: value})


def test_more_rows_without_transposed_are_refused() -> None:
    with pytest.raises(
        OptionError, match=r"^output_padding: expected 0 without transposed, got 1"
    ):
        options_from_words(output_padding=1, stride=2)
    assert options_from_words(output_padding=1, transposed=True).output_padding == 1
    assert options_from_words(output_padding=0).output_padding == 0


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match=r"'bordr'.*border"):
        options_from_words(bordr="zero")
    with pytest.raises(TypeError, match=r"no option 'select': the options are stride"):
        options_from_words(select="t=0")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("border", choices.Border),
        ("range", choices.Range),
        ("alpha", choices.Alpha),
        ("depth", choices.Depth),
        ("method", choices.Method),
        ("combine", choices.Combine),
        ("colormap", choices.Colormap),
    ],
)
def test_the_help_has_all_words_of_an_enum(name: str, words: type[enum.Enum]) -> None:
    shown = "|".join(str(member.value) for member in words)
    text = run("apply", "--help").stdout
    assert f"--{name} [{shown}]" in text or f"--{name} {shown}" in text


@pytest.mark.parametrize(
    ("read", "word", "expected"),
    [
        ("pair", "3x5", (3, 5)),
        ("pair", 2, (2, 2)),
        ("padding", "same", "same"),
        ("padding", "1x2", (1, 2)),
        ("padding", "1,2,3,4", ((1, 3), (4, 2))),
        ("border", "edge", choices.Border.REPLICATE),
        ("color", "white", (255, 255, 255)),
        ("color", "#f80", (255, 136, 0)),
        ("memory_size", "4K", 4096),
        ("memory_size", 512, 512),
        ("axes", "tczyx", "tczyx"),
        ("select", "t=0,c=1:3,z=2:", (("t", 0, 1), ("c", 1, 3), ("z", 2, None))),
        ("point", "120,80", (80, 120)),
        ("point", (120, 80), (80, 120)),
        ("channels", "r,2", ("r", 2)),
        ("channels", "luma", ("luma",)),
        ("finite_number", "0.5", 0.5),
    ],
)
def test_a_word_is_read_as_what_it_stands_for(read: str, word: Any, expected: Any) -> None:
    assert getattr(settings, f"{read}_from")(word) == expected


@pytest.mark.parametrize("choice", ["t", "t=", "t=0,t=1", "t=1:2:3", "t=-1"])
def test_parts_of_an_axis_are_named_once_and_in_one_way(choice: str) -> None:
    with pytest.raises(OptionError, match="for each axis"):
        settings.select_from(choice)


def test_some_words_are_written_as_they_were_read() -> None:
    assert str(settings.region_from("10,20,50%x50%")) == "10,20,50%x50%"
    assert settings.border_from("edge,constant:8").value == "replicate,constant:8"
    assert settings.whole_number_from("8", least=1) == 8


def test_names_may_be_one_letter() -> None:
    double: Any = lambda *, width: 2 * width  # noqa: E731 - a name for its type
    assert settings.with_short_names(double)(w=7) == 14
