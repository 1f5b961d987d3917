"""`convcli pool`: the other way to make a picture smaller."""

from typing import Any

import click

from convcli.choices import Border, Edges
from convcli.cli.options import json_option, own_options, subcommand, with_options
from convcli.cli.output import shows_matrices
from convcli.cli.placing import PlacedCall, carry_out, located_names
from convcli.cli.types import OUTPUT, OptionsValue
from convcli.geometry.window import Pair, window
from convcli.values import replace


@subcommand("pool", short_help="Pool a picture: maximum or average.")
@click.argument("pooling", metavar="max|average", type=click.Choice(("max", "average")))
@click.argument("names", metavar="INPUT OUTPUT", nargs=-1, type=OUTPUT)
@own_options("""
Window
--kernel-size =2    Rows and columns of the window.
--stride            Step of the window; as the window unless given.

Window: options
--padding =valid *  Pixels added on each side; same keeps the size at stride 1.

Window
--border            How the picture goes on in the padding. [default: max: padding never wins;
                    average: zero, which counts]
""")
@with_options(
    "dilation", "strict", "gray", "depth", "alpha", "background", "linear", "Input", "Output"
)
@json_option
def command(
    *,
    pooling: str,
    names: tuple[str, ...],
    kernel_size: Pair,
    stride: Pair | None,
    border: Border | Edges | None,
    options: OptionsValue,
    **given: Any,
) -> None:
    """Keep the largest value, or the average, of each window of INPUT.

    Without options a picture of half the size comes out; a window as large as the
    picture pools all of it. Padding is at most half of the window; as in torch it never
    wins a maximum, and counts as zeros in an average. A - is standard input or output;
    an OUTPUT that ends in .npy gets floats. A matrix as INPUT without OUTPUT is printed.

    For example:
      convcli pool max photo.jpg half.png
      convcli pool average photo.jpg half.png --k 2 --s 2
      convcli pool max photo.jpg third.png --k 3 --s 2 --padding 1
      convcli pool max '[[1,2,3],[4,5,6]]' --k 1x2 --s 1
    """
    from convcli.engine.pooling import Pooling, Reduction
    from convcli.pipeline.files import FileFilter

    slide = window(kernel_size, stride or kernel_size, options.padding, options.dilation)
    options = options if border is None else replace(options, border=border)
    planned = Pooling(Reduction(pooling), slide, border)
    call = PlacedCall(names=names, **given)
    if shows_matrices(names, call.output):
        from convcli.cli.matrix import show_applied

        show_applied([planned], call, options)
        return
    names = located_names(call)
    work = FileFilter(kernels=(planned,), options=options, **call.files)
    carry_out(work.filter_file, *names, call)
