"""The arguments of ffmpeg's filter `convolution`, whose coefficients are whole numbers.

It slides the matrix as written, multiplies by ``rdiv`` and adds ``bias`` (FFmpeg Filters
Documentation, "convolution"). Squares of 3, 5 or 7, or one row or column of up to 49.
Version 5.1 divides by the sum of the matrix, whatever ``rdiv`` says (measured): do not use it
for kernels whose sum is neither 0 nor 1.
"""

import re

import numpy as np

from convcli.kernels.formats import base
from convcli.kernels.kernel import Kernel, Weights

_SQUARES = (3, 5, 7)
_LONGEST = 49
_START = re.compile(r"\s*(convolution\s*=|0m\s*=)")


def _write(kernel: Kernel) -> str:
    bias = base.single_bias(kernel, "ffmpeg")
    if kernel.integer_form is None:
        fault = "ffmpeg takes whole numbers over one divisor, this kernel has no such form"
        base.fail(kernel.name, fault, "round it, or use binomial for a blur")
    if bias < 0:
        base.fail(kernel.name, f"ffmpeg takes no bias below 0, got {bias:g}", "drop the bias")
    numbers, divisor = base.over_divisor(kernel)
    grid, mode = _fitted(numbers, kernel.name)
    matrix = " ".join(base.plain(value) for value in grid.ravel())
    rdiv = f"1/{base.plain(divisor)}" if divisor != 1 else "1"
    settings = [f"m='{matrix}'", f"rdiv={rdiv}"]
    settings += [f"bias={base.plain(bias)}"] if bias else []
    settings += [f"mode={mode}"] if mode != "square" else []
    parts = [f"{plane}{setting}" for setting in settings for plane in "012"]
    return f"convolution={':'.join(parts)}\n"


def _fitted(grid: Weights, name: str) -> tuple[Weights, str]:
    """Pad with zeros to a size that ffmpeg takes; return the mode too."""
    grid = base.odd_sized(grid)
    rows, columns = grid.shape
    if 1 in grid.shape and _SQUARES[-1] < max(rows, columns) <= _LONGEST:
        return grid, "row" if rows == 1 else "column"
    side = next((side for side in _SQUARES if side >= max(rows, columns)), 0)
    if not side:
        fault = (
            f"ffmpeg takes up to 7×7, or one row or column of up to 49; got {rows}×{columns}"
        )
        base.fail(name, fault, "use a smaller kernel, or its separable factors")
    above, left = (side - rows) // 2, (side - columns) // 2
    return np.pad(grid, [(above, above), (left, left)]), "square"


def _parse(text: str) -> Kernel:
    options = _options(text)
    values = base.numbers(options.get("0m", ""), "0m")
    grid = _shaped(values, options.get("0mode", "square"))
    grid = _divided(grid, options.get("0rdiv", "0"))
    bias = base.number(options.get("0bias", "0"), "0bias")
    for plane in "12":
        if options.get(f"{plane}m", options.get("0m")) != options.get("0m"):
            base.fail(f"{plane}m", "expected the same matrix as 0m, got another", "give one")
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
        return base.grid_of(values, 1, len(values))
    if mode in ("column", "2"):
        return base.grid_of(values, len(values), 1)
    side = next((side for side in _SQUARES if side**2 == len(values)), 0)
    if not side:
        base.fail("0m", f"expected 9, 25 or 49 numbers, got {len(values)}", "mend the matrix")
    return base.grid_of(values, side, side)


def _divided(grid: Weights, rdiv: str) -> Weights:
    above, slash, below = rdiv.partition("/")
    factor, divisor = base.number(above, "0rdiv"), base.number(below, "0rdiv") if slash else 1.0
    if divisor == 0:
        base.fail("0rdiv", "expected a divisor other than 0, got 0", "mend it")
    if factor == 0:
        # The default of ffmpeg: divide by the sum, unless it is 0.
        factor, divisor = 1.0, float(grid.sum()) or 1.0
    return grid * factor / divisor


FFMPEG = base.TextFormat(
    "ffmpeg",
    'ffmpeg: ffmpeg -i in.png -vf "convolution=…" out.png',
    (".ffmpeg",),
    lambda text: _START.match(text) is not None,
    _parse,
    _write,
)
