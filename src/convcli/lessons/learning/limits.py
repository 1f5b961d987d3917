"""What limits a learnt kernel: how well the pictures determine it, in numbers and in words."""

from collections.abc import Iterator, Sequence

import numpy as np

from convcli.lessons.learning.equations import Solution, Spectrum
from convcli.lessons.learning.samples import Task
from convcli.values import Record

_ILL = 1e8
"""Condition number above which small errors of the pictures become large ones."""

_ROUGH = 0.01
"""Standard error of a weight above which rounding is worth a warning."""

_ROUNDING = 1 / 12
"""Variance of what rounding to whole numbers takes away: it is spread evenly over 1."""

_UNEXPLAINED = 0.02
"""Part of the target's variance that no kernel explains, above which one is warned."""

_BEHIND, _OFF = 1e-4, 0.01
"""A descent has arrived where it leaves no more of the target's variance than this beyond the
least possible part (1 % of its deviation), and no weight is further off than this part of the
largest: what is learnt then has the name and the looks of the exact kernel."""


class Limits(Record, kw_only=True):
    """How well a kernel could be learnt, and was.

    Attributes
    ----------
    condition : float
        Condition number of the normal equations; infinite where weights are not
        determined.
    undetermined : int
        Directions of the weights of which the pictures say nothing.
    error : float
        Standard error of the least certain weight, from rounding to whole numbers.
    variance : float
        Of the target.
    noise : float
        The part of it that rounding to whole numbers accounts for.
    behind : float
        The part of it by which a descent stays behind the exact solution.
    off : float
        How far its worst weight is off, as part of the largest; 0 where weights are not
        determined.
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


def limits_of(
    task: Task,
    spectra: Sequence[Spectrum],
    solutions: Sequence[Solution],
    exact: Sequence[Solution],
) -> Limits:
    """Return how well solutions are determined, and how far from the exact ones they are."""
    variance = sum(spectrum.variance for spectrum in spectra) / len(spectra)
    rounding = _ROUNDING if task.rounded else 0.0
    groups = list(zip(spectra, solutions, exact, strict=True))
    behind = sum(one.excess(found, best) for one, found, best in groups) / len(groups)
    undetermined = sum(int((~spectrum.determined).sum()) for spectrum in spectra)
    return Limits(
        condition=max(spectrum.condition for spectrum in spectra),
        undetermined=undetermined,
        error=max(spectrum.weight_error(rounding) for spectrum in spectra),
        variance=variance,
        noise=min(rounding / variance, 1.0) if variance else 0.0,
        behind=behind / variance if variance else 0.0,
        off=0.0 if undetermined else max(_off(found, best) for _, found, best in groups),
    )


def _off(found: Solution, best: Solution) -> float:
    largest = float(np.abs(best.weights).max())
    return float(np.abs(found.weights - best.weights).max()) / (largest or 1.0)


def warnings_for(limits: Limits, residual: float) -> tuple[str, ...]:
    """Return what limits a learnt kernel, a sentence each, with the remedy.

    Parameters
    ----------
    limits : Limits
        How well it could be learnt.
    residual : float
        Root mean square of what it does not explain.
    """
    left = residual**2 / limits.variance if limits.variance else 0.0
    least = left - limits.behind - limits.noise
    return (*_of_the_pictures(limits), *_of_the_descent(limits), *_of_the_target(least))


def _of_the_pictures(limits: Limits) -> Iterator[str]:
    if limits.undetermined:
        yield (
            f"the pictures cannot tell {limits.undetermined} of the weights apart: the "
            "smallest that fit were taken; use a picture with more texture, or a smaller kernel"
        )
    elif limits.error > _ROUGH:
        yield (
            f"rounding to whole numbers leaves a weight uncertain by ±{limits.error:.2g}: "
            "learn from floats (apply to a .npy), or a larger picture"
        )
    elif limits.condition > _ILL:
        yield (
            f"ill-conditioned ({limits.condition:.1e}): small errors of the pictures become "
            "large ones of the weights; use a picture with more texture"
        )


def _of_the_descent(limits: Limits) -> Iterator[str]:
    if not limits.arrived:
        yield (
            f"the descent has not converged: {_distance(limits)}; give it more --steps, or use "
            "--method lstsq"
        )


def _distance(limits: Limits) -> str:
    if limits.off > _OFF:
        return f"a weight is off by {100 * limits.off:.1f} % of the largest"
    return f"{100 * limits.behind:.2g} % of the target are left that a kernel can explain"


def _of_the_target(least: float) -> Iterator[str]:
    if least > _UNEXPLAINED:
        yield (
            f"no kernel of this size explains {100 * least:.0f} % of the target: was it made "
            "with --range abs or another step that is not linear? Use a larger --k, or a .npy "
            "target"
        )
