"""A stack, run: what each layer makes of a picture, forward, through the engine."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.correlate import correlate
from convcli.engine.pooling import Pooling, Reduction, pooled
from convcli.geometry.window import window
from convcli.images.figures import fitted
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.lessons.stacks.presets import layers_of
from convcli.lessons.stacks.spec import LayerSpec
from convcli.lessons.stacks.stack import Stack, StackRow, stack
from convcli.lessons.stacks.weights import WeightFiles
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
    counted = stack(layers, maps.shape)
    _, specs = layers_of([layers] if isinstance(layers, str) else layers)
    with WeightFiles(weights, specs) as files, many_threaded_blas():
        files.check(counted.rows)
        state = _State(files, jobs)
        for number, row in enumerate(counted.rows):
            started = time.perf_counter()
            maps = _FORWARD[row.spec.layer_type](state, number, row.spec, maps)
            seconds = time.perf_counter() - started
            yield Activation(number=number + 1, row=row, values=maps, seconds=seconds)


class _State:
    """The open residual blocks, and where weights come from."""

    def __init__(self, files: WeightFiles, jobs: int | None) -> None:
        self.files, self.jobs = files, jobs
        self.entries: list[Maps] = []
        self.mains: list[Maps | None] = []

    def vector(self, number: int, part: str, length: int) -> NDArray[np.float32]:
        return self.files.tensor(number, part, (length,), slice(None))

    def open(self, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
        self.entries.append(maps)
        self.mains.append(None)
        return maps

    def turn(self, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
        self.mains[-1] = maps
        return self.entries[-1]

    def join(self, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
        entry, main = self.entries.pop(), self.mains.pop()
        joined: Maps = maps + (entry if main is None else main)
        return joined


def _convolved(state: _State, number: int, spec: LayerSpec, maps: Maps) -> Maps:
    shape = (spec.units, maps.shape[2] // spec.groups, *spec.kernel)
    bank = state.files.tensor(number, "weight", shape, slice(None))
    bias = state.vector(number, "bias", spec.units) if spec.bias else None
    return correlate(
        maps,
        Kernel(bank, bias),
        stride=spec.stride,
        padding=spec.padding,
        dilation=spec.dilation,
        groups=spec.groups,
        jobs=state.jobs,
    )


def _max_pooled(_state: _State, _number: int, spec: LayerSpec, maps: Maps) -> Maps:
    slide = window(spec.kernel, spec.stride, spec.padding, spec.dilation)
    return pooled(maps, Pooling(Reduction.MAX, slide))


def _average_pooled(_state: _State, _number: int, spec: LayerSpec, maps: Maps) -> Maps:
    slide = window(spec.kernel, spec.stride, spec.padding)
    return pooled(maps, Pooling(Reduction.AVERAGE, slide)).astype(np.float32)


def _adapted(_state: _State, _number: int, spec: LayerSpec, maps: Maps) -> Maps:
    """Average over windows from ⌊iW/n⌋ to ⌈(i+1)W/n⌉."""
    for axis, count in enumerate(spec.kernel):
        size = maps.shape[axis]
        places = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        lines = np.moveaxis(maps, axis, 0)
        means = [lines[a:b].mean(axis=0, dtype=np.float64) for a, b in places]
        maps = np.moveaxis(np.stack(means).astype(np.float32), 0, axis)
    return np.ascontiguousarray(maps, dtype=np.float32)


def _averaged(_state: _State, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    mean: Maps = maps.mean(axis=(0, 1), keepdims=True, dtype=np.float64).astype(np.float32)
    return mean


def _flattened(_state: _State, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    """Return all values as channels, in torch's order: map by map."""
    return maps.transpose(2, 0, 1).reshape(1, 1, -1)


def _connected(state: _State, number: int, spec: LayerSpec, maps: Maps) -> Maps:
    values = _flattened(state, number, spec, maps).ravel()
    shape, at_once = (spec.units, values.size), max(_MOST_WEIGHTS // values.size, 1)
    parts = [
        state.files.tensor(number, "weight", shape, slice(start, start + at_once)) @ values
        for start in range(0, spec.units, at_once)
    ]
    answer = np.concatenate(parts)
    if spec.bias:
        answer = answer + state.vector(number, "bias", spec.units)
    return np.reshape(answer, (1, 1, -1))


def _normalised(state: _State, number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    names = ("weight", "bias", "running_mean", "running_var")
    scale, shift, mean, variance = (state.vector(number, n, maps.shape[2]) for n in names)
    factor = scale / np.sqrt(variance + np.float32(_EPSILON))
    answer: Maps = maps * factor + (shift - mean * factor)
    return answer


def _rectified(_state: _State, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    rectified: Maps = np.maximum(maps, np.float32(0))
    return rectified


def _same(_state: _State, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    """Return what came: dropout does nothing outside of training."""
    return maps


def _softmax(_state: _State, _number: int, _spec: LayerSpec, maps: Maps) -> Maps:
    powers = np.exp(maps - maps.max(axis=2, keepdims=True))
    answer: Maps = powers / powers.sum(axis=2, keepdims=True)
    return answer


_FORWARD: dict[str, Callable[[_State, int, LayerSpec, Maps], Maps]] = {
    "conv": _convolved,
    "pool": _max_pooled,
    "avgpool": _average_pooled,
    "adaptive": _adapted,
    "gap": _averaged,
    "flatten": _flattened,
    "fc": _connected,
    "bn": _normalised,
    "relu": _rectified,
    "dropout": _same,
    "softmax": _softmax,
    "residual": _State.open,
    "shortcut": _State.turn,
    "add": _State.join,
}
