"""`convcli animate`: the window slides, the output fills."""

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
from convcli.cli.output import STANDARD, refuse_terminals, say, show_json
from convcli.cli.types import LINK, POINT, whole
from convcli.geometry.window import Pair
from convcli.text import counted

if TYPE_CHECKING:
    from convcli.images.policy import ReadPolicy
    from convcli.pipeline.options import Options
    from convcli.pipeline.steps import Link


@subcommand("animate", short_help="Show the window slide over a small crop.")
@click.argument("kernel", type=LINK)
@click.argument("image", type=click.Path(allow_dash=True))
@click.argument("target", metavar="OUTPUT", required=False, type=click.Path())
@own_options(
    """
Output
--output OUTPUT    OUTPUT, given as an option.
--quiet            Print no report.

Crop
--at               The middle of the crop; the picture's middle unless given.
--cells =7         Rows and columns of the crop.
""",
    at=POINT,
    cells=whole(1, 16),
)
@window_options
@with_options("transposed", "output_padding", "flip", "range")
@own_options(
    """
Frames
--delay =400     How long a frame stays, in milliseconds.
--frames =100    The most frames; where outputs are more, several fill at once.
--format form    How the frames are written; by OUTPUT's suffix unless given. frames: a PNG
                 each, in the folder OUTPUT or as NAME-01.png; strip: all on one PNG, for print.
""",
    delay=whole(20, 10_000),
    frames=whole(1, 256),
    form=click.Choice(("gif", "apng", "webp", "mp4", "frames", "strip")),
)
@frame_options
@json_option
def command(
    *,
    kernel: "Link",
    image: str,
    target: str | None,
    output: str | None,
    at: Pair | None,
    cells: int,
    delay: int,
    frames: int,
    form: str | None,
    quiet: bool,
    as_json: bool,
    options: "Options",
    reading: "ReadPolicy",
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
    from convcli.images.animation import animation_form, is_numbers
    from convcli.lessons.animate import animation_of
    from convcli.pipeline.files import read_first_frame

    if target is not None and output is not None:
        raise click.UsageError(f"OUTPUT is given twice ({target}, {output}): leave one out")
    target = target or output
    if target is None:
        raise click.UsageError("Missing argument 'OUTPUT'")
    numbers = is_numbers(target, form)
    form = None if numbers else animation_form(target, form)
    refuse_terminals(image, target)
    frame = read_first_frame(image, reading)
    made = animation_of(frame, kernel, options, at=at, cells=cells, delay=delay, frames=frames)
    if target == STANDARD:
        click.echo(made.encoded(str(form)), nl=False)
        return
    written = made.save(target, form)
    count, (width, height) = len(made.drawings), made.drawings[0].image.size
    rows, columns = made.output.shape[:2]
    named = written[0] if len(written) == 1 else f"{written[0]} to {written[-1]}"
    if as_json:
        drawn = {"frames": count, "width": width, "height": height}
        document = {"target": named, "files": written, **({} if numbers else drawn)}
        show_json(document | {"output": {"width": columns, "height": rows}})
    elif not quiet:
        frames_of = f"{counted(count, 'frame')} of {width} × {height} px"
        cell = "cell" if rows * columns == 1 else "cells"
        what = "raw numbers" if numbers else frames_of
        say(f"{named}: {what}, output {columns} × {rows} {cell}")
