"""Large dense kernels by Fourier transforms of overlapping tiles: of NumPy, or compiled."""

import functools
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine.buffers import LANES, Scratch, Values, flat_rows, frozen
from convcli.engine.problem import Problem
from convcli.engine.store import Accumulators
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_LEAST = 200
_USUAL = {4: 600, 8: 432}
_MOST = {4: 1440, 8: 1024}
"""Points along an axis of a tile, by the bytes of a value. Tiles with the smallest halo are the
best, until the spectrum leaves the L2 cache: 31×31 took 7.1 ns a pixel with 500 points, 8.2
with 300, 7.6 with 700. With the most points a tile and its spectrum take 16 MiB."""

_CALLS = 5  # calls of NumPy for each tile
_NORM: Final = "ortho"
"""With this factor NumPy transforms float32 in float32, otherwise in float64: 5 ns a point
for 20. There and back the factors cancel as they do by default."""


class Fft(Strategy):
    """Large dense kernels, by Fourier transforms of overlapping tiles, all in place."""

    name = "fft"
    method = Method.FFT
    exact = False
    planar = True

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate the transforms of all tiles, there and back."""
        reason = problem.dense_refusal or problem.rounding_refusal
        if reason:
            return reason
        working = problem.rounded_working
        most = _MOST[working.itemsize] // 2
        if max(axis.extent for axis in problem.window.axes) > most:
            return f"a kernel above {most} px"
        height, width, channels = problem.result_shape
        tiles, points = channels, 1.0
        for axis, size in zip(problem.window.axes, (height, width), strict=True):
            length = _length(axis.extent, size, working)
            count = -(-size // (length - axis.extent + 1))
            tiles *= count
            points *= count * length / size
        moved = costs.transfer(problem, working, points)
        return points * costs.TRANSFORM[working] + moved + costs.calls(problem, _CALLS * tiles)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        height, width, _ = problem.result_shape
        down, across = (axis.extent for axis in problem.window.axes)
        rows = _length(down, height, self.working)
        columns = _length(across, width, self.working)
        self.tile_shape = (rows, columns)
        self.rows, self.columns = rows - down + 1, columns - across + 1
        spectrum = np.fft.rfft2(problem.dense_weights, self.tile_shape).conj()
        self._spectrum = frozen(spectrum, np.dtype(f"c{2 * self.working.itemsize}"))

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the buffer of the spectrum; the sums are transformed back into the tile."""
        height, width = self.tile_shape
        shape = (height, width // 2 + 1)
        spectrum = scratch.take("fft.spectrum", shape, self._spectrum.dtype)
        kept = tile[: self.rows]
        sums = kept[:, : self.columns]

        def compute() -> None:
            np.fft.rfft(tile, axis=1, norm=_NORM, out=spectrum)
            np.fft.fft(spectrum, axis=0, norm=_NORM, out=spectrum)
            np.multiply(spectrum, self._spectrum, out=spectrum)
            np.fft.ifft(spectrum, axis=0, norm=_NORM, out=spectrum)
            np.fft.irfft(spectrum[: self.rows], width, axis=1, norm=_NORM, out=kept)
            self.round_whole(sums)

        return [OutputRows(0, Accumulators(sums, tile.reshape(-1)), compute)]


@functools.cache
def _smooth() -> tuple[int, ...]:
    """Return even lengths up to 2048 with no prime factor above 5: these are fast."""
    lengths = (2**a * 3**b * 5**c for a in range(1, 12) for b in range(7) for c in range(5))
    return tuple(sorted(length for length in lengths if length <= 2**11))


@functools.lru_cache
def _length(extent: int, size: int, working: np.dtype[Any]) -> int:
    """Return the length with the fewest points over all tiles of an axis."""
    padded = size + extent - 1
    most = min(max(_USUAL[working.itemsize], 3 * extent), _MOST[working.itemsize])
    lengths = _smooth()
    if padded <= most:
        return next(length for length in lengths if length >= padded)
    fitting = [n for n in lengths if max(2 * extent, _LEAST) <= n <= most]
    return min(fitting, key=lambda n: (-(-size // (n - extent + 1)) * n, -n))


_LENGTH = 256  # points along an axis: with 512, beyond the L2 cache, each takes a third more
_COLUMNS = 1536  # columns of a tile: several transforms, which share one call from Python
_POINT = 3.1  # nanoseconds of a point, there and back


class CompiledFft(Strategy):
    """The same of two pictures at once, as the real and the imaginary part of one."""

    name = "compiled-fft"
    method = Method.FFT
    exact = False
    planar = True
    takes_parts = True

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate the transforms of all tiles, there and back."""
        if problem.dense_refusal:
            return problem.dense_refusal
        if problem.rounded_working != np.float32:
            return "sums in float64"
        if max(axis.extent for axis in problem.window.axes) > _LENGTH // 2:
            return f"a kernel above {_LENGTH // 2} px"
        working, (height, width, _) = problem.rounded_working, problem.result_shape
        down, across = (_LENGTH - axis.extent + 1 for axis in problem.window.axes)
        tiles = -(-height // (2 * down)) * -(-width // across)
        points = 2 * tiles * _LENGTH**2 / (height * width)
        return points * (_POINT + costs.LOAD[working]) + costs.STORE[working]

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        if problem.dtype == np.uint8 and problem.holds_fill:
            self.working = problem.dtype
        height, width, _ = problem.result_shape
        down, across = (_LENGTH - axis.extent + 1 for axis in problem.window.axes)
        # Equal parts: a tile has two of them below each other, and several beside each other.
        self.rows = even_tile(height, 2 * down)
        self._half, self._step = -(-self.rows // 2), even_tile(width, across)
        beside = even_tile(-(-width // across), max(_COLUMNS // self._step, 1))
        self.columns = min(beside * self._step, width)
        self.tile_shape = (self._half + _LENGTH, self.columns + _LENGTH)
        spectrum = np.fft.fft2(problem.dense_weights, (_LENGTH, _LENGTH)).conj() / _LENGTH**2
        order = _order(_LENGTH)
        blocks = spectrum[order][:, order].reshape(-1, LANES, _LENGTH).transpose(0, 2, 1)
        parts = np.concatenate([blocks.real, blocks.imag], 2)
        self._spectrum = Scratch().take("constant", parts.shape, np.float32)
        self._spectrum[...] = parts

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
