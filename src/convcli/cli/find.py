"""`convcli find`: where a kernel answers most strongly."""

import click

from convcli.cli.options import own_options, picture_options, subcommand, with_options
from convcli.cli.output import answer, refuse_inputs
from convcli.cli.types import KERNEL, FrameReader, KernelValue


@subcommand("find", short_help="Find where a pattern appears.")
@click.argument("kernel", type=KERNEL)
@click.argument("source", metavar="IMAGE", type=click.Path(allow_dash=True))
@with_options("layout")
@own_options(
    """
Matches
--top 1.. =5  How many places at most.
--normalized  Score from -1 to 1, whatever the brightness and contrast (normalised
              cross-correlation).

Output
--mark FILE   Write the picture with the places framed and numbered.
--show        Show before and after in the terminal.
""",
    mark=click.Path(dir_okay=False),
)
@picture_options
def command(
    *,
    kernel: KernelValue,
    source: str,
    top: int,
    normalized: bool,
    mark: str | None,
    show: bool,
    read: FrameReader,
) -> None:
    """Find the places of IMAGE where KERNEL answers most strongly.

    KERNEL is what 'convcli apply' takes; image:patch.png is a patch to look for, with
    its mean taken off. The picture is made grey. Of places closer than half a kernel,
    the best is listed.

    For example:
      convcli find image:eye.png photo.png --normalized
      convcli find image:eye.png photo.png --normalized --top 2 --mark eyes.png
      convcli find log:4@negate photo.png --top 10
    """
    from convcli.images.formats import format_for
    from convcli.lessons.find import find_matches

    file_format = format_for(mark) if mark else ""
    refuse_inputs([source], mark)
    frame = read(source)
    matches = find_matches(frame.as_gray(source), kernel, top=top, normalized=normalized)
    if mark or show:
        from convcli.drawing.figures import marked
        from convcli.images.write import write_picture

        boxes = [(match.left, match.top, match.width, match.height) for match in matches]
        drawn = marked(frame, boxes)
        if mark:
            write_picture(drawn, mark, file_format)
        if show:
            from convcli.cli.render.cells import show_frames

            show_frames(frame, drawn)
    document = {"source": source, "kernel": kernel.name, "normalized": normalized}
    document["matches"] = [match.as_dict() for match in matches]
    rows = [
        f"{number:,} | {match.centre[0]:g} | {match.centre[1]:g} | {match.left}, {match.top} | "
        f"{match.width} × {match.height} | {match.score:.4g}"
        for number, match in enumerate(matches, start=1)
    ]
    heads = "> | >x | >y | upper left | size (px) | >score"
    answer(document, "tables:show_table", f"{kernel.name} in {source}", heads, rows)
