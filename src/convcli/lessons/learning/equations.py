"""The normal equations: what they are made of, and their exact solution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convcli.lessons.learning.moments import moments_of
from convcli.lessons.learning.samples import Samples, Values

_SINGULAR = 1e-12
"""Part of the largest eigenvalue below which the pictures say nothing of a direction."""


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


@dataclass(frozen=True, slots=True)
class Spectrum:
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
