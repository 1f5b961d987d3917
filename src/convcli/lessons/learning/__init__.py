"""Learn: samples of two pictures; their normal equations, solved; and gradient descent."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convcli.choices import Sharing
from convcli.errors import ConvcliError, GeometryError, ImageError
from convcli.geometry.window import Pair
from convcli.text import counted
from convcli.values import Record, replace

Values = NDArray[np.float64]

_FEWEST = 20  # samples for each weight that must remain when clipped values are left out
_MOST_WEIGHTS = 1024
"""The most weights of one output. Memory grows with their square. Time grows with their square
for each window, and with their cube for the solution of the equations."""


class Samples(Record):
    """Inputs (I, H, W), targets (O, H', W') of their "valid" windows, and which are `known`."""

    inputs: Values
    targets: Values
    known: NDArray[np.bool_]
    size: Pair

    @property
    def weights(self) -> int:
        """Weights of one output: I·kh·kw."""
        return len(self.inputs) * self.size[0] * self.size[1]

    def strips(self, windows: int) -> Iterator[slice]:
        """Return the rows of windows in strips of about `windows` windows, from the top."""
        height, width = self.known.shape
        step = max(windows // width, 1)
        return (slice(top, min(top + step, height)) for top in range(0, height, step))

    def block(self, rows: slice, columns: slice) -> tuple[Values, Values, NDArray[np.bool_]]:
        """Return patches (I·kh·kw, n), targets (O, n) and which are known of n windows."""
        windows = sliding_window_view(self.inputs, self.size, axis=(1, 2))[:, rows, columns]
        known = self.known[rows, columns].reshape(-1)
        patches = windows.transpose(0, 3, 4, 1, 2).reshape(self.weights, -1)
        return patches, self.targets[:, rows, columns].reshape(-1, known.size), known


class Task(Record):
    """A group of samples for each kernel that is to be learnt: they share its weights."""

    groups: tuple[tuple[Samples, ...], ...]
    sharing: Sharing
    left_out: float  # the part of the target's values that are 0 or white
    rounded: bool  # the target's dtype holds whole numbers only


def task_for(
    source: NDArray[np.generic], target: NDArray[np.generic], size: Pair, sharing: Sharing
) -> Task:
    """Cut pictures into samples: the source (H, W, C), and the target (H, W, O) or "valid"."""
    inside = _inside(target, source.shape, size)
    for name, values in (("INPUT", source), ("TARGET", inside)):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ImageError(f"{name}: expected finite numbers, got NaN or infinity: mend it")
    _check_channels(source.shape[2], inside.shape[2], size, sharing)
    known, left_out = _known(inside, source.shape[2] * size[0] * size[1])
    inputs = np.moveaxis(source, 2, 0).astype(np.float64)
    targets = np.moveaxis(inside, 2, 0).astype(np.float64)
    if sharing is Sharing.MIX:
        single = [Samples(inputs, targets, np.asarray(known.all(axis=2)), size)]
    else:
        single = [
            Samples(inputs[c : c + 1], targets[c : c + 1], known[..., c], size)
            for c in range(len(inputs))
        ]
    groups = (tuple(single),) if sharing is Sharing.SHARED else tuple((one,) for one in single)
    return Task(groups, sharing, left_out, rounded=inside.dtype.kind in "iub")


def _inside(
    target: NDArray[np.generic], shape: tuple[int, ...], size: Pair
) -> NDArray[np.generic]:
    """Return the part of the target whose windows see no padding."""
    valid = (shape[0] - size[0] + 1, shape[1] - size[1] + 1)
    if min(valid) < 1:
        raise GeometryError(
            f"k: expected a kernel that fits into {shape[1]} × {shape[0]} px, got "
            f"{size[1]} × {size[0]}: use a smaller one"
        )
    if target.shape[:2] == valid:
        return target
    if target.shape[:2] != shape[:2]:
        raise GeometryError(
            f"target: expected INPUT's size, {shape[1]} × {shape[0]} px, or {valid[1]} × "
            f"{valid[0]} (--padding valid), got {target.shape[1]} × {target.shape[0]}: make it "
            "from INPUT with stride 1"
        )
    top, left = (size[0] - 1) // 2, (size[1] - 1) // 2
    return target[top : top + valid[0], left : left + valid[1]]


def _check_channels(source: int, target: int, size: Pair, sharing: Sharing) -> None:
    """Refuse channels that do not fit, and more weights for each output than there may be."""
    if sharing is not Sharing.MIX and source != target:
        raise GeometryError(
            f"target: expected {counted(source, 'channel')} as INPUT has, got {target}: use "
            "--gray, or --mix to learn a bank"
        )
    count = size[0] * size[1] * (source if sharing is Sharing.MIX else 1)
    if count > _MOST_WEIGHTS:
        raise GeometryError(
            f"k: expected at most {_MOST_WEIGHTS:,} weights for each output, got {count:,}: "
            "use a smaller kernel"
        )


def _known(values: NDArray[np.generic], weights: int) -> tuple[NDArray[np.bool_], float]:
    """Return which values were not cut off at a limit of their dtype, and the other part."""
    if values.dtype.kind in "iu":
        limits = np.iinfo(str(values.dtype))
        inner = (values != limits.min) & (values != limits.max)
        if inner.all(axis=2).sum() >= _FEWEST * weights:
            return inner, 1 - float(inner.mean())
    return np.ones(values.shape, bool), 0.0


# ------------------------------------------------------------------ the normal equations

_STRIP_NUMBERS = 2**17  # of the design matrix in memory at once: 1 MiB, the cache of a core


def sums_of_products(group: Sequence[Samples]) -> Values:
    """Return DᵀD of a design matrix: a row of I·kh·kw pixels, O targets and a 1 per window."""
    columns = group[0].weights + len(group[0].targets) + 1
    sums = np.zeros((columns, columns))
    for samples in group:
        for rows in samples.strips(_STRIP_NUMBERS // columns):
            patches, targets, known = samples.block(rows, slice(None))
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


def spectrum_of(group: Sequence[Samples]) -> Spectrum:
    """Return the eigenvalues and the means of a group of samples that share their weights."""
    sums, weights = sums_of_products(group), group[0].weights
    means = sums[-1, :-1] / sums[-1, -1]
    covariance = sums[:-1, :-1] / sums[-1, -1] - np.outer(means, means)
    values, vectors = np.linalg.eigh(covariance[:weights, :weights])
    return Spectrum(
        values=values,
        vectors=vectors,
        cross=covariance[:weights, weights:],
        patch=means[:weights],
        target=means[weights:],
        variance=max(float(np.diag(covariance)[weights:].mean()), 0.0),
        count=int(sums[-1, -1]),
    )


def solve_exactly(spectrum: Spectrum) -> Solution:
    """Return the smallest weights of least squares, exact up to the rounding of float64."""
    kept = spectrum.determined
    vectors = spectrum.vectors[:, kept]
    weights = vectors @ ((vectors.T @ spectrum.cross) / spectrum.values[kept, np.newaxis])
    return Solution(weights.T, spectrum.target - spectrum.patch @ weights)


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
    """Learn by gradient descent with momentum; return the losses of some of the steps, too."""
    mean_in = float(spectrum.patch.mean())
    patch_variance = float(spectrum.values.sum()) / len(spectrum.values)
    scale_in = max(math.sqrt(max(patch_variance, 0.0)), 1e-12)
    scale_out = max(math.sqrt(spectrum.variance), 1e-12)
    mean_out = spectrum.target[:, np.newaxis, np.newaxis]
    scaled = [
        replace(
            each,
            inputs=(each.inputs - mean_in) / scale_in,
            targets=(each.targets - mean_out) / scale_out,
        )
        for each in group
    ]
    for halvings in range(_TRIES):
        weights, bias, losses = _descent(scaled, schedule, 2.0**-halvings)
        if losses:
            weights *= scale_out / scale_in
            bias = spectrum.target + scale_out * bias - weights.sum(axis=1) * mean_in
            history = [(step, loss * scale_out**2) for step, loss in losses]
            return Solution(weights, bias), history
    raise ConvcliError(
        "the descent runs away at every rate: use --method lstsq, or other pictures"
    )


def _descent(
    group: Sequence[Samples], schedule: Schedule, part: float
) -> tuple[Values, Values, list[tuple[int, float]]]:
    """Descend from weights of 0 at a part of the largest rate; no losses if they diverge."""
    inputs, outputs = group[0].weights, len(group[0].targets)
    largest = max(float(np.abs(each.inputs).max()) for each in group)
    fastest = part * _RATE / (inputs * max(largest, 1.0) ** 2)
    weights = speed = np.zeros((outputs, inputs))
    bias = bias_speed = np.zeros((outputs, 1))
    chance, steps = np.random.default_rng(schedule.seed), schedule.steps
    losses: list[tuple[int, float]] = []
    for step in range(steps):
        patches, targets = _crop(group[step % len(group)], chance)
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


def _crop(samples: Samples, chance: np.random.Generator) -> tuple[Values, Values]:
    """Return the patches and the known targets of a random crop with at least one of them."""
    height, width = samples.known.shape
    rows, columns = min(_CROP, height), min(_CROP, width)
    while True:
        y, x = (int(chance.integers(n + 1)) for n in (height - rows, width - columns))
        crop = (slice(y, y + rows), slice(x, x + columns))
        if samples.known[crop].any():
            patches, targets, known = samples.block(*crop)
            return patches[:, known], targets[:, known]
