"""Gradient descent: a kernel learnt step by step, as a network learns it."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from convcli.errors import ConvcliError
from convcli.lessons.learning.equations import Moments, Solution, moments_of, spectrum_of
from convcli.lessons.learning.samples import Samples, Values

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
    moments = moments_of(group)
    spectrum = spectrum_of(moments)
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


def _centred(moments: Moments) -> Values:
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
