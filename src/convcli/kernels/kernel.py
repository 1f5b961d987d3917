"""The kernel: frozen weights, a 2-D grid or a filter bank, and what follows from them."""

import enum
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.errors import fail
from convcli.values import Record

Weights: TypeAlias = NDArray[np.float64]
Bias: TypeAlias = float | Sequence[float] | NDArray[np.generic] | None

MAX_WEIGHTS = 4 * 2**20  # of a kernel: 4 Mi, a bank of 1024×1024 filters of 2×2
_TOLERANCE = 1e-9  # differences below this part of a number are rounding errors of float64

_LARGEST_INTEGER = 2**31
_LARGEST_DENOMINATOR = 64


class Effect(enum.Enum):
    """What the sum of the weights says about a kernel."""

    KEEPS = "keeps brightness"
    CHANGE = "answers change"  # flat areas become 0: the weights sum to 0
    SHARPENS = "sharpens"
    SCALES = "scales brightness"


class IntegerForm(Record):
    """A kernel as integers over one divisor: weights = integers / divisor."""

    integers: NDArray[np.int64]
    divisor: float


class Kernel(Record):
    """A grid of weights, or a filter bank of them, that never changes.

    Parameters
    ----------
    weights : array_like, shape (kh, kw) or (O, I, kh, kw)
        A 2-D kernel, applied to each channel on its own; or a filter bank with I
        input channels (a group) and O output channels. Kept as read-only float64.
    bias : float or sequence of float
        Added to the result: one number, or one per output channel.
    name, description : str
        What the kernel is called and what it is for.

    Raises
    ------
    KernelError
        If the weights are empty, not numbers, not finite, not 2-D or 4-D, or more
        than `MAX_WEIGHTS`; or if the bias does not fit the output channels.

    Examples
    --------
    >>> kernel = Kernel([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], name="sobel-x")
    >>> kernel.size, kernel.sum, kernel.rank
    ((3, 3), 0.0, 1)
    """

    weights: Weights
    bias: tuple[float, ...] = ()
    name: str = "kernel"
    description: str = ""

    def __init__(
        self, weights: ArrayLike, bias: Bias = None, name: str = "kernel", description: str = ""
    ) -> None:
        grid = _checked_weights(weights)
        grid.flags.writeable = False
        outputs = grid.shape[0] if grid.ndim == 4 else None  # noqa: PLR2004 - OIHW
        super().__init__(grid, _checked_bias(bias, outputs), name, description)

    def __repr__(self) -> str:
        return f"Kernel(weights={self.weights!r}, bias={self.bias!r}, name={self.name!r})"

    def _repr_html_(self) -> str:
        """Show the weights in a notebook, as a coloured table."""
        from convcli.kernels.html import kernel_html

        return kernel_html(self)

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Kernel) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructor makes the array read-only again, which pickle does not.
        return (Kernel, (self.weights, self.bias or None, self.name, self.description))

    @property
    def _key(self) -> tuple[tuple[int, ...], bytes, tuple[float, ...]]:
        return (self.weights.shape, self.weights.tobytes(), self.bias)

    @cached_property
    def is_bank(self) -> bool:
        """Whether this is a filter bank (O, I, kh, kw) and not one 2-D kernel."""
        return self.weights.ndim == 4  # noqa: PLR2004 - OIHW

    combine = None  # there is nothing to be combined with, where an operator has a rule

    @property
    def kernels(self) -> "tuple[Kernel, ...]":
        """The kernel alone, where an operator has several."""
        return (self,)

    def changed(self, change: Callable[["Kernel"], "Kernel"]) -> "Kernel":
        """Return the kernel after a change, as an operator after one of each of its kernels."""
        return change(self)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Kernel size (rows, columns)."""
        return (self.weights.shape[-2], self.weights.shape[-1])

    @cached_property
    def filters(self) -> int:
        """Output channels: O of a bank, 1 of a 2-D kernel."""
        return self.weights.shape[0] if self.is_bank else 1

    @cached_property
    def channels(self) -> int:
        """Input channels that each filter takes: I of a bank, 1 of a 2-D kernel."""
        return self.weights.shape[1] if self.is_bank else 1

    @property
    def sums(self) -> Weights:
        """Sum of the weights of each filter, shape (O,)."""
        return _clean_sums(self.weights.reshape(self.filters, -1))

    @property
    def sum(self) -> float:
        """Sum of all weights; a rounding error around 0 counts as 0."""
        return float(_clean_sums(self.weights.reshape(1, -1))[0])

    @property
    def is_zero_sum(self) -> bool:
        """Whether each filter's weights sum to 0, or to less than float32 holds."""
        return bool((np.abs(self.sums) < np.finfo(np.float32).tiny).all())

    @property
    def effect(self) -> Effect:
        """What the sum of the weights says: see `Effect`."""
        if self.is_zero_sum:
            return Effect.CHANGE
        if not np.allclose(self.sums, 1.0, rtol=0, atol=1e-6):
            return Effect.SCALES
        return Effect.SHARPENS if self.weights.min() < 0 else Effect.KEEPS

    @cached_property
    def rank(self) -> int:
        """Rank of a 2-D kernel (1: separable into a column and a row); 0 if all zero."""
        grid = self._grid
        # Rank 1 needs no singular values, which take seconds for 2047×2047.
        if grid.any() and np.allclose(np.outer(*outer_factors(grid)), grid, 1e-12, 0):
            return 1
        return int(np.linalg.matrix_rank(grid))

    @cached_property
    def symmetries(self) -> tuple[str, ...]:
        """Which mirrors and turns keep a 2-D kernel, or only change its sign."""
        grid = self._grid
        mirrored = {
            "left-right": grid[:, ::-1],
            "top-bottom": grid[::-1],
            "half-turn": grid[::-1, ::-1],
            "transpose": grid.T,
        }
        mirrored = {name: each for name, each in mirrored.items() if each.shape == grid.shape}
        even = [name for name, each in mirrored.items() if _close(each, grid)]
        odd = [f"anti {name}" for name, each in mirrored.items() if _close(each, -grid)]
        return (*even, *(name for name in odd if grid.any()))

    @property
    def flip_matters(self) -> bool:
        """Whether correlation and convolution differ: no half-turn symmetry."""
        return not _close(self.weights[..., ::-1, ::-1], self.weights)

    @cached_property
    def integer_form(self) -> IntegerForm | None:
        """The kernel as integers over one divisor, or None where there is no such form."""
        magnitudes = np.abs(self.weights[self.weights != 0])
        if magnitudes.size == 0 or not (magnitudes % 1).any():
            return _integers_over(self.weights, 1.0)
        smallest = float(magnitudes.min())
        if float(magnitudes.max()) >= _LARGEST_INTEGER * smallest:
            return None
        for denominator in range(1, _LARGEST_DENOMINATOR + 1):
            divisor = denominator / smallest
            whole = round(min(divisor, _LARGEST_INTEGER))
            is_whole = abs(divisor - whole) <= _TOLERANCE * whole
            if is_whole and (form := _integers_over(self.weights, whole)):
                return form
        return None

    def along(self, axis: str | None) -> "Kernel":
        """Return a kernel of one row or column as a row (x) or a column (y); None changes none.

        A kernel with more rows and columns is a `KernelError`.
        """
        if axis is None:
            return self
        if self.is_bank or 1 not in self.size:
            rows, columns = self.size
            fault = f"expected a kernel of one row or one column, got {columns} × {rows}"
            fail(f"{self.name}: axis {axis}", fault, "leave --axis out")
        return self.with_weights(self.weights.reshape((1, -1) if axis == "x" else (-1, 1)))

    def flipped(self) -> "Kernel":
        """Return the kernel flipped on both axes: convolution from correlation."""
        return self.with_weights(self.weights[..., ::-1, ::-1])

    def with_weights(self, weights: ArrayLike) -> "Kernel":
        """Return the same kernel with other weights."""
        return Kernel(weights, self.bias or None, self.name, self.description)

    def plus_bias(self, bias: float | Sequence[float]) -> "Kernel":
        """Return the kernel with a bias added to its own: one number, or one per channel."""
        own, more = self.bias or (0.0,), self.with_bias(bias).bias or (0.0,)
        if 1 not in (len(own), len(more)) and len(own) != len(more):
            fault = f"expected one number or {len(own)}, as many as the kernel has of its own"
            fail("bias", f"{fault}; got {len(more)}", f"give one or {len(own)}")
        return self.with_bias(np.add(own, more).tolist())

    def with_bias(self, bias: float | Sequence[float] | None) -> "Kernel":
        """Return the same kernel with another bias."""
        return Kernel(self.weights, bias, self.name, self.description)

    @property
    def _grid(self) -> Weights:
        """The weights of a 2-D kernel; a bank raises `KernelError`."""
        if self.is_bank:
            fault = f"expected a 2-D kernel, got a bank of shape {self.weights.shape}"
            fail(self.name, fault, "take one of its slices")
        return self.weights


# ------------------------------------------------------------------ checks


def _checked_weights(weights: ArrayLike) -> Weights:
    """Return weights as a new array of float64, shape (kh, kw) or (O, I, kh, kw)."""
    try:
        array = np.asarray(weights)
    except ValueError:
        fault = "expected rows of equal length, got ragged lists"
        fail("weights", fault, "make all rows equally long")
    if array.dtype.kind not in "biuf":
        remedy = "take the real part of complex ones, and turn text into numbers"
        fail("weights", f"expected real numbers, got dtype {array.dtype}", remedy)
    if array.ndim not in (2, 4):
        got = f"got {array.ndim} dimensions of shape {array.shape}"
        fault = f"expected a 2-D kernel (kh, kw) or a 4-D filter bank (O, I, kh, kw), {got}"
        fail("weights", fault, "write [[1, 2, 1]] for one row")
    if array.size == 0:
        fail("weights", f"expected at least one, got the shape {array.shape}", "add some")
    if array.size > MAX_WEIGHTS:
        fault = f"expected at most {MAX_WEIGHTS:,}, got {array.size:,}"
        fail("weights", fault, "split the bank")
    grid = np.array(array, dtype=np.float64, order="C")
    if not np.isfinite(grid).all():
        at = np.argwhere(~np.isfinite(grid))[0].tolist()
        place = f"weights{''.join(f'[{index}]' for index in at)}"
        fault = f"expected a finite number, got {grid[tuple(at)]}"
        fail(place, fault, "replace it by a number")
    return grid


def _checked_bias(bias: Bias, outputs: int | None) -> tuple[float, ...]:
    """Return a bias as numbers: none, one, or one for each of `outputs`."""
    if bias is None or (isinstance(bias, tuple) and not bias):
        return ()
    try:
        values = np.asarray(bias, dtype=np.float64)
    except (TypeError, ValueError):
        fail("bias", f"expected numbers, got {bias!r}", "give one, or one per output channel")
    if not np.isfinite(values).all():
        fail("bias", f"expected finite numbers, got {bias}", "replace NaN and infinity")
    count = values.size
    if values.ndim > 1 or not count or count not in (1, outputs or count):
        or_several = f"{outputs}, one per filter" if outputs else "one per output channel"
        fault = f"expected one number or {or_several}; got the shape {values.shape}"
        fail("bias", fault, "give as many as there are maps")
    return tuple(values.reshape(-1).tolist())


def _integers_over(weights: Weights, divisor: float) -> IntegerForm | None:
    integers = np.rint(weights * divisor)
    is_small = np.abs(integers).max() < _LARGEST_INTEGER
    if not (is_small and np.array_equal(integers / divisor, weights)):
        return None
    exact = integers.astype(np.int64)
    exact.flags.writeable = False
    return IntegerForm(exact, float(divisor))


def outer_factors(
    grid: NDArray[Any], y: int | None = None, *, whole: bool = False
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a column and a row, `y` or the strongest, whose products are a grid of rank 1."""
    row = grid[np.abs(grid).argmax() // grid.shape[1] if y is None else y]
    if whole:
        row = row // math.gcd(*map(int, row.tolist()))
    x = np.abs(row).argmax()
    return grid[:, x] / row[x], row


def _clean_sums(rows: Weights) -> Weights:
    """Return the sum of each row, 0 where it is only a rounding error."""
    sums: Weights = rows.sum(axis=1)
    noise = np.abs(rows).sum(axis=1) * _TOLERANCE
    return np.where(np.abs(sums) <= noise, 0.0, sums)


def _close(weights: Weights, other: Weights) -> bool:
    scale = float(np.abs(other).max()) or 1.0
    return bool(np.allclose(weights, other, rtol=0, atol=_TOLERANCE * scale))
