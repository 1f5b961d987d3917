"""A stack, run: what each layer makes of a picture, and the gradient of a unit back to it."""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convcli.choices import Depth
from convcli.drawing.figures import fitted
from convcli.engine.correlate import correlate
from convcli.engine.pooling import Pooling, Reduction, pooled
from convcli.engine.transposed import correlate_transposed
from convcli.errors import ImageError, fail
from convcli.geometry.window import Pair
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.lessons.stacks import Stack, StackRow, stack
from convcli.lessons.stacks.spec import LayerSpec
from convcli.lessons.stacks.weights import RandomWeights, WeightFiles
from convcli.pipeline.files import read_first_frame
from convcli.threads import available_cores, blas_threads
from convcli.values import Record, fields_of

Maps = NDArray[np.float32]
Weights: TypeAlias = WeightFiles | RandomWeights
Back: TypeAlias = Callable[[Maps], Maps]
"""Turns the gradient of a layer's answer into the gradient of what came to it."""

_EPSILON = 1e-5  # what torch adds to a variance
_MOST_WEIGHTS = 2**22  # weights of a fully connected layer that are read at once: 16 MiB

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of red, green and blue, with which torchvision's networks are trained."""
_ON_IMAGENET = {("alexnet",), ("vgg16",), ("resnet18",)}


class Activation(Record, kw_only=True):
    """What one layer, counted from 1, answers: float32, shape (H, W, C)."""

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

    def top_classes(self, count: int = 5) -> list[tuple[int, float]]:
        """Return the numbers and the probabilities of the likeliest classes; none of maps."""
        if self.values.shape[:2] != (1, 1):
            return []
        values = self.values.ravel().astype(np.float64)
        if self.row.spec.layer_type != "softmax":
            values = _softmaxed(values)
        largest = np.argsort(-values, kind="stable")[:count]
        return [(int(index), float(values[index])) for index in largest]


def network_input(words: Sequence[str], photo: str, counted: Stack) -> tuple[Frame, Maps]:
    """Read a picture; return it, and what a network takes of it.

    It is cut to the network's size; its values are of 0 to 1, or as for ImageNet.
    """
    frame, size = read_first_frame(photo), counted.source
    if frame.depth is Depth.FLOAT:
        got = "floats, which have no white that becomes 1"
        fault = f"expected a picture of 8 or 16 bits, got {got}"
        fail("--run", fault, "write it with --depth 8 first", ImageError)
    source = frame.as_gray(photo) if size.channels == 1 else frame
    values = fitted(source, size.height, size.width).astype(np.float32) / np.float32(255)
    values = values[..., : size.channels]
    if tuple(words) in _ON_IMAGENET:
        mean, deviation = (np.array(each, np.float32) for each in _IMAGENET)
        values = (values - mean) / deviation
    return frame, np.ascontiguousarray(values)


def run_stack(
    layers: str | Sequence[str], values: Any, weights: str, *, jobs: int | None = None
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
        yield from map(itemgetter(0), _forward(rows, files, maps, jobs))


def input_gradient(
    rows: Sequence[StackRow],
    weights: Weights,
    values: Maps,
    place: Pair,
    mix: Maps,
    *,
    jobs: int | None = None,
) -> Maps:
    """Return the gradient, (H, W, C), of the last maps at a place, each times its `mix`."""
    backs = []
    for answer, back in _forward(rows, weights, values, jobs):
        backs.append(back)
        values = answer.values
    gradients: dict[int, Maps] = {len(rows): np.zeros(values.shape, np.float32)}
    gradients[len(rows)][place] = mix
    with blas_threads(available_cores()):
        for number in range(len(rows), 0, -1):
            back = backs.pop()
            if number in gradients:  # no way leads from the unit to some layers of a block
                gradient = back(gradients.pop(number))
                for source in rows[number - 1].sources:
                    known = gradients.get(source)
                    gradients[source] = gradient if known is None else known + gradient
    return gradients[0]


class _Layer(Record):
    """One layer of a network that runs: `tensor` reads one of its tensors, or rows of it."""

    spec: LayerSpec
    jobs: int | None
    tensor: Callable[..., Maps]


def _forward(
    rows: Sequence[StackRow], weights: Weights, values: Maps, jobs: int | None
) -> Iterator[tuple[Activation, Back]]:
    """Yield what each layer of a counted stack answers, and the way back."""
    kept = {0: values}
    last_uses = {source: n for n, row in enumerate(rows, 1) for source in row.sources}
    with blas_threads(available_cores()):
        for number, row in enumerate(rows, 1):
            started = time.perf_counter()
            layer = _Layer(row.spec, jobs, functools.partial(weights.tensor, number - 1))
            came = [kept[source] for source in row.sources]
            run = _LAYERS.get(row.spec.layer_type, _summed)
            values, back = run(layer, *came)
            seconds = time.perf_counter() - started
            kept[number] = values
            kept = {n: maps for n, maps in kept.items() if last_uses.get(n, 0) > number}
            yield Activation(number=number, row=row, values=values, seconds=seconds), back
            del back, came  # they hold the input, which only the way back needs


# ------------------------------------------------------------------ the layers, there and back


def _summed(_layer: _Layer, first: Maps, *others: Maps) -> tuple[Maps, Back]:
    return sum(others, first), lambda gradient: gradient


def _convolved(layer: _Layer, maps: Maps) -> tuple[Maps, Back]:
    spec = layer.spec
    shape = (spec.units, maps.shape[2] // spec.groups, *spec.kernel)
    settings: Any = {**fields_of(spec, "stride", "dilation", "groups"), "jobs": layer.jobs}

    def back(gradient: Maps) -> Maps:
        return correlate_transposed(
            gradient,
            layer.tensor("weight", *shape),
            padding=spec.window.padding,
            output_padding=[side.total for side in spec.window.unseen(maps.shape[:2])],
            **settings,
        )

    bank = layer.tensor("weight", *shape)
    kernel = Kernel(bank, layer.tensor("bias", spec.units) if spec.bias else None)
    return correlate(maps, kernel, padding=spec.padding, **settings), back


def _largest(layer: _Layer, maps: Maps) -> tuple[Maps, Back]:
    slide = layer.spec.window
    answer = pooled(maps, Pooling(Reduction.MAX, slide))

    def back(gradient: Maps) -> Maps:
        """Give the gradient of each window to the first of its largest values."""
        down, across = slide.axes
        padded = np.pad(maps, (*slide.padding, (0, 0)), constant_values=-np.inf)
        seen = sliding_window_view(padded, (down.extent, across.extent), (0, 1))
        seen = seen[:: down.stride, :: across.stride, :, :: down.dilation, :: across.dilation]
        winners = seen.reshape(*answer.shape, -1).argmax(-1)
        y, x, channels = np.ix_(*map(np.arange, answer.shape))
        rows = y * down.stride - down.before + winners // across.kernel * down.dilation
        columns = x * across.stride - across.before + winners % across.kernel * across.dilation
        spread = np.zeros(maps.shape, np.float32)
        np.add.at(spread, (rows, columns, channels), gradient)
        return spread

    return answer, back


def _averaged(layer: _Layer, maps: Maps) -> tuple[Maps, Back]:
    """Average over windows: by sums that run, or by a matrix for each axis."""
    spec = layer.spec
    if spec.layer_type == "avgpool":
        answer = pooled(maps, Pooling(Reduction.AVERAGE, spec.window)).astype(np.float32)
    else:
        answer = _along_axes(maps, *_means(spec, maps.shape, spec.kernel))

    def back(gradient: Maps) -> Maps:
        rows, columns = _means(spec, maps.shape, answer.shape)
        return _along_axes(gradient, rows.T, columns.T)

    return answer, back


def _means(
    spec: LayerSpec, inputs: Sequence[int], outputs: Sequence[int]
) -> list[NDArray[np.float64]]:
    """Return the matrices that average over windows along rows and columns."""
    matrices = [np.zeros(sides) for sides in zip(outputs[:2], inputs[:2], strict=True)]
    for axis, means in enumerate(matrices):
        for place, line in enumerate(means):
            first, last = spec.seen(axis, line.size, place)
            line[max(first, 0) : last + 1] = 1 / (last + 1 - first)
    return matrices


def _along_axes(values: Maps, rows: NDArray[Any], columns: NDArray[Any]) -> Maps:
    along_rows = np.tensordot(rows, values, (1, 0))
    multiplied = np.moveaxis(np.tensordot(columns, along_rows, (1, 1)), 0, 1)
    return np.ascontiguousarray(multiplied, dtype=np.float32)


def _flattened(_layer: _Layer, maps: Maps) -> tuple[Maps, Back]:
    """Return all values as channels, in torch's order: map by map."""
    planes = maps.transpose(2, 0, 1)
    answer = planes.reshape(1, 1, -1)
    return answer, lambda gradient: gradient.reshape(planes.shape).transpose(1, 2, 0)


def _connected(layer: _Layer, maps: Maps) -> tuple[Maps, Back]:
    (flat, unflattened), units = _flattened(layer, maps), layer.spec.units
    at_once = max(_MOST_WEIGHTS // flat.size, 1)
    parts = [slice(n, min(n + at_once, units)) for n in range(0, units, at_once)]

    def weights(rows: slice) -> Maps:
        return layer.tensor("weight", units, flat.size, rows=rows)

    def back(gradient: Maps) -> Maps:
        total = np.zeros(flat.size, np.float32)
        for rows in parts:
            total += gradient.ravel()[rows] @ weights(rows)
        return unflattened(total)

    answer = np.concatenate([weights(rows) @ flat.ravel() for rows in parts])
    if layer.spec.bias:
        answer = answer + layer.tensor("bias", units)
    return answer.reshape(1, 1, -1), back


def _normalised(layer: _Layer, maps: Maps) -> tuple[Maps, Back]:
    names = ("bias", "running_mean", "weight", "running_var")
    shift, mean, scale, variance = (layer.tensor(name, maps.shape[2]) for name in names)
    factor = scale / np.sqrt(variance + np.float32(_EPSILON))
    return maps * factor + (shift - mean * factor), lambda gradient: gradient * factor


def _rectified(_layer: _Layer, maps: Maps) -> tuple[Maps, Back]:
    answer = np.maximum(maps, np.float32(0))
    return answer, lambda gradient: gradient * (answer > 0)


def _softmax(_layer: _Layer, maps: Maps) -> tuple[Maps, Back]:
    answer = _softmaxed(maps)
    return (
        answer,
        lambda gradient: answer * (gradient - (gradient * answer).sum(axis=2, keepdims=True)),
    )


def _softmaxed(values: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


_LAYERS: dict[str, Callable[..., tuple[Maps, Back]]] = {
    "conv": _convolved,
    "pool": _largest,
    "avgpool": _averaged,
    "adaptive": _averaged,
    "gap": _averaged,
    "flatten": _flattened,
    "fc": _connected,
    "bn": _normalised,
    "relu": _rectified,
    "softmax": _softmax,
}
"""What each layer answers; others, such as add and dropout, the sum of what comes to them."""
