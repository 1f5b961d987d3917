"""The passes over a tile that make a correlation, as a program of small steps."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.kernels.kernel import Kernel
from convcli.values import Record, replace

_MOST_TAPS = 40
"""More taps than this are not searched for shared pairs: the search is quadratic."""


class Read(Record):
    """A value, read shifted: what stands dy rows below and dx columns to the right."""

    value: int
    dy: int = 0
    dx: int = 0

    def moved(self, dy: int, dx: int) -> "Read":
        """Return the same value, read further off."""
        return Read(self.value, self.dy + dy, self.dx + dx)


class Operation(Record):
    """One pass: `target` = `function`(`left`, `right`), a ufunc or what is called like one."""

    function: Callable[..., Any]
    left: Read
    right: Read | float
    target: int

    @property
    def reads(self) -> tuple[Read, ...]:
        """The values that the pass reads."""
        return (self.left, self.right) if isinstance(self.right, Read) else (self.left,)


class Term(Record):
    """A value times a weight, in a sum."""

    read: Read
    weight: float


def program_for(kernel: Kernel, weights: NDArray[Any]) -> list[Operation]:
    """Return the shortest program known for a 2-D kernel.

    Parameters
    ----------
    kernel : Kernel
        Whose factors are tried.
    weights : ndarray, shape (kh, kw)
        Its weights, or their integer form; at least one is not 0.

    Returns
    -------
    list of Operation

    Examples
    --------
    Sobel takes three passes: two additions down (the middle row is 2x = x + x, made of
    two pair sums) and one subtraction across.

    >>> sobel = Kernel([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    >>> len(program_for(sobel, sobel.weights))
    3
    """
    factors = _factors(kernel, weights)
    # Of programs of one length the first: factors go down first, which leaves fewer rows to
    # go across (a box of 5×5 on 12 megapixels: 7.7 ms, the other way round 7.9).
    programs = [] if factors is None else [_factored(*factors)]
    # Many taps one by one are never fewer passes than their factors.
    if factors is None or np.count_nonzero(weights) <= _MOST_TAPS:
        programs += _tap_by_tap(weights)
    return min(programs, key=len)


def buffers_for(
    operations: Sequence[Operation], types: Sequence[np.dtype[Any]] | None = None
) -> list[int]:
    """Place values in as few buffers as possible.

    The tile is buffer 0, and is used like the others after its last reader. An operation
    writes into the place of an operand only where it reads it unshifted: NumPy would
    copy operands that overlap the output otherwise.

    Parameters
    ----------
    operations : sequence of Operation
        Whose values are placed.
    types : sequence of dtype, optional
        Of value 0 and of each operation's: a buffer has one.

    Returns
    -------
    list of int
        For each operation the buffer that its value goes to.

    Examples
    --------
    >>> sobel = Kernel([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    >>> buffers_for(program_for(sobel, sobel.weights))
    [1, 0, 1]
    """
    last_use = {read.value: i for i, op in enumerate(operations) for read in op.reads}
    kinds: Sequence[Any] = types or (None,) * (len(operations) + 1)
    places, free, count = {0: 0}, defaultdict[Any, list[int]](list), 1
    for i, operation in enumerate(operations):
        kind = kinds[operation.target]
        ending = {read.value for read in operation.reads if last_use[read.value] == i}
        kept = [v for v in ending if _only_unshifted(operation, v) and kinds[v] == kind]
        if kept:
            place = places[kept[0]]
        elif free[kind]:
            place = free[kind].pop()
        else:
            place, count = count, count + 1
        for value in ending:
            if places[value] != place:
                free[kinds[value]].append(places[value])
        places[operation.target] = place
    return [places[operation.target] for operation in operations]


def _only_unshifted(operation: Operation, value: int) -> bool:
    return not any(read.dy or read.dx for read in operation.reads if read.value == value)


def _factors(kernel: Kernel, weights: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the column and the row, whole numbers where the weights are."""
    if kernel.rank != 1:
        return None
    rows = np.flatnonzero(weights.any(axis=1))
    row = weights[rows[0]]
    if np.issubdtype(weights.dtype, np.integer):
        row = row // np.gcd.reduce(row)
    pivot = int(np.abs(row).argmax())
    column = weights[:, pivot] / row[pivot]
    # A weight of next to nothing makes no rank, but a NaN below it is seen all the same.
    return (column, row) if np.allclose(np.outer(column, row), weights, 1e-12, 0) else None


class _Builder:
    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def emit(self, ufunc: np.ufunc, left: Read, right: Read | float) -> Read:
        target = len(self.operations) + 1
        self.operations.append(Operation(ufunc, left, right, target))
        return Read(target)

    def combine(self, left: Read, right: Read, sign: float) -> Read:
        return self.emit(np.add if sign > 0 else np.subtract, left, right)

    def weighted_sum(self, terms: Sequence[Term]) -> Read:
        """Add terms of the same weight before they are multiplied.

        Where the sum can start with a positive part it does: no pass only to negate.
        """
        groups: dict[float, list[Term]] = defaultdict(list)
        for term in terms:
            groups[abs(term.weight)].append(term)
        parts = [self._same_weight(weight, group) for weight, group in groups.items()]
        parts.sort(key=lambda part: -part.weight)
        total, *others = parts
        value = total.read if total.weight > 0 else self.emit(np.multiply, total.read, -1.0)
        for part in others:
            value = self.combine(value, part.read, part.weight)
        return value

    def _same_weight(self, weight: float, terms: Sequence[Term]) -> Term:
        """Return a sum of terms of one absolute weight, with 1 or -1 still to come."""
        ordered = sorted(terms, key=lambda term: -term.weight)
        sign = 1.0 if ordered[0].weight > 0 else -1.0
        value = ordered[0].read
        for term in ordered[1:]:
            value = self.combine(value, term.read, sign * term.weight)
        if weight != 1:
            # Where it stands, so that the product may take the place of its last use.
            product = self.emit(np.multiply, Read(value.value), weight)
            value = product.moved(value.dy, value.dx)
        return Term(value, sign)

    def line(self, source: Read, taps: Sequence[float], *, down: bool) -> Read:
        """Emit one one-dimensional factor, in the cheapest way known."""
        dy, dx = (1, 0) if down else (0, 1)
        if len(taps) > 3 and set(taps) == {1.0}:  # noqa: PLR2004 - shorter is as short as it gets
            return self.box(source, len(taps), dy, dx)
        pairs, rest = _without_pairs(taps)
        for _ in range(pairs):
            source = self.emit(np.add, source, source.moved(dy, dx))
        terms = [Term(source.moved(i * dy, i * dx), tap) for i, tap in enumerate(rest) if tap]
        return self.weighted_sum(terms)

    def box(self, source: Read, length: int, dy: int, dx: int) -> Read:
        """Add up neighbours by doubling: 1, 2, 4 … and then the binary digits.

        Of 2^k - 1 all digits are 1: two halves that overlap by one, less that one.
        """
        if length & (length + 1) == 0 and length > 3:  # noqa: PLR2004 - 3 is two additions
            middle = length // 2
            half = self.box(source, middle + 1, dy, dx)
            both = self.emit(np.add, half, half.moved(middle * dy, middle * dx))
            return self.emit(np.subtract, both, source.moved(middle * dy, middle * dx))
        sums = {1: source}
        while 2 * max(sums) <= length:
            widest = max(sums)
            half = sums[widest]
            sums[2 * widest] = self.emit(np.add, half, half.moved(widest * dy, widest * dx))
        value, done = sums[max(sums)], max(sums)
        for width in sorted(sums, reverse=True)[1:]:
            if length & width:
                value = self.emit(np.add, value, sums[width].moved(done * dy, done * dx))
                done += width
        return value


def _tap_by_tap(weights: NDArray[Any]) -> list[list[Operation]]:
    """Return the programs that look at the taps, not at factors."""
    taps = [
        Term(Read(0, int(y), int(x)), float(weights[y, x])) for y, x in np.argwhere(weights)
    ]
    programs = [_grouped(taps)]
    if len(taps) <= _MOST_TAPS:
        programs += [_shared(taps), _shared(_halved(taps))]
    return programs


def _grouped(taps: Sequence[Term]) -> list[Operation]:
    builder = _Builder()
    return _finished(builder, builder.weighted_sum(taps))


def _factored(column: NDArray[Any], row: NDArray[Any]) -> list[Operation]:
    builder = _Builder()
    middle = builder.line(Read(0), [float(tap) for tap in column], down=True)
    return _finished(builder, builder.line(middle, [float(tap) for tap in row], down=False))


def _shared(taps: Sequence[Term]) -> list[Operation]:
    """Make a sum or difference of two values once where it occurs more than once.

    Sharpen's four neighbours are two diagonal pairs: 4 passes, where it takes 5 tap by
    tap; emboss takes 5 for 7.
    """
    builder, terms = _Builder(), sorted(taps, key=_place)
    while (found := _most_frequent_pair(terms)) is not None:
        (first, second, dy, dx, sign), places = found
        pair = builder.combine(Read(first), Read(second, dy, dx), sign)
        used = {index for place in places for index in place}
        kept = [term for index, term in enumerate(terms) if index not in used]
        made = [
            Term(Read(pair.value, terms[i].read.dy, terms[i].read.dx), terms[i].weight)
            for i, _ in places
        ]
        terms = sorted([*kept, *made], key=_place)
    return _finished(builder, builder.weighted_sum(terms))


def _place(term: Term) -> tuple[int, int]:
    """Order by place, so that the second of a pair never stands before the first."""
    return (term.read.dy, term.read.dx)


def _most_frequent_pair(
    terms: Sequence[Term],
) -> tuple[tuple[int, int, int, int, float], list[tuple[int, int]]] | None:
    """Return the pair of values that occurs most often at disjoint places, if it recurs."""
    places: Mapping[tuple[int, int, int, int, float], list[tuple[int, int]]] = defaultdict(list)
    # Plain tuples: of 49 taps there are a thousand pairs.
    taps = [(t.read.value, t.read.dy, t.read.dx, t.weight) for t in terms]
    for i, (one, dy, dx, weight) in enumerate(taps):
        for j in range(i + 1, len(taps)):
            other, down, across, second = taps[j]
            if abs(weight) != abs(second) or (one, dy, dx) == (other, down, across):
                continue
            sign = 1.0 if weight == second else -1.0
            key = (one, other, down - dy, across - dx, sign)
            if not any({i, j} & set(place) for place in places[key]):
                places[key].append((i, j))
    best = max(places.items(), key=lambda item: len(item[1]), default=None)
    return best if best is not None and len(best[1]) > 1 else None


def _halved(taps: Sequence[Term]) -> list[Term]:
    """Write a weight of ±2 as twice ±1: x + x may share a pair where 2·x cannot."""
    counts = Counter({term: 2 if abs(term.weight) == 2 else 1 for term in taps})  # noqa: PLR2004
    return [Term(t.read, t.weight / counts[t]) for t in counts.elements()]


def _without_pairs(taps: Sequence[float]) -> tuple[int, Sequence[float]]:
    """Divide taps by [1 1] as polynomials, as often as that saves passes.

    Binomial [1 4 6 4 1] is [1 1] four times: 4 additions and no multiplication. Only
    positive quotients are taken: others cancel, and look at pixels of weight 0.
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


def _finished(builder: _Builder, result: Read) -> list[Operation]:
    """Return the operations; a kernel of one tap becomes one pass that moves it."""
    if not builder.operations or result != Read(len(builder.operations)):
        builder.emit(np.add, result, 0.0)
    return builder.operations


def cancels(operations: Sequence[Operation], size: tuple[int, int]) -> bool:
    """Tell whether a pixel is added and taken away again: of an infinity that makes NaN.

    Parameters
    ----------
    operations : sequence of Operation
        The program.
    size : (int, int)
        The kernel's.

    Examples
    --------
    >>> from convcli.engine.program import program_for
    >>> from convcli.kernels.kernel import Kernel
    >>> [cancels(program_for(Kernel([[1] * n]), np.ones((1, n))), (1, n)) for n in (15, 16)]
    [True, False]
    """
    taps = taps_of(operations, size)
    largest = taps_of([_adding(operation) for operation in operations], size)
    return any(np.any(np.abs(one) != most) for one, most in zip(taps, largest, strict=True))


def _adding(operation: Operation) -> Operation:
    """Return an operation that loses no weight to a sign."""
    if operation.function is np.subtract:
        return replace(operation, function=np.add)
    if isinstance(operation.right, Read):
        return operation
    return replace(operation, right=abs(operation.right))


def taps_of(operations: Sequence[Operation], size: tuple[int, int]) -> list[NDArray[Any]]:
    """Return what each value of a program, the tile first, weighs the pixels with."""
    # A value may look to the left of where it stands: its own column is the middle one.
    tile = np.zeros((size[0], 2 * size[1] - 1))
    tile[0, size[1] - 1] = 1
    taps = [tile]
    for operation in operations:
        right = operation.right
        other = _shifted(taps, right) if isinstance(right, Read) else right
        taps.append(operation.function(_shifted(taps, operation.left), other))
    return taps


def _shifted(taps: Sequence[NDArray[Any]], read: Read) -> NDArray[Any]:
    weights, dy, dx = taps[read.value], read.dy, read.dx
    moved = np.zeros_like(weights)
    height, width = weights.shape
    from_, to = slice(max(-dx, 0), width - max(dx, 0)), slice(max(dx, 0), width + min(dx, 0))
    moved[dy:, to] = weights[: height - dy, from_]
    return moved
