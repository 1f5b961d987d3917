"""The window slides over a small crop, and the output fills cell by cell."""

from collections.abc import Sequence

import numpy as np

from convcli.images.canvas import QUIET, Canvas, Cell, diverging, grey
from convcli.lessons.scene import Scene
from convcli.wording import short, tight

_WIDE, _HIGH = 1240, 560
"""Room for the three grids, in pixels."""
_FIVE_DIGITS_WIDE = 40
_THREE_DIGITS = 999
_LARGEST_SIDE, _GAP, _MARGIN, _TITLE, _CAPTION = 56, 64, 24, 44, 64


def frames_of(scene: Scene, most: int) -> list[Canvas]:
    """Draw the frames, at most `most`: where there are more outputs, several fill at once.

    Examples
    --------
    >>> from convcli import kernel_from
    >>> from convcli.filtering import Options
    >>> from convcli.images import Picture
    >>> from convcli.lessons.scene import scene_of
    >>> picture = Picture(np.zeros((9, 9, 1), np.uint8))
    >>> scene = scene_of(picture, kernel_from("[[1]]"), Options(), None, 3)
    >>> len(frames_of(scene, 64)), len(frames_of(scene, 4))
    (9, 4)
    """
    count = scene.output.size
    shown = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    return [_frame(scene, int(index)) for index in shown]


def durations_for(frames: int, milliseconds: int) -> list[int]:
    """Return how long each frame stays; the last, with the whole output, longer."""
    return [milliseconds] * (frames - 1) + [max(milliseconds, 2500)]


def _frame(scene: Scene, index: int) -> Canvas:
    row, column = divmod(index, scene.output.shape[1])
    grids = (_input(scene, row, column), _kernel(scene), _output(scene, index))
    wide = sum(len(grid[0]) for grid in grids)
    high = max(len(grid) for grid in grids)
    side = _side(scene)
    body = _MARGIN + _TITLE
    width = max(wide * side + 2 * _GAP + 2 * _MARGIN, 560)
    canvas = Canvas(width, body + high * side + _CAPTION + _MARGIN)
    _title(canvas, scene)
    x = _MARGIN
    for number, grid in enumerate(grids):
        top = body + (high - len(grid)) * side // 2
        canvas.grid((x, top), grid, side)
        x += len(grid[0]) * side + _GAP
        sign = (canvas.times, canvas.equals)[number] if number < len(grids) - 1 else None
        if sign:
            sign((x - _GAP // 2, body + high * side // 2), 20)
    _caption(canvas, scene, row, column, body + high * side)
    return canvas


def _side(scene: Scene) -> int:
    """Return the side of a cell that gives the three grids room, in pixels."""
    shapes = (scene.padded.shape, scene.kernel.size, scene.output.shape)
    high, wide = max(int(shape[0]) for shape in shapes), sum(int(shape[1]) for shape in shapes)
    return min((_WIDE - 2 * _GAP) // wide, _HIGH // high, _LARGEST_SIDE)


def _in_thousands(scene: Scene) -> bool:
    """Tell whether five digits would be too small to be read."""
    return scene.white > _THREE_DIGITS and _side(scene) < _FIVE_DIGITS_WIDE


def _pixel(scene: Scene, value: float) -> str:
    return f"{value / 1000:.0f}k" if _in_thousands(scene) and value else tight(value)


def _input(scene: Scene, row: int, column: int) -> list[list[Cell]]:
    rows, columns = (
        set(range(output * axis.stride, output * axis.stride + axis.extent, axis.dilation))
        for output, axis in zip((row, column), scene.window.axes, strict=True)
    )
    return [
        [
            Cell(
                grey(scene.padded[y, x] / scene.white),
                _pixel(scene, scene.padded[y, x]),
                padded=bool(scene.outside[y, x]),
                framed=y in rows and x in columns,
            )
            for x in range(scene.padded.shape[1])
        ]
        for y in range(scene.padded.shape[0])
    ]


def _kernel(scene: Scene) -> list[list[Cell]]:
    weights = scene.kernel.weights
    scale = float(np.abs(weights).max()) or 1.0
    return [[Cell(diverging(w / scale), tight(w)) for w in line] for line in weights.tolist()]


def _output(scene: Scene, index: int) -> list[list[Cell]]:
    blank = Cell((255, 255, 255))
    height, width = scene.output.shape
    return [
        [
            Cell(
                grey(scene.output[y, x] / scene.white),
                _pixel(scene, scene.output[y, x]),
                framed=y * width + x == index,
            )
            if y * width + x <= index
            else blank
            for x in range(width)
        ]
        for y in range(height)
    ]


def _title(canvas: Canvas, scene: Scene) -> None:
    slide = scene.window
    parts = [f"stride {_pair(slide.stride)}", f"dilation {_pair(slide.dilation)}"]
    if scene.outside.any():
        parts.append(f"padding {scene.border} (green frames)")
    if _in_thousands(scene):
        parts.append("k: thousands")
    width = canvas.image.width - 2 * _MARGIN
    title = f"{scene.kernel.name}: {', '.join(parts)}"
    canvas.text((_MARGIN, _MARGIN + 8), title, 20, colour=QUIET, width=width)


def _pair(value: Sequence[int]) -> str:
    return f"{value[0]}" if value[0] == value[1] else f"{value[0]}x{value[1]}"


def _caption(canvas: Canvas, scene: Scene, row: int, column: int, top: int) -> None:
    raw, value = scene.raw[row, column], scene.output[row, column]
    arrow = f" -> {short(value)}" if raw != value else ""
    text = f"output ({column}, {row}): sum of the products {short(float(raw))}{arrow}"
    canvas.text((_MARGIN, top + 32), text, 24, width=canvas.image.width - 2 * _MARGIN)
