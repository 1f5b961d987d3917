"""`convcli pool`: the other way to make a picture smaller."""

import functools
from typing import TYPE_CHECKING

import click

from convcli.cli.file_options import reading_options, saving_options
from convcli.cli.filter_options import (
    dilation_option,
    gray_option,
    padding_option,
    pixel_options,
    strict_option,
)
from convcli.cli.options import Command, json_option, option, quiet_option, shared_option
from convcli.cli.output import refuse_terminals, report_outcome, shows_matrices
from convcli.cli.placing import (
    Placing,
    file_to_replace,
    located_target,
    names_with_output,
    placing_options,
    two_names,
)
from convcli.cli.seeing import (
    check_seeing,
    compare_option,
    names_with_scratch,
    see,
    show_option,
)
from convcli.cli.types import BORDER, OUTPUT
from convcli.geometry.window import Pair, window

if TYPE_CHECKING:
    from convcli.choices import Border, Edges
    from convcli.images.policy import ReadPolicy
    from convcli.images.write import Saving
    from convcli.pipeline.options import Options


@click.command(
    "pool",
    cls=Command,
    short_help="Pool a picture: maximum or average.",
    epilog="""\b
Examples:
  convcli pool max photo.jpg half.png
  convcli pool average photo.jpg half.png --k 2 --s 2
  convcli pool max photo.jpg third.png --k 3 --s 2 --padding 1
  convcli pool max '[[1,2,3],[4,5,6]]' --k 1x2 --s 1""",
)
@click.argument("pooling", metavar="max|average", type=click.Choice(("max", "average")))
@click.argument("names", metavar="INPUT OUTPUT", nargs=-1, type=OUTPUT)
@shared_option(
    "kernel_size", default="2", section="Window", help="Rows and columns of the window."
)
@shared_option(
    "stride", section="Window", help="Step of the window; as the window unless given."
)
@padding_option("valid")
@option(
    "--border",
    type=BORDER,
    section="Window",
    help="How the picture goes on in the padding.  [default: max: padding never wins; "
    "average: zero, which counts]",
)
@dilation_option
@strict_option
@gray_option
@pixel_options
@reading_options
@placing_options
@saving_options
@show_option
@compare_option
@quiet_option("Print no report (warnings and errors stay).")
@json_option
def command(
    *,
    pooling: str,
    names: tuple[str, ...],
    kernel_size: Pair,
    stride: Pair | None,
    border: "Border | Edges | None",
    kind: str | None,
    show: bool,
    compare: str | None,
    quiet: bool,
    as_json: bool,
    options: "Options",
    reading: "ReadPolicy",
    saving: "Saving",
    placing: Placing,
) -> None:
    """Keep the largest value, or the average, of each window of INPUT.

    Without options a picture of half the size comes out; a window as large as the
    picture pools all of it. Padding is at most half of the window; as in torch it never
    wins a maximum, and counts as zeros in an average. A - is standard input or output;
    an OUTPUT that ends in .npy gets floats. A matrix as INPUT without OUTPUT is printed.
    """
    from convcli.engine.pooling import Pooling, Reduction
    from convcli.pipeline.files import run_on_file
    from convcli.pipeline.pipeline import SourceInfo, plan_pooling

    slide = window(kernel_size, stride or kernel_size, options.padding, options.dilation)
    planned = Pooling(Reduction(pooling), slide, border)
    if shows_matrices(names, placing.output):
        from convcli.cli.matrix import matrix_frame, show_numbers
        from convcli.pipeline.run import run_pipeline

        frame = matrix_frame(names[0], reading)
        plan = plan_pooling(SourceInfo.of(frame), planned, options, raw=True)
        result = run_pipeline(plan, frame).values[..., 0]
        show_numbers([("input", frame.array), ("result", result)], as_json=as_json)
        return
    check_seeing((*names, placing.output or ""), show=show, compare=compare)
    names = names_with_scratch(names, placing.output, show=show, compare=compare, suffix=".png")
    source, target = two_names(names_with_output(names, placing))
    target = located_target(source, target, kind)
    refuse_terminals(source, target)
    replaced = file_to_replace(source, target, placing, as_json=as_json, quiet=quiet)
    make_plan = functools.partial(plan_pooling, pooling=planned, options=options)
    report = run_on_file(
        make_plan, source, target, options, reading=reading, saving=saving, file_format=kind
    )
    report_outcome(report, source, target, quiet=quiet, as_json=as_json, replaced=replaced)
    see(source, target, reading, show=show, compare=compare)
