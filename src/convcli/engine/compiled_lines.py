"""The functions that numba compiles for lines. To import this module is to import numba.

A loop over taps has a constant length, so that it is unrolled; indices are unsigned, so that
none counts from the end; arrays that are written share no memory with those that are read.
Only then loops are vectorised. The functions call each other as names of this module: one that
another holds is compiled anew in each process.

A source is a picture with its border, flat, its pitch and the rows from one output to the next.
A target is the result, flat, in the array of its dtype among empty ones; its pitch, its rows,
the values of a row, the channels, and the columns from one output to the next. Taps are their
places, from the first value that an output reads, their weights, and the number that their sum
starts with.
"""
# ruff: noqa: C901, FURB136, PLR0917 - numba takes positions, vectorises no min and max, and
# compiles loops in one function sooner than in several

from typing import Any, TypeAlias

import numpy as np

from convcli.engine.compiled import compiled

A: TypeAlias = Any


@compiled
def add_taps(out: A, size: int, flat: A, taps: A) -> None:
    """Put the sum of taps into a line: see `lines._padded`."""
    p, w, base = taps
    number, last = w.dtype.type, w.size // 9 * 9

    def add(k: int, count: int) -> None:
        """Put `count` taps, from the k-th on, into the line; or add them, but for the first."""
        for j in range(size):
            i = np.uint64(j)
            total = base if k == 0 else out[i]
            for tap in range(count):
                total = number(total + w[k + tap] * number(flat[i + p[k + tap]]))
            out[i] = total

    for k in range(0, last, 9):
        add(k, 9)
    if w.size - last == 6:  # noqa: PLR2004
        add(last, 6)
    elif w.size - last == 5:  # noqa: PLR2004
        add(last, 5)
    elif w.size - last == 3:  # noqa: PLR2004
        add(last, 3)


@compiled
def moved(total: A, size: int, new: A, old: A) -> None:
    """Add a row to sums down columns, and subtract another."""
    number = total.dtype.type
    for j in range(size):
        i = np.uint64(j)
        total[i] = total[i] + number(new[i]) - number(old[i])


@compiled
def stored(line: A, out: A, start: int, size: int, store: A) -> None:
    """Store sums from a place of the result on, in the array of it that is not empty.

    The ways are: 0 as they are, 1 clipped, 2 and 3 rounded products and quotients, 4 quotients.
    """
    one, two, four, single, double = out
    way, scale, low, high = store
    first = np.uint64(start)
    least, most = np.float32(low), np.float32(high)

    def keep(result: A) -> None:
        for j in range(size):
            i = np.uint64(j)
            result[i + first] = line[i]

    def clip(result: A) -> None:
        for j in range(size):
            i = np.uint64(j)
            value = line[i]
            value = low if value < low else value
            result[i + first] = high if value > high else value

    def round_quotients(result: A) -> None:
        for j in range(size):
            i = np.uint64(j)
            whole = np.float32(line[i])
            value = whole * scale if way == 2 else whole / scale  # noqa: PLR2004
            value = least if value < least else value
            value = most if value > most else value
            result[i + first] = np.int32(np.rint(value))

    def divide(result: A) -> None:
        for j in range(size):
            i = np.uint64(j)
            result[i + first] = np.float32(line[i]) / scale

    if way == 0 and two.size:
        keep(two)
    elif way == 0 and four.size:
        keep(four)
    elif way == 0 and single.size:
        keep(single)
    elif way == 0:
        keep(double)
    elif way == 4:  # noqa: PLR2004
        divide(single)
    elif way == 1 and one.size:
        clip(one)
    elif way == 1:
        clip(two)
    elif one.size:
        round_quotients(one)
    else:
        round_quotients(two)


@compiled
def every(line: A, size: int, channels: int, step: int) -> None:
    """Keep pixels of a line that are multiples of `step`, so that `size` values stay."""
    for x in range(1, size // channels if step > 1 else 0):
        for c in range(channels):
            line[x * channels + c] = line[x * step * channels + c]


@compiled
def filter_clipped(source: A, target: A, taps: A, store: A, _: A) -> None:
    """Compute rows of five, six or nine taps, and clip them in one loop: in half the time."""
    (flat, pitch, step), (out, out_pitch, height, size, _, _) = source, target
    (p, w, base), (_, _, low, high) = taps, store
    number = w.dtype.type

    def filter_rows(result: A, count: int) -> None:
        for y in range(height):
            row, line = flat[y * step * pitch :], result[y * out_pitch :]
            for j in range(size):
                i = np.uint64(j)
                total = base
                for tap in range(count):
                    total = number(total + w[tap] * number(row[i + p[tap]]))
                total = low if total < low else total
                line[i] = high if total > high else total

    def filter_all(result: A) -> None:
        if w.size == 9:  # noqa: PLR2004
            filter_rows(result, 9)
        elif w.size == 6:  # noqa: PLR2004
            filter_rows(result, 6)
        else:
            filter_rows(result, 5)

    if out[0].size:
        filter_all(out[0])
    else:
        filter_all(out[1])


@compiled
def filter_dense(source: A, target: A, taps: A, store: A, lines: A) -> None:
    """Compute rows of a tile from all taps of a kernel at once."""
    (flat, pitch, step), (out, out_pitch, height, size, channels, stride) = source, target
    sums = lines[1]
    for y in range(height):
        add_taps(sums, (size - channels) * stride + channels, flat[y * step * pitch :], taps)
        every(sums, size, channels, stride)
        stored(sums, out, y * out_pitch, size, store)


@compiled
def filter_separable(
    source: A, target: A, taps: A, store: A, lines: A, across: A, running: int
) -> None:
    """Compute rows of a tile from sums down columns, then across.

    `across` has the taps of a line of sums of neighbours, if there is one, and of both lines;
    the place of that line behind the sums down; and by how many values that line, and the sums
    down, are longer than a row. Sums of `running` rows of equal weights move from row to row.
    """
    (flat, pitch, step), (out, out_pitch, height, size, channels, stride) = source, target
    (line, sums), (near, far, (place, more, reach)) = lines, across
    wide = (size - channels) * stride + channels
    for y in range(height):
        if running and y:
            for row in range((y - 1) * step, y * step):
                moved(line, wide + reach, flat[(row + running) * pitch :], flat[row * pitch :])
        else:
            add_taps(line, wide + reach, flat[y * step * pitch :], taps)
        if near[1].size:
            # It reads the sums down, and writes behind them: no memory is shared.
            add_taps(line[place:], wide + more, line, near)
        add_taps(sums, wide, line, far)
        every(sums, size, channels, stride)
        stored(sums, out, y * out_pitch, size, store)
