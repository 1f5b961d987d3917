"""`convcli borders`: what lies beyond the edge."""

from typing import TYPE_CHECKING

import click

from convcli.cli.command import subcommand
from convcli.cli.options import FILTERING, frame_options, json_option, own_options
from convcli.cli.output import refuse_terminals, show_json
from convcli.cli.types import KERNEL, whole

if TYPE_CHECKING:
    from convcli.images.policy import ReadPolicy
    from convcli.kernels.kernel import Kernel
    from convcli.pipeline.options import Options

_PADDING, _WIDEST = 3, 40
"""Pixels of padding that are drawn, and at most: half a terminal."""

_TOOLS = ("NumPy", "SciPy", "OpenCV", "torch", "ImageMagick")


@subcommand("borders", short_help="Show what lies beyond the edge.")
@click.argument("kernel", required=False, type=KERNEL)
@click.argument("image", required=False, type=click.Path(allow_dash=True))
@own_options(
    """
Output
--padding     Pixels of padding that are drawn, without IMAGE. [default: 3]

Pixels: options
--gray *      Make the picture grey first.

Output
--png FILE    Draw the corner of IMAGE with each mode, magnified.
--corner      Which corner of IMAGE; the one in which the modes differ most unless given.
""",
    FILTERING,
    padding=whole(1),
    corner=click.Choice(("top-left", "top-right", "bottom-left", "bottom-right")),
)
@frame_options
@json_option
def command(
    *,
    kernel: "Kernel | None",
    image: str | None,
    padding: int | None,
    png: str | None,
    corner: str | None,
    as_json: bool,
    options: "Options",
    reading: "ReadPolicy",
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
        if kernel is not None or png is not None or corner is not None or options.gray:
            missing = "KERNEL" if kernel is None else "IMAGE"
            raise click.UsageError(
                f"Missing argument '{missing}': give KERNEL and IMAGE, or neither and no "
                "option that is for them"
            )
        _show_modes(padding or _PADDING, as_json=as_json)
        return
    if padding is not None:
        raise click.UsageError("--padding is for the names alone: leave it out with IMAGE")
    refuse_terminals(image, None)
    from convcli.images.drawing import check_canvas_target, write_canvas
    from convcli.lessons import borders as lesson
    from convcli.pipeline.files import read_first_frame

    if png is not None:
        check_canvas_target(png)
    picture = read_first_frame(image, reading)
    strips = lesson.strips_of(picture, kernel, options, corner=corner)
    if png is not None:
        write_canvas(lesson.draw_strips(strips, picture.white), png)
    count = lesson.numbers_shown(kernel, options)
    if as_json:
        keys = ("border", "place", "corner", "largest_difference_to_zero")
        rows = [(s.border.value, s.corner, s.near(count), s.spread) for s in strips]
        corners = [dict(zip(keys, row, strict=True)) for row in rows]
        show_json({"strips": corners, "image": image, "png": png})
        return
    from convcli.cli.render.grids import show_strips

    show_strips(strips, count, picture.white)


def _show_modes(padding: int, *, as_json: bool) -> None:
    if padding > _WIDEST:
        raise click.UsageError(
            f"--padding: expected at most {_WIDEST}, got {padding}: use a smaller one"
        )
    from convcli.choices import Border
    from convcli.lessons.borders import NAMES_ELSEWHERE, drawn

    rows = [(mode.value, drawn(mode, padding), *NAMES_ELSEWHERE[mode]) for mode in Border]
    if as_json:
        keys = ("name", "drawn", *(tool.lower() for tool in _TOOLS))
        show_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    from convcli.cli.render.tables import show_table

    show_table("Border modes", ("name", "drawn", *_TOOLS), rows)
