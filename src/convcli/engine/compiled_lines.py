"""The functions that numba compiles for lines. To import this module is to import numba.

A loop has few arrays, all of them slices from 0: others are not vectorised. The functions call
each other as names of this module: one that another holds is compiled anew in each process.
"""
# ruff: noqa: FBT001, PLR0917, FURB136 - numba takes positions, and vectorises no min and max

from typing import Any

import numpy as np

from convcli.engine.compiled import compiled

_GROUP = 6
"""Taps that one loop adds."""


@compiled
def converted(row: Any, line: Any) -> None:
    """Copy a row into a line of another dtype."""
    for j in range(line.size):
        line[j] = row[j]


@compiled
def three(line: Any, fresh: bool, w: Any, a: Any, b: Any, c: Any) -> None:
    """Put three taps into a line, or add them to it."""
    p, q, r = w[0], w[1], w[2]
    if fresh:
        for j in range(line.size):
            line[j] = p * a[j] + q * b[j] + r * c[j]
    else:
        for j in range(line.size):
            line[j] += p * a[j] + q * b[j] + r * c[j]


@compiled
def six(line: Any, fresh: bool, w: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> None:
    """Put six taps into a line, or add them to it."""
    p, q, r, s, t, u = w[0], w[1], w[2], w[3], w[4], w[5]
    if fresh:
        for j in range(line.size):
            line[j] = p * a[j] + q * b[j] + r * c[j] + s * d[j] + t * e[j] + u * f[j]
    else:
        for j in range(line.size):
            line[j] += p * a[j] + q * b[j] + r * c[j] + s * d[j] + t * e[j] + u * f[j]


@compiled
def stored(line: Any, out: Any, way: int, scale: Any, low: Any, high: Any) -> None:
    """Store sums as they are (0), clipped (1), or multiplied, rounded and clipped (2)."""
    if way == 0:
        for j in range(out.size):
            out[j] = line[j]
    elif way == 1:
        for j in range(out.size):
            value = line[j]
            value = low if value < low else value
            out[j] = high if value > high else value
    else:
        for j in range(out.size):
            value = line.dtype.type(line[j] * scale)
            value = low if value < low else value
            value = high if value > high else value
            out[j] = np.int32(np.rint(value))


@compiled
def six_stored(
    out: Any, low: Any, high: Any, w: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any
) -> None:
    """Store six taps clipped: without a line of sums that is a quarter of the time less."""
    p, q, r, s, t, u = w[0], w[1], w[2], w[3], w[4], w[5]
    for j in range(out.size):
        total = p * a[j] + q * b[j] + r * c[j] + s * d[j] + t * e[j] + u * f[j]
        # Products of whole numbers have 64 bits.
        value = a.dtype.type(total)
        value = low if value < low else value
        out[j] = high if value > high else value


@compiled
def taps(line: Any, ring: Any, y: int, rows: Any, columns: Any, weights: Any) -> None:
    """Put the sum of taps into a line. Their rows are counted from row `y` of the ring."""
    n, count = line.size, ring.shape[0]
    k = 0
    while k < weights.size:
        a = ring[(y + rows[k]) % count][columns[k] : columns[k] + n]
        b = ring[(y + rows[k + 1]) % count][columns[k + 1] : columns[k + 1] + n]
        c = ring[(y + rows[k + 2]) % count][columns[k + 2] : columns[k + 2] + n]
        if k + _GROUP <= weights.size:
            d = ring[(y + rows[k + 3]) % count][columns[k + 3] : columns[k + 3] + n]
            e = ring[(y + rows[k + 4]) % count][columns[k + 4] : columns[k + 4] + n]
            f = ring[(y + rows[k + 5]) % count][columns[k + 5] : columns[k + 5] + n]
            six(line, k == 0, weights[k:], a, b, c, d, e, f)
            k += 6
        else:
            three(line, k == 0, weights[k:], a, b, c)
            k += 3


@compiled
def filter_lines(
    tile: Any,
    out: Any,
    shape: tuple[int, int, int],
    ring: Any,
    line: Any,
    across: Any,
    factors: Any,
    rows: Any,
    columns: Any,
    weights: Any,
    way: int,
    scale: Any,
    low: Any,
    high: Any,
) -> None:
    """Compute rows of a tile into `out`, flat; `shape` is its pitch, its rows and its columns.

    `factors` are taps that make a line of the ring from a row, none where it is the row.
    """
    pitch, height, size = shape
    count, halo = ring.shape[0], tile.shape[1] - size
    width = ring.shape[1] - halo
    first, whole = np.zeros_like(across), line.reshape((1, line.size))
    for x in range(0, size, width):
        n = min(width, size - x)
        for y in range(height + count - 1):
            into, row = ring[y % count], tile[y][x : x + n + halo]
            if factors.size:
                converted(row, line[: n + halo])
                taps(into[:n], whole, 0, first, across, factors)
            else:
                converted(row, into[: n + halo])
            top = y - count + 1
            if top >= 0:
                start = top * pitch + x
                target = out[start : start + n]
                if way == 1 and weights.size == _GROUP:
                    i, j, w = rows, columns, weights
                    a = ring[(top + i[0]) % count][j[0] : j[0] + n]
                    b = ring[(top + i[1]) % count][j[1] : j[1] + n]
                    c = ring[(top + i[2]) % count][j[2] : j[2] + n]
                    d = ring[(top + i[3]) % count][j[3] : j[3] + n]
                    e = ring[(top + i[4]) % count][j[4] : j[4] + n]
                    f = ring[(top + i[5]) % count][j[5] : j[5] + n]
                    six_stored(target, low, high, w, a, b, c, d, e, f)
                else:
                    taps(line[:n], ring, top, rows, columns, weights)
                    stored(line[:n], target, way, scale, low, high)
