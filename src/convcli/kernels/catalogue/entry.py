"""What the catalogue is made of: entries, their parameters, and the themes they stand in.

All kernels are in correlation orientation: an x-derivative is positive where the picture
gets brighter to the right, a y-derivative where it gets brighter downwards. Angles turn
counter-clockwise as the picture is seen: 0° is to the right, 90° is up.
"""

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from convcli.errors import SpecError
from convcli.kernels.kernel import Kernel, Weights
from convcli.values import Record

_Build = TypeVar("_Build", bound=Callable[..., Weights])

LARGEST_RADIUS = 1023
"""Taps on each side of the largest kernel with parameters: 2047² is under 4 Mi weights."""

LARGEST_SIDE = 2 * LARGEST_RADIUS + 1


class Parameter(Record):
    """A number that a named kernel takes.

    Attributes
    ----------
    name : str
        What it is called in ``name=value``.
    kind : type
        int or float.
    default : int, float or None
        The value where none is given; None: worked out from the others.
    least, most : int or float
        The range, both ends included, unless `above` is set.
    unit : str
        Unit of the value; empty for a bare factor.
    about : str
        One line on its meaning.
    above : bool
        Whether `least` itself is excluded.
    odd : bool
        Whether only odd numbers will do.
    """

    name: str
    kind: type[int] | type[float]
    default: float | None
    least: float
    most: float
    unit: str
    about: str
    above: bool = False
    odd: bool = False

    @property
    def range(self) -> str:
        """The allowed values, in words."""
        odd = "odd, " if self.odd else ""
        low = "above" if self.above else "at least"
        return f"{odd}{low} {self.least:g}, at most {self.most:g}"

    def allows(self, value: float) -> bool:
        """Whether the value is in the range."""
        low = value > self.least if self.above else value >= self.least
        return low and value <= self.most and not (self.odd and value % 2 != 1)


class Entry(Record):
    """A named kernel of the catalogue.

    Attributes
    ----------
    name, description : str
        What it is called, and what it does, on one line.
    source : str
        Where the coefficients come from, and where other tools differ.
    parameters : tuple of Parameter
        What may follow the name, in this order.
    build : callable
        Makes the weights from the parameters, by keyword.
    theme : str
        The heading that it stands under.
    bias : float or None
        Added to the result.
    """

    name: str
    description: str
    source: str
    parameters: tuple[Parameter, ...]
    build: Callable[..., ArrayLike]
    theme: str
    bias: float | None = None

    def kernel(self, values: Mapping[str, float] | None = None) -> Kernel:
        """Return the kernel for these parameters, the defaults where none is given.

        Raises
        ------
        SpecError
            If a value is out of range.
        """
        given = dict(values or {})
        arguments = {p.name: given.get(p.name, p.default) for p in self.parameters}
        for parameter in self.parameters:
            _check(self, parameter, arguments[parameter.name])
        shown = ",".join(
            f"{p.name}={given[p.name]:g}" for p in self.parameters if p.name in given
        )
        name = f"{self.name}:{shown}" if shown else self.name
        return Kernel(self.build(**arguments), self.bias, name, self.description)

    @property
    def form(self) -> str:
        """The name with its parameters, as ``gaussian[:sigma,radius]``."""
        names = ",".join(parameter.name for parameter in self.parameters)
        return f"{self.name}[:{names}]" if names else self.name


def _check(entry: Entry, parameter: Parameter, value: float | None) -> None:
    if value is None or (math.isfinite(value) and parameter.allows(value)):
        return
    example = "" if parameter.default is None else f": {_example(entry, parameter)} is one"
    unit = f" ({parameter.unit})" if parameter.unit else ""
    raise SpecError(
        f"{entry.name}: expected {parameter.name} {parameter.range}{unit}, got "
        f"{value:g}{example}"
    )


def _example(entry: Entry, parameter: Parameter) -> str:
    return f"{entry.name}:{parameter.name}={parameter.default:g}"


CATALOGUE: dict[str, Entry] = {}
"""All named kernels, in the order in which they are shown."""


class Theme:
    """A heading of the catalogue: kernels of one kind, registered as they are defined.

    Parameters
    ----------
    name : str
        The heading.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def named(
        self, name: str, description: str, source: str, *parameters: Parameter
    ) -> Callable[[_Build], _Build]:
        """Register the decorated function, which makes weights from the parameters."""

        def register(build: _Build) -> _Build:
            CATALOGUE[name] = Entry(name, description, source, parameters, build, self.name)
            return build

        return register

    def fixed(
        self,
        name: str,
        weights: ArrayLike,
        description: str,
        source: str,
        *,
        bias: float | None = None,
    ) -> None:
        """Register a kernel without parameters."""
        CATALOGUE[name] = Entry(name, description, source, (), lambda: weights, self.name, bias)


def outer(column: ArrayLike, row: ArrayLike) -> Weights:
    """Build a kernel from its factors: smooth ⊗ edge."""
    return np.outer(np.asarray(column, np.float64), np.asarray(row, np.float64))
