"""Parameter types that the lessons on pictures share."""

from typing import Any

import click

from convcli.geometry import Pair


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
