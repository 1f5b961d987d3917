"""`convcli explain`: one output pixel, taken apart."""

import contextlib
import functools
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import WINDOW, own_options, picture_options, subcommand, with_options
from convcli.cli.output import answer, refuse_inputs, scratch_file, show_file, wants_json
from convcli.cli.types import OPERAND, FrameReader, OperandValue, OptionsValue
from convcli.geometry.window import Pair

if TYPE_CHECKING:
    from convcli.images.picture import Frame
    from convcli.lessons.explain import Explainer, Explanation


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
    from convcli.images.drawing import check_canvas_target, write_canvas
    from convcli.images.formats import is_matrix_name
    from convcli.lessons.explain import Explainer, first_channels
    from convcli.lessons.explain.drawing import draw_explanations

    _check_place(at, step=step, has_other=wants_json() or show or bool(png or target))
    numbers = target is not None and is_matrix_name(target)
    if png and target and not numbers:
        raise click.UsageError(f"OUTPUT is given twice ({target}, {png}): leave one out")
    png = png or (None if numbers else target)
    drawn = scratch_file("explained.png") if show and png is None else png
    check_canvas_target(drawn)
    refuse_inputs([image], drawn, target)
    channels = first_channels(kernel) if channel is None else [channel]
    picture = read(image)
    explainer = Explainer(kernel, picture, options)
    place = at or (explainer.shape[0] // 2, explainer.shape[1] // 2)
    found = explainer.at(place, channels)
    if step:
        found = _step(explainer, picture, found, kernel.name)
    document: dict[str, Any] = {"kernel": kernel.name, "image": image, "png": png}
    document["channels"] = [one.as_dict() for one in found]
    if target is not None and numbers:
        _write_numbers(found, document, target)
    if drawn is not None:
        write_canvas(draw_explanations(found), drawn)
        if show:
            show_file(drawn)
    answer(document, "grids:show_explanations", found, kernel.name)


def _write_numbers(found: "list[Explanation]", document: dict[str, Any], target: str) -> None:
    """Write all of an explanation as .json; its only grid of products as .csv or .txt."""
    from convcli.images.formats import format_for
    from convcli.images.picture import Frame
    from convcli.images.write import write_frame
    from convcli.lessons.pictures import write_json

    if target.lower().endswith(".json"):
        write_json(document, target)
        return
    planes = [plane for one in found for part in one.parts for plane in part.planes]
    if len(planes) != 1:
        raise click.UsageError(
            f"{target}: expected one grid of products for a .csv or .txt, got {len(planes)}: "
            "choose one kernel and --channel, or write a .json"
        )
    write_frame(Frame(planes[0].products[..., None]), target, format_for(target))


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


_KEY = re.compile(r"\x1b[\[O][A-D]|[\xe0\x00].|.", re.DOTALL)
_MOVES = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}
_MOVES |= {"H": (-1, 0), "P": (1, 0), "M": (0, 1), "K": (0, -1)}
"""Rows and columns of an arrow key, by the end of what a terminal sends, or Windows."""


def _step(
    explainer: "Explainer", picture: "Frame", found: "list[Explanation]", name: str
) -> "list[Explanation]":
    """Show one pixel after another, as keys ask for them; return the last one."""
    from convcli.cli.render.grids import show_step, show_window
    from convcli.cli.render.tables import on_screen

    (row, column), channel = found[0].at, found[0].channel
    height, width, channels = explainer.shape
    with _keys() as pressed, on_screen() as redraw:
        while True:
            (one,) = explainer.at((row, column), [channel])
            around = functools.partial(show_window, one, picture)
            redraw(functools.partial(show_step, one, name), around)
            for key in _KEY.findall(pressed()) or "q":
                if key in "\r\nqQ\x03\x04":  # or Ctrl-C, Ctrl-D
                    return [one]
                if key == "\t":
                    channel = (channel + 1) % channels
                if len(key) > 1:
                    down, across = _MOVES.get(key[-1], (0, 0))
                    row = min(max(row + down, 0), height - 1)
                    column = min(max(column + across, 0), width - 1)


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Yield a function that waits for keys; click's forgets those pressed while it draws."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield click.getchar
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)
    try:
        yield lambda: os.read(terminal, 32).decode("latin-1")
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
