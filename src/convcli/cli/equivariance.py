"""`convcli equivariance`: shift then filter, or filter then shift."""

import click

from convcli.cli.options import WINDOW, own_options, picture_options, subcommand, with_options
from convcli.cli.output import answer
from convcli.cli.types import OPERAND, FrameReader, OperandValue, OptionsValue
from convcli.geometry.window import Pair, pair


@subcommand("equivariance", short_help="Shift then filter, or filter then shift: the same?")
@click.argument("kernel", type=OPERAND)
@click.argument("image", type=click.Path(allow_dash=True))
@own_options("""
Window
--shift X,Y =10,0  X columns to the right, Y rows down.
""")
@with_options(*WINDOW, "gray")
@picture_options
def command(
    *, kernel: OperandValue, image: str, shift: Pair, options: OptionsValue, read: FrameReader
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

    picture = read(image)
    asked = compare_orders(picture, kernel, shift, options)
    series = compare_steps(picture, kernel, shift, options) if shift != (0, 0) else []
    document = {"kernel": kernel.name, "image": image, **asked.as_dict()}
    document["steps"] = [one.as_dict() for one in series]
    found = [asked, *(one for one in series if one.shift != shift)]
    title = f"{kernel.name}: shift then filter, against filter then shift"
    heads = "shift x,y | of the output | >largest difference | >at the border | "
    said = verdict(found, pair(options.stride, "stride"))
    rows = []
    for one in found:
        moved = "{1},{0}".format(*one.output_shift) if one.output_shift else "no whole number"
        parts = ("none" if part is None else f"{part:.4g}" for part in (one.inside, one.border))
        what = "commutes" if one.commutes else "differs"
        what = "nothing inside" if one.inside is None else what
        rows.append((f"{one.shift[1]},{one.shift[0]}", moved, *parts, what))
    answer(document, "tables:show_table", title, heads, rows, note=said)
