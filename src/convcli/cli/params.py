"""`convcli params`: the learnable numbers of a layer, counted."""

import functools
from typing import Any

import click

from convcli.cli.options import json_option, own_options, subcommand
from convcli.cli.output import answer, check_use, sizes_checked
from convcli.cli.types import KERNEL, KernelValue
from convcli.geometry.layers import Layer, Volume, convolution_layer
from convcli.geometry.window import Padding, Pair, window
from convcli.values import fields_of


@subcommand("params", short_help="Count the parameters of a convolution layer.")
@own_options(
    """
Layer
--in-channels       Input channels.
--filters           Filters: output channels.
--kernel-size       Rows and columns of the kernel.
--groups 1.. =1     Groups that the channels are split into.
--no-bias           The filters have no bias.
--kernel FILE       Count this kernel instead: a .json file or a name.

Comparison
--width             Width of the input, in pixels.
--height            Height of the input; as the width where it is left out.
--stride =1         Step of the window, in pixels.
--padding =0        Pixels added on each side; same keeps the size at stride 1.
--dilation =1       Distance between two taps, in pixels.
--hidden 1.. =1000  Units of the fully connected layer to compare with.
""",
    kernel=KERNEL,
)
@json_option
def command(
    *,
    in_channels: int | None,
    filters: int | None,
    kernel_size: Pair | None,
    groups: int,
    no_bias: bool,
    kernel: "KernelValue | None",
    width: int | None,
    height: int | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    hidden: int,
) -> None:
    """Count the weights and biases of a convolution layer.

    With --w it also shows the output volume, the multiply-adds, and what layers that
    share no weights would need for the same input.

    For example:
      convcli params --in 3 --filters 64 --k 3
      convcli params --in 3 --filters 64 --k 3 --w 32 --h 32 --p 1
      convcli params --kernel bank.json
    """
    bias = not no_bias
    channels, size = in_channels, kernel_size
    given = {"--in-channels": channels, "--filters": filters, "--kernel-size": size}
    if kernel is not None:
        for name, value in given.items():
            if value is not None:
                raise click.UsageError(f"{name} says what --kernel says, too: give one of them")
        channels, filters, size = kernel.channels * groups, kernel.filters, kernel.size
        bias = bool(kernel.bias) and not no_bias
    if channels is None or filters is None or size is None:
        missing = next(name for name, value in given.items() if value is None)
        raise click.UsageError(
            f"Missing option '{missing}': give --in, --filters and --k, or --kernel"
        )
    more = {"height", "hidden"}
    check_use("" if width is None else "width", {"width": more, "": set()})
    volume = None if width is None else Volume(channels, height or width, width)
    output = None
    if volume is not None:
        slide = window(size, stride, padding, dilation)
        output = Volume(filters, *slide.output_shape((volume.height, volume.width)))
    shape = (output.height, output.width) if output else (0, 0)
    with sizes_checked():
        layer = convolution_layer(
            channels, filters, size, groups=groups, bias=bias, output=shape
        )
    depth = f"{channels:,}/{groups}" if groups > 1 else f"{channels:,}"
    arithmetic = f"{filters:,} · {depth} · {size[0]} · {size[1]}"
    rows = [("convolution", layer)]
    if volume and output:
        # Each value has weights of its own: it is a filter that is used once.
        count = functools.partial(convolution_layer, bias=bias, output=(1, 1))
        one = count(channels, output.values, size, groups=groups)
        same = count(volume.values, output.values, (1, 1))
        few = count(volume.values, hidden, (1, 1))
        rows += [("locally connected", one), ("fully connected, same output", same)]
        rows += [(f"fully connected, {hidden:,} units", few)]
    document = _document(rows, arithmetic, output)
    answer(document, "layers:show_parameters", rows, arithmetic, output)


def _document(
    rows: list[tuple[str, Layer]], arithmetic: str, output: Volume | None
) -> dict[str, Any]:
    (_, first), *others = rows
    names = ("weights", "biases", "total")
    counts: dict[str, Any] = {**fields_of(first, *names), "arithmetic": arithmetic}
    if output is not None:
        counts["output"] = fields_of(output, "channels", "height", "width")
        counts["multiply_adds"] = first.multiply_adds
        counts["compared"] = [
            {"layer": name, **fields_of(layer, *names, "multiply_adds")}
            | {"ratio": layer.total / first.total}
            for name, layer in others
        ]
    return counts
