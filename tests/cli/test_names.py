"""One name for one thing: options that several commands have are written alike in each."""

import json

import click
import pytest

import convcli
from convcli.cli.app import main
from support.commands import done, refusal

FORMS = {
    "stride": {"--stride", "-s", "--s"},
    "padding": {"--padding", "-p", "--p"},
    "dilation": {"--dilation", "-d", "--d"},
    "kernel_size": {"--kernel-size", "-k", "--k"},
    "width": {"--width", "-w", "--w"},
    "height": {"--height", "--h"},
    "in_channels": {"--in-channels", "--in"},
    "filters": {"--filters", "--out"},
    "output": {"--output", "-o"},
}
"""What the forms of one option are, in every command that has it."""

WHOLE_SIZES = {("stack", "in_channels")}
"""Where ``--in`` has another meaning: the size of the input, with its channels."""


def commands() -> list[tuple[str, click.Command]]:
    """Return each command by its name."""
    context = click.Context(main)
    found = [(name, main.get_command(context, name)) for name in main.list_commands(context)]
    return [(name, command) for name, command in found if command is not None]


@pytest.mark.parametrize("option", FORMS)
def test_an_option_has_the_same_forms_in_each_command(option: str) -> None:
    written = {
        (name, option): set(parameter.opts)
        for name, command in commands()
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name == option
    }
    assert written
    assert [where for where in written if where not in WHOLE_SIZES] == [
        where for where, forms in written.items() if forms == FORMS[option]
    ]


def test_no_form_means_something_else_elsewhere() -> None:
    owners: dict[str, set[str]] = {}
    for _, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                for form in parameter.opts:
                    owners.setdefault(form, set()).add(parameter.name or "")
    shared = set().union(*FORMS.values()) - {"--in", "--width"}
    assert {
        form: names for form, names in owners.items() if form in shared and len(names) > 1
    } == {}


def test_output_padding_has_one_text() -> None:
    texts = [
        parameter.help
        for _, command in commands()
        for parameter in command.params
        if isinstance(parameter, click.Option) and "--output-padding" in parameter.opts
    ]
    assert len(texts) == 4
    assert set(texts) == {"Rows and columns to add at the end of a transposed result."}


def test_the_kernel_comes_before_the_picture() -> None:
    for name, command in commands():
        arguments = [each.name for each in command.params if isinstance(each, click.Argument)]
        if "kernel" in arguments:
            assert arguments[0] == "kernel", name


@pytest.mark.parametrize(
    ("words", "same"),
    [
        (
            "size --w 7 --k 3 --s 2 --p 1",
            "size --width 7 --kernel-size 3 --stride 2 --padding 1",
        ),
        ("size --w 9 --h 9 --k 3 --d 2", "size -w 9 --height 9 -k 3 -d 2"),
        ("params --in 3 --filters 64 --k 3", "params --in-channels 3 --out 64 -k 3"),
        (
            "stack --in 8x6x3 conv:4,k3",
            "stack --height 8 --width 6 --in-channels 3 conv:4,k3",
        ),
        ("stack --in 8x8x3 conv:4,k3", "stack --w 8 --in 3 conv:4,k3"),
        ("borders --padding 2", "borders -p 2"),
    ],
)
def test_short_and_long_forms_are_the_same(words: str, same: str) -> None:
    assert json.loads(done(*words.split(), "--json")) == json.loads(
        done(*same.split(), "--json")
    )


@pytest.mark.parametrize(
    "words",
    [
        "stack --in 8x8x3 --width 8 conv:4,k3",
        "stack --width 8 conv:4,k3",
        "stack --in-channels 3 conv:4,k3",
        "animate box:3 a.png slide.gif -o other.gif",
        "animate box:3 a.png",
    ],
)
def test_what_is_missing_or_given_twice_is_wrong_usage(words: str) -> None:
    refusal(*words.split(), status=2)


def test_the_environment_may_use_each_form() -> None:
    words = ("size", "--w", "7", "--k", "3", "--quiet")
    for name in ("CONVCLI_SIZE_STRIDE", "CONVCLI_SIZE_S"):
        assert done(*words, env={name: "2"}) == "3\n"


def test_the_library_takes_the_names_of_the_command() -> None:
    # By hand: (7 - 3 + 2) / 2 + 1 = 4; a window of 2 that moves by 1 gives 3 of 4 columns.
    assert convcli.output_size(width=7, kernel_size=3, stride=2, padding=1) == 4
    short = {"w": 7, "k": 3, "s": 2, "p": 1}
    assert convcli.output_size(**short) == 4  # type: ignore[call-overload]
    assert convcli.pool("max", [[1, 9, 2, 4]] * 2, stride=1).array.tolist() == [[9, 9, 4]]
    with pytest.raises(TypeError, match="s and stride are the same"):
        convcli.pool("max", [[1, 2]], s=1, stride=1)  # type: ignore[call-arg]
