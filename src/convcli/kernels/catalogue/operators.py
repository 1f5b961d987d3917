"""Named edge operators: several kernels of the catalogue that make one picture."""

from convcli.choices import Combine
from convcli.kernels.catalogue.compass import POINTS
from convcli.kernels.catalogue.entry import CATALOGUE
from convcli.kernels.operator import Operator
from convcli.values import Record


class OperatorEntry(Record):
    """A named operator.

    Attributes
    ----------
    name, description : str
        What it is called, and what it does, on one line.
    source : str
        Where it comes from, and where other tools differ.
    kernels : tuple of str
        Names of its kernels in the catalogue.
    combine : Combine
        How their answers become one.
    """

    name: str
    description: str
    source: str
    kernels: tuple[str, ...]
    combine: Combine

    def operator(self) -> Operator:
        """Return the operator."""
        kernels = [CATALOGUE[name].kernel() for name in self.kernels]
        return Operator(kernels, self.combine, self.name, self.description)


OPERATORS: dict[str, OperatorEntry] = {}
"""All named operators, in the order in which they are shown."""


def _operator(
    name: str, kernels: tuple[str, ...], combine: Combine, about: str, source: str
) -> None:
    OPERATORS[name] = OperatorEntry(name, about, source, kernels, combine)


for _name, _source in (
    ("sobel", "√(x² + y²); scikit-image sobel divides that by 4√2"),
    ("prewitt", "√(x² + y²); scikit-image prewitt divides that by 3√2"),
    ("scharr", "√(x² + y²); scikit-image scharr divides that by 16√2"),
    ("farid", "√(x² + y²); scikit-image farid divides that by √2"),
):
    _operator(
        _name,
        (f"{_name}-x", f"{_name}-y"),
        Combine.MAGNITUDE,
        "edges of every direction: the gradient's length",
        _source,
    )
_operator(
    "roberts",
    ("roberts-1", "roberts-2"),
    Combine.MAGNITUDE,
    "edges of every direction, from 2×2 pixels",
    "Roberts 1963: √(a² + b²); scikit-image roberts divides that by √2",
)
_operator(
    "frei-chen",
    tuple(f"frei-chen-{number}" for number in range(1, 5)),
    Combine.MAGNITUDE,
    "edges of every direction: the length of the edge part",
    "Frei & Chen 1977: the neighbourhood projected on the 4 edge vectors of 9. Others use "
    "the first two only, or divide by the whole neighbourhood's length",
)
for _name in ("kirsch", "robinson", "prewitt-compass"):
    _operator(
        _name,
        tuple(f"{_name}-{point}" for point in POINTS),
        Combine.MAX,
        "edges of every direction: the best of 8 directions",
        f"the largest of the 8 answers of {_name}-n … {_name}-ne",
    )
