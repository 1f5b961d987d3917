"""Large dense kernels by Fourier transforms that numba compiles (the extra ``fast``)."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine import costs
from convcli.engine.buffers import Scratch, Values, frozen
from convcli.engine.problem import Problem
from convcli.engine.store import StoreRule
from convcli.engine.strategies.base import OutputRows, Strategy
from convcli.engine.strategies.lines import _flat

_LENGTHS = (128, 256, 512)
"""Points along an axis."""

_LANES = 128
_POINT = 2.2
"""Nanoseconds of a point, there and back."""


class CompiledFft(Strategy):
    """Overlap-save, two tiles at once: the real and the imaginary part of one picture."""

    name = "compiled-fft"
    method = Method.FFT
    exact = False
    planar = True

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 2-D kernels at stride 1 on floats of 32 bits."""
        if problem.dense_refusal:
            return problem.dense_refusal
        if problem.rounded_working != np.float32:
            return "sums in float64"
        wide = max(axis.extent for axis in problem.window.axes) > _LENGTHS[-1] // 2
        return f"a kernel above {_LENGTHS[-1] // 2} px" if wide else ""

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate the transforms of all tiles, there and back."""
        height, width, channels = problem.result_shape
        rows, columns = _size(problem)
        down, across = problem.window.axes
        points = _covered(rows, down.extent, height, 2) * _covered(columns, across.extent, width, 1)
        points *= channels / (height * width * channels)
        return points * (_POINT + costs.LOAD[problem.rounded_working]) + costs.STORE[problem.rounded_working]

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._size = rows, columns = _size(problem)
        down, across = problem.window.axes
        self.rows, self.columns = 2 * (rows - down.extent + 1), columns - across.extent + 1
        spectrum = np.fft.fft2(problem.dense_weights, self._size).conj() / (rows * columns)
        spectrum = spectrum[_order(rows)][:, _order(columns)]
        blocks = spectrum.reshape(-1, _LANES, columns).transpose(0, 2, 1)
        parts = np.concatenate([blocks.real, blocks.imag], 2)
        self._spectrum = np.ascontiguousarray(parts, np.float32)
        self._factors = [_factors(n) for n in self._size]

    @property
    def tile_shape(self) -> tuple[int, int]:
        """The points that are transformed."""
        return (self.rows // 2 + self._size[0], self._size[1])

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the buffers of the transforms."""
        rows, columns = self._size
        work = scratch.take("fft.work", (columns // _LANES, rows, 2 * _LANES), self.working)
        lines = scratch.take("fft.lines", (columns, 2 * _LANES), self.working)
        values = scratch.take("fft.sums", (self.rows, self.columns), self.working)

        def direct(target: Values) -> None:
            # It needs numba: only runs that use it load it.
            from convcli.engine.compiled_tiles import transform_tile

            flat, pitch = _flat(target)
            shape = (pitch, self.rows // 2, self.columns)
            transform_tile(tile, flat, shape, work, lines, self._spectrum, *self._factors)
            self.round_whole(target)

        return [OutputRows.directly(0, values, direct)]


@functools.cache
def _factors(length: int) -> Values:
    """Return the factors of each step of four: of its last three parts, real and imaginary."""
    rows = []
    while length >= 4:
        length //= 4
        angles = -0.5j * np.pi / length * np.arange(length)
        factors = np.exp(np.outer(angles, (1, 2, 3)))
        rows.append(np.stack([factors.real, factors.imag], 2).reshape(length, 6))
    return np.concatenate(rows).astype(np.float32)


def _order(length: int) -> NDArray[np.intp]:
    """Return the frequencies in the order of the transform."""
    if length == 1:
        return np.zeros(1, np.intp)
    parts = 4 if length % 4 == 0 else 2
    return np.add.outer(np.arange(parts), parts * _order(length // parts)).reshape(-1)


def _size(problem: Problem) -> tuple[int, int]:
    height, width, _ = problem.result_shape
    down, across = problem.window.axes
    return _length(down.extent, height, 2), _length(across.extent, width, 1)


@functools.lru_cache
def _length(extent: int, size: int, halves: int) -> int:
    """Return the length with the fewest points over all tiles of an axis."""
    return min(
        (n for n in _LENGTHS if n >= 2 * extent),
        key=lambda n: _covered(n, extent, size, halves),
    )


def _covered(length: int, extent: int, size: int, halves: int) -> int:
    """Return the points of all tiles along an axis."""
    return -(-size // (halves * (length - extent + 1))) * length * halves
