"""Large dense kernels by Fourier transforms of overlapping tiles."""

import functools
from typing import Any, Final

import numpy as np

from convcli.choices import Method
from convcli.engine import costs
from convcli.engine.buffers import Scratch, Values, frozen
from convcli.engine.problem import Problem
from convcli.engine.store import Accumulators
from convcli.engine.strategies.base import OutputRows, Strategy
from convcli.geometry.window import Axis

_LEAST = 200
_USUAL = {4: 600, 8: 432}
_MOST = {4: 1440, 8: 1024}
"""Points along an axis of a tile, by the bytes of a value. From 256 on all points take equal
time, so the tiles with the smallest halo are the best, until the spectrum leaves the L2
cache: on the same picture 31×31 took 7.1 ns a pixel with 500 points, 8.2 with 300, 7.6 with
700. With the most points a tile and its spectrum take 16 MiB."""

_CALLS = 5
"""Calls of NumPy for each tile."""

_NORM: Final = "ortho"
"""With this factor NumPy transforms float32 in float32, otherwise in float64: 5 ns a point
for 20. There and back the factors cancel as they do by default."""


class Fft(Strategy):
    """Overlap-save: the tile's spectrum times the kernel's; wrapped outputs are dropped.

    Everything is transformed in place: a tile and its spectrum are all the memory that a
    thread needs.
    """

    name = "fft"
    method = Method.FFT
    exact = False
    planar = True

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 2-D kernels at stride 1 that fit into a transform, with room for outputs."""
        reason = problem.dense_refusal or problem.rounding_refusal
        if reason:
            return reason
        most = _MOST[problem.rounded_working.itemsize]
        wide = max(axis.extent for axis in problem.window.axes) > most // 2
        return f"a kernel above {most // 2} px" if wide else ""

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate the transforms of all tiles, there and back."""
        working = problem.rounded_working
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
        down, across = problem.window.axes
        self._size = (
            _length(down.extent, height, self.working),
            _length(across.extent, width, self.working),
        )
        self.rows, self.columns = _outputs(down, self._size[0]), _outputs(across, self._size[1])
        spectrum = np.fft.rfft2(problem.dense_weights, self._size).conj()
        self._spectrum = frozen(spectrum, _complex(self.working))

    @property
    def tile_shape(self) -> tuple[int, int]:
        """The points that are transformed."""
        return self._size

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the buffer of the spectrum; the sums are transformed back into the tile."""
        height, width = self._size
        shape = (height, width // 2 + 1)
        spectrum = scratch.take("fft.spectrum", shape, _complex(self.working))
        sums = tile[: self.rows, : self.columns]

        def compute() -> None:
            np.fft.rfft(tile, axis=1, norm=_NORM, out=spectrum)
            np.fft.fft(spectrum, axis=0, norm=_NORM, out=spectrum)
            np.multiply(spectrum, self._spectrum, out=spectrum)
            np.fft.ifft(spectrum, axis=0, norm=_NORM, out=spectrum)
            np.fft.irfft(
                spectrum[: self.rows], width, axis=1, norm=_NORM, out=tile[: self.rows]
            )
            self.round_whole(sums)

        return [OutputRows(0, Accumulators(sums, tile.reshape(-1)), compute)]


def _complex(working: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"c{2 * working.itemsize}")


def _outputs(axis: Axis, length: int) -> int:
    return length - axis.extent + 1


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
