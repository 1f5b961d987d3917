"""The functions that numba compiles for transforms and banks. To import it is to import numba.

A row of complex numbers holds its real parts, then its imaginary parts, a constant apart: with
two arrays of parts a loop would have too many arrays to be vectorised.
"""

# ruff: noqa: FBT001, PLR0917, PLR2004 - numba takes positions; steps of 4 and of 2

from typing import Any

from convcli.engine.compiled import compiled

LANES = 128
"""Complex numbers of a row. Transforms go down the rows; with 64 they take 1.5 times as
long."""

_BLOCK = 8
"""Rows and lanes that are turned together."""


@compiled
def four_forth(a: Any, b: Any, c: Any, d: Any, w: Any) -> None:
    """Transform four rows in place, and multiply the last three by `w`."""
    p, q, r, s, t, u = w[0], w[1], w[2], w[3], w[4], w[5]
    for j in range(LANES):
        x, y = a[j] + c[j], b[j] + d[j]
        xi, yi = a[j + LANES] + c[j + LANES], b[j + LANES] + d[j + LANES]
        z, v = a[j] - c[j], b[j] - d[j]
        zi, vi = a[j + LANES] - c[j + LANES], b[j + LANES] - d[j + LANES]
        a[j], a[j + LANES] = x + y, xi + yi
        b[j], b[j + LANES] = (z + vi) * p - (zi - v) * q, (z + vi) * q + (zi - v) * p
        c[j], c[j + LANES] = (x - y) * r - (xi - yi) * s, (x - y) * s + (xi - yi) * r
        d[j], d[j + LANES] = (z - vi) * t - (zi + v) * u, (z - vi) * u + (zi + v) * t


@compiled
def four_back(a: Any, b: Any, c: Any, d: Any, w: Any) -> None:
    """Undo `four_forth`, but for a factor of 4."""
    p, q, r, s, t, u = w[0], w[1], w[2], w[3], w[4], w[5]
    for j in range(LANES):
        e, ei = b[j] * p + b[j + LANES] * q, b[j + LANES] * p - b[j] * q
        f, fi = c[j] * r + c[j + LANES] * s, c[j + LANES] * r - c[j] * s
        g, gi = d[j] * t + d[j + LANES] * u, d[j + LANES] * t - d[j] * u
        x, xi, z, zi = a[j] + f, a[j + LANES] + fi, a[j] - f, a[j + LANES] - fi
        y, yi, v, vi = e + g, ei + gi, e - g, ei - gi
        a[j], a[j + LANES] = x + y, xi + yi
        b[j], b[j + LANES] = z - vi, zi + v
        c[j], c[j + LANES] = x - y, xi - yi
        d[j], d[j + LANES] = z + vi, zi - v


@compiled
def two(a: Any, b: Any) -> None:
    """Transform two rows in place."""
    for j in range(2 * LANES):
        x, y = a[j], b[j]
        a[j], b[j] = x + y, x - y


@compiled
def transform(z: Any, factors: Any) -> None:
    """Transform columns in place; the frequencies come in the order of their digits."""
    n, step, first = len(z), len(z), 0
    while step >= 4:
        step //= 4
        for i in range(step):
            for k in range(i, n, 4 * step):
                four_forth(
                    z[k], z[k + step], z[k + 2 * step], z[k + 3 * step], factors[first + i]
                )
        first += step
    if step == 2:
        for k in range(0, n, 2):
            two(z[k], z[k + 1])


@compiled
def transform_back(z: Any, factors: Any) -> None:
    """Undo `transform`, but for a factor of their number."""
    n, step, first = len(z), 1, len(factors)
    if len(z) & 0xAAAAAAAA:  # an odd power of 2
        step = 2
        for k in range(0, n, 2):
            two(z[k], z[k + 1])
    while step < n:
        first -= step
        for i in range(step):
            for k in range(i, n, 4 * step):
                four_back(
                    z[k], z[k + step], z[k + 2 * step], z[k + 3 * step], factors[first + i]
                )
        step *= 4


@compiled
def turned(source: Any, first: int, target: Any, start: int) -> None:
    """Turn rows of the source into lanes of the target, and its lanes into rows."""
    for part in range(0, 2 * LANES, LANES):
        for y in range(0, LANES, _BLOCK):
            for x in range(0, LANES, _BLOCK):
                for i in range(_BLOCK):
                    row = target[start + x + i][part + y : part + y + _BLOCK]
                    for k in range(_BLOCK):
                        row[k] = source[first + y + k][part + x + i]


@compiled
def multiplied(z: Any, factors: Any) -> None:
    """Multiply a row of complex numbers by another."""
    for j in range(LANES):
        x, y, p, q = z[j], z[j + LANES], factors[j], factors[j + LANES]
        z[j], z[j + LANES] = x * p - y * q, x * q + y * p


@compiled
def copied(row: Any, target: Any) -> None:
    """Copy a row, into another dtype if they differ."""
    for j in range(target.size):
        target[j] = row[j]


@compiled
def transform_tile(
    tile: Any,
    out: Any,
    shape: tuple[int, int, int, int],
    work: Any,
    lines: Any,
    spectrum: Any,
    down: Any,
    across: Any,
) -> None:
    """Correlate a tile: the halves of its rows are real and imaginary parts of one picture.

    `shape` is the distance of two rows of `out`, flat, the rows of a half, all columns, and
    those of one transform, of which they are a multiple.
    """
    pitch, half, width, step = shape
    for start in range(0, width, step):
        for block in range(len(work)):
            part, x = work[block], start + block * LANES
            for y in range(len(part)):
                copied(tile[y][x : x + LANES], part[y][:LANES])
                copied(tile[y + half][x : x + LANES], part[y][LANES:])
            transform(part, down)
        for first in range(0, work.shape[1], LANES):
            for block in range(len(work)):
                turned(work[block], first, lines, block * LANES)
            transform(lines, across)
            factors = spectrum[first // LANES]
            for x in range(len(lines)):
                multiplied(lines[x], factors[x])
            transform_back(lines, across)
            for block in range(len(work)):
                turned(lines, block * LANES, work[block], first)
        for x in range(0, step, LANES):
            part, n = work[x // LANES], min(LANES, step - x)
            transform_back(part, down)
            for y in range(half):
                i, j = y * pitch + start + x, (y + half) * pitch + start + x
                copied(part[y], out[i : i + n])
                copied(part[y][LANES:], out[j : j + n])


@compiled
def weighted(line: Any, fresh: bool, p: Any, q: Any, r: Any, a: Any, b: Any, c: Any) -> None:
    """Put three products of rows into a line, or add them to it."""
    if fresh:
        for j in range(line.size):
            line[j] = p[j] * a[j] + q[j] * b[j] + r[j] * c[j]
    else:
        for j in range(line.size):
            line[j] += p[j] * a[j] + q[j] * b[j] + r[j] * c[j]


@compiled
def weighted_one(line: Any, fresh: bool, p: Any, a: Any) -> None:
    """Put the product of two rows into a line, or add it to it."""
    if fresh:
        for j in range(line.size):
            line[j] = p[j] * a[j]
    else:
        for j in range(line.size):
            line[j] += p[j] * a[j]


@compiled
def filter_channels(
    flat: Any,
    steps: tuple[int, int],
    places: Any,
    out: Any,
    pitch: int,
    shape: tuple[int, int],
    weights: Any,
) -> None:
    """Correlate each channel with its own taps, a run of values at a time.

    `steps` is how far the input goes on by a row and by a run of outputs, `places` where the
    taps of an output lie from there; `shape` is the rows, and the runs of a row.
    """
    taps, size = weights.shape
    for x in range(shape[1]):
        for y in range(shape[0]):
            at = y * steps[0] + x * steps[1]
            line = out[y * pitch + x * size : y * pitch + (x + 1) * size]
            for k in range(0, taps - 2, 3):
                i, j, h = at + places[k], at + places[k + 1], at + places[k + 2]
                a, b, c = flat[i : i + size], flat[j : j + size], flat[h : h + size]
                weighted(line, k == 0, weights[k], weights[k + 1], weights[k + 2], a, b, c)
            for k in range(taps - taps % 3, taps):
                i = at + places[k]
                weighted_one(line, k == 0, weights[k], flat[i : i + size])
