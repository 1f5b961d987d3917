"""A stack, run: what each layer makes of a picture, forward, through the engine."""

import base64
import html
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.correlate import correlate
from convcli.engine.pooling import Pooling, Reduction, pooled
from convcli.images.figures import contact_sheet, enlarged_frame, fitted, png_bytes
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.lessons.stacks.spec import LayerSpec
from convcli.lessons.stacks.stack import Stack, StackRow, stack
from convcli.lessons.stacks.weights import RandomWeights, WeightFiles
from convcli.storage.atomic import replacing
from convcli.threads import many_threaded_blas
from convcli.values import Record

Maps = NDArray[np.float32]

_EPSILON = 1e-5
"""What torch adds to a variance."""

_MOST_WEIGHTS = 2**22
"""Weights of a fully connected layer that are read at once: 16 MiB."""

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of red, green and blue, with which torchvision's networks are trained."""


class Activation(Record, kw_only=True):
    """What one layer answers.

    `values` are float32, shape (H, W, C), `number` counts layers from 1, and `seconds` is the
    time that the layer took.
    """

    number: int
    row: StackRow
    values: Maps
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the layer in numbers, as plain JSON values."""
        return {
            "number": self.number,
            "layer": self.row.spec.text,
            "shape": list(self.values.shape),
            "low": float(self.values.min()),
            "high": float(self.values.max()),
            "mean": float(self.values.mean()),
            "seconds": self.seconds,
        }

    def strongest(self, count: int) -> list[int]:
        """Return the numbers of the maps with the most energy, the mean square, first."""
        energy = np.square(self.values, dtype=np.float64).mean(axis=(0, 1))
        return [int(index) for index in np.argsort(-energy, kind="stable")[:count]]


def network_input(frame: Frame, counted: Stack, *, imagenet: bool) -> Maps:
    """Return a picture as a network takes it: cut to its size, of 0 to 1 or as for ImageNet."""
    size = counted.source
    source = frame.gray() if size.channels == 1 else frame
    values = fitted(source, size.height, size.width).astype(np.float32) / np.float32(255)
    values = values[..., : size.channels]
    if imagenet:
        mean, deviation = (np.array(each, np.float32) for each in _IMAGENET)
        values = (values - mean) / deviation
    return np.ascontiguousarray(values)


def run_stack(
    layers: str | Sequence[str],
    values: Any,
    weights: str,
    *,
    jobs: int | None = None,
) -> Iterator[Activation]:
    """Run a network forward, and yield what each layer answers.

    Parameters
    ----------
    layers : str or sequence of str
        As for `stack`.
    values : array_like, shape (H, W, C)
        The input, as the network was trained on: mostly of 0 to 1. See `network_input`.
    weights : str
        A ``.safetensors`` file. Its tensors are called as torchvision calls them, or
        ``conv1``, ``conv2``, ``fc1``, or by the number of the layer; a ``.json`` of layers may
        name others: ``{"layer": "conv", …, "weights": "file::name"}``.
    jobs : int, optional
        Threads.

    Yields
    ------
    Activation
        One for each layer; only what later layers need is kept in memory.

    Raises
    ------
    ConvcliError
        `GeometryError` for layers that do not fit, `KernelError` for weights that do not.

    Examples
    --------
    >>> image = np.array([-1.0, 2, 3, -4]).reshape(2, 2, 1)
    >>> last = list(run_stack(["relu", "pool:2"], image, ""))[-1]
    >>> last.values.item()
    3.0
    """
    maps = np.ascontiguousarray(values, dtype=np.float32)
    rows = stack(layers, maps.shape).rows
    with WeightFiles(weights, [row.spec for row in rows]) as files:
        yield from activations(rows, Running(files, jobs), maps)


class Running:
    """The weights of a network that runs, and its threads."""

    def __init__(self, weights: WeightFiles | RandomWeights, jobs: int | None = None) -> None:
        self._weights, self.jobs = weights, jobs

    def vector(self, number: int, part: str, length: int) -> Maps:
        """Return the biases of a layer, or a tensor like them."""
        vector: Maps = self._weights.tensor(number, part, (length,), slice(None))
        return vector

    def bank(self, number: int, spec: LayerSpec, channels: int) -> Maps:
        """Return the weights of a convolution."""
        shape = (spec.units, channels // spec.groups, *spec.kernel)
        bank: Maps = self._weights.tensor(number, "weight", shape, slice(None))
        return bank

    def connections(
        self, number: int, spec: LayerSpec, inputs: int
    ) -> Iterator[tuple[slice, Maps]]:
        """Yield the weights of a fully connected layer in parts of some outputs."""
        at_once = max(_MOST_WEIGHTS // inputs, 1)
        for start in range(0, spec.units, at_once):
            outputs = slice(start, min(start + at_once, spec.units))
            yield outputs, self._weights.tensor(number, "weight", (spec.units, inputs), outputs)

    def normal_factor(self, number: int, maps: int) -> Maps:
        """Return by what a batch norm multiplies each map."""
        scale, variance = (self.vector(number, n, maps) for n in ("weight", "running_var"))
        factor: Maps = scale / np.sqrt(variance + np.float32(_EPSILON))
        return factor


def activations(
    rows: Sequence[StackRow], running: Running, values: Maps
) -> Iterator[Activation]:
    """Yield what each layer of a counted stack answers."""
    kept = {0: values}
    last_uses = {source: n for n, row in enumerate(rows, 1) for source in row.sources}
    with many_threaded_blas():
        for number, row in enumerate(rows, 1):
            started = time.perf_counter()
            came = [kept[source] for source in row.sources]
            values = _FORWARD[row.spec.layer_type](running, number - 1, row.spec, *came)
            seconds = time.perf_counter() - started
            kept[number] = values
            kept = {n: maps for n, maps in kept.items() if last_uses.get(n, 0) > number}
            yield Activation(number=number, row=row, values=values, seconds=seconds)


def _convolved(running: Running, number: int, spec: LayerSpec, maps: Maps) -> Maps:
    bank = running.bank(number, spec, maps.shape[2])
    bias = running.vector(number, "bias", spec.units) if spec.bias else None
    return correlate(
        maps,
        Kernel(bank, bias),
        stride=spec.stride,
        padding=spec.padding,
        dilation=spec.dilation,
        groups=spec.groups,
        jobs=running.jobs,
    )


def _pooled(_running: Running, _number: int, spec: LayerSpec, maps: Maps) -> Maps:
    reduction = Reduction.MAX if spec.layer_type == "pool" else Reduction.AVERAGE
    return pooled(maps, Pooling(reduction, spec.window)).astype(np.float32, copy=False)


def averaging(size: int, count: int) -> NDArray[np.float64]:
    """Return the matrix (count, size) that averages over windows from ⌊iW/n⌋ to ⌈(i+1)W/n⌉.

    >>> averaging(3, 2).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    """
    means = np.zeros((count, size))
    for i in range(count):
        seen = slice(i * size // count, -(-(i + 1) * size // count))
        means[i, seen] = 1 / (seen.stop - seen.start)
    return means


def along_axes(values: Maps, matrices: Sequence[NDArray[np.float64]]) -> Maps:
    """Multiply rows and then columns by a matrix each."""
    rows, columns = matrices
    along_rows = np.tensordot(rows, values, (1, 0))
    multiplied = np.moveaxis(np.tensordot(columns, along_rows, (1, 1)), 0, 1)
    return np.ascontiguousarray(multiplied, dtype=np.float32)


def _averaged(_running: Running, _number: int, spec: LayerSpec, maps: Maps) -> Maps:
    sides = zip(maps.shape[:2], spec.kernel, strict=True)
    return along_axes(maps, [averaging(*side) for side in sides])


def _flattened(_running: Running, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    """Return all values as channels, in torch's order: map by map."""
    return maps.transpose(2, 0, 1).reshape(1, 1, -1)


def _connected(running: Running, number: int, spec: LayerSpec, maps: Maps) -> Maps:
    values = _flattened(running, number, spec, maps).ravel()
    parts = running.connections(number, spec, values.size)
    answer = np.concatenate([weights @ values for _, weights in parts])
    if spec.bias:
        answer = answer + running.vector(number, "bias", spec.units)
    return np.reshape(answer, (1, 1, -1))


def _normalised(running: Running, number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    shift, mean = (running.vector(number, n, maps.shape[2]) for n in ("bias", "running_mean"))
    factor = running.normal_factor(number, maps.shape[2])
    answer: Maps = maps * factor + (shift - mean * factor)
    return answer


def _softmax(_running: Running, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    powers = np.exp(maps - maps.max(axis=2, keepdims=True))
    answer: Maps = powers / powers.sum(axis=2, keepdims=True)
    return answer


def _same(_running: Running, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    return maps


_FORWARD: dict[str, Callable[..., Maps]] = {
    "conv": _convolved,
    "pool": _pooled,
    "avgpool": _pooled,
    "adaptive": _averaged,
    "gap": _averaged,
    "flatten": _flattened,
    "fc": _connected,
    "bn": _normalised,
    "relu": lambda _running, _number, _spec, maps: np.maximum(maps, np.float32(0)),
    "dropout": _same,
    "softmax": _softmax,
    "residual": _same,
    "shortcut": _same,
    "add": lambda _running, _number, _spec, main, shortcut: main + shortcut,
}


# ------------------------------------------------------------------ maps as pictures

_SMALLEST, _SQUARE, _ACROSS = 96, 12, 64
"""Pixels that a map has at least on a sheet; those of a single value, and how many a row."""

_STYLE = (
    "body{font:16px sans-serif;margin:2em;max-width:70em}img{max-width:100%;"
    "image-rendering:pixelated}@media(prefers-color-scheme:dark){body{background:#181818;"
    "color:#eee}}"
)


def sheet_of(layer: Activation, top: int | None) -> Frame:
    """Draw the maps of a layer, the strongest first; each is stretched from black to white.

    A layer of single values becomes squares, row by row.
    """
    if layer.values.shape[:2] == (1, 1):
        values = layer.values.ravel()
        width = min(values.size, _ACROSS)
        filled = np.pad(values, (0, -values.size % width), mode="minimum")
        return enlarged_frame(_stretched(filled.reshape(-1, width)), _SQUARE)
    chosen = layer.strongest(top or layer.values.shape[2])
    maps = [_large_enough(_stretched(layer.values[..., index])) for index in chosen]
    return contact_sheet(maps, [str(index) for index in chosen])


def _stretched(values: Maps) -> Frame:
    low, high = float(values.min()), float(values.max())
    levels = (values - low) * (255 / (high - low or 1.0))
    return Frame(np.rint(levels).astype(np.uint8)[..., np.newaxis])


def _large_enough(frame: Frame) -> Frame:
    return enlarged_frame(frame, max(-(-_SMALLEST // max(frame.shape)), 1))


class MapsFolder:
    """Writes the sheets of layers, one by one, and at the end the page that shows all.

    `source` is the picture as the network takes it.
    """

    def __init__(self, folder: str, source: Frame, top: int | None) -> None:
        self._folder, self._top = Path(folder), top
        self._folder.mkdir(parents=True, exist_ok=True)
        self._parts = [self._part("input", "", png_bytes(_large_enough(source)))]

    def add(self, layer: Activation) -> None:
        """Write a layer's sheet."""
        name = f"{layer.number:02}-{re.sub('[^a-z0-9]+', '-', layer.row.spec.layer_type)}.png"
        data = png_bytes(sheet_of(layer, self._top))
        with replacing(self._folder / name) as file:
            file.write(data)
        rows, columns, maps = layer.values.shape
        facts = (
            f"{rows} × {columns} × {maps}, {layer.values.min():.4g} to {layer.values.max():.4g}"
        )
        self._parts.append(self._part(f"{layer.number} {layer.row.spec.text}", facts, data))

    def finish(self, classes: Sequence[tuple[int, float]]) -> None:
        """Write the page; it ends with the top classes, if there are any."""
        lines = [f"<li>class {number}: {100 * part:.2f} %" for number, part in classes]
        last = ["<h2>Top classes, counted from 0</h2><ol>", *lines, "</ol>"] if lines else []
        body = "\n".join([*self._parts, *last])
        page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Maps</title>'
            f"<style>{_STYLE}</style><h1>What each layer answers</h1>\n"
            "<p>Maps with the most energy come first. Each is black at its lowest value and "
            f"white at its highest; the number below counts maps from 0.</p>\n{body}</html>\n"
        )
        with replacing(self._folder / "index.html") as file:
            file.write(page.encode())

    @staticmethod
    def _part(title: str, facts: str, data: bytes) -> str:
        image = base64.b64encode(data).decode()
        safe = html.escape(title)
        return (
            f"<section><h2>{safe}</h2><p>{html.escape(facts)}</p>"
            f'<img alt="maps of {safe}" src="data:image/png;base64,{image}"></section>'
        )


def top_classes(layer: Activation, count: int = 5) -> Iterator[tuple[int, float]]:
    """Yield the largest values of the last layer with their numbers, as parts of 1.

    Values that are not a softmax's get one.
    """
    values = layer.values.ravel().astype(np.float64)
    if layer.row.spec.layer_type != "softmax":
        powers = np.exp(values - values.max())
        values = powers / powers.sum()
    for index in np.argsort(-values, kind="stable")[:count]:
        yield int(index), float(values[index])
