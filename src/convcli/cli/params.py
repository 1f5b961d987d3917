"""`convcli params`: the learnable numbers of a layer, counted."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from convcli.cli.kernel_types import KernelType
from convcli.cli.options import Command, json_option, option
from convcli.cli.output import show_json
from convcli.cli.render.params import Row, alternatives, counted_as, document, show
from convcli.cli.types import PaddingType, PairType, whole
from convcli.errors import GeometryError
from convcli.geometry.layers import Volume, convolution_layer
from convcli.geometry.window import Padding, Pair, window

if TYPE_CHECKING:
    from convcli.kernels.kernel import Kernel


@click.command(
    "params",
    cls=Command,
    short_help="Count the parameters of a convolution layer.",
    epilog="""\b
Examples:
  convcli params --in 3 --filters 64 --k 3
  convcli params --in 3 --filters 64 --k 3 --w 32 --h 32 --p 1
  convcli params --kernel bank.json""",
)
@option("--in", "channels", type=whole(1), section="Layer", help="Input channels.")
@option("--filters", type=whole(1), section="Layer", help="Filters: output channels.")
@option("--k", "size", type=PairType(), section="Layer", help="Kernel size.")
@option(
    "--groups",
    type=whole(1),
    default=1,
    show_default=True,
    section="Layer",
    help="Groups that the channels are split into.",
)
@option("--no-bias", is_flag=True, section="Layer", help="The filters have no bias.")
@option(
    "--kernel",
    type=KernelType(),
    metavar="FILE",
    section="Layer",
    help="Count this kernel instead: a .json file or a name.",
)
@option("--w", "width", type=whole(1), section="Comparison", help="Input width, in pixels.")
@option(
    "--h",
    "height",
    type=whole(1),
    section="Comparison",
    help="Input height, in pixels; as the width where it is left out.",
)
@option(
    "--s",
    "stride",
    type=PairType(),
    default="1",
    show_default=True,
    section="Comparison",
    help="Stride.",
)
@option(
    "--p",
    "padding",
    type=PaddingType(),
    default="0",
    show_default=True,
    section="Comparison",
    help="Padding on each side.",
)
@option(
    "--hidden",
    type=whole(1),
    default=1000,
    show_default=True,
    section="Comparison",
    help="Units of the fully connected layer to compare with.",
)
@json_option
def command(
    *,
    channels: int | None,
    filters: int | None,
    size: Pair | None,
    groups: int,
    no_bias: bool,
    kernel: "Kernel | None",
    width: int | None,
    height: int | None,
    stride: Pair,
    padding: Padding,
    hidden: int,
    as_json: bool,
) -> None:
    """Count the weights and biases of a convolution layer.

    With --w it also shows the output volume, the multiply-adds, and what layers that
    share no weights would need for the same input.
    """
    bias = not no_bias
    given = {"--in": channels, "--filters": filters, "--k": size}
    if kernel is not None:
        _refuse_both(given)
        channels, filters, size = kernel.channels * groups, kernel.filters, kernel.size
        bias = bool(kernel.bias) and not no_bias
    if channels is None or filters is None or size is None:
        missing = next(name for name, value in given.items() if value is None)
        raise click.UsageError(
            f"Missing option '{missing}': give --in, --filters and --k, or --kernel"
        )
    if width is None and height is not None:
        raise click.UsageError("Missing option '--w': --h is given without it")
    output = None
    volume = None
    if width is not None:
        volume = Volume(channels, height or width, width)
        rows, columns = window(size, stride, padding).output_shape(
            (volume.height, volume.width)
        )
        output = Volume(filters, rows, columns)
    shape = (output.height, output.width) if output else (0, 0)
    try:
        layer = convolution_layer(
            channels, filters, size, groups=groups, bias=bias, output=shape
        )
    except GeometryError as error:
        raise click.UsageError(f"--{error}") from None
    rows_shown = [Row("convolution", counted_as(filters, channels, groups, size), layer)]
    if volume and output:
        rows_shown += alternatives(
            volume, output, size, groups=groups, bias=bias, hidden=hidden
        )
    if as_json:
        show_json(document(rows_shown, output))
        return
    show(rows_shown, output)


def _refuse_both(given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if value is not None:
            raise click.UsageError(f"{name} says what --kernel says already: give one of them")
