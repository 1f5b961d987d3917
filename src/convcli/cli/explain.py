"""`convcli explain`: one output pixel, taken apart."""

from typing import TYPE_CHECKING

import click

from convcli.cli.file_options import frame_options
from convcli.cli.filter_options import (
    alpha_option,
    bias_option,
    combine_option,
    flip_option,
    gray_option,
    layout_option,
    range_option,
    window_options,
)
from convcli.cli.options import Command, json_option, option
from convcli.cli.output import show_json
from convcli.cli.seeing import scratch_file, show_file, show_option
from convcli.cli.types import OPERAND, POINT, whole
from convcli.geometry.window import Pair

if TYPE_CHECKING:
    from convcli.images.policy import ReadPolicy
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator
    from convcli.pipeline.options import Options


@click.command(
    "explain",
    cls=Command,
    short_help="Take one output pixel apart.",
    epilog="""\b
Examples:
  convcli explain sobel-x photo.jpg --at 120,80
  convcli explain sobel photo.jpg --at 120,80
  convcli explain gaussian:1 photo.jpg --at 0,0 --border replicate --gray
  convcli explain sharpen photo.jpg --at 60,40 --stride 2 --png explained.png""",
)
@click.argument("kernel", type=OPERAND)
@click.argument("image", type=click.Path(allow_dash=True))
@option(
    "--at",
    required=True,
    type=POINT,
    section="Output",
    help="The pixel of the output: X columns from the left, Y rows from the top.",
)
@window_options
@combine_option
@bias_option
@flip_option
@layout_option
@gray_option
@range_option
@alpha_option
@option(
    "--channel",
    type=whole(0),
    section="Pixels",
    help="Only this output channel, counted from 0 (for a bank 0 unless given).",
)
@option("--png", metavar="FILE", default=None, section="Output", help="Draw it, too.")
@show_option
@frame_options
@json_option
def command(
    *,
    kernel: "Kernel | Operator",
    image: str,
    at: Pair,
    channel: int | None,
    png: str | None,
    show: bool,
    as_json: bool,
    options: "Options",
    reading: "ReadPolicy",
) -> None:
    """Show how KERNEL makes one output pixel of IMAGE: patch, products, sum, value.

    The value is the one that convcli apply writes there with the same options. Of an
    operator (sobel, sobel-x+sobel-y) each kernel's answer is shown, and how they become
    one.
    """
    from convcli.images.drawing import check_canvas_target, write_canvas
    from convcli.lessons.explain.drawing import draw_explanations
    from convcli.lessons.explain.explain import explain_output, first_channels
    from convcli.pipeline.files import read_first_frame

    scratch = scratch_file("explained.png") if show and png is None else None
    if png is not None:
        check_canvas_target(png, moving=False)
    channels = first_channels(kernel) if channel is None else [channel]
    picture = read_first_frame(image, reading)
    found = explain_output(kernel, picture, at, options, channels=channels)
    drawn = scratch if png is None else png
    if drawn is not None:
        write_canvas(draw_explanations(found), drawn)
        if show:
            show_file(drawn)
    if as_json:
        document = {"kernel": kernel.name, "image": image, "png": png}
        show_json(document | {"channels": [one.as_dict() for one in found]})
        return
    from convcli.cli.render.grids import show_explanation

    for one in found:
        show_explanation(one, kernel.name)
