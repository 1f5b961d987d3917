"""The functions that numba compiles for tiles. To import this module is to import numba.

A row of complex numbers holds its real parts, then its imaginary parts: both are read from one
array, a constant apart.
"""
# ruff: noqa: FBT001, PLR0917, PLR2004, FURB136 - numba takes positions, and unrolls constants

from collections.abc import Callable
from typing import Any

import numpy as np

from convcli.engine.buffers import BLOCK_PITCH, BLOCK_ROWS, LANES
from convcli.engine.compiled import compiled

_TURNED = 8  # rows and lanes that are turned together


@compiled
def copied(row: Any, target: Any) -> None:
    """Copy a row, into another dtype if they differ."""
    for j in range(target.size):
        target[j] = row[j]


@compiled
def four_forth(a: Any, b: Any, c: Any, d: Any, w: Any) -> None:
    """Transform four rows in place, and multiply the last three by `w`."""
    p, q, r, s, t, u = w[0], w[1], w[2], w[3], w[4], w[5]
    for j in range(LANES):
        k = j + LANES
        x, xi, y, yi = a[j] + c[j], a[k] + c[k], b[j] + d[j], b[k] + d[k]
        z, zi, v, vi = a[j] - c[j], a[k] - c[k], b[j] - d[j], b[k] - d[k]
        a[j], a[k] = x + y, xi + yi
        b[j], b[k] = (z + vi) * p - (zi - v) * q, (z + vi) * q + (zi - v) * p
        c[j], c[k] = (x - y) * r - (xi - yi) * s, (x - y) * s + (xi - yi) * r
        d[j], d[k] = (z - vi) * t - (zi + v) * u, (z - vi) * u + (zi + v) * t


@compiled
def four_back(a: Any, b: Any, c: Any, d: Any, w: Any) -> None:
    """Undo `four_forth`, but for a factor of 4."""
    p, q, r, s, t, u = w[0], w[1], w[2], w[3], w[4], w[5]
    for j in range(LANES):
        k = j + LANES
        e, ei = b[j] * p + b[k] * q, b[k] * p - b[j] * q
        f, fi = c[j] * r + c[k] * s, c[k] * r - c[j] * s
        g, gi = d[j] * t + d[k] * u, d[k] * t - d[j] * u
        x, xi, z, zi = a[j] + f, a[k] + fi, a[j] - f, a[k] - fi
        y, yi, v, vi = e + g, ei + gi, e - g, ei - gi
        a[j], a[k], b[j], b[k] = x + y, xi + yi, z - vi, zi + v
        c[j], c[k], d[j], d[k] = x - y, xi - yi, z + vi, zi - v


@compiled
def transform(z: Any, factors: Any) -> None:
    """Transform columns in place; the frequencies come in the order of their digits."""
    step, first = len(z), 0
    while step > 1:
        step //= 4
        for i in range(step):
            for k in range(i, len(z), 4 * step):
                b, c, d = k + step, k + 2 * step, k + 3 * step
                four_forth(z[k], z[b], z[c], z[d], factors[first + i])
        first += step


@compiled
def transform_back(z: Any, factors: Any) -> None:
    """Undo `transform`, but for a factor of their number."""
    step, first = 1, len(factors)
    while step < len(z):
        first -= step
        for i in range(step):
            for k in range(i, len(z), 4 * step):
                b, c, d = k + step, k + 2 * step, k + 3 * step
                four_back(z[k], z[b], z[c], z[d], factors[first + i])
        step *= 4


@compiled
def turn_lanes(source: Any, first: int, target: Any, start: int) -> None:
    """Turn rows of the source into lanes of the target, and its lanes into rows."""
    for part in range(0, 2 * LANES, LANES):
        for y in range(0, LANES, _TURNED):
            for x in range(0, LANES, _TURNED):
                for i in range(_TURNED):
                    row = target[start + x + i][part + y : part + y + _TURNED]
                    for k in range(_TURNED):
                        row[k] = source[first + y + k][part + x + i]


@compiled
def multiplied(z: Any, factors: Any) -> None:
    """Multiply a row of complex numbers by another."""
    for j in range(LANES):
        x, y, p, q = z[j], z[j + LANES], factors[j], factors[j + LANES]
        z[j], z[j + LANES] = x * p - y * q, x * q + y * p


@compiled
def transform_tile(
    tile: Any, out: Any, shape: Any, work: Any, lines: Any, spectrum: Any, factors: Any
) -> None:
    """Correlate a tile: the halves of its rows are real and imaginary parts of one picture.

    `shape` is the distance of two rows of `out`, flat, its rows and its columns; then the rows
    of a half, and the columns of one transform.
    """
    pitch, height, width, half, step = shape
    for start in range(0, width, step):
        for block in range(len(work)):
            part, x = work[block], start + block * LANES
            for y in range(len(part)):
                copied(tile[y][x : x + LANES], part[y][:LANES])
                copied(tile[y + half][x : x + LANES], part[y][LANES:])
            transform(part, factors)
        for first in range(0, len(lines), LANES):
            for block in range(len(work)):
                turn_lanes(work[block], first, lines, block * LANES)
            transform(lines, factors)
            for x in range(len(lines)):
                multiplied(lines[x], spectrum[first // LANES][x])
            transform_back(lines, factors)
            for block in range(len(work)):
                turn_lanes(lines, block * LANES, work[block], first)
        for x in range(0, min(step, width - start), LANES):
            part, n = work[x // LANES], min(LANES, step - x, width - start - x)
            transform_back(part, factors)
            for y in range(height):
                i, row = y * pitch + start + x, part[y % half]
                copied(row[LANES * (y // half) :], out[i : i + n])


def _adding(count: int) -> Callable[..., Any]:
    @compiled
    def added(lines: Any, n: int, w: Any, rows: Any) -> None:
        """Add a column of `count` taps to four lines."""
        for j in range(n):
            for r in range(4):
                total = lines[j + r * BLOCK_PITCH]
                for k in range(count):
                    total += w[k] * rows[j + (r + k) * BLOCK_PITCH]
                lines[j + r * BLOCK_PITCH] = total

    return added


add_five, add_seven = _adding(5), _adding(7)


@compiled
def rounded(line: Any, out: Any, low: Any, high: Any) -> None:
    """Store a line clipped and rounded, half to even."""
    for j in range(out.size):
        value = low if line[j] < low else line[j]
        out[j] = np.int32(np.rint(high if value > high else value))


@compiled
def filter_dense(
    tile: Any, out: Any, shape: Any, block: Any, lines: Any, taps: Any, limits: Any
) -> None:
    """Correlate a tile with columns of five or seven taps, four rows at a time.

    `shape` is the distance of two rows of `out`, flat, its rows and its columns; `taps` are
    where columns of taps lie, and their weights. Without `limits` sums are stored as they are.
    """
    (pitch, height, size), (places, weights) = shape, taps
    halo, count = places[-1], weights.shape[1]
    width = BLOCK_PITCH - halo
    for x in range(0, size, width):
        n = min(width, size - x)
        for top in range(0, height, BLOCK_ROWS):
            for i in range(BLOCK_ROWS + count - 1):
                # Rows below the last meet weights of 0, or make lines that are not stored.
                row, at = tile[min(top + i, len(tile) - 1)], i * BLOCK_PITCH
                copied(row[x : x + n + halo], block[at : at + n + halo])
            for y in range(top, min(top + BLOCK_ROWS, height), 4):
                lines[:] = 0
                for k in range(len(places)):
                    rows = block[(y - top) * BLOCK_PITCH + places[k] :]
                    if count == 5:
                        add_five(lines, n, weights[k], rows)
                    else:
                        add_seven(lines, n, weights[k], rows)
                for r in range(min(4, height - y)):
                    start, at = (y + r) * pitch + x, r * BLOCK_PITCH
                    line = lines[at : at + n]
                    if limits.size:
                        rounded(line, out[start : start + n], limits[0], limits[1])
                    else:
                        copied(line, out[start : start + n])


@compiled
def add_three(line: Any, first: bool, w: Any, a: Any, b: Any, c: Any) -> None:
    """Put the products of three pairs of rows into a line, or add them to it."""
    p, q, r = w[0], w[1], w[2]
    if first:
        for j in range(line.size):
            line[j] = p[j] * a[j] + q[j] * b[j] + r[j] * c[j]
    else:
        for j in range(line.size):
            line[j] += p[j] * a[j] + q[j] * b[j] + r[j] * c[j]


@compiled
def filter_channels(
    flat: Any, steps: Any, out: Any, shape: Any, places: Any, weights: Any
) -> None:
    """Correlate each channel with its own taps, a run of values at a time.

    `steps` is how far the input goes on by a row and by a run of outputs, `places` where the
    taps of an output lie from there, a multiple of three; `shape` is the distance of two rows
    of `out`, flat, its rows, and the runs of a row.
    """
    n = weights.shape[1]
    for x in range(shape[2]):
        for y in range(shape[1]):
            source = flat[y * steps[0] + x * steps[1] :]
            line = out[y * shape[0] + x * n : y * shape[0] + (x + 1) * n]
            for k in range(0, len(places), 3):
                h, i, j = places[k], places[k + 1], places[k + 2]
                a, b, c = source[h : h + n], source[i : i + n], source[j : j + n]
                add_three(line, k == 0, weights[k : k + 3], a, b, c)
