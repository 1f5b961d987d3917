"""`convcli size`: the magic formula, filled in."""

import sys
from typing import Any

import click

from convcli.cli.options import json_option, own_options, subcommand
from convcli.cli.output import answer, check_use, say, show_json, wants_json
from convcli.geometry.window import Axis, Padding, Pair, window
from convcli.values import Record, asdict, fields_of

_WINDOW = {"width", "height", "kernel_size", "stride", "padding", "dilation"}
_TAKEN = {
    "common": {"width", "height"},
    "quiz": {"seed", "count"},
    "compare": {*_WINDOW, "floor"},
    "transposed": {*_WINDOW, "extra", "quiet"},
    "": {*_WINDOW, "floor", "quiet"},
}
"""Each question, and the options that it has a use for beside ``--json``."""


@subcommand(
    "size",
    short_help="Work out the output size of a convolution.",
    epilog="""Exit status: 1 where the windows do not tile the input, with --compare too, unless
--floor is given.""",
)
@own_options("""
Input
--width            Width W of the input, in pixels.
--height           Height H of the input; without it only the width is worked out.

Window
--kernel-size      Kernel size K.
--stride =1        Stride S.
--padding =0       Padding P on each side.
--dilation =1      Dilation D.
--floor            Accept a truncated size.

Output
--common           Show a table of common settings.
--quiet            Print the bare size: a number, or WxH.

Other rules
--compare          Compare the formula with the rules of torch, TensorFlow and ONNX.
--transposed       Work out the size of a transposed convolution.
--output-padding extra 0.. =0
                   Rows and columns to add at the end of a transposed result.

Quiz
--quiz             Ask questions; answers come from the terminal or from standard input.
--seed 0..         The same questions for the same seed.
--count 1..100 =5  How many questions.
""")
@json_option
def command(
    *,
    width: int | None,
    height: int | None,
    kernel_size: Pair | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    floor: bool,
    extra: int,
    seed: int | None,
    count: int,
    quiet: bool,
    **questions: bool,
) -> int:
    """Work out the size that a convolution gives: (W - K + 2P)/S + 1.

    Where the fraction is no whole number it says what is left over, and which
    settings near by are clean. Pairs are YxX: --k 3x5 has 3 rows and 5 columns.

    For example:
      convcli size --w 7 --k 3 --s 2 --p 1
      convcli size --w 224 --h 224 --k 7 --s 2 --p 3
      convcli size --w 32 --k 5 --p same --quiet
      convcli size --common
      convcli size --w 224 --k 3 --s 2 --p 1 --compare
      convcli size --w 4 --k 3 --s 2 --p 1 --transposed
      convcli size --quiz --seed 7
    """
    question = _question(questions)
    if question == "common":
        _show_common(width or height or 32)
        return 0
    if question == "quiz":
        _run_quiz(seed, count)
        return 0
    if width is None or kernel_size is None:
        missing = "--width" if width is None else "--kernel-size"
        raise click.UsageError(f"Missing option '{missing}': give --w and --k, or --common")
    slide = window(kernel_size, stride, padding, dilation)
    sides = [Side("W", width, slide.columns)]
    if height is not None:
        sides.append(Side("H", height, slide.rows, "height", "row"))
    answered = floor or question == "transposed" or all(side.clean for side in sides)
    if question == "transposed":
        _show_transposed(sides, extra, quiet=quiet)
    elif question == "compare":
        _show_rules(sides, same=padding == "same")
    elif wants_json() or not quiet:
        output = {side.name: side.output for side in sides}
        whole = {"clean": all(side.clean for side in sides), "output": output}
        answer(
            lambda: whole | {side.name: _axis_document(side) for side in sides},
            "layers:show_sides",
            sides,
            floor=floor,
        )
    elif answered:
        click.echo("x".join(str(side.output) for side in sides))
    else:
        side = next(side for side in sides if not side.clean)
        raise click.ClickException(
            f"expected a whole number, got {side.axis.exact_output_size(side.size)}: "
            f"change K, S, P or {side.letter}, or accept {side.output} with --floor"
        )
    return 0 if answered else 1


def _question(questions: dict[str, bool]) -> str:
    """Return which question is asked; refuse options that it has no use for."""
    chosen = [name for name, asked in questions.items() if asked] or [""]
    if len(chosen) > 1:
        raise click.UsageError(f"--{chosen[0]} and --{chosen[1]} exclude each other: drop one")
    check_use(chosen[0], _TAKEN)
    return chosen[0]


class Side(Record):
    """One axis of the question: its letter (W or H), length, window, and what it is called."""

    letter: str
    size: int
    axis: Axis
    name: str = "width"
    noun: str = "column"

    @property
    def clean(self) -> bool:
        """Whether the windows tile it."""
        return self.axis.tiles(self.size)

    @property
    def output(self) -> int:
        """The size of the output, rounded down."""
        return self.axis.output_size(self.size)

    @property
    def padded(self) -> int:
        """The length with its padding."""
        return self.size + self.axis.before + self.axis.after


def _axis_document(side: Side) -> dict[str, Any]:
    from convcli.geometry.layers import clean_settings

    axis, left = side.axis, side.axis.unseen(side.size)
    settings = [] if side.clean else clean_settings(axis, side.size)
    document = {"size": side.size, **fields_of(axis, "kernel", "stride")}
    document |= {"padding": [axis.before, axis.after], "dilation": axis.dilation}
    document |= {"clean": side.clean, "exact": str(axis.exact_output_size(side.size))}
    document |= {"output": side.output, "receptive_field": axis.extent}
    document["unseen"] = {"total": left.total, **asdict(left)}
    return document | {"gap": axis.gap, "clean_settings": settings}


def _show_rules(sides: list[Side], *, same: bool) -> None:
    from convcli.geometry.layers import size_rules

    rules = [size_rules(side.axis, side.size, side.noun, same=same) for side in sides]
    document = dict(zip([side.letter for side in sides], rules, strict=True))
    answer(document, "layers:show_rules", sides, rules, same=same)


def _show_transposed(sides: list[Side], extra: int, *, quiet: bool) -> None:
    from convcli.geometry.layers import transposed_size

    sizes = [transposed_size(side.axis, side.size, extra) for side in sides]
    if quiet and not wants_json():
        click.echo("x".join(map(str, sizes)))
        return
    output = {side.name: size for side, size in zip(sides, sizes, strict=True)}
    document = {"transposed": True, "output_padding": extra, "output": output}
    answer(document, "layers:show_transposed", sides, sizes, extra)


_COMMON = (
    ("same 3×3", Axis(kernel=3, before=1, after=1), "no shrinkage"),
    ("same 5×5", Axis(kernel=5, before=2, after=2), "no shrinkage"),
    ("valid 3×3", Axis(kernel=3), "shrinks by 2"),
    ("strided 3×3", Axis(kernel=3, stride=2, before=1, after=1), "halves"),
)
"""Setting, window, and what it does to the size."""


def _show_common(size: int) -> None:
    keys = ("setting", "k", "s", "p", "output", "effect", "exact", "clean")
    rows = []
    for name, axis, effect in _COMMON:
        known = (name, axis.kernel, axis.stride, axis.before, axis.output_size(size), effect)
        exact = str(axis.exact_output_size(size))
        rows.append(dict(zip(keys, (*known, exact, axis.tiles(size)), strict=True)))
    answer(rows, "layers:show_common", size, rows)


_SEEDS = 10_000


def _run_quiz(seed: int | None, count: int) -> None:
    """Ask questions; answers come from the terminal or from standard input, a line each."""
    import secrets

    from convcli.lessons.quiz import questions

    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    if wants_json():
        _show_answers(chosen, count)
        return
    say(f"Quiz with seed {chosen}, {count} question{'s' * (count > 1)}; q ends it.")
    right = 0
    for number, question in enumerate(questions(chosen, count), start=1):
        say(f"\n{number}. {question.text}")
        given = _answer()
        if given is None:
            say("The quiz ends here: the rest is not counted as right.")
            break
        is_right = question.is_right(given)
        right += is_right
        word = "Right." if is_right else f"No: {question.answer}."
        shown = click.style(word, fg="green" if is_right else "red", bold=True)
        say(f"{shown} {question.explanation}")
    say(f"\n{right} of {count} right.")


def _answer() -> str | None:
    """Return the next answer that is a number; None at the end, for q, and for Ctrl-C."""
    from convcli.lessons.quiz import number_in

    while True:
        click.echo("> ", nl=False)
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            line = ""
        if not sys.stdin.isatty() or not line:
            click.echo(line.rstrip("\n"))
        if line.strip().lower() == "q" or not line:
            return None
        if number_in(line) is not None:
            return line
        say("No number: answer again, or q to end.")


def _show_answers(seed: int, count: int) -> None:
    """Print all answers, read from standard input, as JSON."""
    from convcli.lessons.quiz import number_in, questions

    asked = questions(seed, count)
    lines = [] if sys.stdin.isatty() else sys.stdin.read().splitlines()
    numbers = [line for line in lines if number_in(line) is not None]
    entries: list[dict[str, Any]] = []
    for question, given in zip(asked, [*numbers, *[None] * len(asked)], strict=False):
        entry = {"question": question.text, "given": given, "answer": question.answer}
        entry["right"] = given is not None and question.is_right(given)
        entries.append(entry | fields_of(question, "explanation"))
    right = sum(entry["right"] for entry in entries)
    show_json({"seed": seed, "count": count, "right": right, "questions": entries})
