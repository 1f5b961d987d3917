"""What a person is shown of a kernel: its properties, and its weights as colours."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Colormap, Combine
from convcli.engine.planner import choose_plan
from convcli.engine.problem import problem_for
from convcli.geometry.window import window
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS, Parameter
from convcli.kernels.kernel import Effect, Kernel, Weights, outer_factors
from convcli.kernels.operator import Operator
from convcli.kernels.spec import kernel_from
from convcli.pipeline.colours import palette
from convcli.text import short, tidy, times

_MEANINGS = {
    Effect.KEEPS: "keeps brightness",
    Effect.CHANGE: "answers change, flat areas give 0",
    Effect.SHARPENS: "keeps brightness and sharpens",
    Effect.SCALES: "scales brightness by the sum",
}
_COMBINATIONS = {
    Combine.MAGNITUDE: "magnitude (root of the sum of squares)",
    Combine.MAX: "largest answer",
    Combine.SUM: "sum",
    Combine.MEAN: "mean",
    Combine.MIN: "smallest answer",
}
_SEPARABLE = "1 (separable: a column times a row)"
_TYPICAL = (1080, 1920)  # rows and columns of the picture that `strategy_of` plans for

_LONGEST_FACTOR = 17
_FEW = 6
_FLAT = 100


def kernel_facts(kernel: Kernel) -> list[tuple[str, str]]:
    """Return the properties of a kernel, as (name, text)."""
    facts = [("what", kernel.description)] if kernel.description else []
    facts += _from_catalogue(kernel)
    facts.append(("size", times(kernel.weights.shape)))
    sums = [short(value) for value in kernel.sums.tolist()]
    rest = f" … ({len(sums)} filters)" * (len(sums) > _FEW)
    facts.append(("sum", f"{', '.join(sums[:_FEW])}{rest}: {_MEANINGS[kernel.effect]}"))
    if kernel.bias:
        more = " …" * (len(kernel.bias) > _LONGEST_FACTOR)
        facts.append(("bias", ", ".join(map(short, kernel.bias[:_LONGEST_FACTOR])) + more))
    if not kernel.is_bank:
        facts += _of_grid(kernel)
    matters = "changes the result" if kernel.flip_matters else "changes nothing"
    return [*facts, ("--flip", matters), ("engine", strategy_of(kernel))]


def operator_facts(operator: Operator) -> list[tuple[str, str]]:
    """Return the properties of an operator, as (name, text)."""
    entry = OPERATORS.get(operator.name)
    facts = [("what", operator.description)] if operator.description else []
    facts += [("source", entry.source)] if entry else []
    names = ", ".join(kernel.name for kernel in operator.kernels)
    return [*facts, ("combines", f"the {_COMBINATIONS[operator.combine]} of {names}")]


def strategy_of(kernel: Kernel) -> str:
    """Say how the engine would compute a kernel on an 8-bit picture of 1920 × 1080 px."""
    shape = (*_TYPICAL, kernel.channels)
    slide = window(kernel.size, padding="same")
    chosen = choose_plan(problem_for(shape, np.dtype(np.uint8), kernel, slide))
    return f"{chosen.strategy.name} ({chosen.why})"


def _from_catalogue(kernel: Kernel) -> list[tuple[str, str]]:
    entry = CATALOGUE.get(kernel.name.partition(":")[0])
    # A person's own kernel may have the name of one in the catalogue.
    if entry is None or "@" in kernel.name or kernel_from(kernel.name) != kernel:
        return []
    return [*map(_parameter, entry.parameters), ("source", entry.source)]


def _parameter(parameter: Parameter) -> tuple[str, str]:
    unit = f"{parameter.unit}; " if parameter.unit else ""
    default = "" if parameter.default is None else f"; default {parameter.default:g}"
    return (parameter.name, f"{parameter.about} ({unit}{parameter.range}{default})")


def _of_grid(kernel: Kernel) -> list[tuple[str, str]]:
    rank, (low, high), factors = kernel.rank, output_range(kernel), []
    if found := factors_of(kernel):
        column, row, divisor = found
        over = "" if divisor == 1 else f" / {short(divisor)}"
        factors = [("factors", f"{_listed(column)} ⊗ {_listed(row)}{over}")]
    offset = kernel.bias[0] if kernel.bias else 0.0
    black = f" + {short(offset)}" if offset else ""
    flat = short(_FLAT * kernel.sum + offset)
    return [
        ("rank", _SEPARABLE if rank == 1 else f"{rank} (the sum of {rank} separable kernels)"),
        *factors,
        ("symmetry", ", ".join(kernel.symmetries) or "none"),
        ("output", f"{short(low)} to {short(high)} for pixels of 0 to 255"),
        ("DC gain", f"{short(kernel.sum)}{black}: a flat {_FLAT} becomes {flat}"),
    ]


def _listed(values: NDArray[np.float64]) -> str:
    """Return numbers in brackets; of many, the first and the last."""
    half = _LONGEST_FACTOR // 2
    words = list(map(tidy, values.tolist()))
    if len(words) > _LONGEST_FACTOR:
        words = [*words[:half], "…", *words[-half:]]
    return f"[{' '.join(words)}]"


# ------------------------------------------------------------------ what the weights show

_WHITE = 255
_NEGLIGIBLE = 1e-9  # parts of a factor below this share of its largest are rounding errors


def factors_of(kernel: Kernel) -> tuple[Weights, Weights, float] | None:
    """Return column, row and divisor of column ⊗ row / divisor, whole if possible; or None."""
    if kernel.rank != 1:
        return None
    form = kernel.integer_form
    if form is None:
        # Column and row of equal length, by singular values.
        left, values, right = np.linalg.svd(kernel.weights)
        length = math.sqrt(values[0]) * _sign(right[0])
        column, row = left[:, 0] * length, right[0] * length
        for part in (column, row):
            part[np.abs(part) < _NEGLIGIBLE * np.abs(part).max()] = 0
        return column, row, 1.0
    column, row = outer_factors(form.integers, whole=True)
    sign = _sign(row)
    return sign * column + 0.0, sign * row + 0.0, form.divisor  # -0 becomes 0


def output_range(kernel: Kernel) -> tuple[float, float]:
    """Return the smallest and the largest result of a 2-D kernel for pixels of 0 to 255."""
    offset, weights = kernel.bias[0] if kernel.bias else 0.0, kernel.weights
    low, high = float(np.minimum(weights, 0).sum()), float(np.maximum(weights, 0).sum())
    return _WHITE * low + offset, _WHITE * high + offset


def _sign(row: NDArray[Any]) -> float:
    """Return the sign of the last of the largest magnitudes: [-1 0 1] keeps its sign."""
    backwards = row[::-1]
    return float(np.sign(backwards[np.abs(backwards).argmax()]))


def frequency_response(kernel: Kernel, samples: int = 33) -> NDArray[np.float64]:
    """Return |Σ w·exp(-2πi(fx·x + fy·y))|, the factor of stripes of each frequency (fy, fx).

    They go from -½ to ½ cycles per pixel along each axis: shape (samples, samples).
    """
    frequencies = np.linspace(-0.5, 0.5, samples)
    rows, columns = (np.arange(length) for length in kernel.size)
    down = np.exp(-2j * np.pi * np.outer(frequencies, rows))
    across = np.exp(-2j * np.pi * np.outer(columns, frequencies))
    return np.asarray(np.abs(down @ kernel.weights @ across))


# ------------------------------------------------------------------ as colours

_MIDDLE, _HALF_RANGE = 128, 127
_DUST = 1e-13  # a weight below this part of the largest one is a 0 with rounding errors


def cell_colors(grid: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return colours (kh, kw, 3): blue below 0, red above, white at 0, NaN and infinity."""
    finite = np.where(np.isfinite(grid), grid, 0.0)
    largest = float(np.abs(finite).max()) or 1.0
    places = np.rint(_MIDDLE + _HALF_RANGE * finite / largest).astype(np.intp)
    return np.asarray(palette(Colormap.DIVERGING)[places], dtype=np.uint8)


def without_dust(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights to be printed: 0 in place of a rounding error."""
    return np.where(np.abs(grid) <= _DUST * np.abs(grid).max(), 0.0, grid)


def response_pixels(kernel: Kernel, samples: int = 33) -> NDArray[np.uint8]:
    """Return the frequency response of a 2-D kernel as grey pixels: white is the strongest."""
    response = frequency_response(kernel, samples)
    return np.rint(255 * response / (float(response.max()) or 1.0)).astype(np.uint8)
