"""`convcli equivariance`: shift then filter, or filter then shift."""

from typing import TYPE_CHECKING

import click

from convcli.cli.file_options import frame_options
from convcli.cli.filter_options import gray_option, window_options
from convcli.cli.options import Command, json_option, option
from convcli.cli.output import show_json
from convcli.cli.types import OPERAND, POINT
from convcli.geometry.window import Pair, pair

if TYPE_CHECKING:
    from convcli.images.policy import ReadPolicy
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator
    from convcli.lessons.equivariance import Difference
    from convcli.pipeline.options import Options


@click.command(
    "equivariance",
    cls=Command,
    short_help="Shift then filter, or filter then shift: the same?",
    epilog="""\b
Examples:
  convcli equivariance sobel-x photo.jpg --shift 10,0
  convcli equivariance sobel-x photo.jpg --shift 10,0 --border wrap
  convcli equivariance box:3 photo.jpg --shift 3,0 --stride 2""",
)
@click.argument("kernel", type=OPERAND)
@click.argument("image", type=click.Path(allow_dash=True))
@option(
    "--shift",
    type=POINT,
    default="10,0",
    section="Window",
    help="X columns to the right, Y rows down.",
)
@window_options
@gray_option
@frame_options
@json_option
def command(
    *,
    kernel: "Kernel | Operator",
    image: str,
    shift: Pair,
    as_json: bool,
    options: "Options",
    reading: "ReadPolicy",
) -> None:
    """Compare both orders of shifting IMAGE and filtering it by KERNEL.

    Away from the border they agree: convolution is translation equivariant. With a
    stride s they do so only for shifts by multiples of s.
    """
    from convcli.lessons.equivariance import compare_orders, compare_steps, verdict
    from convcli.pipeline.files import read_first_frame

    picture = read_first_frame(image, reading)
    asked = compare_orders(picture, kernel, shift, options)
    series = compare_steps(picture, kernel, shift, options) if shift != (0, 0) else []
    if as_json:
        document = {"kernel": kernel.name, "image": image, **asked.as_dict()}
        show_json(document | {"steps": [one.as_dict() for one in series]})
        return
    from convcli.cli.render.tables import show, show_table

    found = [asked, *(one for one in series if one.shift != shift)]
    title = f"{kernel.name}: shift then filter, against filter then shift"
    headings = ("shift x,y", "of the output", "largest difference", "at the border", "")
    show_table(title, headings, map(_row, found), numbers=(2, 3))
    show(verdict(found, pair(options.stride, "stride")))


def _row(one: "Difference") -> tuple[str, ...]:
    moved = one.output_shift
    return (
        f"{one.shift[1]},{one.shift[0]}",
        "no whole number" if moved is None else f"{moved[1]},{moved[0]}",
        *("none" if value is None else f"{value:.4g}" for value in (one.inside, one.border)),
        "nothing inside" if one.inside is None else "commutes" if one.commutes else "differs",
    )
