"""A stack, run: what each layer makes of a picture, and the gradient of a unit back to it."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convcli.choices import Depth
from convcli.engine.correlate import correlate
from convcli.engine.pooling import Pooling, Reduction, pooled
from convcli.engine.transposed import correlate_transposed
from convcli.errors import ImageError
from convcli.geometry.window import Pair
from convcli.images.figures import fitted
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.lessons.stacks import Stack, StackRow, stack
from convcli.lessons.stacks.spec import LayerSpec
from convcli.lessons.stacks.weights import RandomWeights, WeightFiles
from convcli.threads import many_threaded_blas
from convcli.values import Record

Maps = NDArray[np.float32]
Matrix = NDArray[np.float64]

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

    def top_classes(self, count: int = 5) -> list[tuple[int, float]]:
        """Return the numbers and the probabilities of the most probable classes.

        It is empty where the layer answers maps, not single values.
        """
        if self.values.shape[:2] != (1, 1):
            return []
        values = self.values.ravel().astype(np.float64)
        if self.row.spec.layer_type != "softmax":
            powers = np.exp(values - values.max())
            values = powers / powers.sum()
        largest = np.argsort(-values, kind="stable")[:count]
        return [(int(index), float(values[index])) for index in largest]


def network_input(frame: Frame, counted: Stack, *, imagenet: bool) -> Maps:
    """Return a picture as a network takes it: cut to its size, of 0 to 1 or as for ImageNet."""
    size = counted.source
    if frame.depth is Depth.FLOAT:
        raise ImageError(
            "--run: expected a picture of 8 or 16 bits, got floats, which have no white that "
            "becomes 1: write it with --depth 8 first"
        )
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
        for answer, _ in _forward(rows, files, maps, jobs):
            yield answer


def input_gradient(
    rows: Sequence[StackRow],
    weights: WeightFiles | RandomWeights,
    values: Maps,
    place: Pair,
    mix: Maps,
    *,
    jobs: int | None = None,
) -> Maps:
    """Return the gradient of a sum of units with respect to the input, shape (H, W, C).

    The units are all maps of the last row at one place (row, column), and `mix` has the factor
    of each map. The answers of all layers are kept until the way back.
    """
    passed = []
    for answer, layer in _forward(rows, weights, values, jobs):
        passed.append((layer, values, answer.values))
        values = answer.values
    start: Maps = np.zeros(values.shape, np.float32)
    start[place] = mix
    gradients = {len(rows): start}
    with many_threaded_blas():
        for number in range(len(rows), 0, -1):
            layer, entry, reached = passed.pop()
            if number in gradients:  # no way leads from the unit to some layers of a block
                back = _LAYERS[layer.spec.layer_type].back
                gradient = back(gradients.pop(number), layer, entry, reached)
                for source in rows[number - 1].sources:
                    known = gradients.get(source)
                    gradients[source] = gradient if known is None else known + gradient
    return gradients[0]


class _Layer(Record):
    """One layer of a network that runs: its number from 0, and where its weights are."""

    weights: WeightFiles | RandomWeights
    jobs: int | None
    number: int
    spec: LayerSpec

    def vector(self, part: str, length: int) -> Maps:
        """Return the biases of the layer, or a tensor like them."""
        return self.weights.tensor(self.number, part, (length,), slice(None))

    def bank(self, channels: int) -> Maps:
        """Return the weights of a convolution."""
        shape = (self.spec.units, channels // self.spec.groups, *self.spec.kernel)
        return self.weights.tensor(self.number, "weight", shape, slice(None))

    def connections(self, inputs: int) -> Iterator[tuple[slice, Maps]]:
        """Yield the weights of a fully connected layer in parts of some outputs."""
        units, at_once = self.spec.units, max(_MOST_WEIGHTS // inputs, 1)
        for start in range(0, units, at_once):
            outputs = slice(start, min(start + at_once, units))
            yield outputs, self.weights.tensor(self.number, "weight", (units, inputs), outputs)

    def normal_factor(self, maps: int) -> Maps:
        """Return by what a batch norm multiplies each map."""
        scale, variance = (self.vector(name, maps) for name in ("weight", "running_var"))
        factor: Maps = scale / np.sqrt(variance + np.float32(_EPSILON))
        return factor


def _forward(
    rows: Sequence[StackRow],
    weights: WeightFiles | RandomWeights,
    values: Maps,
    jobs: int | None,
) -> Iterator[tuple[Activation, _Layer]]:
    """Yield what each layer of a counted stack answers."""
    kept = {0: values}
    last_uses = {source: n for n, row in enumerate(rows, 1) for source in row.sources}
    with many_threaded_blas():
        for number, row in enumerate(rows, 1):
            started = time.perf_counter()
            layer = _Layer(weights, jobs, number - 1, row.spec)
            came = [kept[source] for source in row.sources]
            values = _LAYERS[row.spec.layer_type].forward(layer, *came)
            seconds = time.perf_counter() - started
            kept[number] = values
            kept = {n: maps for n, maps in kept.items() if last_uses.get(n, 0) > number}
            yield Activation(number=number, row=row, values=values, seconds=seconds), layer


# ------------------------------------------------------------------ the layers, there and back


class _Way(NamedTuple):
    """What a layer answers; and from the gradient of that, the gradient of what came to it."""

    forward: Callable[..., Maps]
    back: Callable[..., Maps] = lambda gradient, *_: gradient


def _convolved(layer: _Layer, maps: Maps) -> Maps:
    spec, bank = layer.spec, layer.bank(maps.shape[2])
    return correlate(
        maps,
        Kernel(bank, layer.vector("bias", spec.units) if spec.bias else None),
        stride=spec.stride,
        padding=spec.padding,
        dilation=spec.dilation,
        groups=spec.groups,
        jobs=layer.jobs,
    )


def _of_convolution(gradient: Maps, layer: _Layer, entry: Maps, _answer: Maps) -> Maps:
    spec = layer.spec
    return correlate_transposed(
        gradient,
        layer.bank(entry.shape[2]),
        stride=spec.stride,
        padding=spec.window.padding,
        output_padding=[side.total for side in spec.window.unseen(entry.shape[:2])],
        dilation=spec.dilation,
        groups=spec.groups,
        jobs=layer.jobs,
    )


def _pooled(layer: _Layer, maps: Maps) -> Maps:
    reduction = Reduction.MAX if layer.spec.layer_type == "pool" else Reduction.AVERAGE
    return pooled(maps, Pooling(reduction, layer.spec.window)).astype(np.float32, copy=False)


def _of_largest(gradient: Maps, layer: _Layer, entry: Maps, answer: Maps) -> Maps:
    """Give the gradient of each window to the first of its largest values."""
    down, across = layer.spec.window.axes
    padded = np.pad(entry, (*layer.spec.window.padding, (0, 0)), constant_values=-np.inf)
    seen = sliding_window_view(padded, (down.extent, across.extent), (0, 1))
    seen = seen[:: down.stride, :: across.stride, :, :: down.dilation, :: across.dilation]
    winners = seen.reshape(*answer.shape, -1).argmax(-1)
    y, x, maps = np.ix_(*map(np.arange, answer.shape))
    rows = y * down.stride - down.before + winners // across.kernel * down.dilation
    columns = x * across.stride - across.before + winners % across.kernel * across.dilation
    spread = np.zeros(entry.shape, np.float32)
    np.add.at(spread, (rows, columns, maps), gradient)
    return spread


def _averaging(spec: LayerSpec, entry: Sequence[int], answer: Sequence[int]) -> list[Matrix]:
    """Return the matrices that average over windows along rows and columns."""
    matrices = [np.zeros(sides) for sides in zip(answer[:2], entry[:2], strict=True)]
    for axis, means in enumerate(matrices):
        for place, line in enumerate(means):
            first, last = spec.seen(axis, line.size, place)
            line[max(first, 0) : last + 1] = 1 / (last + 1 - first)
    return matrices


def _along_axes(values: Maps, matrices: Sequence[Matrix]) -> Maps:
    """Multiply rows and then columns by a matrix each."""
    rows, columns = matrices
    along_rows = np.tensordot(rows, values, (1, 0))
    multiplied = np.moveaxis(np.tensordot(columns, along_rows, (1, 1)), 0, 1)
    return np.ascontiguousarray(multiplied, dtype=np.float32)


def _averaged(layer: _Layer, maps: Maps) -> Maps:
    return _along_axes(maps, _averaging(layer.spec, maps.shape, layer.spec.kernel))


def _of_averages(gradient: Maps, layer: _Layer, entry: Maps, answer: Maps) -> Maps:
    matrices = _averaging(layer.spec, entry.shape, answer.shape)
    return _along_axes(gradient, [matrix.T for matrix in matrices])


def _flattened(_layer: _Layer, maps: Maps) -> Maps:
    """Return all values as channels, in torch's order: map by map."""
    return maps.transpose(2, 0, 1).reshape(1, 1, -1)


def _of_flattening(gradient: Maps, _layer: _Layer, entry: Maps, _answer: Maps) -> Maps:
    height, width, maps = entry.shape
    return gradient.reshape(maps, height, width).transpose(1, 2, 0)


def _connected(layer: _Layer, maps: Maps) -> Maps:
    values = _flattened(layer, maps).ravel()
    answer = np.concatenate([part @ values for _, part in layer.connections(values.size)])
    if layer.spec.bias:
        answer = answer + layer.vector("bias", layer.spec.units)
    return np.reshape(answer, (1, 1, -1))


def _of_connections(gradient: Maps, layer: _Layer, entry: Maps, answer: Maps) -> Maps:
    values, total = gradient.ravel(), np.zeros(entry.size, np.float32)
    for outputs, part in layer.connections(entry.size):
        total += values[outputs] @ part
    return _of_flattening(total, layer, entry, answer)


def _normalised(layer: _Layer, maps: Maps) -> Maps:
    shift, mean = (layer.vector(name, maps.shape[2]) for name in ("bias", "running_mean"))
    factor = layer.normal_factor(maps.shape[2])
    answer: Maps = maps * factor + (shift - mean * factor)
    return answer


def _softmax(_layer: _Layer, maps: Maps) -> Maps:
    powers = np.exp(maps - maps.max(axis=2, keepdims=True))
    answer: Maps = powers / powers.sum(axis=2, keepdims=True)
    return answer


def _of_softmax(gradient: Maps, _layer: _Layer, _entry: Maps, answer: Maps) -> Maps:
    back: Maps = answer * (gradient - (gradient * answer).sum(axis=2, keepdims=True))
    return back


_SAME = _Way(lambda _layer, maps: maps)
_LAYERS = {
    "conv": _Way(_convolved, _of_convolution),
    "pool": _Way(_pooled, _of_largest),
    "avgpool": _Way(_pooled, _of_averages),
    "adaptive": _Way(_averaged, _of_averages),
    "gap": _Way(_averaged, _of_averages),
    "flatten": _Way(_flattened, _of_flattening),
    "fc": _Way(_connected, _of_connections),
    "bn": _Way(
        _normalised,
        lambda gradient, layer, entry, _: gradient * layer.normal_factor(entry.shape[2]),
    ),
    "relu": _Way(
        lambda _layer, maps: np.maximum(maps, np.float32(0)),
        lambda gradient, _layer, _entry, answer: gradient * (answer > 0),
    ),
    "softmax": _Way(_softmax, _of_softmax),
    "add": _Way(lambda _layer, main, shortcut: main + shortcut),
    **dict.fromkeys(("dropout", "residual", "shortcut"), _SAME),
}
