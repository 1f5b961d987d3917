"""`convcli animate`: the window slides, the output fills."""

from typing import Any

import click

from convcli.cli.options import WINDOW, own_options, picture_options, subcommand, with_options
from convcli.cli.output import STANDARD, answer, refuse_inputs, refuse_terminals, say
from convcli.cli.types import LINK, FrameReader, LinkValue, OptionsValue
from convcli.text import counted


@subcommand("animate", short_help="Show the window slide over a small crop.")
@click.argument("kernel", type=LINK)
@click.argument("image", type=click.Path(allow_dash=True))
@click.argument("target", metavar="OUTPUT", required=False, type=click.Path())
@own_options("""
Output
--output OUTPUT   OUTPUT, given as an option.
--quiet           Print no report.

Crop
--at X,Y          The middle of the crop; the picture's middle unless given.
--cells 1..16 =7  Rows and columns of the crop.
""")
@with_options(*WINDOW, "transposed", "output_padding", "flip", "range")
@own_options("""
Frames
--delay 20..10000 =400  How long a frame stays, in milliseconds.
--frames 1..256 =100    The most frames; where outputs are more, several fill at once.
--format form [gif|apng|webp|mp4|frames|strip]
                        How the frames are written; by OUTPUT's suffix unless given. frames: a
                        PNG each, in the folder OUTPUT or as NAME-01.png; strip: all on one PNG,
                        for print.
""")
@picture_options
def command(
    *,
    kernel: LinkValue,
    image: str,
    target: str | None,
    output: str | None,
    form: str | None,
    quiet: bool,
    options: OptionsValue,
    read: FrameReader,
    **drawing: Any,
) -> None:
    """Draw KERNEL sliding over a crop of IMAGE, and write it to OUTPUT.

    KERNEL is a kernel, a filter bank (its channels are summed, its maps stacked), or a
    pooling: maxpool:2 (or max:2), avgpool:2 (or pool:2). OUTPUT ends in .gif, .webp, .png
    or .apng (an animated PNG), or .mp4 (made by ffmpeg), or is - with --format; a .csv,
    .txt or .json gets the raw numbers that fill. The crop is filtered as if it were the
    whole picture, in grey but for a bank of three channels; padding has green frames.

    For example:
      convcli animate sobel-x photo.jpg slide.gif --at 120,80
      convcli animate box:3 photo.jpg stride.webp --stride 2 --cells 9
      convcli animate max:2 photo.jpg pool.mp4
      convcli animate layer.npy photo.jpg steps.png --format strip --frames 12
      convcli animate box:3 photo.jpg up.gif --transposed --stride 2 --cells 3
    """
    from convcli.drawing.animation import NUMBERS, animation_form
    from convcli.lessons.animate import animation_of

    if target is not None and output is not None:
        raise click.UsageError(f"OUTPUT is given twice ({target}, {output}): leave one out")
    target = target or output
    if target is None:
        raise click.UsageError("Missing argument 'OUTPUT'")
    written_as = animation_form(target, form)
    refuse_terminals(image, target)
    refuse_inputs([image], *[target] * (target != STANDARD))
    made = animation_of(read(image), kernel, options, label=image, **drawing)
    if target == STANDARD:
        click.echo(made.encoded(written_as), nl=False)
        return
    written = made.save(target, form)
    count, (width, height) = len(made.drawings), made.drawings[0].image.size
    rows, columns = made.output.shape[:2]
    named = written[0] if len(written) == 1 else f"{written[0]} to {written[-1]}"
    document: dict[str, Any] = {"target": named, "files": written}
    what = "raw numbers"
    if written_as != NUMBERS:
        what = f"{counted(count, 'frame')} of {width} × {height} px"
        document |= {"frames": count, "width": width, "height": height}
    document["output"] = {"width": columns, "height": rows}
    cell = "cell" if rows * columns == 1 else "cells"
    answer(document, say, f"{named}: {what}, output {columns} × {rows} {cell}", quiet=quiet)
