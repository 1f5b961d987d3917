"""Find the kernel that turns one picture into another: exactly, or by gradient descent."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convcli.kernels import Kernel
from convcli.lessons.learning.descent import descend
from convcli.lessons.learning.equations import (
    Solution,
    moments_of,
    solve_exactly,
    spectrum_of,
)
from convcli.lessons.learning.limits import warnings_for
from convcli.lessons.learning.nearest import nearest_named
from convcli.lessons.learning.samples import Sharing, Task, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A kernel that was learnt, and how well the pictures determine it.

    Attributes
    ----------
    kernel : Kernel
        Weights and bias.
    residual : float
        Root mean square of what the kernel does not explain, in the target's units.
    unexplained : float
        The same as part of the target's variance, 0 to 1.
    condition : float
        Condition number of the normal equations; infinite where weights are not
        determined.
    undetermined : int
        Directions of the weights of which the pictures say nothing.
    error : float
        Standard error of the least certain weight, from rounding to whole numbers.
    nearest : tuple of (str, float)
        For each 2-D kernel learnt, the catalogue's nearest and the largest difference of a
        weight.
    warnings : tuple of str
        What limits the answer.
    history : tuple of (int, float)
        Step and mean squared error, for gradient descent.
    """

    kernel: Kernel
    residual: float
    unexplained: float
    condition: float
    undetermined: int
    error: float
    nearest: tuple[tuple[str, float], ...]
    warnings: tuple[str, ...]
    history: tuple[tuple[int, float], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {
            "kernel": kernel_document(self.kernel),
            "residual": self.residual,
            "unexplained": self.unexplained,
            "condition": self.condition if math.isfinite(self.condition) else None,
            "undetermined": self.undetermined,
            "rounding_error": self.error,
            "nearest": [{"kernel": name, "difference": gap} for name, gap in self.nearest],
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


def learn(
    task: Task,
    method: str = "lstsq",
    *,
    steps: int = 4000,
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> Learnt:
    """Learn the kernel of a task.

    Parameters
    ----------
    task : Task
        From `task_for`.
    method : {"lstsq", "sgd"}
        Solve the normal equations, or descend.
    steps, seed, tick
        As in `descend`.

    Returns
    -------
    Learnt
    """
    solutions: list[Solution] = []
    histories: list[list[tuple[int, float]]] = []
    for group in task.groups:
        if method == "sgd":
            solution, history = descend(group, steps, seed, tick)
            histories.append(history)
        else:
            solution = solve_exactly(group)
        solutions.append(solution)
    return _judged(task, solutions, _mean_history(histories))


def _mean_history(
    histories: Sequence[Sequence[tuple[int, float]]],
) -> tuple[tuple[int, float], ...]:
    return tuple(
        (points[0][0], sum(loss for _, loss in points) / len(points))
        for points in zip(*histories, strict=True)
    )


def _judged(
    task: Task, solutions: Sequence[Solution], history: tuple[tuple[int, float], ...]
) -> Learnt:
    spectra = [(moments_of(group), group) for group in task.groups]
    condition, undetermined, error, variance = 0.0, 0, 0.0, 0.0
    for moments, _ in spectra:
        spectrum = spectrum_of(moments)
        condition = max(condition, spectrum.condition)
        undetermined += int((~spectrum.determined).sum())
        variance += spectrum.variance / len(spectra)
        if task.rounded and spectrum.determined.any():
            spread = spectrum.inverse_diagonal(moments.count) / 12
            error = max(error, math.sqrt(float(spread.max())))
    residual = _residual(task, solutions)
    unexplained = min(residual**2 / variance, 1.0) if variance > 0 else 0.0
    kernel = _kernel(task, solutions)
    return Learnt(
        kernel=kernel,
        residual=residual,
        unexplained=unexplained,
        condition=condition,
        undetermined=undetermined,
        error=error,
        nearest=tuple(nearest_named(grid) for grid in _grids(kernel, task.sharing)),
        warnings=tuple(warnings_for(task, condition, undetermined, error, unexplained)),
        history=history,
    )


def _residual(task: Task, solutions: Sequence[Solution]) -> float:
    total, count = 0.0, 0
    for group, solution in zip(task.groups, solutions, strict=True):
        for samples in group:
            for patches, targets in samples.strips():
                errors = targets - solution.weights @ patches - solution.bias[:, np.newaxis]
                total += float((errors**2).sum())
                count += errors.size
    return math.sqrt(total / max(count, 1))


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
