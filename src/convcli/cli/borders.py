"""`convcli borders`: what lies beyond the edge."""

import click

from convcli.cli.options import own_options, picture_options, subcommand
from convcli.cli.output import answer, refuse_inputs, refuse_terminals
from convcli.cli.types import KERNEL, FrameReader, KernelValue, OptionsValue

_PADDING, _WIDEST = 3, 40  # pixels of padding that are drawn, and at most: half a terminal


@subcommand("borders", short_help="Show what lies beyond the edge.")
@click.argument("kernel", required=False, type=KERNEL)
@click.argument("image", required=False, type=click.Path(allow_dash=True))
@own_options("""
Output
--padding 1..  Pixels of padding that are drawn, without IMAGE. [default: 3]

Pixels: options
--gray *       Make the picture grey first.

Output
--png FILE     Draw the corner of IMAGE with each mode, magnified.
--corner [top-left|top-right|bottom-left|bottom-right]
               Which corner of IMAGE; the one in which the modes differ most unless given.
""")
@picture_options
def command(
    *,
    kernel: "KernelValue | None",
    image: str | None,
    padding: int | None,
    png: str | None,
    corner: str | None,
    options: OptionsValue,
    read: FrameReader,
) -> None:
    """Draw each border mode, with its name in other tools.

    Upper case stands for 2 · edge - pixel.

    With KERNEL and IMAGE it shows a corner that each mode gives.

    For example:
      convcli borders
      convcli borders --padding 6
      convcli borders box:5 photo.jpg --gray --png borders.png
    """
    if image is None or kernel is None:
        if kernel or png is not None or corner is not None or options.gray:
            missing = "KERNEL" if kernel is None else "IMAGE"
            raise click.UsageError(
                f"Missing argument '{missing}': give KERNEL and IMAGE, or neither and no "
                "option that is for them"
            )
        _show_modes(padding or _PADDING)
        return
    if padding is not None:
        raise click.UsageError("--padding is for the names alone: leave it out with IMAGE")
    refuse_terminals(image, None)
    refuse_inputs([image], png)
    from convcli.drawing.canvas import check_canvas_target, write_canvas
    from convcli.lessons import borders as lesson

    check_canvas_target(png)
    picture = read(image)
    strips = lesson.strips_of(picture, kernel, options, corner=corner)
    if png is not None:
        write_canvas(lesson.draw_strips(strips, picture.white), png)
    count = lesson.numbers_shown(kernel, options)
    keys = ("border", "place", "corner", "largest_difference_to_zero")
    rows = [(s.border.value, s.corner, s.near(count), s.spread) for s in strips]
    corners = [dict(zip(keys, row, strict=True)) for row in rows]
    document = {"strips": corners, "image": image, "png": png}
    answer(document, "grids:show_strips", strips, count, picture.white)


def _show_modes(padding: int) -> None:
    if padding > _WIDEST:
        raise click.UsageError(
            f"--padding: expected at most {_WIDEST}, got {padding}: use a smaller one"
        )
    from convcli.choices import Border
    from convcli.lessons.borders import NAMES_ELSEWHERE, drawn

    rows = [(mode.value, drawn(mode, padding), *NAMES_ELSEWHERE[mode]) for mode in Border]
    heads = "name | drawn | NumPy | SciPy | OpenCV | torch | ImageMagick"
    keys = heads.lower().split(" | ")
    document = [dict(zip(keys, row, strict=True)) for row in rows]
    answer(document, "tables:show_table", "Border modes", heads, rows)
