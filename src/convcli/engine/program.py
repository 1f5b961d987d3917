"""The passes over a tile that make a correlation, as a program of small operations."""

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.kernels.kernel import Kernel, outer_factors
from convcli.values import Record

_MOST_TAPS = 40  # more are not searched for shared pairs: the search is quadratic
_NARROW = (np.dtype(np.int16), np.dtype(np.uint16))
_WIDE = np.dtype(np.int32)


class Read(NamedTuple):
    """A value, 0 for the tile, read `dy` rows below and `dx` columns right of its place.

    Reads and operations are tuples: hundreds are made for one program.
    """

    value: int
    dy: int = 0
    dx: int = 0

    def moved(self, dy: int, dx: int) -> "Read":
        """Return the same value, read `dy` and `dx` further off."""
        return Read(self.value, self.dy + dy, self.dx + dx)


class Operation(NamedTuple):
    """One pass, which makes the next value: `function`(`left`, `right`), called as a ufunc."""

    function: Callable[..., Any]
    left: Read
    right: Read | float

    @property
    def reads(self) -> tuple[Read, ...]:
        """The values that the pass reads."""
        return (self.left, self.right) if isinstance(self.right, Read) else (self.left,)


class TypedProgram(Record):
    """A program with its casts, and the dtypes of its values, the tile first."""

    operations: tuple[Operation, ...]
    types: tuple[np.dtype[Any], ...]

    @functools.cached_property
    def buffers(self) -> list[int]:
        """The buffer of each value: as few buffers as possible, and two dtypes share none.

        A buffer becomes free after the last read of its value. An operation writes over an
        operand only if it reads it unshifted: NumPy copies operands that overlap the output.
        """
        last_use = {
            read.value: number
            for number, operation in enumerate(self.operations, 1)
            for read in operation.reads
        }
        held, places = [0], [0]  # the value in each buffer, and the buffer of each value
        for number, operation in enumerate(self.operations, 1):
            shifted = {read.value for read in operation.reads if read.dy or read.dx}
            free = [
                place
                for place, value in enumerate(held)
                if self.types[value] == self.types[number]
                and last_use[value] <= number - (value in shifted)
            ]
            # What was read last is still in the nearest cache.
            place = max(free, key=lambda place: last_use[held[place]], default=len(held))
            held[place : place + 1] = [number]
            places.append(place)
        return places

    @functools.cached_property
    def value_bytes(self) -> int:
        """The bytes of all buffers for one value of a tile."""
        dtypes = dict(zip(self.buffers, self.types, strict=True))
        return sum(dtype.itemsize for dtype in dtypes.values())


@functools.lru_cache(maxsize=256)
def typed_program(
    kernel: Kernel,
    limits: tuple[float, float] | None,
    otherwise: np.dtype[Any],
    *,
    whole: bool,
) -> TypedProgram:
    """Return the program of a kernel, or of its `whole` form; in integers that hold it."""
    form = kernel.integer_form if whole else None
    operations = program_for(kernel, kernel.weights if form is None else form.integers)
    typed = None if limits is None else in_integers(operations, kernel.size, limits)
    return typed or TypedProgram(tuple(operations), (otherwise,) * (len(operations) + 1))


Term: TypeAlias = tuple[Read, float]  # a value and its weight in a sum


def program_for(kernel: Kernel, weights: NDArray[Any]) -> list[Operation]:
    """Return the shortest program known for a 2-D kernel, of weights that are not all 0."""
    programs = []
    if kernel.rank == 1:
        first = int(weights.any(axis=1).argmax())
        whole = np.issubdtype(weights.dtype, np.integer)
        column, row = outer_factors(weights, first, whole=whole)
        # A tiny weight does not count for the rank, but a NaN below it must be read.
        if np.allclose(np.outer(column, row), weights, 1e-12, 0):
            builder = _Builder()
            middle = builder.line(Read(0), column.tolist(), down=True)
            programs.append(builder.finished(builder.line(middle, row.tolist(), down=False)))
    # Of two programs of one length the first is taken. Factors go down first, which leaves
    # fewer rows to go across: a box of 5×5 on 12 megapixels takes 7.7 ms, else 7.9. Many taps
    # one by one never take fewer passes than factors.
    if not programs or np.count_nonzero(weights) <= _MOST_TAPS:
        programs += _tap_by_tap(weights)
    return min(programs, key=len)


class _Builder:
    """Collects the operations of one program."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def emit(
        self, ufunc: np.ufunc, left: Read, right: Read | float, dy: int = 0, dx: int = 0
    ) -> Read:
        """Add an operation, and return its value, read at (dy, dx)."""
        self.operations.append(Operation(ufunc, left, right))
        return Read(len(self.operations), dy, dx)

    def combine(self, left: Read, right: Read, sign: float) -> Read:
        return self.emit(np.add if sign > 0 else np.subtract, left, right)

    def weighted_sum(self, terms: Sequence[Term]) -> Read:
        """Add terms of the same absolute weight before they are multiplied by it."""
        groups: dict[float, list[Term]] = defaultdict(list)
        for read, weight in terms:
            groups[abs(weight)].append((read, weight))
        sums = [self._group_sum(weight, group) for weight, group in groups.items()]
        # The sum starts with a positive part if there is one: no pass only negates then.
        sums.sort(key=lambda term: -term[1])
        (value, sign), *others = sums
        if sign < 0:
            value = self.emit(np.multiply, value, -1.0)
        for read, other_sign in others:
            value = self.combine(value, read, other_sign)
        return value

    def _group_sum(self, weight: float, terms: Sequence[Term]) -> Term:
        """Return the sum of terms of one absolute weight, and the sign that it still needs."""
        (value, first), *others = sorted(terms, key=lambda term: -term[1])
        sign = 1.0 if first > 0 else -1.0
        for read, other in others:
            value = self.combine(value, read, sign * other)
        if weight != 1:
            # Multiplied unshifted, so that the product can take the buffer of the sum.
            value = self.emit(np.multiply, Read(value.value), weight, value.dy, value.dx)
        return value, sign

    def line(self, source: Read, taps: Sequence[float], *, down: bool) -> Read:
        """Add the passes of a one-dimensional factor, the fewest known."""
        dy, dx = (1, 0) if down else (0, 1)
        if len(taps) > 3 and set(taps) == {1.0}:  # noqa: PLR2004 - 3 is two additions
            return self.box(source, len(taps), dy, dx)
        pairs, quotient = _without_pairs(taps)
        for _ in range(pairs):
            source = self.emit(np.add, source, source.moved(dy, dx))
        return self.weighted_sum(
            [(source.moved(i * dy, i * dx), tap) for i, tap in enumerate(quotient) if tap]
        )

    def box(self, source: Read, length: int, dy: int, dx: int) -> Read:
        """Add up `length` neighbours: double sums to 2, 4, 8 …, then add by binary digits.

        2^k - 1 neighbours are two halves that overlap by one, which is subtracted.
        """
        if length & (length + 1) == 0 and length > 3:  # noqa: PLR2004 - 3 is two additions
            middle = length // 2
            half = self.box(source, middle + 1, dy, dx)
            both = self.emit(np.add, half, half.moved(middle * dy, middle * dx))
            return self.emit(np.subtract, both, source.moved(middle * dy, middle * dx))
        sums = [source]  # of 1, 2, 4, 8 … neighbours
        while (done := 2 ** len(sums)) <= length:
            half, moved = sums[-1], done // 2
            sums.append(self.emit(np.add, half, half.moved(moved * dy, moved * dx)))
        value, done = sums[-1], done // 2
        for power in reversed(range(len(sums) - 1)):
            if length >> power & 1:
                value = self.emit(np.add, value, sums[power].moved(done * dy, done * dx))
                done += 2**power
        return value

    def finished(self, result: Read) -> list[Operation]:
        """Return the operations; a kernel of one tap becomes one pass that moves the tile."""
        last = len(self.operations)
        if not last or result != (last, 0, 0):
            self.emit(np.add, result, 0.0)
        return self.operations


def _tap_by_tap(weights: NDArray[Any]) -> list[list[Operation]]:
    """Return the programs that use the taps one by one, not the factors."""
    taps = [(Read(0, int(y), int(x)), float(weights[y, x])) for y, x in np.argwhere(weights)]
    builder = _Builder()
    programs = [builder.finished(builder.weighted_sum(taps))]
    if len(taps) <= _MOST_TAPS:
        # A weight of ±2 is two times ±1: x + x may share a pair where 2·x cannot.
        halves = [(read, weight / 2) for read, weight in taps if abs(weight) == 2]  # noqa: PLR2004
        others = [(read, weight) for read, weight in taps if abs(weight) != 2]  # noqa: PLR2004
        programs += [_shared(taps), _shared([*others, *halves, *halves])]
    return programs


def _shared(taps: Sequence[Term]) -> list[Operation]:
    """Compute a sum or difference of two values once if it occurs more than once.

    Sharpen's four neighbours are two diagonal pairs: 4 passes for 5; emboss takes 5 for 7.
    """
    builder, terms = _Builder(), list(taps)
    while True:
        # The second of a pair is never before the first.
        terms.sort(key=lambda term: (term[0].dy, term[0].dx))
        (first, second, dy, dx, sign), places = _most_frequent_pair(terms)
        if len(places) <= 1:
            return builder.finished(builder.weighted_sum(terms))
        pair = builder.combine(Read(first), Read(second, dy, dx), sign)
        used = {index for place in places for index in place}
        firsts = [terms[first_of_pair] for first_of_pair, _ in places]
        terms = [term for index, term in enumerate(terms) if index not in used]
        terms += [(Read(pair.value, read.dy, read.dx), weight) for read, weight in firsts]


_Pair: TypeAlias = tuple[int, int, int, int, float]
"""Two values, where the second is from the first (dy, dx), and the sign of the second."""


def _most_frequent_pair(terms: Sequence[Term]) -> tuple[_Pair, list[tuple[int, int]]]:
    """Return the pair that occurs most often at disjoint places, and these."""
    places: Mapping[_Pair, list[tuple[int, int]]] = defaultdict(list)
    # Plain tuples: 49 taps have a thousand pairs.
    taps = [(read.value, read.dy, read.dx, weight) for read, weight in terms]
    for i, (value, dy, dx, weight) in enumerate(taps):
        for j in range(i + 1, len(taps)):
            other, down, across, other_weight = taps[j]
            if abs(weight) != abs(other_weight) or (value, dy, dx) == (other, down, across):
                continue
            sign = 1.0 if weight == other_weight else -1.0
            pair = (value, other, down - dy, across - dx, sign)
            if not any({i, j} & set(place) for place in places[pair]):
                places[pair].append((i, j))
    none = ((0, 0, 0, 0, 0.0), list[tuple[int, int]]())
    return max(places.items(), key=lambda item: len(item[1]), default=none)


def _without_pairs(taps: Sequence[float]) -> tuple[int, Sequence[float]]:
    """Divide taps by [1 1] as polynomials, as often as that saves passes.

    Binomial [1 4 6 4 1] is [1 1] four times. Only positive quotients are taken: others cancel.
    """
    best, least = (0, taps), _passes(taps)
    pairs, quotient = 1, _divided_by_pair(taps)
    while quotient is not None and min(quotient) > 0:
        if pairs + _passes(quotient) <= least:
            best, least = (pairs, quotient), pairs + _passes(quotient)
        pairs, quotient = pairs + 1, _divided_by_pair(quotient)
    return best


def _divided_by_pair(taps: Sequence[float]) -> Sequence[float] | None:
    """Return taps / [1 1] as polynomials, or None where there is a remainder."""
    quotient = [taps[0]]
    for tap in taps[1:-1]:
        quotient.append(tap - quotient[-1])
    return quotient if len(taps) > 1 and quotient[-1] == taps[-1] else None


def _passes(taps: Sequence[float]) -> int:
    weights = [abs(tap) for tap in taps if tap]
    return len(weights) - 1 + sum(1 for weight in set(weights) if weight != 1)


def cancels(operations: Sequence[Operation], size: tuple[int, int]) -> bool:
    """Tell whether a program adds a pixel and subtracts it again: infinity gives NaN then."""
    signed, unsigned = taps_of(operations, size), taps_of(operations, size, unsigned=True)
    pairs = zip(signed, unsigned, strict=True)
    return any(np.any(np.abs(weights) != largest) for weights, largest in pairs)


def taps_of(
    operations: Sequence[Operation], size: tuple[int, int], *, unsigned: bool = False
) -> list[NDArray[Any]]:
    """Return the weight of each pixel in each value; `unsigned` adds and never subtracts."""
    # The window is flat. A value may read pixels to its left: its own column is the middle one.
    width = 2 * size[1] - 1
    tile = np.zeros(size[0] * width)
    tile[size[1] - 1] = 1
    taps = [tile]

    def read_from(read: Read) -> NDArray[Any]:
        return np.roll(taps[read.value], read.dy * width + read.dx)

    for operation in operations:
        function, right = operation.function, operation.right
        other = read_from(right) if isinstance(right, Read) else right
        if unsigned:
            function, other = np.add if function is np.subtract else function, np.abs(other)
        taps.append(function(read_from(operation.left), other))
    return taps


def in_integers(
    operations: Sequence[Operation], size: tuple[int, int], limits: tuple[float, float]
) -> TypedProgram | None:
    """Return a program in the smallest integers that hold its values; None above 32 bits."""
    taps, (least, most) = np.array(taps_of(operations, size)), limits
    above, below = np.maximum(taps, 0).sum(1), np.minimum(taps, 0).sum(1)
    low, high = above * least + below * most, above * most + below * least
    infos = [np.iinfo(dtype) for dtype in (_WIDE, *_NARROW)]
    # Of each value whether an integer dtype holds it.
    wide, *fitting = [((info.min <= low) & (high <= info.max)).tolist() for info in infos]
    if not all(wide):
        return None
    choices = [_types(operations, *each) for each in zip(fitting, _NARROW, strict=True)]
    types = max(choices, key=lambda types: sum(dtype != _WIDE for dtype in types))
    return _with_casts(operations, types)


def _types(
    operations: Sequence[Operation], fitting: Sequence[bool], narrow: np.dtype[Any]
) -> list[np.dtype[Any]]:
    """Return the dtype of each value: narrow if it fits and all its operands are narrow."""
    types = [narrow if fitting[0] else _WIDE]
    for operation, fits in zip(operations, fitting[1:], strict=True):
        is_narrow = fits and all(types[read.value] == narrow for read in operation.reads)
        types.append(narrow if is_narrow else _WIDE)
    return types


def _with_casts(
    operations: Sequence[Operation], types: Sequence[np.dtype[Any]]
) -> TypedProgram:
    """Cast a value once, before the first operation that needs it wider."""
    program: list[Operation] = []
    dtypes = [types[0]]
    numbers = {(0, types[0]): 0}  # of each value in each dtype

    def emit(operation: Operation, value: int, dtype: np.dtype[Any]) -> None:
        program.append(operation)
        dtypes.append(dtype)
        numbers[value, dtype] = len(program)

    def cast(read: Read, dtype: np.dtype[Any]) -> Read:
        if (read.value, dtype) not in numbers:
            narrow = Read(numbers[read.value, types[read.value]])
            emit(Operation(_cast, narrow, 0.0), read.value, dtype)
        return read._replace(value=numbers[read.value, dtype])

    for number, (function, left, right) in enumerate(operations, 1):
        dtype = types[number]
        first = cast(left, dtype)
        second = cast(right, dtype) if isinstance(right, Read) else right
        emit(Operation(function, first, second), number, dtype)
    return TypedProgram(tuple(program), tuple(dtypes))


def _cast(values: NDArray[Any], _: float, out: NDArray[Any]) -> None:
    np.copyto(out, values)
