"""A window that slides, or a stamp that is added up, drawn step by step."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import fill_of
from convcli.drawing.animation import Animation
from convcli.drawing.canvas import QUIET, WHITE, Canvas, Cell
from convcli.engine.pooling import Pooling, pooled
from convcli.engine.transposed import exchanged, stamp_window
from convcli.errors import GeometryError, fail
from convcli.geometry.window import Pair, Window, pair, window
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, Plain
from convcli.lessons.explain import COLOURS, steps_between
from convcli.lessons.explain.drawing import GAP, HEAD, MARGIN, Cells, Row, cells_of, draw_rows
from convcli.lessons.pictures import beyond, brightest, finite, square_around
from convcli.pipeline.chain import REDUCTIONS
from convcli.pipeline.options import Options
from convcli.pipeline.report import Report
from convcli.pipeline.run import filter_frame
from convcli.pipeline.steps import Link
from convcli.text import short, side_lengths, tight
from convcli.values import Record, replace

Grid = NDArray[np.float64]

_WIDE, _HIGH = 1240, 560  # pixels that the grids may take; three channels may be twice as high
_FIVE_DIGITS_WIDE, _THREE_DIGITS = 40, 999
_LARGEST_SIDE, _SMALLEST_SIDE, _TITLE, _CAPTION = 56, 8, 30, 40


class Scene(Record, kw_only=True):
    """A small crop, what slides over it, and the result."""

    crop: Frame
    planes: Grid  # (C, H, W), with the padding
    outside: NDArray[np.bool_]  # (H, W): the padding; of stamps, the cells that are cut off
    kernels: Grid | None = None  # (O, C, kh, kw); None where windows are pooled
    bias: tuple[float, ...] = ()
    window: Window
    raw: Grid  # (O, H', W') before the range step
    output: Grid  # the same in pixels
    title: str
    report: Report | None = None
    is_stamped: bool = False  # a step adds the stamp of a pixel

    @property
    def order(self) -> NDArray[np.intp]:
        """The number of the step of each output value, or of each filter and pixel."""
        walked = (self.planes if self.is_stamped else self.raw).shape[1:]
        return np.arange(len(self.raw) * math.prod(walked)).reshape(-1, *walked)

    @np.errstate(invalid="ignore")
    def step(self, index: int) -> "AnimationStep":
        """Return what one step shows."""
        order = self.order
        number, row, column = map(int, np.unravel_index(index, order.shape))
        taps = self._taps(row, column)
        reached = np.zeros(self.outside.shape, bool)
        reached[taps] = True
        if self.is_stamped:
            maps = np.arange(len(self.raw))[:, np.newaxis, np.newaxis]
            inputs, framed = order[number] == index, reached & (maps == number)
            outputs = np.where(maps < number, self.raw, np.nan)
            outputs[number] = self.summed(number, order[number] <= index)
            products = self.planes[:, row : row + 1, column : column + 1]
        else:
            inputs, framed = reached, order == index
            outputs = np.where(order <= index, self.raw, np.nan)
            products = self.planes[:, taps[0], taps[1]]
        if self.kernels is not None:
            products = products * self.kernels[number]
        caption = self._stamp if self.is_stamped else self._caption
        return AnimationStep(
            inputs=inputs,
            filter=number,
            products=products,
            outputs=outputs,
            framed=framed,
            caption=caption((number, row, column), products),
        )

    def _taps(self, *place: int) -> tuple[NDArray[np.intp], ...]:
        """Return the rows and the columns that a window sees, or a stamp reaches."""
        axes = zip(place, self.window.axes, strict=True)
        return np.ix_(*(o * a.stride + np.arange(0, a.extent, a.dilation) for o, a in axes))

    def _caption(self, place: tuple[int, int, int], products: Grid) -> str:
        number, row, column = place
        raw, value = float(self.raw[place]), float(self.output[place])
        where = f"output ({column}, {row})" + f" of map {number}" * (len(self.raw) > 1)
        if self.report is None:
            which = f"{self.title.partition(' ')[0]} of {products.size} values"
            total = f" {short(products.sum())} / {products.size} =" * which.startswith("mean")
            rounded = "" if raw == value else f", rounded → {short(value)}"
            return f"{where}: {which}:{total} {short(raw)}{rounded}"
        mapping = self.report.range or "none"
        steps = steps_between(raw, value, mapping, self.crop.white, self.report)
        named = "".join(f", {name.partition(':')[0]} → {short(after)}" for name, after in steps)
        sums = products.sum(axis=(1, 2)).tolist()
        added = [f"({short(each)})" if each < 0 else short(each) for each in sums]
        added += [f"bias {short(self.bias[number])}"] * bool(self.bias[number])
        several = f" {' + '.join(added)} =" if len(added) > 1 else ""
        return f"{where}: sum of the products{several} {short(raw)}{named}"

    def _stamp(self, place: tuple[int, int, int], _products: Grid) -> str:
        _, row, column = place
        values = " and ".join(map(short, self.planes[:, row, column].tolist()))
        stamp = "stamp is" if len(self.planes) == 1 else "stamps are"
        return f"pixel ({column}, {row}): {values} times the kernel: the {stamp} added"

    def summed(self, number: int, pixels: NDArray[np.bool_]) -> Grid:
        """Return the sums of the stamps of some pixels; NaN where no stamp has been."""
        assert self.kernels is not None  # noqa: S101 - a stamp has weights
        total = np.full(self.outside.shape, np.nan)
        for row, column in np.argwhere(pixels).tolist():
            place = self._taps(row, column)
            stamp = np.tensordot(self.planes[:, row, column], self.kernels[number], 1)
            total[place] = np.nan_to_num(total[place], nan=self.bias[number]) + stamp
        return total


class AnimationStep(Record, kw_only=True):
    """What one frame shows: cells with frames, products (C, kh, kw), outputs (NaN: not yet)."""

    inputs: NDArray[np.bool_]
    filter: int
    products: Grid
    outputs: Grid
    framed: NDArray[np.bool_]
    caption: str


def scene_of(
    frame: Frame, link: Link, options: Options, at: Pair | None, cells: int, *, label: str
) -> Scene:
    """Cut a square around `at` out of a frame, grey but for a bank; errors call it `label`."""
    if isinstance(link, Operator) or (isinstance(link, Plain) and link.kind not in REDUCTIONS):
        fault = f"expected one kernel, or a pooling as max:2, got {link.name}"
        fail("animate", fault, "choose one")
    square = square_around(frame.shape, at, cells)
    if isinstance(link, Kernel):
        kernel = exchanged(link) if options.transposed else link
        colours = kernel.is_bank and kernel.channels == frame.channels
        crop = Frame((frame if colours else frame.as_gray(label)).pixels[square])
        scene = _kernel_scene(crop, link, kernel.flipped() if options.flip else kernel, options)
    else:
        crop = Frame(frame.as_gray(label).pixels[square])
        scene = _pooling_scene(crop, link.kind, link.size, options)
    if (side := _side(scene)) < _SMALLEST_SIDE:
        fault = f"expected cells of at least {_SMALLEST_SIDE} px on the page, got {side}"
        remedy = "use a smaller kernel, dilation or padding, or fewer --cells"
        fail("animate", fault, remedy, GeometryError)
    return scene


def _pooling_scene(crop: Frame, kind: str, size: int, options: Options) -> Scene:
    moves = {name: pair(getattr(options, name), name) for name in ("stride", "dilation")}
    plain = Options(stride=(1, 1), dilation=(1, 1), range=options.range)
    if replace(options, **moves) != plain:
        fault = f"{kind}:{size} moves by {size}, without padding"
        remedy = "leave --stride, --padding, --dilation and other options of kernels out"
        fail("animate", fault, remedy, GeometryError)
    slide = window(size, size)
    raw = _planes(pooled(crop.pixels, Pooling(REDUCTIONS[kind], slide)))
    return Scene(
        crop=crop,
        planes=_planes(crop.pixels),
        outside=np.zeros(crop.shape, bool),
        window=slide,
        raw=raw,
        output=np.rint(raw),
        title=f"{'largest' if kind == 'max' else 'mean'} of {size}x{size}, stride {size}",
    )


def _kernel_scene(crop: Frame, given: Kernel, kernel: Kernel, options: Options) -> Scene:
    """Return the scene of a kernel that slides, or whose stamps are added up."""
    sides = (kernel.size, options.stride, options.padding, options.dilation)
    slide, more, padding = window(*sides), (0, 0), f"padding {options.border.value}"
    if options.transposed:
        slide, more = stamp_window(*sides, options.output_padding)
        padding = "padding, which is cut off"
    filtered = filter_frame(crop, [given], options)
    planes, outside = _cells(crop, slide, options, more)
    if options.transposed:
        raw = np.zeros((kernel.filters, *outside.shape))
    else:
        raw = _planes(filter_frame(crop, [given], options, raw=True).values)
    moves = f"stride {side_lengths(slide.stride)}, dilation {side_lengths(slide.dilation)}"
    padded = f", {padding} (green frames)" * any(map(any, slide.padding))
    scene = Scene(
        crop=crop,
        planes=planes,
        outside=outside,
        kernels=kernel.weights.reshape(kernel.filters, -1, *kernel.size),
        bias=tuple(np.resize(kernel.bias or (0.0,), kernel.filters).tolist()),
        window=slide,
        raw=raw,
        output=_planes(filtered.values),
        title=f"{kernel.name}{' transposed' * options.transposed}: {moves}{padded}",
        report=filtered.report,
        is_stamped=options.transposed,
    )
    if options.transposed:
        every = np.ones(crop.shape, bool)
        raw[:] = [scene.summed(number, every) for number in range(kernel.filters)]
    return scene


def _cells(
    crop: Frame, slide: Window, options: Options, more: Pair
) -> tuple[Grid, NDArray[np.bool_]]:
    """Return the input, with its padding, and which cells of it, or of stamps, are padding."""
    places, outside = [], []
    for axis, size, extra in zip(slide.axes, crop.shape, more, strict=True):
        cut = axis.before + axis.after
        inside = axis.input_size(size) + extra - cut if options.transposed else size
        places.append(np.arange(inside + cut) - axis.before)
        outside.append((places[-1] < 0) | (places[-1] >= inside))
    pixels: NDArray[Any] = crop.pixels
    if not options.transposed:
        fill = fill_of(options.border, crop.channels, crop.white)
        pixels = beyond(pixels, options.border, places[0], places[1], fill)
    return _planes(pixels), np.logical_or.outer(*outside)


def _planes(pixels: NDArray[np.generic]) -> Grid:
    """Return pixels (H, W, C) as floats (C, H, W)."""
    return np.moveaxis(pixels, 2, 0).astype(np.float64)


def animation_of(
    frame: Frame,
    link: Link,
    options: Options,
    *,
    at: Pair | None = None,
    cells: int = 7,
    delay: int = 400,
    frames: int = 100,
    label: str = "picture",
) -> Animation:
    """Draw each step of a scene, or at most `frames`; the last stays longer than `delay` ms."""
    scene = scene_of(frame, link, options, at, cells, label=label)
    # From the end, which is always shown: it has the whole result.
    count = scene.order.size
    shown = np.linspace(count - 1, 0, min(count, frames)).round().astype(int)
    steps = [scene.step(int(index)) for index in np.unique(shown)]
    output = np.moveaxis(scene.raw, 0, 2)
    if scene.is_stamped:
        output = output[~scene.outside].reshape(*scene.output.shape[1:], -1)
    return Animation(
        drawings=tuple(_frame_of(scene, step) for step in steps),
        durations=(*[delay] * (len(steps) - 1), max(delay, 2500)),
        output=output,
    )


def _frame_of(scene: Scene, step: AnimationStep) -> Canvas:
    side, rows, maps = _side(scene), _rows(scene, step), _maps(scene, step)
    wide, row = rows[0].size(side)
    high, stack = len(rows) * row, len(maps) * (HEAD + len(maps[0]) * side + MARGIN)
    width = max(MARGIN + wide + len(maps[0][0]) * side + MARGIN, 560)
    body = MARGIN + _TITLE
    canvas = Canvas(width, body + max(high, stack) + _CAPTION)
    title = scene.title + ", k: thousands" * (_text(scene) is not tight)
    canvas.text((MARGIN, MARGIN + 8), title, 20, colour=QUIET, width=width - 2 * MARGIN)
    corner = (MARGIN, body + max(stack - high, 0) // 2)
    x, half = draw_rows(canvas, corner, rows, side, len(rows))
    top = half + (MARGIN - HEAD - stack) // 2
    for number, cells in enumerate(maps):
        name = f"map {number}" if len(maps) > 1 else "output"
        canvas.text((x, top + HEAD // 2), name, 16, colour=QUIET)
        canvas.grid((x, top + HEAD), cells, side)
        top += HEAD + len(cells) * side + MARGIN
    place = (MARGIN, canvas.height - _CAPTION)
    canvas.text(place, step.caption, 24, width=width - 2 * MARGIN)
    return canvas


def _side(scene: Scene) -> int:
    """Return the largest side of a cell, in pixels, for which all grids have room."""
    kernel, (channels, height, width) = scene.window.kernel, scene.planes.shape
    maps, down, across = scene.raw.shape
    wide = width + across + kernel[1] * (1 if scene.kernels is None else 2)
    high = max(channels * max(height, kernel[0]), maps * down)
    room = _HIGH * min(max(channels, maps), 2)
    return int(min((_WIDE - 3 * GAP) // wide, room // high, _LARGEST_SIDE))


def _rows(scene: Scene, step: AnimationStep) -> list[Row]:
    """Return a row of grids for each input channel: input, kernel and products."""
    largest, text, rows = float(np.abs(finite(scene.planes)).max()), _text(scene), []
    for channel, (plane, products) in enumerate(zip(scene.planes, step.products, strict=True)):
        name = COLOURS[channel] if len(scene.planes) == len(COLOURS) else "input"
        padded = None if scene.is_stamped else scene.outside
        cells = cells_of(plane, brightest(scene.crop), text, padded=padded, framed=step.inputs)
        if scene.kernels is None:
            patch = cells_of(products, brightest(scene.crop), text)
            rows.append(Row((name, "window"), (cells, patch)))
            continue
        scale = float(np.abs(scene.kernels).max())
        kernel = cells_of(scene.kernels[step.filter, channel], scale, signed=True)
        last = "stamp" if scene.is_stamped else "products"
        grids = (cells, kernel, cells_of(products, scale * largest, text, signed=True))
        rows.append(Row((name, "kernel", last), grids, channel > 0))
    return rows


def _maps(scene: Scene, step: AnimationStep) -> list[Cells]:
    """Return the output maps: greys for pixels, blue to red where some sums are negative."""
    lowest = float(np.fmin.reduce(scene.raw, axis=None, initial=0.0))  # not of NaN
    highest = float(np.fmax.reduce(scene.raw, axis=None, initial=0.0))
    scale = max(-lowest, highest) if lowest < 0 else max(highest, brightest(scene.crop))
    signed, cut = lowest < 0, scene.outside if scene.is_stamped else None
    maps: list[Cells] = []
    for values, framed in zip(step.outputs, step.framed, strict=True):
        grid = cells_of(values, scale, _text(scene), signed=signed, padded=cut, framed=framed)
        cells = np.array(grid, object)
        cells[np.isnan(values)] = Cell(WHITE)
        maps.append(cells.tolist())
    return maps


def _text(scene: Scene) -> Callable[[float], str]:
    """Return how a number is written: in thousands where five digits would be too small."""
    if brightest(scene.crop) <= _THREE_DIGITS or _side(scene) >= _FIVE_DIGITS_WIDE:
        return tight
    return lambda value: f"{value / 1000:.0f}k" if value else "0"
