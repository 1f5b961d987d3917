"""The normal equations of learning a kernel."""

import functools
import math
import operator
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convcli.lessons.learning.samples import Samples, Values
from convcli.values import Record

_VALUES = 2**20
"""Numbers that are laid out at once, beside the rows of one window."""

_KEPT = 1e-3
"""Part of a sum below which it is not told by what is left of it when the rest is taken out:
so many digits would go with it."""


class Moments(Record):
    """Sums over windows, for n = I·kh·kw weights.

    Attributes
    ----------
    count : int
        Windows.
    patch, target : ndarray of float64, shapes (n) and (O)
        Sums of what they see, and of what should come out.
    gram, cross : ndarray of float64, shapes (n, n) and (n, O)
        Sums of the products of what they see with itself, and with what should come out.
    square : ndarray of float64, shape (O)
        Sums of the squares of what should come out.
    """

    count: int
    patch: Values
    target: Values
    gram: Values
    cross: Values
    square: Values

    def __add__(self, other: "Moments") -> "Moments":
        """Return the sums over both."""
        return Moments(
            self.count + other.count,
            self.patch + other.patch,
            self.target + other.target,
            self.gram + other.gram,
            self.cross + other.cross,
            self.square + other.square,
        )


def moments_of(group: Sequence[Samples]) -> Moments:
    """Return the sums over all windows of a group of which the target is known."""
    return functools.reduce(operator.add, map(_moments, group))


def _moments(samples: Samples) -> Moments:
    products, known = _products(samples), samples.known
    beside = samples.weights // samples.size[0]
    answers = _in_order(products[..., beside:], samples)
    target, square = _powers(samples)
    return Moments(
        count=int(known.sum()),
        patch=answers[:, -1],
        target=target,
        gram=_gram(samples, products[..., :beside]),
        cross=answers[:, :-1],
        square=square,
    )


def _powers(samples: Samples) -> Values:
    """Return the sums of the targets and of their squares, shape (2, O)."""
    found = np.zeros((2, len(samples.targets)))
    for rows in samples.strips():
        targets = samples.targets[:, rows][:, samples.known[rows]]
        found += (targets.sum(axis=1), (targets**2).sum(axis=1))
    return found


def _products(samples: Samples) -> Values:
    """Multiply each row of the windows by their first row, and by what should come out.

    Returns
    -------
    ndarray, shape (kh, I·kw, I·kw + O + 1)
        Sums over all windows: of a pixel of row i by one of row 0, then by each target, and
        by 1, where the target is known.
    """
    down, (height, width) = samples.size[0], samples.known.shape
    beside, ends = samples.weights // down, height + down - 1
    kinds = beside + len(samples.targets) + 1
    found = np.zeros((beside, down, kinds))
    step = max(_VALUES // (kinds * width), down)
    for start in range(0, ends, step):
        above = max(start - down + 1, 0)
        lines = _lines(samples, above, min(start + step, ends))
        for row in range(start, above + len(lines)):
            first, last = max(row - down + 1, 0), min(row + 1, height)
            windows = lines[first - above : last - above].reshape(-1, width)
            product = lines[row - above, :beside] @ windows.T
            skipped = first - (row - down + 1)
            found[:, skipped : skipped + last - first] += product.reshape(beside, -1, kinds)
    return found[:, ::-1].transpose(1, 0, 2)


def _lines(samples: Samples, first: int, last: int) -> Values:
    """Return what windows see in each row, and what should come of those that begin there.

    Returns
    -------
    ndarray, shape (last - first, I·kw + O + 1, W - kw + 1)
    """
    outputs, height = len(samples.targets), samples.known.shape[0]
    lines = _seen(samples, first, last, outputs + 1)
    begun = max(min(last, height) - first, 0)
    rows = slice(first, first + begun)
    known = samples.known[rows]
    lines[:begun, -outputs - 1 : -1] = np.moveaxis(samples.targets[:, rows] * known, 0, 1)
    lines[:begun, -1] = known
    return lines


def _seen(samples: Samples, first: int, last: int, room: int = 0) -> Values:
    """Return what windows see in each row, and zeros after it.

    Returns
    -------
    ndarray, shape (last - first, I·kw + room, W - kw + 1)
    """
    across, width = samples.size[1], samples.known.shape[1]
    seen = np.zeros((last - first, len(samples.inputs) * across + room, width))
    for number, plane in enumerate(samples.inputs):
        columns = slice(number * across, (number + 1) * across)
        seen[:, columns] = sliding_window_view(plane[first:last], width, axis=1)
    return seen


def _gram(samples: Samples, products: Values) -> Values:
    """Return the sums of products of all pairs, over the windows whose target is known."""
    known = samples.known
    whole = _all_pairs(samples, products)
    if known.all():
        return whole
    if known.mean() > 1 / 2:
        left = whole - _summed(samples, ~known)
        if (np.diag(left) >= _KEPT * np.diag(whole)).all():
            return left
    return _summed(samples, known)


def _all_pairs(samples: Samples, products: Values) -> Values:
    """Return the sums of all pairs of rows by those of the first row and each.

    One row further down they lack a row of pixels at the top, and have one more below.
    """
    down, beside = products.shape[:2]
    pairs = np.zeros((down, beside, down, beside))
    pairs[:, :, 0] = products
    height = samples.known.shape[0]
    moved = _squares(samples, height, height + down - 1) - _squares(samples, 0, down - 1)
    for row in range(1, down):
        pairs[row:, :, row] = pairs[row - 1 : -1, :, row - 1] + moved[row - 1 :, :, row - 1]
    lower = np.tril(pairs.reshape(samples.weights, samples.weights))
    gram = lower + np.tril(lower, -1).T
    return _in_order(_in_order(gram.reshape(down, beside, -1), samples).T, samples)


def _squares(samples: Samples, first: int, last: int) -> Values:
    """Return the products of rows of the picture, shape (rows, I·kw, rows, I·kw)."""
    seen = _seen(samples, first, last)
    flat = seen.reshape(-1, seen.shape[2])
    return (flat @ flat.T).reshape(*seen.shape[:2], *seen.shape[:2])


def _summed(samples: Samples, windows: NDArray[np.bool_]) -> Values:
    """Return the sums of products over some windows, one by one."""
    seen = sliding_window_view(samples.inputs, samples.size, axis=(1, 2))
    places = np.argwhere(windows)
    gram = np.zeros((samples.weights, samples.weights))
    step = max(_VALUES // samples.weights, 1)
    for start in range(0, len(places), step):
        rows, columns = places[start : start + step].T
        patches = np.moveaxis(seen[:, rows, columns], 0, 1).reshape(-1, samples.weights)
        gram += patches.T @ patches
    return gram


def _in_order(values: Values, samples: Samples) -> Values:
    """Turn (kh, I·kw, …) or (kh·I·kw, …) to (I·kh·kw, …): the order of the weights."""
    rest = values.shape[-1]
    apart = values.reshape(samples.size[0], len(samples.inputs), samples.size[1], rest)
    return apart.swapaxes(0, 1).reshape(-1, rest)


_SINGULAR = 1e-12
"""Part of the largest eigenvalue below which the pictures say nothing of a direction."""


class Solution(Record):
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


class Spectrum(Record):
    """The centred normal matrix by its eigenvalues: the bias is taken out of it.

    Attributes
    ----------
    values, vectors : ndarray of float64, shapes (n) and (n, n)
        Eigenvalues and eigenvectors, for n = I·kh·kw.
    cross : ndarray of float64, shape (n, O)
        Covariances of patches and targets.
    patch, target : ndarray of float64, shapes (n) and (O)
        Means.
    variance : float
        Of the targets.
    count : int
        How many samples it is made of.
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
        """Which directions of the weights the pictures say something of."""
        kept: NDArray[np.bool_] = self.values > _SINGULAR * max(
            float(self.values.max()), 1e-300
        )
        return kept

    @property
    def condition(self) -> float:
        """Largest eigenvalue by the smallest; infinite where a direction is open."""
        if not self.determined.all():
            return math.inf
        return float(self.values.max() / self.values.min())

    def weight_error(self, variance: float) -> float:
        """Return the standard error of the least certain weight, of those determined.

        Parameters
        ----------
        variance : float
            Of the errors of the targets, each on its own.
        """
        kept = self.determined
        if not kept.any():
            return 0.0
        spread = (self.vectors[:, kept] ** 2 / self.values[kept]).sum(axis=1) / self.count
        return math.sqrt(variance * float(spread.max()))

    def excess(self, tried: Solution, best: Solution) -> float:
        """Return how much more a solution loses than the best one: mean squared errors."""
        off = self.vectors.T @ (tried.weights - best.weights).T
        shift = (tried.bias - best.bias) + (tried.weights - best.weights) @ self.patch
        return float((self.values @ off**2 + shift**2).mean())


def spectrum_of(group: Sequence[Samples]) -> Spectrum:
    """Return the eigenvalues of a group's centred normal matrix, and what belongs to them."""
    moments = moments_of(group)
    patch, target = moments.patch / moments.count, moments.target / moments.count
    gram = moments.gram / moments.count - np.outer(patch, patch)
    cross = moments.cross / moments.count - np.outer(patch, target)
    variance = float((moments.square / moments.count - target**2).mean())
    values, vectors = np.linalg.eigh(gram)
    return Spectrum(values, vectors, cross, patch, target, max(variance, 0.0), moments.count)


def solve_exactly(spectrum: Spectrum) -> Solution:
    """Solve the normal equations: least squares, exact but for float64.

    Where the pictures do not determine the weights, the smallest that fit are taken.
    """
    kept = spectrum.determined
    vectors = spectrum.vectors[:, kept]
    weights = vectors @ ((vectors.T @ spectrum.cross) / spectrum.values[kept, np.newaxis])
    return Solution(weights.T, spectrum.target - spectrum.patch @ weights)
