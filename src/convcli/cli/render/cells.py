"""Pictures in a terminal: half-block cells, letters, or the graphics that the terminal has."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convcli.values import replace

if TYPE_CHECKING:
    from convcli.images.picture import Frame

_BESIDE = " │ "
_LETTERS = " .:-=+*#%@"  # from dark to bright, where there is no colour
_RESERVED = 4  # lines of the terminal that are left for what stands around the pictures
_MOST_COLUMNS = 160


def show_in_terminal(frames: "Sequence[Frame]") -> None:
    """Show pictures side by side, as well as the terminal can."""
    plain = without_colours()
    if plain or not show_graphics(frames):
        show_cells(frames, plain=plain)


def show_cells(frames: "Sequence[Frame]", *, plain: bool) -> None:
    """Show pictures side by side: two pixels a cell in 24-bit colour; letters where `plain`."""
    from convcli.images.figures import thumbnail

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
    """Return the lines that show pixels of 8 bits, shape (H, W, 3): two rows each."""
    return _letters(pixels) if plain else _half_blocks(pixels)


def show_around(frame: "Frame", box: tuple[int, int, int, int], lines: int) -> None:
    """Show pixels around a box (top, left, bottom, right), marked, in some lines of colour."""
    from convcli.images.drawing import ACCENT
    from convcli.images.figures import thumbnail

    size = shutil.get_terminal_size()
    high, wide = 2 * lines, min(size.columns, 4 * lines)
    if without_colours() or high < box[2] - box[0] + 2:
        return
    top = min(max((box[0] + box[2] - high) // 2, 0), max(frame.shape[0] - high, 0))
    left = min(max((box[1] + box[3] - wide) // 2, 0), max(frame.shape[1] - wide, 0))
    part = frame.pixels[top : top + high, left : left + wide]
    pixels = thumbnail(replace(frame, pixels=part, alpha=None), wide, high).copy()
    rows, columns = np.ogrid[top : top + len(pixels), left : left + pixels.shape[1]]
    around = (box[0] - 1 <= rows) & (rows <= box[2]) & (box[1] - 1 <= columns)
    inside = (box[0] <= rows) & (rows < box[2]) & (box[1] <= columns) & (columns < box[3])
    pixels[around & (columns <= box[3]) & ~inside] = ACCENT
    sys.stdout.write("".join(f"{line}\n" for line in _half_blocks(pixels)))


def without_colours() -> bool:
    """Tell whether the terminal shows letters only, by its environment."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in (None, "dumb")


def _half_blocks(pixels: NDArray[Any]) -> Iterator[str]:
    """Return a line for each two rows: the upper pixel is the sign, the lower its ground."""
    for upper in range(0, len(pixels), 2):
        lower = pixels[upper + 1] if upper + 1 < len(pixels) else None
        cells = []
        for x, (red, green, blue) in enumerate(pixels[upper].tolist()):
            ground = "49" if lower is None else "48;2;{};{};{}".format(*lower[x].tolist())
            cells.append(f"\x1b[38;2;{red};{green};{blue};{ground}m▀")
        yield "".join(cells) + "\x1b[0m"


def _letters(pixels: NDArray[Any]) -> Iterator[str]:
    """Return a line for each two rows, a letter a cell by its brightness (BT.601)."""
    grey = pixels @ [0.299, 0.587, 0.114]
    for upper in range(0, len(grey), 2):
        bright = grey[upper : upper + 2].mean(axis=0) / 256 * len(_LETTERS)
        yield "".join(_LETTERS[int(level)] for level in bright)


def show_graphics(frames: "Sequence[Frame]") -> bool:
    """Show pictures by the terminal's own graphics (kitty, sixel); False where it has none."""
    if not sys.stdin.isatty():
        return False  # the terminal's answer comes there
    try:
        from textual_image import renderable
    except ImportError:
        return False
    if renderable.Image not in (renderable.TGPImage, renderable.SixelImage):
        return False
    import io

    from rich.console import Console

    from convcli.images.figures import png_bytes, side_by_side

    page = side_by_side(frames, ("before", "after")) if len(frames) > 1 else frames[0]
    image = renderable.Image(io.BytesIO(png_bytes(page)), width="auto", height="auto")
    size = shutil.get_terminal_size()
    rows = max(size.lines - _RESERVED, 4)
    Console().print(image, width=min(size.columns, _MOST_COLUMNS), height=rows)
    return True
