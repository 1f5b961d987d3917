"""Find the kernel that turns one picture into another: exactly, or by gradient descent."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ConvcliError, SpecError
from convcli.kernels import CATALOGUE, Entry, Kernel
from convcli.lessons.samples import Samples, Sharing, Task, Values

_SINGULAR = 1e-12
"""Part of the largest eigenvalue below which the pictures say nothing of a direction."""

_ILL = 1e8
"""Condition number above which small errors of the pictures become large ones."""

_ROUGH = 0.01
"""Standard error of a weight above which rounding is worth a warning."""

_UNEXPLAINED = 0.02
"""Part of the target's variance that no kernel explains, above which one is warned."""

_CROP = 64
_MOMENTUM = 0.98
_RATE = 0.6
"""Of the largest curvature that any patch can have. Heavy-ball descent on one quadratic is
stable up to 2(1 + momentum) (Polyak 1964); here the quadratic changes from crop to crop."""

_TRIES, _DIVERGED = 8, 100.0
"""A loss so many times the first one has run away: the rate is halved, so often at most."""

_POINTS = 200
"""Losses that are kept of a descent."""


@dataclass(frozen=True, slots=True)
class Solution:
    """What one group of samples gave.

    Attributes
    ----------
    weights : ndarray of float64, shape (O, I·kh·kw)
        The weights.
    bias : ndarray of float64, shape (O,)
        The biases.
    """

    weights: Values
    bias: Values


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


@dataclass(slots=True)
class _Moments:
    """Sums over all samples of a group: what the normal equations are made of."""

    weights: int
    outputs: int
    count: int = 0
    patch: Values = field(init=False)
    target: Values = field(init=False)
    gram: Values = field(init=False)
    cross: Values = field(init=False)
    square: Values = field(init=False)

    def __post_init__(self) -> None:
        self.patch, self.target = np.zeros(self.weights), np.zeros(self.outputs)
        self.gram = np.zeros((self.weights, self.weights))
        self.cross = np.zeros((self.weights, self.outputs))
        self.square = np.zeros(self.outputs)

    def add(self, patches: Values, targets: Values) -> None:
        self.count += patches.shape[1]
        self.patch += patches.sum(axis=1)
        self.target += targets.sum(axis=1)
        self.gram += patches @ patches.T
        self.cross += patches @ targets.T
        self.square += (targets**2).sum(axis=1)


def _moments(group: Sequence[Samples]) -> _Moments:
    moments = _Moments(group[0].weights, len(group[0].targets))
    for samples in group:
        for patches, targets in samples.strips():
            moments.add(patches, targets)
    return moments


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """The centred normal matrix by its eigenvalues: the bias is taken out of it."""

    values: Values
    vectors: Values
    cross: Values
    patch: Values
    target: Values
    variance: float

    @property
    def determined(self) -> NDArray[np.bool_]:
        kept: NDArray[np.bool_] = self.values > _SINGULAR * max(
            float(self.values.max()), 1e-300
        )
        return kept

    @property
    def condition(self) -> float:
        if not self.determined.all():
            return math.inf
        return float(self.values.max() / self.values.min())

    def inverse_diagonal(self, count: int) -> Values:
        kept = self.determined
        spread: Values = (self.vectors[:, kept] ** 2 / self.values[kept]).sum(axis=1) / count
        return spread


def _spectrum(moments: _Moments) -> _Spectrum:
    patch, target = moments.patch / moments.count, moments.target / moments.count
    gram = moments.gram / moments.count - np.outer(patch, patch)
    cross = moments.cross / moments.count - np.outer(patch, target)
    variance = float((moments.square / moments.count - target**2).mean())
    values, vectors = np.linalg.eigh(gram)
    return _Spectrum(values, vectors, cross, patch, target, max(variance, 0.0))


def solve_exactly(group: Sequence[Samples]) -> Solution:
    """Solve the normal equations of a group: least squares, exact but for float64.

    Where the pictures do not determine the weights, the smallest that fit are taken.
    """
    spectrum = _spectrum(_moments(group))
    kept = spectrum.determined
    vectors = spectrum.vectors[:, kept]
    weights = vectors @ ((vectors.T @ spectrum.cross) / spectrum.values[kept, np.newaxis])
    return Solution(weights.T, spectrum.target - spectrum.patch @ weights)


def gradient(patches: Values, errors: Values) -> Values:
    """Return the gradient of half the mean squared error with respect to the weights.

    It is the input correlated with the error map, "valid": ∂L/∂w[i,j] is the mean over
    all y, x of e[y, x]·in[y+i, x+j]. So backpropagation through a convolution is a
    convolution again. It is computed from the patches, which the forward step has laid
    out already: planning a new kernel for each step took 100 times as long.

    Parameters
    ----------
    patches : ndarray, shape (I·kh·kw, n)
        What the windows see.
    errors : ndarray, shape (O, n)
        What comes out minus what should.
    """
    slope: Values = (errors @ patches.T) / patches.shape[1]
    return slope


def descend(
    group: Sequence[Samples],
    steps: int,
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> tuple[Solution, list[tuple[int, float]]]:
    """Learn a group's weights by stochastic gradient descent with momentum.

    Each step looks at one crop. Values are brought to mean 0 and deviation 1 first, and
    the weights are brought back at the end.

    Parameters
    ----------
    group : sequence of Samples
        They share their weights.
    steps : int
        How many.
    seed : int
        Of the choice of crops.
    tick : callable
        Called after each step.

    Returns
    -------
    (Solution, list of (int, float))
        The weights, and the mean squared error over a crop at some of the steps.
    """
    moments = _moments(group)
    spectrum = _spectrum(moments)
    scale_in = max(math.sqrt(float(np.trace(_centred(moments))) / moments.weights), 1e-12)
    scale_out = max(math.sqrt(spectrum.variance), 1e-12)
    mean_in, mean_out = float(spectrum.patch.mean()), spectrum.target[:, np.newaxis]
    largest = max(float(np.abs(one.inputs - mean_in).max()) for one in group) / scale_in
    rate = _RATE / (moments.weights * max(largest, 1.0) ** 2)
    scales = _Scales(mean_in, scale_in, mean_out, scale_out)
    for _ in range(_TRIES):
        found = _descent(group, scales, rate=rate, steps=steps, seed=seed, tick=tick)
        if found is not None:
            break
        rate /= 2
    else:
        raise ConvcliError(
            "the descent runs away at every rate: use --method lstsq, or other pictures"
        )
    weights, bias, history = found
    final = weights * (scale_out / scale_in)
    back = (mean_out + scale_out * bias)[:, 0] - final.sum(axis=1) * mean_in
    return Solution(final, back), history


class _Scales(NamedTuple):
    """Means and deviations of patches and targets."""

    mean_in: float
    scale_in: float
    mean_out: Values
    scale_out: float


def _descent(
    group: Sequence[Samples],
    scales: _Scales,
    *,
    rate: float,
    steps: int,
    seed: int,
    tick: Callable[[], None],
) -> tuple[Values, Values, list[tuple[int, float]]] | None:
    """Descend at one rate; None where the loss runs away."""
    chance = np.random.default_rng(seed)
    depth = _crop(group[0], np.random.default_rng(seed))[0].shape[0]
    weights, bias = np.zeros((len(scales.mean_out), depth)), np.zeros_like(scales.mean_out)
    speed, bias_speed = np.zeros_like(weights), np.zeros_like(bias)
    history: list[tuple[int, float]] = []
    for step in range(steps):
        patches, targets = _crop(group[step % len(group)], chance)
        inputs = (patches - scales.mean_in) / scales.scale_in
        errors = weights @ inputs + bias - (targets - scales.mean_out) / scales.scale_out
        loss = float((errors**2).mean()) * scales.scale_out**2
        history = history or [(0, loss)]
        if not loss <= _DIVERGED * max(scales.scale_out**2, history[0][1]):
            return None
        if step and (step % max(steps // _POINTS, 1) == 0 or step == steps - 1):
            history.append((step, loss))
        slower = rate * min(1.0, 2 * (1 - step / steps))
        speed = _MOMENTUM * speed - slower * gradient(inputs, errors)
        bias_speed = _MOMENTUM * bias_speed - slower * errors.mean(axis=1, keepdims=True)
        weights, bias = weights + speed, bias + bias_speed
        tick()
    return weights, bias, history


def _centred(moments: _Moments) -> Values:
    patch = moments.patch / moments.count
    centred: Values = moments.gram / moments.count - np.outer(patch, patch)
    return centred


def _crop(samples: Samples, chance: np.random.Generator) -> tuple[Values, Values]:
    """Return the patches and targets of one crop, the clipped ones left out."""
    height, width = samples.known.shape
    rows, columns = min(_CROP, height), min(_CROP, width)
    y, x = int(chance.integers(height - rows + 1)), int(chance.integers(width - columns + 1))
    keep = samples.known[y : y + rows, x : x + columns].reshape(-1)
    if not keep.any():
        return _crop(samples, chance)
    patches = samples.patches((y, x), (rows, columns))
    targets = samples.targets[:, y : y + rows, x : x + columns]
    return patches[:, keep], targets.reshape(len(targets), -1)[:, keep]


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
        From `convcli.lessons.samples.task_for`.
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
    spectra = [(_moments(group), group) for group in task.groups]
    condition, undetermined, error, variance = 0.0, 0, 0.0, 0.0
    for moments, _ in spectra:
        spectrum = _spectrum(moments)
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
        warnings=tuple(_warnings(task, condition, undetermined, error, unexplained)),
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


def nearest_named(grid: Values) -> tuple[str, float]:
    """Return the catalogue's nearest kernel, and the largest difference of a weight.

    Kernels with parameters are tried with their defaults, and with the size of the grid;
    smaller ones stand in its middle.

    Examples
    --------
    >>> nearest_named(np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1.01]]))[0]
    'sobel-x'
    """
    gaps = [
        (float(np.abs(_placed(kernel.weights, grid.shape) - grid).max()), kernel.name)
        for kernel in _candidates(grid.shape)
    ]
    # The first of equals: robinson-e is sobel-x by another name.
    gap, name = min(gaps, key=lambda one: one[0])
    return name, gap


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
        elif "radius" in names and names["radius"].kind is int:
            reach = (min(shape) - 1) // 2
            settings += [
                {"radius": r} for r in range(math.ceil(names["radius"].least), reach + 1)
            ]
        found += [kernel for one in settings for kernel in _made(entry, one)]
    return [k for k in found if not k.is_bank and _fits(k.size, shape)]


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


def _warnings(
    task: Task, condition: float, undetermined: int, error: float, unexplained: float
) -> list[str]:
    found = []
    if undetermined:
        found.append(
            f"the pictures cannot tell {undetermined} of the weights apart: the smallest that "
            "fit were taken; use a picture with more texture, or a smaller kernel"
        )
    elif condition > _ILL:
        found.append(
            f"ill-conditioned ({condition:.1e}): small errors of the pictures become large "
            "ones of the weights; use a picture with more texture"
        )
    if error > _ROUGH:
        found.append(
            f"rounding to whole numbers leaves a weight uncertain by ±{error:.2g}: learn from "
            "floats (apply to a .npy), or a larger picture"
        )
    if unexplained > _UNEXPLAINED:
        found.append(
            f"no kernel of this size explains {100 * unexplained:.0f} % of the target: was it "
            "made with --range abs or another step that is not linear? Use a larger --k, or a "
            ".npy target"
        )
    if task.left_out > 0:
        found.append(
            f"{100 * task.left_out:.1f} % of the target's values are at a limit, perhaps cut "
            "off: they were left out"
        )
    return found
