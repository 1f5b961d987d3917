"""Learn the kernel that turns one picture into another; name the nearest known kernel."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convcli.choices import LearningMethod, Sharing
from convcli.engine.correlate import correlate
from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import CATALOGUE, Entry
from convcli.kernels.kernel import Kernel
from convcli.lessons.learning.descent import Schedule, descend
from convcli.lessons.learning.equations import (
    Limits,
    Samples,
    Solution,
    Task,
    Values,
    limits_for,
    solve_exactly,
    spectrum_of,
)
from convcli.threads import many_threaded_blas
from convcli.values import Record, fields_of, plain_json

_STRIP_WINDOWS = 2**20
"""Windows whose errors are computed together."""

_NEAR = 0.1
"""A kernel has the name of another where no weight differs by more than this part of the
largest. The catalogue's own kernels of fixed weights differ by at least as much."""


class Nearest(Record):
    """The kernel of the catalogue whose weights are nearest to those of another kernel.

    `difference` is the largest difference of two weights; `near` says whether it is small
    enough for them to share the name.
    """

    kernel: str
    difference: float
    near: bool


def nearest_named(grid: Values) -> Nearest:
    """Return the nearest kernel of the catalogue.

    Kernels with parameters are tried with their defaults, and with those that fit into the
    grid. Kernels smaller than the grid are placed in its middle.

    >>> nearest_named(np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1.01]])).kernel
    'sobel-x'
    """
    gaps = [
        (float(np.abs(_placed(kernel.weights, grid.shape) - grid).max()), kernel)
        for kernel in _candidates(grid.shape)
    ]
    # The first of equals: robinson-e is sobel-x by another name.
    gap, kernel = min(gaps, key=lambda pair: pair[0])
    return Nearest(kernel.name, gap, gap <= _NEAR * float(np.abs(kernel.weights).max()))


def _candidates(shape: tuple[int, ...]) -> Iterator[Kernel]:
    for entry in CATALOGUE.values():
        for settings in _settings(entry, shape):
            with contextlib.suppress(SpecError):  # a parameter may be out of its range
                kernel = entry.kernel(settings)
                if kernel.weights.any() and _fits(kernel.size, shape):
                    yield kernel


def _settings(entry: Entry, shape: tuple[int, ...]) -> list[dict[str, float]]:
    """Return the parameters to try: the defaults, and those of kernels up to this shape."""
    parameters = {parameter.name: parameter for parameter in entry.parameters}
    settings: list[dict[str, float]] = [{}]
    radius = (min(shape) - 1) // 2
    if "size" in parameters:
        settings += [{"size": side} for side in range(1, min(shape) + 1)]
    if "sigma" in parameters and "radius" in parameters:
        settings += [{"sigma": s / 4, "radius": radius} for s in range(2, 17)]
    elif "radius" in parameters and parameters["radius"].value_type is int:
        least = math.ceil(parameters["radius"].least)
        settings += [{"radius": r} for r in range(least, radius + 1)]
    return settings


def _fits(size: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return all(a <= b and (b - a) % 2 == 0 for a, b in zip(size, shape, strict=True))


def _placed(weights: Values, shape: tuple[int, ...]) -> Values:
    rows, columns = ((b - a) // 2 for a, b in zip(weights.shape, shape, strict=True))
    return np.pad(weights, ((rows, rows), (columns, columns)))


class Learnt(Record, kw_only=True):
    """A kernel that was learnt, and how well the pictures determine it.

    `residual` is the root mean square of the output minus the target, in the target's units;
    `unexplained` its square as part of the target's variance, 0 to 1. `left_out` is the part of
    the target's values that were left out, because they are 0 or white. `nearest` has the
    nearest kernel of the catalogue for each 2-D kernel, and `warnings` are sentences that say
    what limits the answer. `history` has steps and mean squared errors of gradient descent.
    """

    kernel: Kernel
    residual: float
    unexplained: float
    limits: Limits
    left_out: float
    nearest: tuple[Nearest, ...]
    warnings: tuple[str, ...]
    history: tuple[tuple[int, float], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        limits = self.limits
        return {
            "kernel": kernel_document(self.kernel),
            **fields_of(self, "residual", "unexplained"),
            "condition": plain_json(limits.condition),
            "undetermined": limits.undetermined,
            "rounding_error": limits.error,
            "left_out": self.left_out,
            "converged": limits.arrived,
            "nearest": plain_json(self.nearest),
            "warnings": list(self.warnings),
        }


def kernel_document(kernel: Kernel) -> dict[str, Any]:
    """Return a kernel as the JSON that `convcli apply` reads."""
    bias: Any = list(kernel.bias)
    return {
        "name": kernel.name,
        "description": kernel.description,
        "weights": kernel.weights.tolist(),
        "bias": bias if kernel.is_bank else sum(bias),
    }


def learn_task(
    task: Task,
    method: LearningMethod = LearningMethod.LSTSQ,
    schedule: Schedule | None = None,
) -> Learnt:
    """Learn the kernel of a task of `task_for`: see `convcli.learn`."""
    with many_threaded_blas():
        spectra = [spectrum_of(group) for group in task.groups]
        exact = [solve_exactly(spectrum) for spectrum in spectra]
        if method is not LearningMethod.SGD:
            return _judged(task, exact, limits_for(task, spectra, exact, exact))
        descents = [
            descend(group, spectrum, schedule or Schedule())
            for group, spectrum in zip(task.groups, spectra, strict=True)
        ]
        solutions = [solution for solution, _ in descents]
        limits = limits_for(task, spectra, solutions, exact)
        return _judged(task, solutions, limits, _mean_history([h for _, h in descents]))


def _mean_history(
    histories: Sequence[Sequence[tuple[int, float]]],
) -> tuple[tuple[int, float], ...]:
    return tuple(
        (points[0][0], sum(loss for _, loss in points) / len(points))
        for points in zip(*histories, strict=True)
    )


def _judged(
    task: Task,
    solutions: Sequence[Solution],
    limits: Limits,
    history: tuple[tuple[int, float], ...] = (),
) -> Learnt:
    residual, kernel = _residual(task, solutions), _kernel(task, solutions)
    unexplained = min(residual**2 / limits.variance, 1.0) if limits.variance > 0 else 0.0
    return Learnt(
        kernel=kernel,
        residual=residual,
        unexplained=unexplained,
        limits=limits,
        left_out=task.left_out,
        nearest=tuple(nearest_named(grid) for grid in _grids(kernel, task.sharing)),
        warnings=limits.warnings(residual),
        history=history,
    )


def _residual(task: Task, solutions: Sequence[Solution]) -> float:
    total, count = 0.0, 0
    for group, solution in zip(task.groups, solutions, strict=True):
        for samples in group:
            for errors in _errors(samples, solution):
                total += float((errors**2).sum())
                count += errors.size
    return math.sqrt(total / max(count, 1))


def _errors(samples: Samples, solution: Solution) -> Iterator[Values]:
    """Yield the output minus the target, shape (n, O), strip by strip."""
    bank = solution.weights.reshape(len(samples.targets), -1, *samples.size)
    for rows in samples.strips(_STRIP_WINDOWS):
        strip = samples.inputs[:, rows.start : rows.stop + samples.size[0] - 1]
        errors = correlate(np.moveaxis(strip, 0, 2), bank, bias=solution.bias.tolist())
        errors -= np.moveaxis(samples.targets[:, rows], 0, 2)
        yield errors[samples.known[rows]]


def _kernel(task: Task, solutions: Sequence[Solution]) -> Kernel:
    size = task.groups[0][0].size
    description = f"learnt, {task.sharing.value}"
    if task.sharing is Sharing.MIX:
        weights = solutions[0].weights.reshape(len(solutions[0].bias), -1, *size)
        return Kernel(weights, solutions[0].bias, "learnt", description)
    grids = [solution.weights.reshape(size) for solution in solutions]
    biases = np.array([float(solution.bias[0]) for solution in solutions])
    if len(grids) == 1:
        return Kernel(grids[0], float(biases[0]), "learnt", description)
    bank = np.zeros((len(grids), len(grids), *size))
    for channel, grid in enumerate(grids):
        bank[channel, channel] = grid
    return Kernel(bank, biases, "learnt", description)


def _grids(kernel: Kernel, sharing: Sharing) -> list[Values]:
    if not kernel.is_bank:
        return [kernel.weights]
    if sharing is Sharing.CHANNEL:
        return [kernel.weights[c, c] for c in range(kernel.filters)]
    return []
