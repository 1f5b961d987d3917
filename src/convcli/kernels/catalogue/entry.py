"""The catalogue: entries with their parameters, operators, and the themes that list them.

All kernels are written for correlation: an x-derivative is positive where the picture gets
brighter to the right, a y-derivative where it gets brighter downwards. Angles turn
counter-clockwise on the screen: 0° is to the right, 90° is up.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from convcli.choices import Combine
from convcli.errors import SpecError, fail
from convcli.kernels.kernel import Kernel, Weights
from convcli.kernels.operator import Operator
from convcli.text import finite_number
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
        default, unit = self.default, f" ({self.unit})" if self.unit else ""
        example = "" if default is None else f": {kernel}:{self.name}={default:g} is one"
        # A whole number of more than 308 digits is no float.
        got = value if isinstance(value, int) else f"{value:g}"
        raise SpecError(
            f"{kernel}: expected {self.name} {self.range}{unit}, got {got}{example}"
        )


class Entry(Record):
    """A named kernel of the catalogue."""

    name: str
    description: str  # what it does
    source: str  # where the coefficients come from, and how other tools differ
    parameters: tuple[Parameter, ...]  # may follow the name, in this order
    build: Callable[..., ArrayLike]  # makes the weights of the parameters, by keyword
    theme: str  # the heading that it stands below
    bias: float | None = None

    def kernel(self, chosen: Mapping[str, float] = {}) -> Kernel:
        """Return the kernel for these parameters, and defaults of others; or a `SpecError`."""
        arguments = {p.name: chosen.get(p.name, p.default) for p in self.parameters}
        for parameter in self.parameters:
            parameter.check(arguments[parameter.name], self.name)
        shown = ",".join(f"{key}={chosen[key]:g}" for key in arguments if key in chosen)
        name = f"{self.name}:{shown}" if shown else self.name
        with np.errstate(all="ignore"):
            weights = np.asarray(self.build(**arguments))
        if not np.isfinite(weights).all():
            fail(name, "expected values that give finite weights", "use larger ones", SpecError)
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
    combine: Combine = Combine.MAGNITUDE

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
        self, name: str, weights: ArrayLike, about: str, source: str, bias: float | None = None
    ) -> None:
        """Register a kernel without parameters."""
        CATALOGUE[name] = Entry(name, about, source, (), lambda: weights, self.name, bias)


# ------------------------------------------------------------------ names and parameters


def catalogued(text: str) -> Kernel | Operator:
    """Return the kernel of ``name`` or ``name:parameters``, or the named operator."""
    name, colon, arguments = text.partition(":")
    operator = OPERATORS.get(name.strip().lower())
    if operator is not None:
        if colon:
            raise SpecError(f"{name}: expected no parameters, got {arguments!r}: drop them")
        return operator.operator()
    entry = entry_named(name)
    if colon and not arguments.strip():
        raise SpecError(f"{name}: expected parameters after ':', got nothing: drop the ':'")
    return entry.kernel(_values(entry, arguments) if colon else {})


_LIKE_A_FILE = re.compile(r"[/\\]|\.[A-Za-z]\w*$")  # no kernel's name has slash or suffix

_NO_CONVOLUTIONS = {  # names of what is asked for and is none; why not, and what does it
    "median rank mode despeckle": "it sorts the pixels of a window: "
    "scipy.ndimage.median_filter does it",
    "bilateral nlmeans non-local-means guided": "its weights depend on the pixels: "
    "cv2.bilateralFilter does it",
    "dilate dilation max maximum": "it takes the largest of a window: "
    "convcli pool max --k 3 --s 1 --p 1 does it",
    "erode erosion morphology opening open closing close min minimum": "it takes the smallest "
    "of a window: cv2.erode does it",
    "canny": "it thins and joins edges after a convolution: "
    "cv2.Canny does it; sobel is its first step",
    "resize scale resample downscale upscale thumbnail": "it changes the size: "
    "Pillow's resize does it; convcli pool makes smaller",
    "deconvolution deconvolve wiener richardson-lucy deblur": "it undoes one: "
    "skimage.restoration does it",
    "video": "it has sound and time: ffmpeg's convolution filter does it",
}


def no_convolution(name: str) -> str | None:
    """Return why a filter is no convolution, and what does it; None for other names."""
    key = re.split("[:@]", name.strip().lower(), maxsplit=1)[0]
    found = (reason for names, reason in _NO_CONVOLUTIONS.items() if key in names.split())
    return next((f"no convolution: {key}: {reason}" for reason in found), None)


_STEPS = ("relu", "abs", "pool", "max", "maxpool", "avgpool")  # of a chain, without weights


def entry_named(name: str) -> Entry:
    """Return the catalogue's entry of that name; the error suggests similar names."""
    key = name.strip().lower()
    if key in CATALOGUE:
        return CATALOGUE[key]
    if (reason := no_convolution(name)) is not None:
        raise SpecError(reason)
    import difflib

    near = difflib.get_close_matches(key, [*CATALOGUE, *OPERATORS], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "'convcli kernels' lists them"
    if re.split(r"\W", key)[0] in _STEPS:
        hint = "behind a kernel, write --then relu, --then abs, --then pool:2 or --then max:2"
    if _LIKE_A_FILE.search(name):
        hint = "if it is a file, there is none of that name: check the path"
    raise SpecError(f"no kernel is called {name!r}: {hint}")


def _values(entry: Entry, arguments: str) -> dict[str, float]:
    """Return the values of ``2,radius=6`` by the names of the parameters."""
    values: dict[str, float] = {}
    known: dict[str | int, Parameter] = {each.name: each for each in entry.parameters}
    known |= enumerate(entry.parameters)
    for position, part in enumerate(arguments.split(",")):
        name, equals, value = (text.strip() for text in part.partition("="))
        parameter = known.get(name if equals else position)
        if parameter is None:
            fault = "no parameter is called" if equals else "no place for"
            names = ", ".join(each.name for each in entry.parameters) or "no parameters"
            raise SpecError(f"{entry.name}: {fault} {name!r}: it takes {names}")
        if parameter.name in values:
            raise SpecError(f"{entry.name}: {parameter.name} is given twice: give it once")
        values[parameter.name] = _number(entry, parameter, value if equals else name)
    return values


def _number(entry: Entry, parameter: Parameter, text: str) -> float:
    value = finite_number(text, parameter.value_type)
    if value is None:
        number = "a whole number" if parameter.value_type is int else "a number"
        unit = f" ({parameter.unit})" if parameter.unit else ""
        expected = f"{number} for {parameter.name}{unit}"
        raise SpecError(f"{entry.name}: expected {expected}, got {text!r}")
    return value
