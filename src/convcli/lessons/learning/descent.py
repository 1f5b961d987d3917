"""Gradient descent: a kernel learnt step by step, as a network learns it."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from convcli.errors import ConvcliError
from convcli.lessons.learning.equations import Solution, Spectrum
from convcli.lessons.learning.samples import Samples, Values
from convcli.values import Record

_CROP = 64
_MOMENTUM = 0.98
_RATE = 0.6
"""Of the largest curvature that any patch can have. Heavy-ball descent on one quadratic is
stable up to 2(1 + momentum) (Polyak 1964); here the quadratic changes from crop to crop."""

_TRIES, _DIVERGED = 8, 100.0
"""A loss so many times the first one has run away: the rate is halved, so often at most."""

_POINTS = 200
"""Losses that are kept of a descent."""


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


class Schedule(Record, kw_only=True):
    """How a descent goes.

    Attributes
    ----------
    steps : int
        How many; each looks at one crop.
    seed : int
        Of the choice of crops.
    tick : callable
        Called after each step.
    """

    steps: int = 4000
    seed: int = 0
    tick: Callable[[], None] = lambda: None


def descend(
    group: Sequence[Samples], spectrum: Spectrum, schedule: Schedule
) -> tuple[Solution, list[tuple[int, float]]]:
    """Learn a group's weights by stochastic gradient descent with momentum.

    Values are brought to mean 0 and deviation 1 first, and the weights are brought back
    at the end.

    Parameters
    ----------
    group : sequence of Samples
        They share their weights.
    spectrum : Spectrum
        The group's: only means and deviations are taken from it.
    schedule : Schedule
        Steps and seed.

    Returns
    -------
    (Solution, list of (int, float))
        The weights, and the mean squared error over a crop at some of the steps.

    Raises
    ------
    ConvcliError
        If the loss runs away at every rate that is tried.
    """
    scales = _scales(spectrum)
    largest = max(float(np.abs(one.inputs - scales.mean_in).max()) for one in group)
    rate = _RATE / (group[0].weights * max(largest / scales.scale_in, 1.0) ** 2)
    for halvings in range(_TRIES):
        run = _Run(scales, rate / 2**halvings, group[0].weights)
        if run.all_steps(group, schedule):
            return scales.back(run), run.history
    raise ConvcliError(
        "the descent runs away at every rate: use --method lstsq, or other pictures"
    )


def _scales(spectrum: Spectrum) -> "_Scales":
    patch_variance = float(spectrum.values.sum()) / len(spectrum.values)
    return _Scales(
        mean_in=float(spectrum.patch.mean()),
        scale_in=max(math.sqrt(max(patch_variance, 0.0)), 1e-12),
        mean_out=spectrum.target[:, np.newaxis],
        scale_out=max(math.sqrt(spectrum.variance), 1e-12),
    )


class _Scales(Record, kw_only=True):
    """Means and deviations of patches and targets."""

    mean_in: float
    scale_in: float
    mean_out: Values
    scale_out: float

    def back(self, run: "_Run") -> Solution:
        """Return what was learnt between scaled values for the values as they are."""
        weights = run.weights * (self.scale_out / self.scale_in)
        bias = (self.mean_out + self.scale_out * run.bias)[:, 0]
        return Solution(weights, bias - weights.sum(axis=1) * self.mean_in)


class _Run:
    """One descent at one rate, from weights of 0."""

    def __init__(self, scales: _Scales, rate: float, inputs: int) -> None:
        self.scales, self.rate, outputs = scales, rate, len(scales.mean_out)
        self.weights = self.speed = np.zeros((outputs, inputs))
        self.bias = self.bias_speed = np.zeros((outputs, 1))
        self.history: list[tuple[int, float]] = []

    def all_steps(self, group: Sequence[Samples], schedule: Schedule) -> bool:
        """Take all steps; return whether the loss has not run away."""
        chance, steps = np.random.default_rng(schedule.seed), schedule.steps
        for step in range(steps):
            loss = self._step(_crop(group[step % len(group)], chance), 2 * (1 - step / steps))
            if step % max(steps // _POINTS, 1) == 0 or step == steps - 1:
                self.history.append((step, loss))
            if not loss <= _DIVERGED * max(self.scales.scale_out**2, self.history[0][1]):
                return False
            schedule.tick()
        return True

    def _step(self, crop: tuple[Values, Values], left: float) -> float:
        """Go one step down; return the loss before it. The rate falls in the second half."""
        patches, targets = crop
        inputs = (patches - self.scales.mean_in) / self.scales.scale_in
        wanted = (targets - self.scales.mean_out) / self.scales.scale_out
        errors = self.weights @ inputs + self.bias - wanted
        rate = self.rate * min(1.0, left)
        self.speed = _MOMENTUM * self.speed - rate * gradient(inputs, errors)
        slope = errors.mean(axis=1, keepdims=True)
        self.bias_speed = _MOMENTUM * self.bias_speed - rate * slope
        self.weights, self.bias = self.weights + self.speed, self.bias + self.bias_speed
        return float((errors**2).mean()) * self.scales.scale_out**2


def _crop(samples: Samples, chance: np.random.Generator) -> tuple[Values, Values]:
    """Return the patches and targets of one crop, the clipped ones left out."""
    height, width = samples.known.shape
    rows, columns = min(_CROP, height), min(_CROP, width)
    keep = np.zeros(0, bool)
    while not keep.any():
        y = int(chance.integers(height - rows + 1))
        x = int(chance.integers(width - columns + 1))
        keep = samples.known[y : y + rows, x : x + columns].reshape(-1)
    patches = samples.patches((y, x), (rows, columns))
    targets = samples.targets[:, y : y + rows, x : x + columns]
    return patches[:, keep], targets.reshape(len(targets), -1)[:, keep]
