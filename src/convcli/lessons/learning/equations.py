"""Samples of two pictures to learn from, and their normal equations, solved and judged."""

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
    """Input channels, and the target values of their "valid" windows.

    `inputs`, shape (I, H, W), is what windows of `size` slide over. `targets`, shape
    (O, H - kh + 1, W - kw + 1), holds the values that should come out. `known`, shape
    (H - kh + 1, W - kw + 1), says where the target was not cut off at 0 or white.
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
        """Yield the rows of windows in strips of about `windows` windows, from the top."""
        height, width = self.known.shape
        step = max(windows // width, 1)
        for top in range(0, height, step):
            yield slice(top, min(top + step, height))

    def patches(self, corner: tuple[int, ...], size: tuple[int, ...]) -> Values:
        """Return the patches of a block of windows, shape (I·kh·kw, rows·columns)."""
        windows = sliding_window_view(self.inputs, self.size, axis=(1, 2))
        (y, x), (rows, columns) = corner, size
        block = windows[:, y : y + rows, x : x + columns]
        return block.transpose(0, 3, 4, 1, 2).reshape(self.weights, -1)


class Task(Record):
    """The samples for each kernel (or bank) that is to be learnt, a group for each.

    The samples of a group share their weights. `left_out` is the part of the target's values
    that are left out, because they are 0 or white; `rounded` says whether the target's dtype
    holds whole numbers only.
    """

    groups: tuple[tuple[Samples, ...], ...]
    sharing: Sharing
    left_out: float
    rounded: bool


def task_for(
    source: NDArray[np.generic],
    target: NDArray[np.generic],
    size: Pair,
    sharing: Sharing,
) -> Task:
    """Cut two pictures into samples.

    The source has the shape (H, W, C). The target has the shape (H, W, O), or that of "valid"
    windows, (H - kh + 1, W - kw + 1, O): windows that see padding are not used. Sizes or
    channels that do not fit, and too many weights, are a `GeometryError`; numbers that are not
    finite an `ImageError`.
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
        groups: tuple[tuple[Samples, ...], ...] = (
            (Samples(inputs, targets, np.asarray(known.all(axis=2)), size),),
        )
    else:
        single = tuple(
            Samples(inputs[c : c + 1], targets[c : c + 1], known[..., c], size)
            for c in range(len(inputs))
        )
        groups = (single,) if sharing is Sharing.SHARED else tuple((one,) for one in single)
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
    known = np.ones(values.shape, bool)
    if values.dtype.kind not in "iu":
        return known, 0.0
    limits = np.iinfo(str(values.dtype))
    inner = (values != limits.min) & (values != limits.max)
    if inner.all(axis=2).sum() < _FEWEST * weights:
        return known, 0.0
    return inner, 1 - float(inner.mean())


# ------------------------------------------------------------------ the normal equations

_STRIP_NUMBERS = 2**17
"""Numbers of the design matrix that are in memory at once: 1 MiB of float64, which stays in
the cache of a core."""


def sums_of_products(group: Sequence[Samples]) -> Values:
    """Return the sums of the products of all pairs of columns of the design matrix.

    The design matrix D has a row for each window whose target is known. The row holds the
    I·kh·kw pixels that the window sees, the O values that should come out, and a 1. The
    result is DᵀD: its last row holds the sums of the columns, and the number of windows.
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
        smallest = _SINGULAR * max(float(self.values.max()), 1e-300)
        return np.asarray(self.values > smallest)

    @property
    def condition(self) -> float:
        """The largest eigenvalue over the smallest; infinite where one is not determined."""
        if not self.determined.all():
            return math.inf
        return float(self.values.max() / self.values.min())

    def weight_error(self, variance: float) -> float:
        """Return the standard error of the least certain weight among the determined ones.

        The targets have independent errors of this variance.
        """
        kept = self.determined
        if not kept.any():
            return 0.0
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


_ILL = 1e8
"""Condition number above which small errors of the pictures become large ones."""

_ROUGH = 0.01
"""Standard error of a weight above which there is a warning about rounding."""

_ROUNDING = 1 / 12
"""Variance of the errors of rounding to whole numbers: they are spread evenly over 1."""

_UNEXPLAINED = 0.02
"""Part of the target's variance that no kernel explains, above which there is a warning."""

_BEHIND, _OFF = 1e-4, 0.01
"""A descent has converged where it explains all of the target's variance but for this part
(1 % of its deviation) that the best kernel explains too, and no weight is further off than
this part of the largest. Its kernel then has the name and the looks of the exact one."""


class Limits(Record, kw_only=True):
    """How well the pictures determine a kernel, and how close to the best kernel it came.

    `condition` is that of the normal equations, infinite where some directions of the weights
    are `undetermined`. `error` is the standard error of the least certain weight, from rounding
    to whole numbers. Of the variance of the target, `noise` is the part that comes from that
    rounding, and `behind` what the exact solution explains and this one does not. `off` is the
    largest error of a weight, as part of the largest; 0 where weights are not determined.
    """

    condition: float
    undetermined: int
    error: float
    variance: float
    noise: float
    behind: float
    off: float

    @property
    def arrived(self) -> bool:
        """Whether the weights are as good as the exact ones."""
        return self.behind <= _BEHIND and self.off <= _OFF

    def warnings(self, residual: float) -> tuple[str, ...]:
        """Return what limits a kernel with this root mean square of errors, with remedies."""
        left = residual**2 / self.variance if self.variance else 0.0
        least = left - self.behind - self.noise
        of_the_target = (
            f"no kernel of this size explains {100 * least:.0f} % of the target: was it made "
            "with --range abs or another step that is not linear? Use a larger --k, or a .npy "
            "target"
        )
        more = (of_the_target,) if least > _UNEXPLAINED else ()
        return (*self._of_the_pictures(), *self._of_the_descent(), *more)

    def _of_the_pictures(self) -> Iterator[str]:
        if self.undetermined:
            yield (
                f"the pictures cannot tell {self.undetermined} of the weights apart: the "
                "smallest that fit were taken; use a picture with more texture, or a smaller "
                "kernel"
            )
        elif self.error > _ROUGH:
            yield (
                f"rounding to whole numbers leaves a weight uncertain by ±{self.error:.2g}: "
                "learn from floats (apply to a .npy), or a larger picture"
            )
        elif self.condition > _ILL:
            yield (
                f"ill-conditioned ({self.condition:.1e}): small errors of the pictures become "
                "large ones of the weights; use a picture with more texture"
            )

    def _of_the_descent(self) -> Iterator[str]:
        if self.arrived:
            return
        distance = (
            f"a weight is off by {100 * self.off:.1f} % of the largest"
            if self.off > _OFF
            else f"{100 * self.behind:.2g} % of the target are left that a kernel can explain"
        )
        yield (
            f"the descent has not converged: {distance}; give it more --steps, or use "
            "--method lstsq"
        )


def limits_for(
    task: Task,
    spectra: Sequence[Spectrum],
    solutions: Sequence[Solution],
    exact: Sequence[Solution],
) -> Limits:
    """Return how well the solutions of a task are determined, and how far from exact."""
    variance = sum(spectrum.variance for spectrum in spectra) / len(spectra)
    rounding = _ROUNDING if task.rounded else 0.0
    groups = list(zip(spectra, solutions, exact, strict=True))
    behind = sum(spectrum.excess(tried, best) for spectrum, tried, best in groups) / len(groups)
    off = [
        float(np.abs(tried.weights - best.weights).max() / (np.abs(best.weights).max() or 1.0))
        for _, tried, best in groups
    ]
    undetermined = sum(int((~spectrum.determined).sum()) for spectrum in spectra)
    return Limits(
        condition=max(spectrum.condition for spectrum in spectra),
        undetermined=undetermined,
        error=max(spectrum.weight_error(rounding) for spectrum in spectra),
        variance=variance,
        noise=min(rounding / variance, 1.0) if variance else 0.0,
        behind=behind / variance if variance else 0.0,
        off=0.0 if undetermined else max(off),
    )
