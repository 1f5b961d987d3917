"""`convcli matrix`: a convolution as a matrix; and what apply prints of small matrices."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from convcli.cli.options import WINDOW, json_option, own_options, subcommand, with_options
from convcli.cli.output import STANDARD, answer, refuse_terminals
from convcli.cli.types import KERNEL, KernelValue, LinkValue, OptionsValue

if TYPE_CHECKING:
    from convcli.cli.placing import PlacedCall
    from convcli.engine.pooling import Pooling


@subcommand("matrix", short_help="Show a convolution as a matrix.")
@click.argument("kernel", type=KERNEL)
@own_options(
    """
Input
--width   Columns of the input.
--height  Rows of the input; as --width unless given.
""",
    width={"required": True},
)
@with_options(*WINDOW, "flip")
@own_options("""
Output
--transposed  The transposed matrix: from the outputs back to the inputs.
--png FILE    Draw it as a picture.
""")
@json_option
def command(
    *,
    kernel: KernelValue,
    width: int,
    height: int | None,
    transposed: bool,
    png: str | None,
    options: OptionsValue,
) -> None:
    """Show the matrix by which KERNEL maps all pixels of a small picture to all outputs.

    A convolution is a fully connected layer with constraints: each output sees only the
    pixels near it, so most entries are 0; and all outputs share the same weights. Each
    weight has a colour. The pixels are the input's, row by row.

    For example:
      convcli matrix laplacian --w 4 --h 4
      convcli matrix box:3 --w 5 --stride 2 --transposed
      convcli matrix sobel-x --w 8 --png matrix.png
    """
    from convcli.drawing.canvas import check_canvas_target, write_canvas
    from convcli.lessons.matrix import convolution_matrix, draw_matrix

    check_canvas_target(png)
    found = convolution_matrix(kernel, (height or width, width), options)
    found = found.transposed if transposed else found
    if png is not None:
        write_canvas(draw_matrix(found, kernel.name), png)
    named = {"kernel": kernel.name, "transposed": transposed}
    answer(lambda: named | found.as_dict(), "grids:show_matrix", found, kernel.name)


def show_applied(
    links: Sequence["LinkValue | Pooling"], call: "PlacedCall", options: OptionsValue
) -> None:
    """Filter a matrix, and print it, the kernels, and the raw result with all its digits."""
    from convcli.images.formats import CSV, JSON
    from convcli.pipeline.files import read_first_frame
    from convcli.pipeline.run import filter_frame

    source = call.names[0]
    refuse_terminals(source, None)
    frame = read_first_frame(source, call.reading)
    if source == STANDARD and frame.format not in {CSV, JSON}:
        raise click.UsageError("Missing argument 'OUTPUT': only a matrix is printed")
    values = filter_frame(frame, links, options, raw=True).values
    result = values[..., 0] if values.shape[2] == 1 else values
    kernels = [kernel for each in links for kernel in getattr(each, "kernels", ())]
    titles = [f"kernel {kernel.name}".removesuffix(" inline kernel") for kernel in kernels]
    weights = [(kernel.flipped() if options.flip else kernel).weights for kernel in kernels]
    grids = list(zip(titles, weights, strict=True))
    used = [{"name": name, "values": grid} for name, grid in grids]
    document = {"input": frame.array, "kernels": used, "result": result}
    shown = [("input", frame.array), *grids, ("result", result)]
    answer(document, "grids:show_grids", shown)
