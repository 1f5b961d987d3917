"""The functions that numba compiles for transforms and banks. To import it is to import numba.

A row of complex numbers holds its real parts, then its imaginary parts, a constant apart: with
two arrays of parts a loop would have too many arrays to be vectorised.
"""

# ruff: noqa: PLR0917, PLR2004, FURB136 - numba takes positions, and unrolls constants

from typing import Any

import numpy as np

from convcli.engine.compiled import compiled

LANES = 128
"""Complex numbers of a row. Transforms go down the rows; with 64 they take 1.5 times as
long."""

PITCH, ROWS = 528, 16
"""Values that two rows of a block are apart, and the rows of outputs of a block: they stay in
the nearest cache."""

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
def add_five(lines: Any, n: int, w: Any, rows: Any) -> None:
    """Add a column of five taps to four lines."""
    for j in range(n):
        for r in range(4):
            total = lines[j + r * PITCH]
            for k in range(5):
                total += w[k] * rows[j + (r + k) * PITCH]
            lines[j + r * PITCH] = total


@compiled
def add_seven(lines: Any, n: int, w: Any, rows: Any) -> None:
    """Add a column of seven taps to four lines."""
    for j in range(n):
        for r in range(4):
            total = lines[j + r * PITCH]
            for k in range(7):
                total += w[k] * rows[j + (r + k) * PITCH]
            lines[j + r * PITCH] = total


@compiled
def rounded(line: Any, out: Any, low: Any, high: Any) -> None:
    """Store a line clipped and rounded, half to even."""
    for j in range(out.size):
        value = low if line[j] < low else line[j]
        value = high if value > high else value
        out[j] = np.int32(np.rint(value))


@compiled
def filter_dense(
    tile: Any,
    out: Any,
    shape: tuple[int, int, int],
    block: Any,
    lines: Any,
    places: Any,
    weights: Any,
    limits: Any,
) -> None:
    """Correlate a tile with columns of five or seven taps, four rows at a time.

    `shape` is the distance of two rows of `out`, flat, its rows and its columns; `places` are
    where the columns lie. Without `limits` sums are stored as they are.
    """
    pitch, height, size = shape
    taps, halo = weights.shape[1], tile.shape[1] - size
    width = (PITCH - halo) // 16 * 16
    for x in range(0, size, width):
        n = min(width, size - x)
        for top in range(0, height, ROWS):
            for i in range(ROWS + taps - 1):
                # Rows below the last meet weights of 0, or make lines that are not stored.
                row = tile[min(top + i, len(tile) - 1)]
                copied(row[x : x + n + halo], block[i * PITCH : i * PITCH + n + halo])
            for y in range(top, min(top + ROWS, height), 4):
                lines[:] = 0
                for k in range(len(places)):
                    rows = block[(y - top) * PITCH + places[k] :]
                    if taps == 5:
                        add_five(lines, n, weights[k], rows)
                    else:
                        add_seven(lines, n, weights[k], rows)
                for r in range(min(4, height - y)):
                    start, line = (y + r) * pitch + x, lines[r * PITCH : r * PITCH + n]
                    if limits.size:
                        rounded(line, out[start : start + n], limits[0], limits[1])
                    else:
                        copied(line, out[start : start + n])


@compiled
def add_one(line: Any, p: Any, a: Any) -> None:
    """Add the products of two rows to a line."""
    for j in range(line.size):
        line[j] += p[j] * a[j]


@compiled
def put_nine(
    line: Any, w: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any
) -> None:
    """Put the sums of nine products of rows into a line."""
    o, p, q, r, s, t, u, v, x = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    for j in range(line.size):
        up = o[j] * a[j] + p[j] * b[j] + q[j] * c[j]
        middle = r[j] * d[j] + s[j] * e[j] + t[j] * f[j]
        line[j] = up + middle + (u[j] * g[j] + v[j] * h[j] + x[j] * i[j])


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
    taps, n = weights.shape
    for x in range(shape[1]):
        for y in range(shape[0]):
            source = flat[y * steps[0] + x * steps[1] :]
            line = out[y * pitch + x * n : y * pitch + (x + 1) * n]
            if taps == 9:
                p = places
                put_nine(
                    line,
                    weights,
                    source[p[0] : p[0] + n],
                    source[p[1] : p[1] + n],
                    source[p[2] : p[2] + n],
                    source[p[3] : p[3] + n],
                    source[p[4] : p[4] + n],
                    source[p[5] : p[5] + n],
                    source[p[6] : p[6] + n],
                    source[p[7] : p[7] + n],
                    source[p[8] : p[8] + n],
                )
            else:
                line[:] = 0
                for k in range(taps):
                    add_one(line, weights[k], source[places[k] : places[k] + n])
