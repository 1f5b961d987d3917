"""`convcli pool`: the other way to make a picture smaller."""

from typing import TYPE_CHECKING, Any

import click

from convcli.cli.filter_options import options_from
from convcli.cli.options import (
    Command,
    dilation_option,
    gray_option,
    json_option,
    option,
    padding_option,
    quiet_option,
    strict_option,
)
from convcli.cli.output import refuse_terminals, report_outcome
from convcli.cli.picture_options import (
    pixel_options,
    reading_from,
    reading_options,
    saving_from,
    saving_options,
)
from convcli.cli.types import BorderType, PairType
from convcli.geometry.window import Padding, Pair, window

if TYPE_CHECKING:
    from convcli.choices import Border


@click.command(
    "pool",
    cls=Command,
    short_help="Pool a picture: maximum or average.",
    epilog="""\b
Examples:
  convcli pool max photo.jpg half.png
  convcli pool average photo.jpg half.png --k 2 --s 2
  convcli pool max photo.jpg third.png --k 3 --s 2 --padding 1""",
)
@click.argument("pooling", metavar="max|average", type=click.Choice(("max", "average")))
@click.argument("source", metavar="INPUT", type=click.Path(allow_dash=True))
@click.argument("target", metavar="OUTPUT", type=click.Path(allow_dash=True))
@option(
    "--k",
    "size",
    type=PairType(),
    default="2",
    show_default=True,
    section="Window",
    help="Rows and columns of the window.",
)
@option(
    "--s",
    "--stride",
    "-s",
    "stride",
    type=PairType(),
    default=None,
    section="Window",
    help="Step of the window; as the window unless given.",
)
@padding_option("valid")
@option(
    "--border",
    type=BorderType(),
    default=None,
    section="Window",
    help="How the picture goes on in the padding.  [default: max: padding never wins; "
    "average: zero, which counts]",
)
@dilation_option
@strict_option
@gray_option
@pixel_options
@reading_options
@saving_options
@quiet_option("Print no report (warnings and errors stay).")
@json_option
def command(
    *,
    pooling: str,
    source: str,
    target: str,
    size: Pair,
    stride: Pair | None,
    padding: Padding,
    dilation: Pair,
    border: "Border | None",
    kind: str | None,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Keep the largest value, or the average, of each window of INPUT.

    Without options a picture of half the size comes out; a window as large as the
    picture pools all of it. Padding is at most half of the window; as in torch it never
    wins a maximum, and counts as zeros in an average. A - is standard input or output;
    an OUTPUT that ends in .npy gets floats.
    """
    from convcli.lessons.pool import Kind, Pooling, pool_file

    refuse_terminals(source, target)
    reading, saving = reading_from(settings), saving_from(settings)
    slide = window(size, stride or size, padding, dilation)
    report = pool_file(
        Pooling(Kind(pooling), slide, border),
        source,
        target,
        options_from(settings),
        reading=reading,
        saving=saving,
        file_format=kind,
    )
    report_outcome(report, source, target, quiet=quiet, as_json=as_json)
