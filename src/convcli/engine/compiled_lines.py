"""The functions that numba compiles for lines. To import this module is to import numba.

A loop over taps has a constant length, so that it is unrolled; indices are unsigned, so that
none counts from the end; arrays that are written share no memory with those that are read.
Only then loops are vectorised. The functions call each other as names of this module: one that
another holds is compiled anew in each process.

A source is the image, flat, its pitch, the sources of padded rows and columns, what to add to
a padded column for its place in the image, the channels, and the constant of the border. A
kernel has the rows, the columns and the weights of taps, and room for their offsets and weights
in a row. A target is the result, flat, its pitch, its rows and columns, the span of columns
whose taps lie within the image, and the strides.
"""
# ruff: noqa: FBT001, FURB136, PLR0917 - numba takes positions, and vectorises no min and max

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from convcli.engine.compiled import compiled

A: TypeAlias = Any
Function: TypeAlias = Callable[..., Any]
inlined = functools.partial(compiled, inlined=True)


def _summing(count: int) -> Function:
    @compiled
    def summed(
        out: A, at: A, size: int, fresh: bool, base: A, flat: A, p: A, w: A, k: int
    ) -> None:
        """Put `count` taps, from the k-th on, and a number into a line, or add the taps."""
        number = w.dtype.type
        for j in range(size):
            i = np.uint64(j)
            total = base if fresh else out[i + at]
            for tap in range(count):
                total = number(total + w[k + tap] * number(flat[i + p[k + tap]]))
            out[i + at] = total

    return summed


def _clipping(count: int) -> Function:
    @compiled
    def clipped(
        out: A, at: A, size: int, base: A, flat: A, p: A, w: A, low: A, high: A
    ) -> None:
        """Store `count` taps clipped: without a line of sums that takes half the time."""
        number = w.dtype.type
        for j in range(size):
            i = np.uint64(j)
            total = base
            for tap in range(count):
                total = number(total + w[tap] * number(flat[i + p[tap]]))
            total = low if total < low else total
            out[i + at] = high if total > high else total

    return clipped


three, five, six, nine = (_summing(count) for count in (3, 5, 6, 9))
five_clipped, six_clipped, nine_clipped = (_clipping(count) for count in (5, 6, 9))


@compiled
def taps(out: A, at: A, size: int, fresh: bool, base: A, flat: A, p: A, w: A) -> None:
    """Put a number and the sum of taps into a line, or add the taps: see `lines._padded`."""
    many = w.size // 9 * 9
    for k in range(0, many, 9):
        nine(out, at, size, fresh and k == 0, base, flat, p, w, k)
    first = fresh and many == 0
    if w.size - many == 6:  # noqa: PLR2004
        six(out, at, size, first, base, flat, p, w, many)
    elif w.size - many == 5:  # noqa: PLR2004
        five(out, at, size, first, base, flat, p, w, many)
    elif w.size - many == 3:  # noqa: PLR2004
        three(out, at, size, first, base, flat, p, w, many)


@compiled
def moved(total: A, at: A, size: int, flat: A, new: A, old: A) -> None:
    """Add a row to sums down columns, and subtract another."""
    number = total.dtype.type
    for j in range(size):
        i = np.uint64(j)
        total[i + at] = total[i + at] + number(flat[i + new]) - number(flat[i + old])


@compiled
def stored(line: A, start: A, out: A, at: A, size: int, store: A) -> None:
    """Store sums: 0 as they are, 1 clipped, else as quotients, of which 2 and 3 are rounded."""
    way, scale, low, high = store
    least, most = np.float32(low), np.float32(high)
    if way == 0:
        for j in range(size):
            i = np.uint64(j)
            out[i + at] = line[i + start]
    elif way == 1:
        for j in range(size):
            i = np.uint64(j)
            value = line[i + start]
            value = low if value < low else value
            out[i + at] = high if value > high else value
    elif way == 4:  # noqa: PLR2004
        for j in range(size):
            i = np.uint64(j)
            out[i + at] = np.float32(line[i + start]) / scale
    else:
        for j in range(size):
            i = np.uint64(j)
            whole = np.float32(line[i + start])
            value = whole * scale if way == 2 else whole / scale  # noqa: PLR2004
            value = least if value < least else value
            value = most if value > most else value
            out[i + at] = np.int32(np.rint(value))


@inlined
def every(line: A, size: int, channels: int, step: int) -> int:
    """Keep pixels of a line that are multiples of `step`; return how many values stay."""
    if step == 1:
        return size
    width = (size // channels - 1) // step + 1
    for x in range(1, width):
        for c in range(channels):
            line[x * channels + c] = line[x * step * channels + c]
    return width * channels


@inlined
def placed(top: int, left: int, source: A, kernel: A) -> A:
    """Write offsets and weights of taps for one row; return what taps on the constant add."""
    _, pitch, rows, _, column, channels, fill = source
    down, across, weights, offsets, kept = kernel
    base, known = weights.dtype.type(0), np.uint64(0)
    for again in range(2):
        for k in range(weights.size):
            row = rows[top + down[k]]
            kept[k] = weights[k] if row >= 0 else weights.dtype.type(0)
            if row >= 0:
                known = np.uint64(row * pitch + (column + left + across[k]) * channels)
            else:
                base = weights.dtype.type(base + again * weights[k] * fill)
            offsets[k] = known
    return base


@inlined
def edge_sums(line: A, size: int, top: int, span: A, source: A, kernel: A) -> None:
    """Compute sums of the pixels beyond a span, whose taps may be anywhere."""
    flat, pitch, rows, columns, _, channels, fill = source
    down, across, weights = kernel[:3]
    number = weights.dtype.type
    for nth in range(size - span[1] + span[0]):
        x = nth if nth < span[0] else nth - span[0] + span[1]
        for c in range(channels):
            total = number(0)
            for k in range(weights.size):
                row, column = rows[top + down[k]], columns[x + across[k]]
                value = fill
                if row >= 0 and column >= 0:
                    value = number(flat[row * pitch + column * channels + c])
                total = number(total + weights[k] * value)
            line[x * channels + c] = total


@compiled
def inner_sums(line: A, top: int, span: A, source: A, kernel: A) -> None:
    """Compute sums of the pixels of a span, whose taps are in the image."""
    left, n = span[0], (span[1] - span[0]) * source[5]
    if n > 0:
        base = placed(top, left, source, kernel)
        taps(line, np.uint64(left * source[5]), n, n > 0, base, source[0], kernel[3], kernel[4])


@compiled
def filter_clipped(source: A, target: A, kernel: A, lines: A, store: A) -> None:
    """Compute rows of a tile from five, six or nine taps, and clip them in the same loop."""
    out, out_pitch, height, width, span, strides = target
    line, (left, right), channels = lines[1], span, source[5]
    size = (right - left) * channels
    for y in range(height):
        top, at = y * strides[0], y * out_pitch
        base, start = placed(top, left, source, kernel), np.uint64(at + left * channels)
        p, w, low, high = kernel[3], kernel[4], store[2], store[3]
        if w.size == 9:  # noqa: PLR2004
            nine_clipped(out, start, size, base, source[0], p, w, low, high)
        elif w.size == 6:  # noqa: PLR2004
            six_clipped(out, start, size, base, source[0], p, w, low, high)
        else:
            five_clipped(out, start, size, base, source[0], p, w, low, high)
        edge_sums(line, width, top, span, source, kernel)
        for first, last in ((0, left), (right, width)):
            a, b = first * channels, last * channels
            stored(line, np.uint64(a), out, np.uint64(at + a), b - a, store)


@compiled
def filter_dense(source: A, target: A, kernel: A, lines: A, store: A) -> None:
    """Compute rows of a tile from all taps of a kernel at once."""
    out, out_pitch, height, width, span, strides = target
    line, channels = lines[1], source[5]
    size = (width - 1) * strides[1] + 1
    for y in range(height):
        inner_sums(line, y * strides[0], span, source, kernel)
        edge_sums(line, size, y * strides[0], span, source, kernel)
        n, at = every(line, size * channels, channels, strides[1]), np.uint64(y * out_pitch)
        stored(line, np.uint64(0), out, at, n, store)


@inlined
def moved_rows(line: A, top: int, step: int, count: int, span: A, source: A) -> bool:
    """Move sums of `count` rows by some rows; return False where a row is the constant."""
    flat, pitch, rows, _, column, channels, _ = source
    for row in range(top - step, top):
        if rows[row] < 0 or rows[row + count] < 0:
            return False
    at, first = np.uint64(span[0] * channels), (column + span[0]) * channels
    for row in range(top - step, top):
        new, old = rows[row + count] * pitch + first, rows[row] * pitch + first
        moved(line, at, (span[1] - span[0]) * channels, flat, np.uint64(new), np.uint64(old))
    return True


@inlined
def continued(line: A, span: A, source: A, constant: A) -> bool:
    """Fill padded columns from those of a span; return False where it has not all of them."""
    columns, column, channels = source[3:6]
    left, right = span
    for nth in range(columns.size - right + left):
        x = nth if nth < left else nth - left + right
        place = columns[x] - column
        if columns[x] >= 0 and not left <= place < right:
            return False
        for c in range(channels):
            inside = line[place * channels + c] if columns[x] >= 0 else constant
            line[x * channels + c] = inside
    return True


@compiled
def filter_separable(
    source: A, target: A, kernel: A, lines: A, store: A, across: A, running: int
) -> None:
    """Compute rows of a tile from sums down columns, then across.

    The span has padded columns. `across` has the taps of a line of sums of neighbours, if
    there is one; the place of that line behind the sums down; what it is longer than a row;
    and the taps of both. Sums of `running` rows of equal weights move from row to row.
    """
    out, out_pitch, height, width, span, strides = target
    (line, sums), (near, place, more, far), channels = lines, across, source[5]
    size = ((width - 1) * strides[1] + 1) * channels
    zero, none, constant = np.uint64(0), kernel[2].dtype.type(0), kernel[2].dtype.type(0)
    for weight in kernel[2]:
        constant = kernel[2].dtype.type(constant + weight * source[6])
    for y in range(height):
        top = y * strides[0]
        if not (running and y) or not moved_rows(line, top, strides[0], running, span, source):
            inner_sums(line, top, span, source, kernel)
        if not continued(line, span, source, constant):
            edge_sums(line, source[3].size, top, span, source, kernel)
        if near[0].size:
            # It reads the sums down, and writes behind them: no memory is shared.
            taps(line, np.uint64(place), size + more, size > 0, none, line, near[0], near[1])
        taps(sums, zero, size, size > 0, none, line, far[0], far[1])
        n = every(sums, size, channels, strides[1])
        stored(sums, zero, out, np.uint64(y * out_pitch), n, store)
