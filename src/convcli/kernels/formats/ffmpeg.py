"""The arguments of ffmpeg's filter `convolution`, whose coefficients are whole numbers.

It slides the matrix as written, multiplies by ``rdiv`` and adds ``bias`` (FFmpeg Filters
Documentation, "convolution"). Squares of 3, 5 or 7, or one row or column of up to 49.
Version 5.1 divides by the sum of the matrix, whatever ``rdiv`` says (measured); so do not
take it for kernels whose sum is neither 0 nor 1.
"""

import re

import numpy as np

from convcli.errors import KernelError
from convcli.kernels.formats.base import (
    TextFormat,
    fail,
    grid_of,
    number,
    odd_sized,
    over_divisor,
    plain,
    single,
    split_numbers,
)
from convcli.kernels.kernel import Kernel, Weights

_PLANES = "012"
_SQUARES = (3, 5, 7)
_LONGEST = 49
_START = re.compile(r"\s*(convolution\s*=|0m\s*=)")


def _write(kernel: Kernel) -> str:
    weights, bias = single(kernel, "ffmpeg", bias=True)
    if kernel.integer_form is None:
        fault = "ffmpeg takes whole numbers over one divisor, this kernel has no such form"
        fail(kernel.name, fault, "round it, or use binomial for a blur")
    if bias < 0:
        fail(kernel.name, f"ffmpeg takes no bias below 0, got {bias:g}", "drop the bias")
    numbers, divisor = over_divisor(weights, kernel)
    grid, mode = _fitted(numbers, kernel.name)
    matrix = " ".join(plain(value) for value in grid.ravel())
    rdiv = f"1/{plain(divisor)}" if divisor != 1 else "1"
    parts = [f"{p}m='{matrix}'" for p in _PLANES]
    parts += [f"{p}rdiv={rdiv}" for p in _PLANES]
    parts += [f"{p}bias={plain(bias)}" for p in _PLANES if bias]
    parts += [f"{p}mode={mode}" for p in _PLANES if mode != "square"]
    return f"convolution={':'.join(parts)}\n"


def _fitted(grid: Weights, name: str) -> tuple[Weights, str]:
    """Fill up with zeros to a size that ffmpeg takes."""
    grid = odd_sized(grid)
    rows, columns = grid.shape
    if 1 in grid.shape and _SQUARES[-1] < max(rows, columns) <= _LONGEST:
        return grid, "row" if rows == 1 else "column"
    for side in _SQUARES:
        if max(rows, columns) <= side:
            above, left = (side - rows) // 2, (side - columns) // 2
            return np.pad(grid, [(above, above), (left, left)]), "square"
    size = f"{rows}×{columns}"
    fault = f"ffmpeg takes up to 7×7, or one row or column of up to 49; got {size}"
    raise KernelError(f"{name}: {fault}: use a smaller kernel, or its separable factors")


def _parse(text: str) -> Kernel:
    options = _options(text)
    values = [number(word, "0m") for word in split_numbers(options.get("0m", ""))]
    grid = _shaped(values, options.get("0mode", "square"))
    grid = _divided(grid, options.get("0rdiv", "0"))
    bias = number(options.get("0bias", "0"), "0bias")
    for plane in "12":
        if options.get(f"{plane}m", options.get("0m")) != options.get("0m"):
            fail(f"{plane}m", "expected the same matrix as 0m, got another", "give one")
    return Kernel(grid, bias or None)


def _options(text: str) -> dict[str, str]:
    body = text.strip().partition("convolution=")[2] or text.strip()
    options: dict[str, str] = {}
    for index, part in enumerate(body.replace("'", "").replace('"', "").split(":")):
        name, equals, value = part.partition("=")
        options[name.strip() if equals else f"{index}m"] = (value if equals else name).strip()
    return options


def _shaped(values: list[float], mode: str) -> Weights:
    if mode in ("row", "1"):
        return grid_of(values, 1, len(values))
    if mode in ("column", "2"):
        return grid_of(values, len(values), 1)
    side = next((side for side in _SQUARES if side**2 == len(values)), 0)
    if not side:
        fail("0m", f"expected 9, 25 or 49 numbers, got {len(values)}", "mend the matrix")
    return grid_of(values, side, side)


def _divided(grid: Weights, rdiv: str) -> Weights:
    above, slash, below = rdiv.partition("/")
    factor, divisor = number(above, "0rdiv"), number(below, "0rdiv") if slash else 1.0
    if divisor == 0:
        fail("0rdiv", "expected a divisor other than 0, got 0", "mend it")
    if factor == 0:
        # ffmpeg's own default: by the sum, or not at all where that is 0.
        factor, divisor = 1.0, float(grid.sum()) or 1.0
    return grid * factor / divisor


FFMPEG = TextFormat(
    "ffmpeg",
    'ffmpeg: ffmpeg -i in.png -vf "convolution=…" out.png',
    (".ffmpeg",),
    lambda text: _START.match(text) is not None,
    _parse,
    _write,
)
