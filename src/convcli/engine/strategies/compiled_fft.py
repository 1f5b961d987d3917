"""Large dense kernels by Fourier transforms that numba compiles (the extra ``fast``)."""

import functools

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine import costs
from convcli.engine.buffers import LANES, Scratch, Values, flat_rows
from convcli.engine.problem import Problem
from convcli.engine.store import StoreRule
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_LENGTH = 256
"""Points along an axis. With 512 a tile leaves the L2 cache: a point takes a third more."""

_COLUMNS = 1536
"""Columns of a tile: several transforms, which share one call from Python."""

_POINT = 3.1
"""Nanoseconds of a point, there and back, where a band matrix takes those of `costs`."""


class CompiledFft(Strategy):
    """Overlap-save of two pictures at once, as the real and the imaginary part of one.

    The weights are real, so that the parts stay apart. Radix 4 goes down the columns, all of
    which are neighbours in memory; rows are turned into columns for it, and back.
    """

    name = "compiled-fft"
    method = Method.FFT
    exact = False
    planar = True
    takes_parts = True

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 2-D kernels at stride 1 that leave half of a transform for outputs."""
        if problem.dense_refusal:
            return problem.dense_refusal
        if problem.rounded_working != np.float32:
            return "sums in float64"
        wide = max(axis.extent for axis in problem.window.axes) > _LENGTH // 2
        return f"a kernel above {_LENGTH // 2} px" if wide else ""

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate the transforms of all tiles, there and back."""
        working, (height, width, _) = problem.rounded_working, problem.result_shape
        down, across = (_LENGTH - axis.extent + 1 for axis in problem.window.axes)
        tiles = -(-height // (2 * down)) * -(-width // across)
        points = 2 * tiles * _LENGTH**2 / (height * width)
        return points * (_POINT + costs.LOAD[working]) + costs.STORE[working]

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.working = problem.dtype if problem.fits_bytes else self.working
        height, width, _ = problem.result_shape
        down, across = (_LENGTH - axis.extent + 1 for axis in problem.window.axes)
        # Equal parts: a tile has two of them below each other, and several beside each other.
        self.rows = even_tile(height, 2 * down)
        self._half, self._step = -(-self.rows // 2), even_tile(width, across)
        beside = even_tile(-(-width // across), max(_COLUMNS // self._step, 1))
        self.columns = min(beside * self._step, width)
        spectrum = np.fft.fft2(problem.dense_weights, (_LENGTH, _LENGTH)).conj() / _LENGTH**2
        order = _order(_LENGTH)
        blocks = spectrum[order][:, order].reshape(-1, LANES, _LENGTH).transpose(0, 2, 1)
        parts = np.concatenate([blocks.real, blocks.imag], 2)
        self._spectrum = Scratch().take("constant", parts.shape, np.float32)
        self._spectrum[...] = parts

    @property
    def tile_shape(self) -> tuple[int, int]:
        """The points that are transformed."""
        return (self._half + _LENGTH, self.columns + _LENGTH)

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the buffers of the transforms."""
        floats, row = np.dtype(np.float32), (_LENGTH, 2 * LANES)
        work = scratch.take("fft.work", (_LENGTH // LANES, *row), floats)
        lines = scratch.take("fft.lines", row, floats)
        values = scratch.take("fft.sums", (self.rows, self.columns), floats)
        constants = (work, lines, self._spectrum, _factors())

        def direct(target: Values) -> None:
            # It needs numba: only runs that use it load it.
            from convcli.engine.compiled_tiles import transform_tile

            flat, pitch = flat_rows(target)
            shape = (pitch, *target.shape, self._half, self._step)
            transform_tile(tile, flat, shape, *constants)
            self.round_whole(target)

        return [OutputRows.directly(0, values, direct)]

    def stores_directly(self, rule: StoreRule) -> bool:
        """Store floats as they are."""
        return rule.is_raw(np.dtype(np.float32))


@functools.cache
def _factors() -> Values:
    """Return the factors of each step of four: of its last three parts, real and imaginary."""
    rows, length = [], _LENGTH
    while length > 1:
        length //= 4
        angles = -0.5j * np.pi / length * np.arange(length)
        factors = np.exp(np.outer(angles, (1, 2, 3)))
        rows.append(np.stack([factors.real, factors.imag], 2).reshape(length, 6))
    return np.concatenate(rows).astype(np.float32)


def _order(length: int) -> NDArray[np.intp]:
    """Return the frequencies in the order of the transform."""
    if length == 1:
        return np.zeros(1, np.intp)
    return np.add.outer(np.arange(4), 4 * _order(length // 4)).reshape(-1)
