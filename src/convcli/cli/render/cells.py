"""Pictures in a terminal: half-block cells, letters, or the graphics that the terminal has."""

import io
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from numpy.typing import NDArray

from convcli.cli.output import note
from convcli.images.picture import Frame

_BESIDE = " │ "
_LETTERS = " .:-=+*#%@"  # from dark to bright, where there is no colour
_RESERVED = 4  # lines of the terminal that are left for what stands around the pictures
_MOST_COLUMNS = 160


def show_frames(*frames: Frame) -> None:
    """Show pictures side by side in a terminal: as graphics, coloured cells, or letters."""
    from convcli.drawing.figures import thumbnail

    if not sys.stdout.isatty():
        note("not shown: standard output is no terminal")
        return
    plain = without_colours()
    if not plain and show_graphics(frames):
        return
    size = shutil.get_terminal_size()
    room = min(size.columns, _MOST_COLUMNS) - len(_BESIDE) * (len(frames) - 1)
    columns, rows = max(room // len(frames), 1), max(size.lines - _RESERVED, 4)
    pictures = [thumbnail(frame, columns, 2 * rows) for frame in frames]
    blanks = [" " * picture.shape[1] for picture in pictures]
    for cells in zip_longest(*(cell_lines(each, plain=plain) for each in pictures)):
        line = [cell or blank for cell, blank in zip(cells, blanks, strict=True)]
        sys.stdout.write(_BESIDE.join(line) + "\n")
    sys.stdout.flush()


def cell_lines(pixels: NDArray[Any], *, plain: bool) -> Iterator[str]:
    """Return a line for each two rows of pixels of 8 bits, shape (H, W, 3).

    The upper pixel is the sign, the lower its ground; where `plain`, a letter a cell has the
    brightness of both (BT.601).
    """
    for upper in range(0, len(pixels), 2):
        rows = pixels[upper : upper + 2]
        if plain:
            bright = (rows @ [0.299, 0.587, 0.114]).mean(axis=0) / 256 * len(_LETTERS)
            yield "".join(_LETTERS[int(level)] for level in bright)
            continue
        cells = []
        for sign, *ground in rows.transpose(1, 0, 2).tolist():
            lower = "48;2;{};{};{}".format(*ground[0]) if ground else "49"
            cells.append("\x1b[38;2;{};{};{};{}m▀".format(*sign, lower))
        yield "".join(cells) + "\x1b[0m"


def without_colours() -> bool:
    """Tell whether the terminal shows letters only, by its environment."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in (None, "dumb")


def show_graphics(frames: Sequence[Frame]) -> bool:
    """Show pictures by the terminal's own graphics (kitty, sixel); False where it has none."""
    if not sys.stdin.isatty():
        return False  # the terminal's answer comes there
    try:
        from textual_image import renderable
    except ImportError:
        return False
    if renderable.Image not in (renderable.TGPImage, renderable.SixelImage):
        return False
    from rich.console import Console

    from convcli.drawing.figures import eight_bit_png, side_by_side

    page = side_by_side(frames, ("before", "after")) if len(frames) > 1 else frames[0]
    image = renderable.Image(io.BytesIO(eight_bit_png(page)), width="auto", height="auto")
    size = shutil.get_terminal_size()
    rows = max(size.lines - _RESERVED, 4)
    Console().print(image, width=min(size.columns, _MOST_COLUMNS), height=rows)
    return True
