"""Learn a kernel from a picture before and after; name the one that is nearest."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convcli.engine.correlate import correlate
from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import CATALOGUE, Entry
from convcli.kernels.kernel import Kernel
from convcli.lessons.learning.descent import Schedule, descend
from convcli.lessons.learning.equations import Solution, solve_exactly, spectrum_of
from convcli.lessons.learning.limits import Limits, limits_of, warnings_for
from convcli.lessons.learning.samples import Samples, Sharing, Task, Values
from convcli.threads import many_threaded_blas
from convcli.values import Record, asdict

_NEAR = 0.1
"""Part of a kernel's largest weight by which another may differ and still have its name. It
is how far the catalogue's own kernels of fixed weights differ from each other at the least."""


class Nearest(Record):
    """The kernel of the catalogue that some weights are nearest to.

    Attributes
    ----------
    kernel : str
        Its name.
    difference : float
        How far off a weight is at the most.
    near : bool
        Whether that is near enough to go by the name.
    """

    kernel: str
    difference: float
    near: bool


def nearest_named(grid: Values) -> Nearest:
    """Return the catalogue's nearest kernel.

    Kernels with parameters are tried with their defaults, and with the size of the grid;
    smaller ones stand in its middle.

    Examples
    --------
    >>> nearest_named(np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1.01]])).kernel
    'sobel-x'
    """
    gaps = [
        (float(np.abs(_placed(kernel.weights, grid.shape) - grid).max()), kernel)
        for kernel in _candidates(grid.shape)
    ]
    # The first of equals: robinson-e is sobel-x by another name.
    gap, kernel = min(gaps, key=lambda one: one[0])
    return Nearest(kernel.name, gap, gap <= _NEAR * float(np.abs(kernel.weights).max()))


def _candidates(shape: tuple[int, ...]) -> list[Kernel]:
    found: list[Kernel] = []
    for entry in CATALOGUE.values():
        names = {parameter.name: parameter for parameter in entry.parameters}
        settings: list[dict[str, float]] = [{}]
        if "size" in names:
            settings += [{"size": side} for side in range(1, min(shape) + 1)]
        if "sigma" in names and "radius" in names:
            radius = (min(shape) - 1) // 2
            settings += [{"sigma": s / 4, "radius": radius} for s in range(2, 17)]
        elif "radius" in names and names["radius"].value_type is int:
            reach = (min(shape) - 1) // 2
            settings += [
                {"radius": r} for r in range(math.ceil(names["radius"].least), reach + 1)
            ]
        found += [kernel for one in settings for kernel in _made(entry, one)]
    return [k for k in found if not k.is_bank and k.weights.any() and _fits(k.size, shape)]


def _made(entry: Entry, settings: dict[str, float]) -> list[Kernel]:
    """Return the kernel of these parameters; none where they are out of its range."""
    try:
        return [entry.kernel(settings)]
    except SpecError:
        return []


def _fits(size: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return all(a <= b and (b - a) % 2 == 0 for a, b in zip(size, shape, strict=True))


def _placed(weights: Values, shape: tuple[int, ...]) -> Values:
    rows, columns = ((b - a) // 2 for a, b in zip(weights.shape, shape, strict=True))
    return np.pad(weights, ((rows, rows), (columns, columns)))


class Learnt(Record, kw_only=True):
    """A kernel that was learnt, and how well the pictures determine it.

    Attributes
    ----------
    kernel : Kernel
        Weights and bias.
    residual : float
        Root mean square of what the kernel does not explain, in the target's units.
    unexplained : float
        The same as part of the target's variance, 0 to 1.
    limits : Limits
        How well the pictures determine it.
    left_out : float
        Part of the target's values at 0 or white, which were left out.
    nearest : tuple of Nearest
        The catalogue's nearest to each 2-D kernel learnt.
    warnings : tuple of str
        What limits the answer.
    history : tuple of (int, float)
        Step and mean squared error, for gradient descent.
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
            "residual": self.residual,
            "unexplained": self.unexplained,
            "condition": limits.condition if math.isfinite(limits.condition) else None,
            "undetermined": limits.undetermined,
            "rounding_error": limits.error,
            "left_out": self.left_out,
            "converged": limits.arrived,
            "nearest": [asdict(one) for one in self.nearest],
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


@many_threaded_blas()
def learn(task: Task, method: str = "lstsq", schedule: Schedule | None = None) -> Learnt:
    """Learn the kernel of a task.

    Parameters
    ----------
    task : Task
        From `task_for`.
    method : {"lstsq", "sgd"}
        Solve the normal equations, or descend.
    schedule : Schedule, optional
        Of the descent.

    Returns
    -------
    Learnt
    """
    spectra = [spectrum_of(group) for group in task.groups]
    exact = [solve_exactly(spectrum) for spectrum in spectra]
    if method != "sgd":
        return _judged(task, exact, limits_of(task, spectra, exact, exact))
    way = schedule or Schedule()
    descents = [
        descend(group, spectrum, way)
        for group, spectrum in zip(task.groups, spectra, strict=True)
    ]
    solutions = [solution for solution, _ in descents]
    limits = limits_of(task, spectra, solutions, exact)
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
        warnings=warnings_for(limits, residual),
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
    """Yield what does come out minus what should, shape (n, O), some windows at a time."""
    bank = solution.weights.reshape(len(samples.targets), -1, *samples.size)
    for rows in samples.strips():
        seen = samples.inputs[:, rows.start : rows.stop + samples.size[0] - 1]
        made = correlate(np.moveaxis(seen, 0, 2), bank, bias=solution.bias.tolist())
        made -= np.moveaxis(samples.targets[:, rows], 0, 2)
        yield made[samples.known[rows]]


def _kernel(task: Task, solutions: Sequence[Solution]) -> Kernel:
    size = task.groups[0][0].size
    about = f"learnt, {task.sharing.value}"
    if task.sharing is Sharing.MIX:
        weights = solutions[0].weights.reshape(len(solutions[0].bias), -1, *size)
        return Kernel(weights, solutions[0].bias, "learnt", about)
    grids = [solution.weights.reshape(size) for solution in solutions]
    biases = np.array([float(solution.bias[0]) for solution in solutions])
    if len(grids) == 1:
        return Kernel(grids[0], float(biases[0]), "learnt", about)
    bank = np.zeros((len(grids), len(grids), *size))
    for channel, grid in enumerate(grids):
        bank[channel, channel] = grid
    return Kernel(bank, biases, "learnt", about)


def _grids(kernel: Kernel, sharing: Sharing) -> list[Values]:
    if not kernel.is_bank:
        return [kernel.weights]
    if sharing is Sharing.CHANNEL:
        return [kernel.weights[c, c] for c in range(kernel.filters)]
    return []
