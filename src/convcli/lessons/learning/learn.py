"""Learn the kernel that turns one picture into another; name the nearest known kernel."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convcli.choices import Sharing
from convcli.engine.correlate import correlate
from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import CATALOGUE, Entry
from convcli.kernels.kernel import Kernel
from convcli.lessons.learning import Schedule, Solution, Spectrum, Task, Values, descend
from convcli.threads import available_cores, blas_threads
from convcli.values import Record, asdict, plain_json

_STRIP_WINDOWS = 2**20  # windows whose errors are computed together

_NEAR = 0.1
"""A kernel has the name of another where no weight differs by more than this part of the
largest. The catalogue's own kernels of fixed weights differ by at least as much."""


class Nearest(Record):
    """The nearest kernel of the catalogue; where it is `near`, two kernels share its name.

    `difference` is the largest of two weights.
    """

    kernel: str
    difference: float
    near: bool


def nearest_named(grid: Values) -> Nearest | None:
    """Return the nearest kernel of the catalogue; None where none fits into the grid (2×3)."""
    fitting = _candidates(grid.shape)
    gaps = [(float(np.abs(placed - grid).max()), kernel) for kernel, placed in fitting]
    if not gaps:
        return None
    # The first of equals: robinson-e is sobel-x by another name.
    gap, kernel = min(gaps, key=lambda pair: pair[0])
    return Nearest(kernel.name, gap, gap <= _NEAR * float(np.abs(kernel.weights).max()))


def _candidates(shape: tuple[int, ...]) -> Iterator[tuple[Kernel, Values]]:
    """Yield kernels that fit into a grid, and their weights in its middle."""
    for entry in CATALOGUE.values():
        for settings in _settings(entry, shape):
            with contextlib.suppress(SpecError):  # a parameter may be out of its range
                kernel = entry.kernel(settings)
                room = np.subtract(shape, kernel.size).tolist()
                if kernel.weights.any() and all(gap >= 0 and gap % 2 == 0 for gap in room):
                    yield kernel, np.pad(kernel.weights, [(gap // 2, gap // 2) for gap in room])


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
        settings += [{"radius": r} for r in range(radius + 1)]
    return settings


class Learnt(Record, kw_only=True):
    """A kernel that was learnt, and how well the pictures determine it.

    `residual` is the root mean square of the output minus the target, in the target's units;
    `unexplained` its square as part of the target's variance, 0 to 1. `condition` is that of
    the normal equations, infinite where directions of the weights are `undetermined`;
    `rounding_error` the standard error of the least certain weight, from rounding to whole
    numbers. `left_out` is the part of the target's values that are not used, because they are
    0 or white. `converged` says whether the weights are as good as the exact ones. `nearest`
    has the nearest kernel of the catalogue for each 2-D kernel, where one fits into it, and
    `warnings` say what limits the answer. `history` has steps and mean squared errors of a
    descent.
    """

    kernel: Kernel
    residual: float
    unexplained: float
    condition: float
    undetermined: int
    rounding_error: float
    left_out: float
    converged: bool
    nearest: tuple[Nearest, ...]
    warnings: tuple[str, ...]
    history: tuple[tuple[int, float], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the result, without the history, as plain JSON values."""
        document = {**asdict(self), "kernel": kernel_document(self.kernel)}
        del document["history"]
        return dict(plain_json(document))


def kernel_document(kernel: Kernel) -> dict[str, Any]:
    """Return a kernel as the JSON that `convcli apply` reads."""
    bias: Any = list(kernel.bias)
    return {
        "name": kernel.name,
        "description": kernel.description,
        "weights": kernel.weights.tolist(),
        "bias": bias if kernel.is_bank else sum(bias),
    }


def learn_task(task: Task, schedule: Schedule | None = None) -> Learnt:
    """Learn the kernel of a task of `task_for`, by a descent if it has a schedule."""
    with blas_threads(available_cores()):
        spectra = [Spectrum.of(samples) for samples in task.groups]
        exact = [spectrum.solved() for spectrum in spectra]
        if schedule is None:
            return _judged(task, spectra, exact, exact)
        pairs = zip(task.groups, spectra, strict=True)
        solutions, losses = zip(*(descend(*pair, schedule) for pair in pairs), strict=True)
        history = tuple(
            (points[0][0], sum(loss for _, loss in points) / len(points))
            for points in zip(*losses, strict=True)
        )
        return _judged(task, spectra, exact, solutions, history)


_BEHIND, _OFF = 1e-4, 0.01
"""A descent has converged where it explains all of the target's variance but for this part
(1 % of its deviation) that the best kernel explains too, and no weight is further off than
this part of the largest. Its kernel then has the name and the looks of the exact one."""

_ROUNDING = 1 / 12  # variance of the errors of rounding to whole numbers, even over 1


def _judged(
    task: Task,
    spectra: Sequence[Spectrum],
    exact: Sequence[Solution],
    solutions: Sequence[Solution],
    history: tuple[tuple[int, float], ...] = (),
) -> Learnt:
    """Say how well the solutions are determined, and how far they are from the exact ones."""
    residual, size = _residual(task, solutions), task.groups[0].size
    # Where all targets are one value, nothing of them is left to explain.
    variance = sum(spectrum.variance for spectrum in spectra) / len(spectra) or math.inf
    rounding = _ROUNDING if task.rounded else 0.0
    undetermined = sum(int((~spectrum.determined).sum()) for spectrum in spectra)
    groups = list(zip(spectra, solutions, exact, strict=True))
    excess = sum(spectrum.excess(tried, best) for spectrum, tried, best in groups)
    behind = excess / len(groups) / variance
    off = 0.0 if undetermined else max(_distance(tried, best) for _, tried, best in groups)
    condition = max(spectrum.condition for spectrum in spectra)
    error = max(spectrum.weight_error(rounding) for spectrum in spectra)
    left = residual**2 / variance
    least = left - behind - min(rounding / variance, 1.0)
    grids = [] if task.sharing is Sharing.MIX else [s.weights.reshape(size) for s in solutions]
    return Learnt(
        kernel=_kernel(task, solutions),
        residual=residual,
        unexplained=min(left, 1.0),
        condition=condition,
        undetermined=undetermined,
        rounding_error=error,
        left_out=task.left_out,
        converged=behind <= _BEHIND and off <= _OFF,
        nearest=tuple(filter(None, map(nearest_named, grids))),
        warnings=(
            *_of_the_pictures(undetermined, error, condition),
            *_of_the_fit(behind, off, least),
        ),
        history=history,
    )


def _distance(tried: Solution, best: Solution) -> float:
    """Return the largest error of a weight, as part of the largest weight."""
    largest = np.abs(best.weights).max() or 1.0
    return float(np.abs(tried.weights - best.weights).max() / largest)


_ILL = 1e8  # condition number above which small errors of the pictures become large ones
_ROUGH = 0.01  # standard error of a weight above which there is a warning about rounding
_UNEXPLAINED = 0.02  # part of the target's variance above which there is a warning


def _of_the_pictures(undetermined: int, error: float, condition: float) -> Iterator[str]:
    """Warn of what the pictures do not tell, with the remedy."""
    if undetermined:
        yield (
            f"the pictures cannot tell {undetermined} of the weights apart: the smallest that "
            "fit were taken; use a picture with more texture, or a smaller kernel"
        )
    elif error > _ROUGH:
        yield (
            f"rounding to whole numbers leaves a weight uncertain by ±{error:.2g}: learn from "
            "floats (apply to a .npy), or a larger picture"
        )
    elif condition > _ILL:
        yield (
            f"ill-conditioned ({condition:.1e}): small errors of the pictures become large "
            "ones of the weights; use a picture with more texture"
        )


def _of_the_fit(behind: float, off: float, least: float) -> Iterator[str]:
    """Warn of a descent that has not arrived, and of a target that no kernel explains."""
    if off > _OFF or behind > _BEHIND:
        share = f"{100 * behind:.2g} % of the target are left that a kernel can explain"
        distance = f"a weight is off by {100 * off:.1f} % of the largest"
        yield (
            f"the descent has not converged: {distance if off > _OFF else share}; give it more "
            "--steps, or use --method lstsq"
        )
    if least > _UNEXPLAINED:
        yield (
            f"no kernel of this size explains {100 * least:.0f} % of the target: was it made "
            "with --range abs or another step that is not linear? Use a larger --k, or a .npy "
            "target"
        )


def _residual(task: Task, solutions: Sequence[Solution]) -> float:
    """Return the root mean square of the outputs minus the targets, computed strip by strip."""
    total, count = 0.0, 0
    for samples, solution in zip(task.groups, solutions, strict=True):
        bank = solution.weights.reshape(samples.targets.shape[1], -1, *samples.size)
        for picture, rows in samples.strips(_STRIP_WINDOWS):
            strip = samples.inputs[picture, :, rows.start : rows.stop + samples.size[0] - 1]
            errors = correlate(np.moveaxis(strip, 0, 2), bank, bias=solution.bias.tolist())
            errors -= np.moveaxis(samples.targets[picture, :, rows], 0, 2)
            known = errors[samples.known[picture, rows]]
            total, count = total + float((known**2).sum()), count + known.size
    return math.sqrt(total / max(count, 1))


def _kernel(task: Task, solutions: Sequence[Solution]) -> Kernel:
    count, size = len(solutions), task.groups[0].size
    bias = np.concatenate([solution.bias for solution in solutions])
    grids = [solution.weights.reshape(len(solution.bias), -1, *size) for solution in solutions]
    weights = grids[0] if task.sharing is Sharing.MIX else grids[0][0, 0]
    if count > 1:
        weights = np.zeros((count, count, *size))
        weights[range(count), range(count)] = [grid[0, 0] for grid in grids]
    name = f"learnt, {task.sharing.value}"
    return Kernel(weights, bias if weights.ndim > 2 else float(bias[0]), "learnt", name)  # noqa: PLR2004 - a bank
