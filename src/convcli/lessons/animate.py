"""The sliding window, drawn step by step."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convcli.borders import beyond, fill_of
from convcli.errors import GeometryError
from convcli.geometry.window import Pair, Window, window
from convcli.images.drawing import QUIET, Canvas, Cell, Colour, diverging, grey
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.lessons.explain.explain import steps_between
from convcli.pipeline.options import Options
from convcli.pipeline.report import Report
from convcli.pipeline.run import filter_frame
from convcli.text import short, tight
from convcli.values import Record

_MOST_PADDED = 32
"""The widest crop with its padding: with more, the cells are too small to read."""


class Scene(Record):
    """A small frame, the kernel that slides over it, and the result.

    `padded` is the grey frame with its padding, and `outside` says which pixels are padding.
    `output` is the result in pixels, `raw` before the range step, which `report` has. The
    kernel is flipped if the options say so. `white` is what is drawn as white, `depth_white`
    the largest pixel, and `border` the name of the border mode.
    """

    padded: NDArray[np.float64]
    outside: NDArray[np.bool_]
    output: NDArray[np.float64]
    raw: NDArray[np.float64]
    kernel: Kernel
    window: Window
    white: int
    depth_white: int
    border: str
    report: Report


def scene_of(
    frame: Frame, kernel: Kernel, options: Options, at: Pair | None, cells: int
) -> Scene:
    """Cut a square of `cells` rows and columns out of a frame, in grey, and filter it.

    The middle of the square is `at` (row, column), or the middle of the frame. Near an edge
    the square moves inwards. A `GeometryError` is raised where `at` lies outside, the kernel is
    a bank, or the padding is too wide to be shown.
    """
    if kernel.is_bank:
        raise GeometryError("animate: expected a 2-D kernel, got a bank: use one of its slices")
    crop = _crop(frame.gray(), at, cells)
    slide = window(kernel.size, options.stride, options.padding, options.dilation)
    fill = fill_of(options.border, 1, crop.white)[0]
    padded, outside = _padded(crop.pixels[..., 0], slide, options, fill)
    if max(padded.shape) > _MOST_PADDED:
        raise GeometryError(
            f"animate: expected at most {_MOST_PADDED} cells with the padding, got "
            f"{max(padded.shape)}: use a smaller kernel, dilation or padding, or fewer --cells"
        )
    filtered = filter_frame(crop, [kernel], options)
    raw = filter_frame(crop, [kernel], options, raw=True)
    return Scene(
        padded=padded,
        outside=outside,
        output=filtered.values[..., 0].astype(np.float64),
        raw=raw.values[..., 0].astype(np.float64),
        kernel=kernel.flipped() if options.flip else kernel,
        window=slide,
        white=crop.brightest,
        depth_white=crop.white,
        border=options.border.value,
        report=filtered.report,
    )


def _crop(frame: Frame, at: Pair | None, cells: int) -> Frame:
    height, width = frame.shape
    row, column = at if at is not None else (height // 2, width // 2)
    if not (0 <= row < height and 0 <= column < width):
        raise GeometryError(
            f"at: expected a pixel of the picture, x 0 to {width - 1} and y 0 to {height - 1}; "
            f"got {column},{row}: choose one inside"
        )
    top, left = (
        max(min(place - cells // 2, size - cells), 0)
        for place, size in ((row, height), (column, width))
    )
    return Frame(frame.pixels[top : top + cells, left : left + cells])


def _padded(
    pixels: NDArray[np.generic], slide: Window, options: Options, fill: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rows, columns = (
        np.arange(-axis.before, size + axis.after)
        for axis, size in zip(slide.axes, pixels.shape, strict=True)
    )
    values = beyond(pixels, options.border, rows, columns, (fill,)).astype(np.float64)
    outside = np.ones(values.shape, bool)
    outside[
        slide.rows.before : slide.rows.before + pixels.shape[0],
        slide.columns.before : slide.columns.before + pixels.shape[1],
    ] = False
    return values, outside


_WIDE, _HIGH = 1240, 560
"""Pixels that the four grids may take."""
_FIVE_DIGITS_WIDE, _THREE_DIGITS = 40, 999
_LARGEST_SIDE, _GAP, _MARGIN, _TITLE, _CAPTION = 56, 64, 24, 44, 64


def frames_of(scene: Scene, most: int) -> list[Canvas]:
    """Draw a picture for each output pixel, or at most `most` pictures that skip some.

    >>> from convcli.kernels.spec import kernel_from
    >>> black = Frame(np.zeros((9, 9, 1), np.uint8))
    >>> scene = scene_of(black, kernel_from("[[1]]"), Options(), None, 3)
    >>> len(frames_of(scene, 64)), len(frames_of(scene, 4))
    (9, 4)
    """
    count = scene.output.size
    shown = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    return [_frame_of(scene, int(index)) for index in shown]


def durations_for(frames: int, milliseconds: int) -> list[int]:
    """Return the milliseconds of each frame; the last, the whole output, stays longer."""
    return [milliseconds] * (frames - 1) + [max(milliseconds, 2500)]


def _frame_of(scene: Scene, index: int) -> Canvas:
    row, column = divmod(index, scene.output.shape[1])
    grids = (
        _input(scene, row, column),
        _kernel(scene),
        _products(scene, row, column),
        _output(scene, index),
    )
    wide = sum(len(grid[0]) for grid in grids)
    high = max(len(grid) for grid in grids)
    side = _side(scene)
    body = _MARGIN + _TITLE
    width = max(wide * side + 3 * _GAP + 2 * _MARGIN, 560)
    canvas = Canvas(width, body + high * side + _CAPTION + _MARGIN)
    _title(canvas, scene)
    x = _MARGIN
    for number, grid in enumerate(grids):
        top = body + (high - len(grid)) * side // 2
        canvas.grid((x, top), grid, side)
        x += len(grid[0]) * side + _GAP
        if number < len(grids) - 1:
            sign = (canvas.times, canvas.equals, canvas.arrow)[number]
            sign((x - _GAP // 2, body + high * side // 2), 20)
    _caption(canvas, scene, row, column, body + high * side)
    return canvas


def _side(scene: Scene) -> int:
    """Return the largest side of a cell, in pixels, for which the four grids have room."""
    kernel = scene.kernel.size
    shapes = (scene.padded.shape, kernel, kernel, scene.output.shape)
    high, wide = max(int(shape[0]) for shape in shapes), sum(int(shape[1]) for shape in shapes)
    return min((_WIDE - 3 * _GAP) // wide, _HIGH // high, _LARGEST_SIDE)


def _in_thousands(scene: Scene) -> bool:
    """Return whether pixels of five digits would be too small to be read."""
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


def _products(scene: Scene, row: int, column: int) -> list[list[Cell]]:
    """Return the products, coloured on one scale in all frames: the brightest pixel's."""
    rows, columns = (
        output * axis.stride + np.arange(0, axis.extent, axis.dilation)
        for output, axis in zip((row, column), scene.window.axes, strict=True)
    )
    products = scene.padded[np.ix_(rows, columns)] * scene.kernel.weights
    scale = float(np.abs(scene.kernel.weights).max() * np.abs(scene.padded).max()) or 1.0
    return [
        [Cell(diverging(value / scale), _pixel(scene, value)) for value in line]
        for line in products.tolist()
    ]


def _output(scene: Scene, index: int) -> list[list[Cell]]:
    blank, width = Cell((255, 255, 255)), scene.output.shape[1]
    cells = [
        Cell(_shade(scene, value), _pixel(scene, value), framed=place == index)
        if place <= index
        else blank
        for place, value in enumerate(scene.raw.ravel().tolist())
    ]
    return [cells[start : start + width] for start in range(0, len(cells), width)]


def _shade(scene: Scene, value: float) -> Colour:
    """Return the colour of a raw sum: greys for pixels, blue to red where some are negative."""
    lowest, highest = float(scene.raw.min()), float(scene.raw.max())
    if lowest >= 0:
        return grey(value / max(highest, scene.white))
    return diverging(value / max(-lowest, highest))


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
    raw, value = float(scene.raw[row, column]), float(scene.output[row, column])
    steps = steps_between(
        raw, value, scene.report.range or "none", scene.depth_white, scene.report
    )
    named = "".join(f", {name.partition(':')[0]} → {short(after)}" for name, after in steps)
    text = f"output ({column}, {row}): sum of the products {short(raw)}{named}"
    canvas.text((_MARGIN, top + 32), text, 24, width=canvas.image.width - 2 * _MARGIN)
