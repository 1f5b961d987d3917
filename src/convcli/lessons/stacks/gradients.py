"""The gradient of a unit of a network with respect to the input, layer by layer back."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.transposed import correlate_transposed
from convcli.geometry.window import Pair, Window
from convcli.lessons.stacks.run import Maps, Running, activations, along_axes, averaging
from convcli.lessons.stacks.spec import LayerSpec
from convcli.lessons.stacks.stack import StackRow
from convcli.threads import many_threaded_blas
from convcli.values import Record

_Back = Callable[[Maps], Maps]
"""From the gradient of a layer's answer to the gradient of what came to it."""


def input_gradient(
    rows: Sequence[StackRow], running: Running, values: Maps, place: Pair, mix: Maps
) -> Maps:
    """Return the gradient of a sum of units with respect to the input, shape (H, W, C).

    The units are all maps of the last row at one place (row, column), and `mix` has the factor
    of each map. Of each layer only what its gradient needs is kept: which values passed.
    """
    backs: list[_Back] = []
    for answer in activations(rows, running, values):
        spec, number = answer.row.spec, answer.number - 1
        made = _BACK.get(spec.layer_type, _of_same)
        backs.append(made(_Passed(running, number, spec, values, answer.values)))
        values = answer.values
    start: Maps = np.zeros(values.shape, np.float32)
    start[place] = mix
    gradients = {len(rows): start}
    with many_threaded_blas():
        for number in range(len(rows), 0, -1):
            back = backs.pop()
            if number in gradients:  # no way leads from the unit to some layers of a block
                gradient = back(gradients.pop(number))
                for source in rows[number - 1].sources:
                    known = gradients.get(source)
                    gradients[source] = gradient if known is None else known + gradient
    return gradients[0]


class _Passed(Record):
    """A layer with its input and output. Its gradient holds no reference to these arrays."""

    running: Running
    number: int
    spec: LayerSpec
    entry: Maps
    answer: Maps


def _of_convolution(at: _Passed) -> _Back:
    running, number, spec, shape = at.running, at.number, at.spec, at.entry.shape
    return lambda gradient: correlate_transposed(
        gradient,
        running.bank(number, spec, shape[2]),
        stride=spec.stride,
        padding=spec.window.padding,
        output_padding=[side.total for side in spec.window.unseen(shape[:2])],
        dilation=spec.dilation,
        groups=spec.groups,
        jobs=running.jobs,
    )


def _taps(slide: Window, output: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield the places in the padded maps that each tap sees, for all outputs at once."""
    for place in np.ndindex(slide.kernel):
        starts = [at * axis.dilation for at, axis in zip(place, slide.axes, strict=True)]
        yield tuple(
            slice(start, start + (count - 1) * axis.stride + 1, axis.stride)
            for start, axis, count in zip(starts, slide.axes, output, strict=False)
        )


def _of_pool(at: _Passed) -> _Back:
    """Give the gradient to the first of the largest values, or to all values of a mean."""
    slide, size, winners = at.spec.window, at.entry.shape, None
    (top, bottom), (left, right) = slide.padding
    if at.spec.layer_type == "pool":
        padded = np.pad(at.entry, (*slide.padding, (0, 0)), constant_values=-np.inf)
        winners = np.zeros(at.answer.shape, np.int32)
        for number, seen in reversed(list(enumerate(_taps(slide, winners.shape)))):
            winners[padded[seen] == at.answer] = number

    def back(gradient: Maps) -> Maps:
        spread = np.zeros((size[0] + top + bottom, size[1] + left + right, size[2]), np.float32)
        mean = gradient / np.float32(math.prod(slide.kernel))
        for number, seen in enumerate(_taps(slide, gradient.shape)):
            spread[seen] += mean if winners is None else gradient * (winners == number)
        return spread[top : top + size[0], left : left + size[1]]

    return back


def _of_averaging(at: _Passed) -> _Back:
    sides = list(zip(at.entry.shape[:2], at.spec.kernel, strict=True))
    return lambda gradient: along_axes(gradient, [averaging(*side).T for side in sides])


def _of_flattening(at: _Passed) -> _Back:
    height, width, maps = at.entry.shape
    return lambda gradient: gradient.reshape(maps, height, width).transpose(1, 2, 0)


def _of_connections(at: _Passed) -> _Back:
    unflattened, size = _of_flattening(at), at.entry.size
    running, number, spec = at.running, at.number, at.spec

    def back(gradient: Maps) -> Maps:
        values, total = gradient.ravel(), np.zeros(size, np.float32)
        for outputs, weights in running.connections(number, spec, size):
            total += values[outputs] @ weights
        return unflattened(total)

    return back


def _times(factor: NDArray[Any]) -> _Back:
    return lambda gradient: gradient * factor


def _of_same(_: _Passed) -> _Back:
    return lambda gradient: gradient


def _of_softmax(at: _Passed) -> _Back:
    parts = at.answer
    return lambda gradient: parts * (gradient - (gradient * parts).sum(axis=2, keepdims=True))


_BACK: dict[str, Callable[[_Passed], _Back]] = {
    "conv": _of_convolution,
    "pool": _of_pool,
    "avgpool": _of_pool,
    "adaptive": _of_averaging,
    "gap": _of_averaging,
    "flatten": _of_flattening,
    "fc": _of_connections,
    "bn": lambda at: _times(at.running.normal_factor(at.number, at.entry.shape[2])),
    "relu": lambda at: _times(at.answer > 0),
    "softmax": _of_softmax,
}
"""What makes the way back through a layer; others, such as add, pass the gradient on."""
