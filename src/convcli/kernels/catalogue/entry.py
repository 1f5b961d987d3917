"""The catalogue: entries with their parameters, operators, and the themes that list them.

All kernels are written for correlation: an x-derivative is positive where the picture gets
brighter to the right, a y-derivative where it gets brighter downwards. Angles turn
counter-clockwise on the screen: 0° is to the right, 90° is up.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from convcli.choices import Combine
from convcli.errors import SpecError
from convcli.kernels.kernel import Kernel, Weights
from convcli.kernels.operator import Operator
from convcli.values import Record

_Build = TypeVar("_Build", bound=Callable[..., Weights])

LARGEST_RADIUS = 1023  # weights on each side of the middle: 2047² weights are fewer than 4 Mi
LARGEST_SIDE = 2 * LARGEST_RADIUS + 1


class Parameter(Record):
    """A number that a named kernel takes, from `least` to `most`."""

    name: str
    value_type: type[int] | type[float]
    default: float | None  # None is calculated from the other parameters
    least: float
    most: float
    unit: str  # empty for a factor
    about: str  # its meaning
    above: bool = False  # whether it must be more than the least
    odd: bool = False

    @property
    def range(self) -> str:
        """The allowed values, in words."""
        odd = "odd, " if self.odd else ""
        low = "above" if self.above else "at least"
        return f"{odd}{low} {self.least:g}, at most {self.most:g}"

    def check(self, value: float | None, kernel: str) -> None:
        """Refuse a value that is not in the range; `kernel` is the name of its kernel."""
        if value is None:
            return
        low = value > self.least if self.above else value >= self.least
        if low and value <= self.most and not (self.odd and value % 2 != 1):
            return
        has_none = self.default is None
        example = "" if has_none else f": {kernel}:{self.name}={self.default:g} is one"
        unit = f" ({self.unit})" if self.unit else ""
        # A whole number of more than 308 digits is no float.
        got = value if isinstance(value, int) else f"{value:g}"
        expected = f"expected {self.name} {self.range}{unit}, got {got}{example}"
        raise SpecError(f"{kernel}: {expected}")


class Entry(Record):
    """A named kernel of the catalogue."""

    name: str
    description: str  # what it does
    source: str  # where the coefficients come from, and how other tools differ
    parameters: tuple[Parameter, ...]  # may follow the name, in this order
    build: Callable[..., ArrayLike]  # makes the weights of the parameters, by keyword
    theme: str  # the heading that it stands below
    bias: float | None = None

    def kernel(self, values: Mapping[str, float] | None = None) -> Kernel:
        """Return the kernel for these parameters, and defaults of others; or a `SpecError`."""
        chosen = values or {}
        arguments = {p.name: chosen.get(p.name, p.default) for p in self.parameters}
        for parameter in self.parameters:
            parameter.check(arguments[parameter.name], self.name)
        shown = ",".join(f"{key}={chosen[key]:g}" for key in arguments if key in chosen)
        name = f"{self.name}:{shown}" if shown else self.name
        with np.errstate(all="ignore"):
            weights = np.asarray(self.build(**arguments))
        if not np.isfinite(weights).all():
            raise SpecError(
                f"{name}: expected values that give finite weights: use larger ones"
            )
        return Kernel(weights, self.bias, name, self.description)

    @property
    def form(self) -> str:
        """The name with its parameters, as ``gaussian[:sigma,radius]``."""
        names = ",".join(parameter.name for parameter in self.parameters)
        return f"{self.name}[:{names}]" if names else self.name


CATALOGUE: dict[str, Entry] = {}  # all named kernels, in the order in which they are shown


class OperatorEntry(Record):
    """A named operator: kernels of the catalogue, and how their results become one."""

    name: str
    description: str
    source: str
    kernels: tuple[str, ...]
    combine: Combine

    def operator(self) -> Operator:
        """Return the operator."""
        kernels = [CATALOGUE[name].kernel() for name in self.kernels]
        return Operator(kernels, self.combine, self.name, self.description)


OPERATORS: dict[str, OperatorEntry] = {}  # in the order in which they are shown


class Theme(Record):
    """A heading of the catalogue; its methods register the kernels below it."""

    name: str

    def named(
        self, name: str, description: str, source: str, *parameters: Parameter
    ) -> Callable[[_Build], _Build]:
        """Register the decorated function, which makes weights from the parameters."""

        def registered(build: _Build) -> _Build:
            CATALOGUE[name] = Entry(name, description, source, parameters, build, self.name)
            return build

        return registered

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


def operator(
    name: str, kernels: Iterable[str], combine: Combine, description: str, source: str
) -> None:
    """Register an operator of kernels that are in the catalogue."""
    OPERATORS[name] = OperatorEntry(name, description, source, tuple(kernels), combine)
