"""`convcli equivariance`: shift then filter, or filter then shift."""

from typing import TYPE_CHECKING

import click

from convcli.cli.command import subcommand
from convcli.cli.options import (
    frame_options,
    json_option,
    own_options,
    window_options,
    with_options,
)
from convcli.cli.output import show_json
from convcli.cli.types import OPERAND, POINT
from convcli.geometry.window import Pair, pair

if TYPE_CHECKING:
    from convcli.images.policy import ReadPolicy
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator
    from convcli.lessons.equivariance import Difference
    from convcli.pipeline.options import Options


@subcommand("equivariance", short_help="Shift then filter, or filter then shift: the same?")
@click.argument("kernel", type=OPERAND)
@click.argument("image", type=click.Path(allow_dash=True))
@own_options(
    """
Window
--shift =10,0    X columns to the right, Y rows down.
""",
    shift=POINT,
)
@window_options
@with_options("gray")
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

    For example:
      convcli equivariance sobel-x photo.jpg --shift 10,0
      convcli equivariance sobel-x photo.jpg --shift 10,0 --border wrap
      convcli equivariance box:3 photo.jpg --shift 3,0 --stride 2
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
