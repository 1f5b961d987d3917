"""`convcli size`: the magic formula, filled in."""

import secrets
import sys

import click

from convcli.cli.options import Command, json_option, option, quiet_option, typed
from convcli.cli.output import say, show_json
from convcli.cli.render.size import Side, document, explained, refusal
from convcli.cli.types import PaddingType, PairType, whole
from convcli.geometry.window import Axis, Padding, Pair, window
from convcli.lessons.quiz import Question, is_number, questions

_WINDOW = {"width", "height", "kernel", "stride", "padding", "dilation"}
_TAKEN = {
    "common": {"width", "height"},
    "quiz": {"seed", "count"},
    "compare": {*_WINDOW, "floor"},
    "transposed": {*_WINDOW, "extra", "quiet"},
    "": {*_WINDOW, "floor", "quiet"},
}
"""Each way of asking, and the options that it heeds beside ``--json``."""


@click.command(
    "size",
    cls=Command,
    short_help="Work out the output size of a convolution.",
    epilog="""\b
Examples:
  convcli size --w 7 --k 3 --s 2 --p 1
  convcli size --w 224 --h 224 --k 7 --s 2 --p 3
  convcli size --w 32 --k 5 --p same --quiet
  convcli size --common
  convcli size --w 224 --k 3 --s 2 --p 1 --compare
  convcli size --w 4 --k 3 --s 2 --p 1 --transposed
  convcli size --quiz --seed 7

Exit status: 1 where the windows do not tile the input, with --compare too, unless
--floor is given.""",
)
@option("--w", "width", type=whole(1), section="Input", help="Width W of the input, in pixels.")
@option(
    "--h",
    "height",
    type=whole(1),
    section="Input",
    help="Height H of the input; without it only the width is worked out.",
)
@option("--k", "kernel", type=PairType(), section="Window", help="Kernel size K.")
@option(
    "--s",
    "stride",
    type=PairType(),
    default="1",
    show_default=True,
    section="Window",
    help="Stride S.",
)
@option(
    "--p",
    "padding",
    type=PaddingType(),
    default="0",
    show_default=True,
    section="Window",
    help="Padding P on each side.",
)
@option(
    "--d",
    "dilation",
    type=PairType(),
    default="1",
    show_default=True,
    section="Window",
    help="Dilation D.",
)
@option("--floor", is_flag=True, section="Window", help="Accept a truncated size.")
@option("--common", is_flag=True, section="Output", help="Show a table of common settings.")
@option(
    "--compare",
    is_flag=True,
    section="Other rules",
    help="Set the course's rule beside torch's, TensorFlow's and ONNX's.",
)
@option(
    "--transposed",
    is_flag=True,
    section="Other rules",
    help="The size of a transposed convolution: the way back.",
)
@option(
    "--output-padding",
    "extra",
    type=whole(0),
    default=0,
    show_default=True,
    section="Other rules",
    help="Pixels that --transposed adds at the end.",
)
@option(
    "--quiz",
    is_flag=True,
    section="Quiz",
    help="Ask questions; answers come from the terminal or from standard input.",
)
@option(
    "--seed",
    type=whole(0),
    default=None,
    section="Quiz",
    help="The same questions for the same seed.",
)
@option(
    "--count",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    section="Quiz",
    help="How many questions.",
)
@quiet_option("Print the bare size: a number, or WxH.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    width: int | None,
    height: int | None,
    kernel: Pair | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    floor: bool,
    extra: int,
    seed: int | None,
    count: int,
    quiet: bool,
    as_json: bool,
    **ways: bool,
) -> int:
    """Work out the size that a convolution gives: (W - K + 2P)/S + 1.

    Where the fraction is no whole number it says what is left over, and which
    settings near by are clean. Pairs are YxX: --k 3x5 has 3 rows and 5 columns.
    """
    way = _way(context, ways)
    if way == "common":
        return _show_common(width or height or 32, as_json=as_json)
    if way == "quiz":
        return run_quiz(seed, count, as_json=as_json)
    if width is None or kernel is None:
        missing = "--w" if width is None else "--k"
        raise click.UsageError(f"Missing option '{missing}': give --w and --k, or --common")
    slide = window(kernel, stride, padding, dilation)
    sides = [Side("W", width, slide.columns)]
    if height is not None:
        sides.append(Side("H", height, slide.rows))
    if way == "transposed":
        from convcli.cli.size_rules import show_transposed

        return show_transposed(sides, extra, quiet=quiet, as_json=as_json)
    answered = floor or all(side.clean for side in sides)
    if way == "compare":
        from convcli.cli.size_rules import show_rules

        show_rules(sides, same=padding == "same", as_json=as_json)
    elif as_json:
        show_json(document(sides))
    elif not quiet:
        say("\n\n".join(explained(side, floor=floor) for side in sides))
    elif answered:
        click.echo("x".join(str(side.output) for side in sides))
    else:
        raise click.ClickException(refusal(sides))
    return 0 if answered else 1


def _way(context: click.Context, ways: dict[str, bool]) -> str:
    """Return which way of asking is meant; refuse options that it would not heed."""
    chosen = [name for name, asked in ways.items() if asked]
    if len(chosen) > 1:
        raise click.UsageError(f"--{chosen[0]} and --{chosen[1]} exclude each other: drop one")
    way = chosen[0] if chosen else ""
    flags = {one.name or "": max(one.opts, key=len) for one in context.command.params}
    for name in typed(*flags):
        if name not in {*_TAKEN[way], way, "as_json"}:
            flag = flags[name]
            users = " or ".join(f"--{user}" for user in _TAKEN if name in _TAKEN[user])
            if way:
                raise click.UsageError(f"{flag}: --{way} has no use for it: drop one of them")
            raise click.UsageError(f"{flag} belongs to {users}: add that, or drop {flag}")
    return way


_COMMON = (
    ("same 3×3", Axis(kernel=3, before=1, after=1), "no shrinkage"),
    ("same 5×5", Axis(kernel=5, before=2, after=2), "no shrinkage"),
    ("valid 3×3", Axis(kernel=3), "shrinks by 2"),
    ("strided 3×3", Axis(kernel=3, stride=2, before=1, after=1), "halves"),
)
"""Setting, window, and what it does to the size."""


def _show_common(size: int, *, as_json: bool) -> int:
    rows = [
        (name, axis.kernel, axis.stride, axis.before, axis.output_size(size), effect)
        for name, axis, effect in _COMMON
    ]
    if as_json:
        keys = ("setting", "k", "s", "p", "output", "effect")
        show_json([dict(zip(keys, row, strict=True)) for row in rows])
        return 0
    from convcli.cli.render.tables import show_table

    show_table(
        f"Common settings, W = {size}",
        ("setting", "K", "S", "P", "output", "effect"),
        [tuple(str(cell) for cell in row) for row in rows],
        numbers=(1, 2, 3, 4),
    )
    return 0


_SEEDS = 10_000


def run_quiz(seed: int | None, count: int, *, as_json: bool) -> int:
    """Ask questions on the terminal, or take the answers from standard input, a line each.

    What is no number is asked for again. With `as_json` all answers are read first, and
    one object is printed. Returns the exit status.
    """
    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    asked = questions(chosen, count)
    if as_json:
        _document(asked, chosen)
        return 0
    say(f"Quiz with seed {chosen}, {count} question{'s' * (count > 1)}.")
    right = 0
    for number, question in enumerate(asked, start=1):
        say(f"\n{number}. {question.text}")
        given = _answer()
        if given is None:
            say("No more answers: the rest is not counted as right.")
            break
        right += question.is_right(given)
        _judge(question, given)
    say(f"\n{right} of {count} right.")
    return 0


def _answer() -> str | None:
    """Return the next answer that is a number; None at the end of standard input."""
    while True:
        click.echo("> ", nl=False)
        line = sys.stdin.readline()
        if not sys.stdin.isatty() or not line:
            click.echo(line.rstrip("\n"))
        if not line or is_number(line):
            return line or None
        say("That is no number: answer again.")


def _judge(question: Question, given: str) -> None:
    if question.is_right(given):
        word = click.style("Right.", fg="green", bold=True)
    else:
        word = click.style(f"No: {question.answer}.", fg="red", bold=True)
    say(f"{word} {question.explanation}")


def _document(asked: list[Question], seed: int) -> None:
    lines = sys.stdin.read().splitlines() if not sys.stdin.isatty() else []
    numbers = [line for line in lines if is_number(line)]
    given = [*numbers, *[None] * len(asked)][: len(asked)]
    entries = [
        {
            "question": question.text,
            "given": answer,
            "answer": question.answer,
            "right": answer is not None and question.is_right(answer),
            "explanation": question.explanation,
        }
        for question, answer in zip(asked, given, strict=True)
    ]
    right = sum(bool(entry["right"]) for entry in entries)
    show_json({"seed": seed, "count": len(asked), "right": right, "questions": entries})
