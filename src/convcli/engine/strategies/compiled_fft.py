"""Large dense kernels by Fourier transforms that numba compiles (the extra ``fast``)."""

import functools

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine import costs
from convcli.engine.buffers import Scratch, Values, flat_rows
from convcli.engine.problem import Problem
from convcli.engine.store import StoreRule
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_LENGTHS = (128, 256)
"""Points along an axis. With 512 a tile leaves the L2 cache: a point takes a third more."""

_LANES = 128
"""Points that are transformed together: see `convcli.engine.compiled_tiles`."""

_COLUMNS = 2048
"""Columns of a tile: several transforms, which share one call from Python."""

_POINT = 3.4
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

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 2-D kernels at stride 1 that leave half of a transform for outputs."""
        if problem.dense_refusal:
            return problem.dense_refusal
        if problem.rounded_working != np.float32:
            return "sums in float64"
        wide = max(axis.extent for axis in problem.window.axes) > _LENGTHS[-1] // 2
        return f"a kernel above {_LENGTHS[-1] // 2} px" if wide else ""

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate the transforms of all tiles, there and back."""
        working, (height, width, _) = problem.rounded_working, problem.result_shape
        (rows, columns), (down, across) = _size(problem), problem.window.axes
        points = _points(rows, down.extent, height, 2) / height
        points *= _points(columns, across.extent, width, 1) / width
        return points * (_POINT + costs.LOAD[working]) + costs.STORE[working]

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.working = problem.dtype if problem.fits_bytes else self.working
        self._size = rows, columns = _size(problem)
        height, width, _ = problem.result_shape
        down, across = problem.window.axes
        # Equal parts: a tile has two of them below each other, and several beside each other.
        self._half = even_tile(height, 2 * (rows - down.extent + 1), 2) // 2
        self._step = even_tile(width, columns - across.extent + 1)
        self.rows = 2 * self._half
        self.columns = even_tile(width, max(_COLUMNS, self._step), self._step)
        spectrum = np.fft.fft2(problem.dense_weights, self._size).conj() / (rows * columns)
        spectrum = spectrum[_order(rows)][:, _order(columns)]
        blocks = spectrum.reshape(-1, _LANES, columns).transpose(0, 2, 1)
        parts = np.concatenate([blocks.real, blocks.imag], 2)
        self._spectrum = Scratch().take("constant", parts.shape, np.float32)
        self._spectrum[...] = parts
        self._factors = [_factors(n) for n in self._size]

    @property
    def tile_shape(self) -> tuple[int, int]:
        """The points that are transformed."""
        return (self._half + self._size[0], self.columns - self._step + self._size[1])

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the buffers of the transforms."""
        rows, columns = self._size
        floats = np.dtype(np.float32)
        work = scratch.take("fft.work", (columns // _LANES, rows, 2 * _LANES), floats)
        lines = scratch.take("fft.lines", (columns, 2 * _LANES), floats)
        values = scratch.take("fft.sums", (self.rows, self.columns), floats)

        def direct(target: Values) -> None:
            # It needs numba: only runs that use it load it.
            from convcli.engine.compiled_tiles import transform_tile

            flat, pitch = flat_rows(target)
            shape = (pitch, self._half, self.columns, self._step)
            transform_tile(tile, flat, shape, work, lines, self._spectrum, *self._factors)
            self.round_whole(target)

        return [OutputRows.directly(0, values, direct)]

    def stores_directly(self, rule: StoreRule) -> bool:
        """Store floats as they are."""
        return rule.is_raw(np.dtype(np.float32))


@functools.cache
def _factors(length: int) -> Values:
    """Return the factors of each step of four: of its last three parts, real and imaginary."""
    rows = []
    while length > 2:  # noqa: PLR2004 - then a step of two, without factors
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
    """Return the rows and the columns of a transform; a tile has two below each other."""
    height, width, _ = problem.result_shape
    down, across = problem.window.axes
    return _length(down.extent, height, 2), _length(across.extent, width, 1)


@functools.lru_cache
def _length(extent: int, size: int, halves: int) -> int:
    """Return the length with the fewest points over all tiles of an axis."""
    return min(
        (n for n in _LENGTHS if n >= 2 * extent),
        key=lambda length: _points(length, extent, size, halves),
    )


def _points(length: int, extent: int, size: int, halves: int) -> int:
    """Return the points of all tiles along an axis."""
    return -(-size // (halves * (length - extent + 1))) * length * halves
