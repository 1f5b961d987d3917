"""`convcli size`: the magic formula, filled in."""

import click

from convcli.cli.documents import show_json
from convcli.cli.help import Command
from convcli.cli.options import json_option, option, quiet_option, typed
from convcli.cli.plain import say
from convcli.cli.size_words import Side, document, explained, refusal
from convcli.cli.types import PaddingType, PairType, whole
from convcli.geometry import Axis, Padding, Pair, window

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
        from convcli.cli.quiz import run_quiz  # noqa: PLC0415 - only where it is asked for

        return run_quiz(seed, count, as_json=as_json)
    if width is None or kernel is None:
        missing = "--w" if width is None else "--k"
        raise click.UsageError(f"Missing option '{missing}': give --w and --k, or --common")
    slide = window(kernel, stride, padding, dilation)
    sides = [Side("W", width, slide.columns)]
    if height is not None:
        sides.append(Side("H", height, slide.rows))
    if way == "transposed":
        from convcli.cli.size_rules import show_transposed  # noqa: PLC0415 - as above

        return show_transposed(sides, extra, quiet=quiet, as_json=as_json)
    answered = floor or all(side.clean for side in sides)
    if way == "compare":
        from convcli.cli.size_rules import show_rules  # noqa: PLC0415 - as above

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
    from convcli.cli.render import show_table  # noqa: PLC0415 - rich only where it prints

    show_table(
        f"Common settings, W = {size}",
        ("setting", "K", "S", "P", "output", "effect"),
        [tuple(str(cell) for cell in row) for row in rows],
        numbers=(1, 2, 3, 4),
    )
    return 0
