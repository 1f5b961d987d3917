"""The functions that numba compiles for lines. To import this module is to import numba.

A loop over taps has a constant length, so that it is unrolled; indices are unsigned, so that
none counts from the end; arrays that are written share no memory with those that are read.
Only then loops are vectorised. The functions call each other as names of this module: one that
another holds is compiled anew in each process.

A source is a picture with its border, flat, its pitch and the rows from one output to the next.
A target is the result, flat, its pitch, its rows, the values of a row, the channels, and the
columns from one output to the next. Taps are their places, from the first value that an output
reads, their weights, and the number that their sum starts with.
"""
# ruff: noqa: FURB136, PLR0917 - numba takes positions, and vectorises no min and max

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from convcli.engine.compiled import compiled

A: TypeAlias = Any
Function: TypeAlias = Callable[..., Any]


def _summing(count: int, *, clips: bool = False) -> Function:
    @compiled
    def summed(
        out: A, size: int, base: A, flat: A, p: A, w: A, k: int, low: A, high: A
    ) -> None:
        """Put `count` taps, from the k-th on, into a line; or add them, but for the first.

        Those of a result are clipped: without a line of sums that takes half the time.
        """
        number = w.dtype.type
        for j in range(size):
            i = np.uint64(j)
            total = base if clips or k == 0 else out[i]
            for tap in range(count):
                total = number(total + w[k + tap] * number(flat[i + p[k + tap]]))
            if clips:
                total = low if total < low else total
                total = high if total > high else total
            out[i] = total

    return summed


three, five, six, nine = (_summing(count) for count in (3, 5, 6, 9))
five_clipped, six_clipped, nine_clipped = (_summing(count, clips=True) for count in (5, 6, 9))


@compiled
def add_taps(out: A, size: int, flat: A, taps: A) -> None:
    """Put the sum of taps into a line: see `lines._padded`."""
    p, w, base = taps
    many = w.size // 9 * 9
    for k in range(0, many, 9):
        nine(out, size, base, flat, p, w, k, base, base)
    if w.size - many == 6:  # noqa: PLR2004
        six(out, size, base, flat, p, w, many, base, base)
    elif w.size - many == 5:  # noqa: PLR2004
        five(out, size, base, flat, p, w, many, base, base)
    elif w.size - many == 3:  # noqa: PLR2004
        three(out, size, base, flat, p, w, many, base, base)


@compiled
def moved(total: A, size: int, new: A, old: A) -> None:
    """Add a row to sums down columns, and subtract another."""
    number = total.dtype.type
    for j in range(size):
        i = np.uint64(j)
        total[i] = total[i] + number(new[i]) - number(old[i])


@compiled
def stored(line: A, out: A, size: int, store: A) -> None:
    """Store sums: 0 as they are, 1 clipped, else as quotients, of which 2 and 3 are rounded."""
    way, scale, low, high = store
    least, most = np.float32(low), np.float32(high)
    if way == 0:
        for j in range(size):
            i = np.uint64(j)
            out[i] = line[i]
    elif way == 1:
        for j in range(size):
            i = np.uint64(j)
            value = line[i]
            value = low if value < low else value
            out[i] = high if value > high else value
    elif way == 4:  # noqa: PLR2004
        for j in range(size):
            i = np.uint64(j)
            out[i] = np.float32(line[i]) / scale
    else:
        for j in range(size):
            i = np.uint64(j)
            whole = np.float32(line[i])
            value = whole * scale if way == 2 else whole / scale  # noqa: PLR2004
            value = least if value < least else value
            value = most if value > most else value
            out[i] = np.int32(np.rint(value))


@compiled
def every(line: A, size: int, channels: int, step: int) -> None:
    """Keep pixels of a line that are multiples of `step`, so that `size` values stay."""
    for x in range(1, size // channels if step > 1 else 0):
        for c in range(channels):
            line[x * channels + c] = line[x * step * channels + c]


@compiled
def filter_clipped(source: A, target: A, taps: A, store: A, _: A) -> None:
    """Compute rows of a tile from five, six or nine taps, and clip them in the same loop."""
    (flat, pitch, step), (out, out_pitch, height, size, _, _) = source, target
    (p, w, base), (_, _, low, high) = taps, store
    for y in range(height):
        row, line = flat[y * step * pitch :], out[y * out_pitch :]
        if w.size == 9:  # noqa: PLR2004
            nine_clipped(line, size, base, row, p, w, 0, low, high)
        elif w.size == 6:  # noqa: PLR2004
            six_clipped(line, size, base, row, p, w, 0, low, high)
        else:
            five_clipped(line, size, base, row, p, w, 0, low, high)


@compiled
def filter_dense(source: A, target: A, taps: A, store: A, lines: A) -> None:
    """Compute rows of a tile from all taps of a kernel at once."""
    (flat, pitch, step), (out, out_pitch, height, size, channels, stride) = source, target
    sums = lines[1]
    for y in range(height):
        add_taps(sums, (size - channels) * stride + channels, flat[y * step * pitch :], taps)
        every(sums, size, channels, stride)
        stored(sums, out[y * out_pitch :], size, store)


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
        stored(sums, out[y * out_pitch :], size, store)
