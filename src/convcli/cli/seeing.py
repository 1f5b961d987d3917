"""`--show` and `--compare`: pictures in the terminal, and before and after as a picture."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from convcli.cli.options import option
from convcli.cli.output import STANDARD, note

if TYPE_CHECKING:
    from convcli.images.picture import Frame
    from convcli.images.policy import ReadPolicy

show_option = option(
    "--show",
    is_flag=True,
    section="Output",
    help="Show the result in the terminal. An OUTPUT may then be left out.",
)

compare_option = option(
    "--compare",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    section="Output",
    help="Draw before and after side by side, labelled, as a .png.",
)


def scratch_file(name: str) -> str:
    """Return a file's name in a folder that is there until the command ends."""
    import tempfile

    folder = tempfile.TemporaryDirectory(prefix="convcli-")
    return os.path.join(click.get_current_context().with_resource(folder), name)  # noqa: PTH118


def names_with_scratch(
    names: Sequence[str], output: str | None, *, show: bool, compare: str | None, suffix: str
) -> tuple[str, ...]:
    """Return the names of a command line; OUTPUT is a scratch file where it is left out."""
    names = tuple(names)
    if not (show or compare) or len(names) != 1 or output is not None:
        return names
    if show and not compare and not sys.stdout.isatty():
        raise click.UsageError(
            "--show needs a terminal, and OUTPUT is left out: name OUTPUT, or --compare FILE"
        )
    return (*names, scratch_file(f"after{suffix}"))


def check_seeing(
    names: Sequence[str], *, show: bool, compare: str | None, many: bool = False
) -> None:
    """Refuse many pictures and pipes, which cannot be shown, before anything is written."""
    if not (show or compare):
        return
    flag = "--show" if show else "--compare"
    if many or any("{" in name for name in names):
        raise click.UsageError(f"{flag} is for one picture: leave it out")
    if STANDARD in names:
        raise click.UsageError(f"{flag} reads INPUT and OUTPUT again: name files, not -")
    if compare is not None:
        from convcli.images.drawing import check_canvas_target

        check_canvas_target(compare)


def see(
    source: str, target: str, reading: "ReadPolicy", *, show: bool, compare: str | None
) -> None:
    """Show and draw a picture and what became of it."""
    if not (show or compare):
        return
    from convcli.pipeline.files import read_first_frame

    before, after = read_first_frame(source, reading), read_first_frame(target)
    if compare is not None:
        from convcli.images.figures import side_by_side
        from convcli.images.write import write_frame

        write_frame(side_by_side((before, after), ("before", "after")), compare, "PNG")
    if show:
        show_frames(before, after)


def show_file(path: str) -> None:
    """Show a picture file in the terminal."""
    from convcli.pipeline.files import read_first_frame

    show_frames(read_first_frame(path))


def show_frames(*frames: "Frame") -> None:
    """Show pictures side by side in the terminal; say so where there is none."""
    if not sys.stdout.isatty():
        note("not shown: standard output is no terminal")
        return
    from convcli.cli.render.cells import show_cells, show_graphics, without_colours

    plain = without_colours()
    if plain or not show_graphics(frames):
        show_cells(frames, plain=plain)
