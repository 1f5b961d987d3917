"""What a person may write for a number, a pair, a place, a border. No NumPy, no rich."""

import math
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convcli.errors import GeometryError
from convcli.geometry.window import Padding, Pair

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from convcli.choices import Border

_PAIR = 2
_DIGITS = 12
"""No picture has a side of more digits."""

_Value = TypeVar("_Value")


class _WordType(click.ParamType[_Value, Any]):
    """A type that shows its forms as they are written, and completes its words."""

    words: tuple[str, ...] = ()

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what stands for the value on the help page."""
        return self.name

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> "list[CompletionItem[Any]]":
        """Complete the words."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]


class FiniteType(_WordType[float]):
    """A number that is neither infinite nor NaN."""

    name = "NUMBER"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"expected a finite number, got {value!r}", param, ctx)
        return number


class PairType(_WordType[Pair]):
    """One whole number for both axes, or two: ``YxX``, rows by columns."""

    name = "N|YxX"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Pair:
        """Return (rows, columns)."""
        numbers = _numbers(value)
        if numbers is None or min(numbers) < 1:
            expected = "a whole number of at least 1, or two as YxX (3x5: 3 rows, 5 columns)"
            self.fail(f"expected {expected}; got {value!r}", param, ctx)
        return numbers


class PaddingType(_WordType[Padding]):
    """``same``, ``valid``, or pixels a side: ``N`` or ``YxX``."""

    name = "same|valid|N|YxX"
    words = ("same", "valid")

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Padding:
        """Return what `convcli.geometry.window.window` takes."""
        if value == "same" or value == "valid":  # noqa: PLR1714 - mypy narrows only this form
            word: Padding = value
            return word
        numbers = _numbers(value)
        if numbers is None:
            expected = "same, valid, a whole number of at least 0, or two as YxX"
            self.fail(f"expected {expected}; got {value!r}", param, ctx)
        return numbers


class BorderType(_WordType["Border"]):
    """A border mode by its name, or by an unambiguous name of another tool."""

    words = ("zero", "replicate", "reflect", "symmetric", "wrap")
    name = "|".join(words)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Border":
        """Return the border mode."""
        from convcli.choices import border_named

        try:
            return border_named(value)
        except GeometryError as error:
            self.fail(str(error).removeprefix("border: "), param, ctx)


class PointType(click.ParamType[Pair, Any]):
    """A place or a shift in pixels: ``X,Y``."""

    name = "X,Y"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what stands for the value on the help page."""
        return self.name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Pair:
        """Return (row, column)."""
        if isinstance(value, tuple):
            return (value[0], value[1])
        try:
            x, y = (int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"expected two whole numbers as X,Y; got {value!r}", param, ctx)
        return (y, x)


def whole(least: int) -> click.IntRange:
    """Return the type of a whole number of at least `least`."""
    return click.IntRange(min=least)


def _numbers(value: object) -> Pair | None:
    """Return the pair that a value stands for; None where it stands for none."""
    if isinstance(value, tuple):
        return (value[0], value[1])
    parts = str(value).strip().lower().replace("×", "x").split("x")
    if len(parts) > _PAIR or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    if max(len(part) for part in parts) > _DIGITS:
        return None
    return (int(parts[0]), int(parts[-1]))
