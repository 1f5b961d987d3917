"""Learn: samples of two pictures, and their normal equations, solved."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convcli.choices import Sharing
from convcli.errors import GeometryError, ImageError
from convcli.geometry.window import Pair
from convcli.text import counted
from convcli.values import Record

Values = NDArray[np.float64]

_FEWEST = 20
"""Samples for each weight that must remain when clipped values are left out."""

_MOST_WEIGHTS = 1024
"""The most weights of one output. Memory grows with their square. Time grows with their square
for each window, and with their cube for the solution of the equations."""


class Samples(Record):
    """Inputs (I, H, W), and the targets (O, H', W') of their "valid" windows of a size.

    `known` (H', W') says where the target was not cut off at 0 or white.
    """

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

    def patches(self, corner: tuple[int, ...], size: tuple[int, ...]) -> Values:
        """Return the patches of a block of windows, shape (I·kh·kw, rows·columns)."""
        windows = sliding_window_view(self.inputs, self.size, axis=(1, 2))
        (y, x), (rows, columns) = corner, size
        block = windows[:, y : y + rows, x : x + columns]
        return block.transpose(0, 3, 4, 1, 2).reshape(self.weights, -1)


class Task(Record):
    """A group of samples that share their weights for each kernel that is to be learnt.

    `left_out` is the part of the target's values that are left out, because they are 0 or
    white; `rounded` says whether the target's dtype holds whole numbers only.
    """

    groups: tuple[tuple[Samples, ...], ...]
    sharing: Sharing
    left_out: float
    rounded: bool


def task_for(
    source: NDArray[np.generic], target: NDArray[np.generic], size: Pair, sharing: Sharing
) -> Task:
    """Cut two pictures into samples: the source (H, W, C), and the target (H, W, O).

    The target may have the size of "valid" windows, too: those that see padding are not used.
    What does not fit is a `GeometryError`; numbers that are not finite an `ImageError`.
    """
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

_STRIP_NUMBERS = 2**17
"""Numbers of the design matrix in memory at once: 1 MiB, which stays in the cache of a core."""


def sums_of_products(group: Sequence[Samples]) -> Values:
    """Return DᵀD of the design matrix D, which has a row for each window of known target.

    The row holds the I·kh·kw pixels that the window sees, the O values that should come out,
    and a 1: the last row of the result holds sums, and the number of windows.
    """
    columns = group[0].weights + len(group[0].targets) + 1
    sums = np.zeros((columns, columns))
    for samples in group:
        for rows in samples.strips(_STRIP_NUMBERS // columns):
            design = _design(samples, rows)
            sums += design @ design.T
    return sums


def _design(samples: Samples, rows: slice) -> Values:
    """Return the transposed design matrix of some rows of windows: a column for each window."""
    known = samples.known[rows].reshape(-1)
    patches = samples.patches((rows.start, 0), samples.known[rows].shape)
    targets = samples.targets[:, rows].reshape(-1, known.size)
    design = np.concatenate([patches, targets, np.ones((1, known.size))])
    return design if known.all() else design[:, known]


_SINGULAR = 1e-12
"""Part of the largest eigenvalue below which the pictures do not determine a direction."""


class Solution(Record):
    """The weights, shape (O, I·kh·kw), and biases, shape (O,), of one group of samples."""

    weights: Values
    bias: Values


class Spectrum(Record):
    """The eigenvalues and eigenvectors of the covariance matrix of n = I·kh·kw pixels.

    `cross`, shape (n, O), has the covariances of patches and targets; `patch` and `target`
    are their means; `variance` is that of the targets; `count` the number of windows.
    """

    values: Values
    vectors: Values
    cross: Values
    patch: Values
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
    """Solve the normal equations: least squares, exact up to the rounding of float64.

    Where the pictures do not determine the weights, the smallest weights that fit are taken.
    """
    kept = spectrum.determined
    vectors = spectrum.vectors[:, kept]
    weights = vectors @ ((vectors.T @ spectrum.cross) / spectrum.values[kept, np.newaxis])
    return Solution(weights.T, spectrum.target - spectrum.patch @ weights)
