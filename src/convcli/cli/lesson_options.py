"""Options that the lessons on pictures share: the window, as `apply` has it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from convcli.cli.options import BorderType, PaddingType, PairType, option
from convcli.geometry import Pair

_Function = TypeVar("_Function", bound=Callable[..., Any])


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


def window_options(*, padding: str = "same") -> Callable[[_Function], _Function]:
    """Add --stride, --padding, --border and --dilation, as `apply` has them."""
    options = (
        option(
            "--stride",
            "-s",
            type=PairType(),
            default="1",
            show_default=True,
            section="Window",
            help="Step of the window, in pixels.",
        ),
        option(
            "--padding",
            "-p",
            type=PaddingType(),
            default=padding,
            show_default=True,
            section="Window",
            help="Pixels added on each side.",
        ),
        option(
            "--border",
            type=BorderType(),
            default="zero",
            show_default=True,
            section="Window",
            help="How the picture goes on in the padding.",
        ),
        option(
            "--dilation",
            "-d",
            type=PairType(),
            default="1",
            show_default=True,
            section="Window",
            help="Distance between two taps, in pixels.",
        ),
    )

    def decorate(command: _Function) -> _Function:
        for add in reversed(options):
            command = add(command)
        return command

    return decorate
