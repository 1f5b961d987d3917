"""Pixel after pixel taken apart, on a screen of its own, as keys ask for them."""

import contextlib
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence

import click
import numpy as np
from rich.console import Console
from rich.text import Text

from convcli.cli.render.cells import cell_lines, without_colours
from convcli.cli.render.grids import show_explanations
from convcli.cli.render.tables import show
from convcli.drawing.canvas import ACCENT
from convcli.drawing.figures import thumbnail
from convcli.images.picture import Frame
from convcli.lessons.explain import Explainer, Explanation
from convcli.values import replace

_KEY = re.compile(r"\x1b[\[O][A-D]|[\xe0\x00].|.", re.DOTALL)
_MOVES = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}
_MOVES |= {"H": (-1, 0), "P": (1, 0), "M": (0, 1), "K": (0, -1)}
"""Rows and columns of an arrow key, by the end of what a terminal sends, or Windows."""


def step(
    explainer: Explainer, picture: Frame, found: Sequence[Explanation], name: str
) -> list[Explanation]:
    """Show one pixel after another, as keys ask for them; return the last one."""
    (row, column), channel = found[0].at, found[0].channel
    height, width, channels = explainer.shape
    with _keys() as pressed, _screen():
        while True:
            (one,) = explainer.at((row, column), channel)
            _draw(one, picture, name)
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


@contextlib.contextmanager
def _screen() -> Iterator[None]:
    """Draw on a screen of its own until the end."""
    sys.stdout.write("\x1b[?1049h\x1b[?25l")
    try:
        yield
    finally:
        sys.stdout.write("\x1b[0m\x1b[?25h\x1b[?1049l")
        sys.stdout.flush()


class _Page(io.StringIO):
    def isatty(self) -> bool:
        return True


def _draw(one: Explanation, picture: Frame, name: str) -> None:
    """Draw over the screen before; what does not fit into it is cut."""
    high = Console(file=sys.stdout).height
    with contextlib.redirect_stdout(_Page()) as page:
        show(Text("arrows move, Tab: next channel, Enter or q ends", style="dim"))
        show_explanations([one], name)
        _show_around(one, picture, max(high - page.getvalue().count("\n"), 0))
    lines = page.getvalue().splitlines()[:high]
    rest = "\n\x1b[J" if len(lines) < high else ""
    sys.stdout.write("\x1b[H" + "\n".join(f"\x1b[K{line}" for line in lines) + rest)
    sys.stdout.flush()


def _show_around(one: Explanation, picture: Frame, lines: int) -> None:
    """Show the picture around the window of an answer, which is marked, in some lines."""
    steps = zip((one.rows, one.columns), one.spread or (1, 1), strict=True)
    box = [(places[0] // each, places[-1] // each + 1) for places, each in steps]
    (first, last), (left, right) = box
    high, wide = 2 * lines, min(shutil.get_terminal_size().columns, 4 * lines)
    if without_colours() or high < last - first + 2:
        return
    y, x = (
        min(max((start + end - room) // 2, 0), max(length - room, 0))
        for (start, end), room, length in zip(box, (high, wide), picture.shape, strict=False)
    )
    part = replace(picture, pixels=picture.pixels[y : y + high, x : x + wide], alpha=None)
    pixels = thumbnail(part, wide, high).copy()
    rows, columns = np.ogrid[y : y + len(pixels), x : x + pixels.shape[1]]
    down = np.maximum(first - rows, rows - last + 1)
    across = np.maximum(left - columns, columns - right + 1)
    pixels[np.maximum(down, across) == 1] = ACCENT
    sys.stdout.write("".join(f"{line}\n" for line in cell_lines(pixels, plain=False)))
