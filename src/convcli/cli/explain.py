"""`convcli explain`: one output pixel, taken apart."""

import sys
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import WINDOW, own_options, picture_options, subcommand, with_options
from convcli.cli.output import answer, refuse_inputs, wants_json
from convcli.cli.types import OPERAND, FrameReader, OperandValue, OptionsValue
from convcli.geometry.window import Pair

if TYPE_CHECKING:
    from convcli.lessons.explain import Explanation


@subcommand("explain", short_help="Take one output pixel apart.")
@click.argument("kernel", type=OPERAND)
@click.argument("image", type=click.Path(allow_dash=True))
@click.argument("target", metavar="[OUTPUT]", required=False, type=click.Path())
@own_options("""
Output
--at X,Y  The pixel of the output: X columns from the left, Y rows from the top.
--step    Step from pixel to pixel with the arrow keys, in a terminal; Tab shows the next
          channel, Enter or q ends. It starts at --at, or in the middle.
""")
@with_options(
    *WINDOW, "transposed", "output_padding", "combine", "bias", "flip", "layout", "gray"
)
@with_options("range", "alpha")
@own_options("""
Pixels
--channel 0..  Only this output channel, counted from 0 (for a bank 0 unless given).

Output
--png FILE     Draw it as a picture.
--show         Show that picture in the terminal.
""")
@picture_options
def command(
    *,
    kernel: OperandValue,
    image: str,
    target: str | None,
    at: Pair | None,
    step: bool,
    channel: int | None,
    png: str | None,
    show: bool,
    options: OptionsValue,
    read: FrameReader,
) -> None:
    """Show how KERNEL makes one output pixel of IMAGE: patch, products, sum, value.

    The value is the one that convcli apply writes there with the same options. Of an
    operator (sobel, sobel-x+sobel-y) each kernel's answer is shown, and how they become
    one. OUTPUT is a .png as of --png, a .json, or a .csv or .txt for one grid of products.

    For example:
      convcli explain sobel-x photo.jpg --at 120,80
      convcli explain sobel photo.jpg --at 120,80
      convcli explain gaussian:1 photo.jpg --at 0,0 --border replicate --gray
      convcli explain sharpen photo.jpg --at 60,40 --stride 2 --png explained.png
      convcli explain sobel-x photo.jpg --step
    """
    from convcli.drawing.canvas import check_canvas_target, write_canvas
    from convcli.images.formats import is_matrix_name
    from convcli.lessons.explain import Explainer
    from convcli.lessons.explain.drawing import draw_explanations

    _check_place(at, step=step, has_other=wants_json() or show or bool(png or target))
    numbers = target is not None and is_matrix_name(target)
    if png and target and not numbers:
        raise click.UsageError(f"OUTPUT is given twice ({target}, {png}): leave one out")
    png = png or (None if numbers else target)
    check_canvas_target(png)
    refuse_inputs([image], png, target)
    picture = read(image)
    explainer = Explainer(kernel, picture, options)
    place = at or (explainer.shape[0] // 2, explainer.shape[1] // 2)
    found = explainer.at(place, channel)
    if step:
        from convcli.cli.render.stepping import step as step_through

        found = step_through(explainer, picture, found, kernel.name)
    document: dict[str, Any] = {"kernel": kernel.name, "image": image, "png": png}
    document["channels"] = [one.as_dict() for one in found]
    if target is not None and target.lower().endswith(".json"):
        from convcli.lessons.pictures import write_json

        write_json(document, target)
    elif target is not None and numbers:
        _write_products(found, target)
    if png is not None:
        write_canvas(draw_explanations(found), png)
    if show:
        from convcli.cli.render.cells import show_frames

        show_frames(draw_explanations(found).frame())
    answer(document, "grids:show_explanations", found, kernel.name)


def _write_products(found: "list[Explanation]", target: str) -> None:
    """Write the only grid of products of an explanation as .csv or .txt."""
    from convcli.images.formats import format_for
    from convcli.images.picture import Frame
    from convcli.images.write import write_picture

    planes = [plane for one in found for part in one.parts for plane in part.planes]
    if len(planes) != 1:
        raise click.UsageError(
            f"{target}: expected one grid of products for a .csv or .txt, got {len(planes)}: "
            "choose one kernel and --channel, or write a .json"
        )
    write_picture(Frame(planes[0].products[..., None]), target, format_for(target))


def _check_place(at: Pair | None, *, step: bool, has_other: bool) -> None:
    """Refuse a call without a pixel, and steps where there is no terminal for them."""
    if not step and at is None:
        raise click.UsageError("Missing option '--at'")
    if step and has_other:
        raise click.UsageError(
            "--step shows in the terminal: leave --json, --png, --show and OUTPUT out"
        )
    if step and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("--step needs a terminal for its keys: use --at X,Y in a pipe")
