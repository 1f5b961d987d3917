"""Whole passes of additions over a tile, for kernels of few small numbers."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine.buffers import Scratch, Values, strided
from convcli.engine.problem import Problem
from convcli.engine.program import Operation, Read, buffers_for, cancels, program_for, taps_of
from convcli.engine.store import Accumulators
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile
from convcli.kernels.kernel import Kernel
from convcli.values import Record

Limits = tuple[float, float]

_NARROW = (np.dtype(np.int16), np.dtype(np.uint16))
_WIDE = np.dtype(np.int32)


class TypedProgram(Record):
    """A program with its casts, and the dtypes of the tile and of each operation's value."""

    operations: tuple[Operation, ...]
    types: tuple[np.dtype[Any], ...]

    @functools.cached_property
    def buffers(self) -> list[int]:
        """The buffer of each operation's value."""
        return buffers_for(self.operations, self.types)

    @functools.cached_property
    def value_bytes(self) -> int:
        """The bytes of all buffers for one value of a tile."""
        dtypes = dict(zip((0, *self.buffers), self.types, strict=True))
        return sum(dtype.itemsize for dtype in dtypes.values())


def in_integers(
    operations: Sequence[Operation], size: tuple[int, int], limits: Limits
) -> TypedProgram | None:
    """Return a program that computes in integers, each value in the smallest that hold it.

    It is None where a value needs more than 32 bits. `size` is the size of the kernel,
    `limits` are the smallest and the largest pixel, the constant of the border included.

    Examples
    --------
    >>> box = Kernel([[1] * 31] * 31)
    >>> typed = in_integers(program_for(box, box.weights), (31, 31), (0, 255))
    >>> [dtype.name for dtype in typed.types].count("uint16")
    10
    """
    ranges = [_range(weights, limits) for weights in taps_of(operations, size)]
    if not all(_holds(_WIDE, value_range) for value_range in ranges):
        return None
    choices = [_types(operations, ranges, narrow) for narrow in _NARROW]
    types = max(choices, key=lambda types: sum(dtype != _WIDE for dtype in types))
    return _with_casts(operations, types)


def _range(weights: NDArray[Any], limits: Limits) -> Limits:
    """Return the range of a value from its weights of the pixels."""
    above, below = weights[weights > 0].sum(), weights[weights < 0].sum()
    least, most = limits
    return (float(above * least + below * most), float(above * most + below * least))


def _holds(dtype: np.dtype[Any], limits: Limits) -> bool:
    info = np.iinfo(dtype)
    return bool(info.min <= limits[0] and limits[1] <= info.max)


def _types(
    operations: Sequence[Operation], ranges: Sequence[Limits], narrow: np.dtype[Any]
) -> tuple[np.dtype[Any], ...]:
    """Return the dtype of each value: narrow if it fits and all its operands are narrow."""
    types = [narrow if _holds(narrow, ranges[0]) else _WIDE]
    for operation, limits in zip(operations, ranges[1:], strict=True):
        sides = (operation.left, operation.right)
        operands = {types[side.value] for side in sides if isinstance(side, Read)}
        types.append(narrow if operands == {narrow} and _holds(narrow, limits) else _WIDE)
    return tuple(types)


def _with_casts(
    operations: Sequence[Operation], types: tuple[np.dtype[Any], ...]
) -> TypedProgram:
    """Cast a value once, before the first operation that needs it wider."""
    if len(set(types)) == 1:
        return TypedProgram(tuple(operations), types)
    program: list[Operation] = []
    dtypes = [types[0]]
    numbers: dict[tuple[int, np.dtype[Any]], int] = {(0, types[0]): 0}

    def emit(function: Callable[..., Any], left: Read, right: Read | float, value: int) -> None:
        program.append(Operation(function, left, right, len(program) + 1))
        dtypes.append(dtype)
        numbers[value, dtype] = len(program)

    def cast(read: Read) -> Read:
        if (read.value, dtype) not in numbers:
            narrow = Read(numbers[read.value, types[read.value]])
            emit(_cast, narrow, 0.0, read.value)
        return Read(numbers[read.value, dtype], read.dy, read.dx)

    for operation in operations:
        dtype, right = types[operation.target], operation.right
        left = cast(operation.left)
        right = cast(right) if isinstance(right, Read) else right
        emit(operation.function, left, right, operation.target)
    return TypedProgram(tuple(program), tuple(dtypes))


def _cast(values: NDArray[Any], _: float, out: NDArray[Any]) -> None:
    np.copyto(out, values)


_CACHED_BYTES = 2**20
"""All buffers of a tile on one thread. Sobel-x takes two: on 12 megapixels 5.3 ms if they are
380 KB each, 5.2 at 520 KB, 7.3 at 1 MB; laplacian8 four: 8.7, 10.1 and 15.5 ms."""

_SHARED_BYTES = 2**19
"""Each buffer of a tile on several threads. One thread runs Python at a time, so few calls
should do much: on two threads a binomial of 5×5 takes 9.6 ms in tiles of 260 KB a buffer, 7.1
at 380, 6.4 at 512, 6.3 at 640; laplacian8 5.7, 5.6, 5.4, 5.8."""

_LEAST_VALUES = 2**17
"""Values of a tile, however many buffers there are: smaller ones are mostly halo."""

_ROW = 6144
"""Values of a row of a tile at the most: longer rows mean few rows, mostly halo."""

_SHORT_ROW = 512
"""Values of a row of a tile at the least: to copy shorter rows takes longer than to add."""

_MOST_VALUES = 2**20
"""The most values of a tile, halo included."""

_MOST_TAPS = 64
"""Taps of a kernel without factors at the most."""


class Passes(Strategy):
    """Shift and add on flat buffers: a tap is an offset, a pass is one call of NumPy.

    Values beyond the end of a row are computed too, and dropped. Views with rows of 4000
    values take about twice the time of a flat buffer.
    """

    name = "passes"
    method = Method.DIRECT

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 2-D kernels of few taps, or of rank 1, at stride 1."""
        if problem.dense_refusal:
            return problem.dense_refusal
        kernel = problem.kernel
        taps = np.count_nonzero(kernel.weights)
        if taps == 0:
            return "no weight but 0"
        if taps > _MOST_TAPS and kernel.rank != 1:
            return f"{taps} taps without factors"
        _, rows, columns = _layout(problem, shared=False)
        down, across = problem.window.axes
        values = (rows + down.extent - 1) * (columns + across.extent - 1) * problem.shape[2]
        return "a kernel whose halo alone fills the cache" if values > _MOST_VALUES else ""

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate one pass for each operation, and the transfer."""
        typed, *tile = _layout(problem, shared=False)
        halo = math.prod(
            (part + axis.extent - 1) / part if part < whole else 1.0
            for axis, part, whole in zip(
                problem.window.axes, tile, problem.result_shape, strict=False
            )
        )
        passes = sum(costs.FLAT_PASS[dtype] for dtype in typed.types[1:])
        return halo * (passes + costs.LOAD[typed.types[0]]) + costs.STORE[typed.types[-1]]

    def __init__(self, problem: Problem, *, shared: bool = False) -> None:
        super().__init__(problem)
        self._program, self.rows, self.columns = _layout(problem, shared=shared)
        self.working = self._program.types[0]
        floats = problem.dtype.kind == "f"
        self.local = not (floats and cancels(self._program.operations, problem.kernel.size))
        self._shared = shared

    def threaded(self) -> Strategy:
        """Return the strategy in larger tiles, if no value depends on the tile's size."""
        return self if self._shared or not self.local else Passes(self.problem, shared=True)

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Turn each operation into a call of NumPy on views."""
        calls, others = self._calls(tile, scratch)
        *passes, (last, left, right, around) = calls
        # As few steps of Python as possible: another thread waits for each of them.
        before = [functools.partial(function, *operands) for function, *operands in passes]
        whole = functools.partial(last, left, right, around)
        spare = next((one[: around.size] for one in others if one.dtype == around.dtype), None)
        shape, steps = (self.rows, self.columns * self.channels), (tile.shape[1], 1)
        values, left_rows = strided(around, 0, shape, steps), strided(left, 0, shape, steps)
        is_number = not isinstance(right, np.ndarray)
        right_rows = right if is_number else strided(right, 0, shape, steps)
        cropped = functools.partial(last, left_rows, right_rows)

        def compute() -> None:
            for call in before:
                call()
            whole()

        def direct(target: Values) -> None:
            for call in before:
                call()
            cropped(target)

        sums = Accumulators(values, around, spare)
        return [OutputRows(0, sums, compute, direct if around.dtype == self.working else None)]

    def _calls(self, tile: Values, scratch: Scratch) -> "tuple[list[_Call], list[Values]]":
        """Return the calls, and the buffers that do not hold the last value."""
        operations, types = self._program.operations, self._program.types
        places = self._program.buffers
        down, across = self.problem.window.axes
        steps = (down.dilation * tile.shape[1], across.dilation * self.channels)
        buffers = {0: tile.reshape(-1)}
        # A value is shorter than its buffer: the rest was left there by another value.
        values, calls = {0: buffers[0]}, []
        for operation, place in zip(operations, places, strict=True):
            left, right = _operands(operation, values, steps)
            if place not in buffers:
                dtype = types[operation.target]
                buffers[place] = scratch.take(f"passes.{place}", (tile.size,), dtype)
            target = buffers[place][: left.size]
            calls.append((operation.function, left, right, target))
            values[operation.target] = target
        others = [buffer for place, buffer in buffers.items() if place != places[-1]]
        return calls, others


_Call: TypeAlias = tuple[Callable[..., Any], Values, Any, Values]
"""A function, its operands, and the target."""


def _operands(
    operation: Operation, values: dict[int, Values], steps: tuple[int, int]
) -> tuple[Values, Any]:
    """Return views of equal length, or a view and a number.

    `steps` are the distances of two neighbouring rows and of two neighbouring taps.
    """

    def view(read: Read) -> Values:
        return values[read.value][read.dy * steps[0] + read.dx * steps[1] :]

    left = view(operation.left)
    if not isinstance(operation.right, Read):
        return left, left.dtype.type(operation.right)
    right = view(operation.right)
    size = min(left.size, right.size)
    return left[:size], right[:size]


@functools.lru_cache(maxsize=256)
def _layout(problem: Problem, *, shared: bool) -> tuple[TypedProgram, int, int]:
    """Return the program, rows and columns of a tile: alone, or beside other threads."""
    height, width, channels = problem.result_shape
    halo = problem.window.rows.extent - 1
    typed = _typed(problem)
    fitting = _CACHED_BYTES // typed.value_bytes
    if shared:
        fitting = _SHARED_BYTES // typed.types[0].itemsize
    values = max(fitting, _LEAST_VALUES)
    # Tall kernels take narrow tiles, so that at most a third of the rows is halo.
    most = min(_ROW, max(values // (3 * halo + 1), _SHORT_ROW))
    columns = even_tile(width, max(most // channels, 1))
    row = (columns + problem.window.columns.extent - 1) * channels
    rows = max(1, min(height, values // row - halo))
    pieces = -(-height // rows)
    # An even number of tiles of one size gives two threads equal work.
    return typed, -(-height // (pieces + pieces % 2 if shared else pieces)), columns


def _typed(problem: Problem) -> TypedProgram:
    return _typed_program(
        problem.kernel,
        problem.pixel_limits if problem.is_integer else None,
        problem.natural_working,
        whole=problem.dtype.kind != "f",
    )


@functools.lru_cache(maxsize=256)
def _typed_program(
    kernel: Kernel,
    limits: tuple[float, float] | None,
    otherwise: np.dtype[Any],
    *,
    whole: bool,
) -> TypedProgram:
    """Return the program of a kernel in integers between limits, or in floats.

    Weights are whole numbers where `whole` is asked for, and the kernel has such a form.
    """
    form = kernel.integer_form if whole else None
    weights = kernel.weights if form is None else form.integers
    operations = tuple(program_for(kernel, weights))
    typed = None if limits is None else in_integers(operations, kernel.size, limits)
    return typed or TypedProgram(operations, (otherwise,) * (len(operations) + 1))
