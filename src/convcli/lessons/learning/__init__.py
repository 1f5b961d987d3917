"""Learn: samples of two pictures; their normal equations, solved; and gradient descent."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convcli.choices import Sharing
from convcli.errors import ConvcliError, GeometryError, ImageError, fail
from convcli.geometry.window import Pair
from convcli.text import counted
from convcli.values import Record, replace

Values = NDArray[np.float64]
Pixels = NDArray[np.generic]

_FEWEST = 20  # samples for each weight that must remain when clipped values are left out
_MOST_WEIGHTS = 1024
"""The most weights of one output. Memory grows with their square. Time grows with their square
for each window, and with their cube for the solution of the equations."""


class Samples(Record):
    """Some pictures that share one kernel's weights, and the targets of "valid" windows."""

    inputs: Values  # (pictures, I, H, W)
    targets: Values  # (pictures, O, H', W')
    known: NDArray[np.bool_]  # (pictures, H', W')
    size: Pair

    @property
    def weights(self) -> int:
        """Weights of one output: I·kh·kw."""
        return int(self.inputs.shape[1] * math.prod(self.size))

    def strips(self, windows: int) -> Iterator[tuple[int, slice]]:
        """Return each picture's number and rows of about `windows` windows, from the top."""
        pictures, height, width = self.known.shape
        step = max(windows // width, 1)
        strips = [slice(top, min(top + step, height)) for top in range(0, height, step)]
        return itertools.product(range(pictures), strips)

    def block(
        self, picture: int, rows: slice, columns: slice
    ) -> tuple[Values, Values, NDArray[np.bool_]]:
        """Return patches (I·kh·kw, n), targets (O, n) and which are known of n windows."""
        windows = sliding_window_view(self.inputs[picture], self.size, axis=(1, 2))
        windows = windows[:, rows, columns].transpose(0, 3, 4, 1, 2)
        known = self.known[picture, rows, columns].reshape(-1)
        targets = self.targets[picture, :, rows, columns].reshape(-1, known.size)
        return windows.reshape(self.weights, -1), targets, known


class Task(Record):
    """Samples for each kernel that is to be learnt."""

    groups: tuple[Samples, ...]
    sharing: Sharing
    left_out: float  # the part of the target's values that are 0 or white
    rounded: bool  # the target's dtype holds whole numbers only


def task_for(source: Pixels, target: Pixels, size: Pair, sharing: Sharing) -> Task:
    """Cut pictures into samples: the source (H, W, C), and the target (H, W, O) or "valid"."""
    inside = _inside(target, source.shape, size)
    for name, values in (("INPUT", source), ("TARGET", inside)):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ImageError(f"{name}: expected finite numbers, got NaN or infinity: mend it")
    _check_channels(source.shape[2], inside.shape[2], size, sharing)
    known, left_out = _known(inside, source.shape[2] * size[0] * size[1])
    alone = 1  # the axis that is added: each channel is a picture of one channel
    if sharing is Sharing.MIX:
        known, alone = np.asarray(known.all(axis=2, keepdims=True)), 0  # one picture of all
    kernels = source.shape[2] if sharing is Sharing.CHANNEL else 1
    planes = [np.moveaxis(each, 2, 0).astype(float) for each in (source, inside)]
    inputs, targets = (np.split(np.expand_dims(each, alone), kernels) for each in planes)
    parts = zip(inputs, targets, np.split(np.moveaxis(known, 2, 0), kernels), strict=True)
    groups = tuple(Samples(*each, size) for each in parts)
    return Task(groups, sharing, left_out, rounded=inside.dtype.kind in "iub")


def _inside(target: Pixels, shape: tuple[int, ...], size: Pair) -> Pixels:
    """Return the part of the target whose windows see no padding."""
    valid = (shape[0] - size[0] + 1, shape[1] - size[1] + 1)
    if min(valid) < 1:
        sizes = f"{shape[1]} × {shape[0]} px, got {size[1]} × {size[0]}"
        fault = f"expected a kernel that fits into {sizes}"
        fail("k", fault, "use a smaller one", GeometryError)
    if target.shape[:2] == valid:
        return target
    if target.shape[:2] != shape[:2]:
        full = f"{shape[1]} × {shape[0]} px, or {valid[1]} × {valid[0]} (--padding valid)"
        fault = f"expected INPUT's size, {full}, got {target.shape[1]} × {target.shape[0]}"
        fail("target", fault, "make it from INPUT with stride 1", GeometryError)
    top, left = (size[0] - 1) // 2, (size[1] - 1) // 2
    return target[top : top + valid[0], left : left + valid[1]]


def _check_channels(source: int, target: int, size: Pair, sharing: Sharing) -> None:
    """Refuse channels that do not fit, and more weights for each output than there may be."""
    if sharing is not Sharing.MIX and source != target:
        fault = f"expected {counted(source, 'channel')} as INPUT has, got {target}"
        fail("target", fault, "use --gray, or --mix to learn a bank", GeometryError)
    count = size[0] * size[1] * (source if sharing is Sharing.MIX else 1)
    if count > _MOST_WEIGHTS:
        fault = f"expected at most {_MOST_WEIGHTS:,} weights for each output, got {count:,}"
        fail("k", fault, "use a smaller kernel", GeometryError)


def _known(values: Pixels, weights: int) -> tuple[NDArray[np.bool_], float]:
    """Return which values were not cut off at a limit of their dtype, and the other part."""
    if values.dtype.kind in "iu":
        limits = np.iinfo(str(values.dtype))
        inner = (values != limits.min) & (values != limits.max)
        if inner.all(axis=2).sum() >= _FEWEST * weights:
            return inner, 1 - float(inner.mean())
    return np.ones(values.shape, bool), 0.0


# ------------------------------------------------------------------ the normal equations

_STRIP_NUMBERS = 2**17  # of the design matrix in memory at once: 1 MiB, the cache of a core


def sums_of_products(samples: Samples) -> Values:
    """Return DᵀD of a design matrix: a row of I·kh·kw pixels, O targets and a 1 per window."""
    columns = samples.weights + samples.targets.shape[1] + 1
    sums = np.zeros((columns, columns))
    for strip in samples.strips(_STRIP_NUMBERS // columns):
        patches, targets, known = samples.block(*strip, slice(None))
        design = np.concatenate([patches, targets, np.ones((1, known.size))])
        design = design if known.all() else design[:, known]
        sums += design @ design.T
    return sums


_SINGULAR = 1e-12  # part of the largest eigenvalue: directions below it are not determined


class Solution(Record):
    """The weights, shape (O, I·kh·kw), and biases, shape (O,), of one group of samples."""

    weights: Values
    bias: Values


class Spectrum(Record):
    """The eigenvalues and eigenvectors of the covariance matrix of n = I·kh·kw pixels."""

    values: Values
    vectors: Values
    cross: Values  # (n, O): covariances of patches and targets
    patch: Values  # their means
    target: Values
    variance: float
    count: int

    @classmethod
    def of(cls, samples: Samples) -> "Spectrum":
        """Return the eigenvalues and the means of samples."""
        sums, weights = sums_of_products(samples), samples.weights
        means = sums[-1, :-1] / sums[-1, -1]
        covariance = sums[:-1, :-1] / sums[-1, -1] - np.outer(means, means)
        values, vectors = np.linalg.eigh(covariance[:weights, :weights])
        return cls(
            values=values,
            vectors=vectors,
            cross=covariance[:weights, weights:],
            patch=means[:weights],
            target=means[weights:],
            variance=max(float(np.diag(covariance)[weights:].mean()), 0.0),
            count=int(sums[-1, -1]),
        )

    def solved(self) -> Solution:
        """Return the smallest weights of least squares, exact up to the rounding of float64."""
        kept = self.determined
        vectors = self.vectors[:, kept]
        weights = vectors @ ((vectors.T @ self.cross) / self.values[kept, np.newaxis])
        return Solution(weights.T, self.target - self.patch @ weights)

    @property
    def determined(self) -> NDArray[np.bool_]:
        """Which directions of the weights the pictures determine."""
        return np.asarray(self.values > _SINGULAR * max(float(self.values.max()), 1e-300))

    @property
    def condition(self) -> float:
        """The largest eigenvalue over the smallest; infinite where one is not determined."""
        every = self.determined.all()
        return float(self.values.max() / self.values.min()) if every else math.inf

    def weight_error(self, variance: float) -> float:
        """Return the standard error of the least certain weight, for targets of a variance."""
        kept = self.determined
        spread = (self.vectors[:, kept] ** 2 / self.values[kept]).sum(axis=1) / self.count
        return math.sqrt(variance * float(spread.max()))

    def excess(self, tried: Solution, best: Solution) -> float:
        """Return how much larger the mean squared error of a solution is than the least."""
        off = self.vectors.T @ (tried.weights - best.weights).T
        shift = (tried.bias - best.bias) + (tried.weights - best.weights) @ self.patch
        return float((self.values @ off**2 + shift**2).mean())


# ------------------------------------------------------------------ gradient descent

_CROP = 64  # rows and columns of windows that one step looks at
_MOMENTUM = 0.98
_RATE = 0.6
"""The learning rate, as part of 1 over the largest curvature that any patch can have.
Heavy-ball descent on one quadratic is stable up to 2(1 + momentum) (Polyak 1964); here the
quadratic changes from crop to crop."""

_TRIES, _DIVERGED = 8, 100.0
"""A descent has diverged when its loss is 100 times the first one. It starts again with half
the rate, 8 times at most."""

_POINTS = 200  # losses that the history of a descent keeps, about


def gradient(patches: Values, errors: Values) -> Values:
    """Return the gradient of half the mean squared error, of patches (n, m), errors (O, m)."""
    # The "valid" correlation of input and errors; as a product it takes 1/100 of the time.
    return np.asarray((errors @ patches.T) / patches.shape[1])


class Schedule(Record, kw_only=True):
    """The steps of a descent, the seed of its crops, and what is called after each step."""

    steps: int = 4000
    seed: int = 0
    tick: Callable[[], None] = lambda: None


def descend(
    samples: Samples, spectrum: Spectrum, schedule: Schedule
) -> tuple[Solution, list[tuple[int, float]]]:
    """Learn by gradient descent with momentum; return the losses of some of the steps, too."""
    mean_in = float(spectrum.patch.mean())
    patch_variance = float(spectrum.values.sum()) / len(spectrum.values)
    scale_in = max(math.sqrt(max(patch_variance, 0.0)), 1e-12)
    scale_out = max(math.sqrt(spectrum.variance), 1e-12)
    mean_out = spectrum.target[:, np.newaxis, np.newaxis]
    inputs, targets = samples.inputs - mean_in, samples.targets - mean_out
    scaled = replace(samples, inputs=inputs / scale_in, targets=targets / scale_out)
    for halvings in range(_TRIES):
        weights, bias, losses = _descent(scaled, schedule, 2.0**-halvings)
        if losses:
            weights *= scale_out / scale_in
            bias = spectrum.target + scale_out * bias - weights.sum(axis=1) * mean_in
            history = [(step, loss * scale_out**2) for step, loss in losses]
            return Solution(weights, bias), history
    remedy = "use --method lstsq, or other pictures"
    raise ConvcliError(f"the descent runs away at every rate: {remedy}")


def _descent(
    samples: Samples, schedule: Schedule, part: float
) -> tuple[Values, Values, list[tuple[int, float]]]:
    """Descend from weights of 0 at a part of the largest rate; no losses if they diverge."""
    largest = float(np.abs(samples.inputs).max())
    fastest = part * _RATE / (samples.weights * max(largest, 1.0) ** 2)
    weights = speed = np.zeros((samples.targets.shape[1], samples.weights))
    bias = bias_speed = np.zeros((samples.targets.shape[1], 1))
    chance, steps = np.random.default_rng(schedule.seed), schedule.steps
    losses: list[tuple[int, float]] = []
    for step in range(steps):
        patches, targets = _crop(samples, step % len(samples.inputs), chance)
        errors = weights @ patches + bias - targets
        rate = fastest * min(1.0, 2 * (1 - step / steps))  # it falls in the second half
        speed = _MOMENTUM * speed - rate * gradient(patches, errors)
        bias_speed = _MOMENTUM * bias_speed - rate * errors.mean(axis=1, keepdims=True)
        weights, bias = weights + speed, bias + bias_speed
        loss = float((errors**2).mean())
        if step % max(steps // _POINTS, 1) == 0 or step == steps - 1:
            losses.append((step, loss))
        if not loss <= _DIVERGED * max(1.0, losses[0][1]):
            return weights, bias[:, 0], []
        schedule.tick()
    return weights, bias[:, 0], losses


def _crop(samples: Samples, picture: int, chance: np.random.Generator) -> tuple[Values, Values]:
    """Return the patches and the known targets of a random crop with at least one of them."""
    height, width = samples.known.shape[1:]
    rows, columns = min(_CROP, height), min(_CROP, width)
    while True:
        y, x = (int(chance.integers(n + 1)) for n in (height - rows, width - columns))
        crop = (picture, slice(y, y + rows), slice(x, x + columns))
        if samples.known[crop].any():
            patches, targets, known = samples.block(*crop)
            whole = known.all()  # to choose from all takes as long as to cut them
            return (patches, targets) if whole else (patches[:, known], targets[:, known])
