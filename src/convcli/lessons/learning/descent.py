"""Gradient descent: a kernel learnt step by step, as a network learns it."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from convcli.errors import ConvcliError
from convcli.lessons.learning import Samples, Solution, Spectrum, Values
from convcli.values import Record

_CROP = 64
"""Rows and columns of windows that one step looks at."""

_MOMENTUM = 0.98
_RATE = 0.6
"""The learning rate, as part of 1 over the largest curvature that any patch can have.
Heavy-ball descent on one quadratic is stable up to 2(1 + momentum) (Polyak 1964); here the
quadratic changes from crop to crop."""

_TRIES, _DIVERGED = 8, 100.0
"""A descent has diverged when its loss is 100 times the first one. It starts again with half
the rate, 8 times at most."""

_POINTS = 200
"""Losses that the history of a descent keeps, about."""


def gradient(patches: Values, errors: Values) -> Values:
    """Return the gradient of half the mean squared error with respect to the weights.

    `patches` (I·kh·kw, n) are the pixels that n windows see, `errors` (O, n) the output minus
    the target. It is the "valid" correlation of the input with the error map; as a product
    with the patches, which are there already, it takes a hundredth of the time.
    """
    slope: Values = (errors @ patches.T) / patches.shape[1]
    return slope


class Schedule(Record, kw_only=True):
    """The steps of a descent, the seed of its crops, and what is called after each step."""

    steps: int = 4000
    seed: int = 0
    tick: Callable[[], None] = lambda: None


def descend(
    group: Sequence[Samples], spectrum: Spectrum, schedule: Schedule
) -> tuple[Solution, list[tuple[int, float]]]:
    """Learn by stochastic gradient descent with momentum, on values of mean 0 and deviation 1.

    The second part of the result has the mean squared error over a crop, for some of the
    steps. A descent that diverges at every rate is a `ConvcliError`.
    """
    for halvings in range(_TRIES):
        descent = _Descent(group, spectrum, 2.0**-halvings)
        if descent.converges(group, schedule):
            return descent.solution(), descent.history
    raise ConvcliError(
        "the descent runs away at every rate: use --method lstsq, or other pictures"
    )


class _Descent:
    """One descent, from weights of 0, at a part of the largest rate that is tried."""

    def __init__(self, group: Sequence[Samples], spectrum: Spectrum, part: float) -> None:
        patch_variance = float(spectrum.values.sum()) / len(spectrum.values)
        self.mean_in = float(spectrum.patch.mean())
        self.scale_in = max(math.sqrt(max(patch_variance, 0.0)), 1e-12)
        self.mean_out = spectrum.target[:, np.newaxis]
        self.scale_out = max(math.sqrt(spectrum.variance), 1e-12)
        largest = max(float(np.abs(each.inputs - self.mean_in).max()) for each in group)
        inputs, outputs = group[0].weights, len(self.mean_out)
        self.rate = part * _RATE / (inputs * max(largest / self.scale_in, 1.0) ** 2)
        self.weights = self.speed = np.zeros((outputs, inputs))
        self.bias = self.bias_speed = np.zeros((outputs, 1))
        self.history: list[tuple[int, float]] = []

    def converges(self, group: Sequence[Samples], schedule: Schedule) -> bool:
        """Take all steps; stop and return False where the loss diverges."""
        chance, steps = np.random.default_rng(schedule.seed), schedule.steps
        for step in range(steps):
            loss = self._step(_crop(group[step % len(group)], chance), 2 * (1 - step / steps))
            if step % max(steps // _POINTS, 1) == 0 or step == steps - 1:
                self.history.append((step, loss))
            if not loss <= _DIVERGED * max(self.scale_out**2, self.history[0][1]):
                return False
            schedule.tick()
        return True

    def _step(self, crop: tuple[Values, Values], left: float) -> float:
        """Take one step; return the loss before it. The rate falls in the second half."""
        patches, targets = crop
        inputs = (patches - self.mean_in) / self.scale_in
        scaled_targets = (targets - self.mean_out) / self.scale_out
        errors = self.weights @ inputs + self.bias - scaled_targets
        rate = self.rate * min(1.0, left)
        self.speed = _MOMENTUM * self.speed - rate * gradient(inputs, errors)
        slope = errors.mean(axis=1, keepdims=True)
        self.bias_speed = _MOMENTUM * self.bias_speed - rate * slope
        self.weights, self.bias = self.weights + self.speed, self.bias + self.bias_speed
        return float((errors**2).mean()) * self.scale_out**2

    def solution(self) -> Solution:
        """Return the weights and biases for values that are not scaled."""
        weights = self.weights * (self.scale_out / self.scale_in)
        bias = (self.mean_out + self.scale_out * self.bias)[:, 0]
        return Solution(weights, bias - weights.sum(axis=1) * self.mean_in)


def _crop(samples: Samples, chance: np.random.Generator) -> tuple[Values, Values]:
    """Return the patches and the known targets of a random crop with at least one of them."""
    height, width = samples.known.shape
    rows, columns = min(_CROP, height), min(_CROP, width)
    known = np.zeros(0, bool)
    while not known.any():
        y, x = (int(chance.integers(n + 1)) for n in (height - rows, width - columns))
        crop = (..., slice(y, y + rows), slice(x, x + columns))
        known = samples.known[crop].reshape(-1)
    patches = samples.patches((y, x), (rows, columns))
    return patches[:, known], samples.targets[crop].reshape(-1, known.size)[:, known]
