"""How pictures are filtered: kernels, output maps, pixels."""

from typing import TYPE_CHECKING, Any

import click

from convcli.cli.kernel_types import OperandType, layout_option
from convcli.cli.options import (
    bias_option,
    combine_option,
    flip_option,
    gray_option,
    group,
    option,
    range_option,
)
from convcli.cli.types import whole

if TYPE_CHECKING:
    from convcli.filtering import Options

_COLORMAPS = ("gray", "viridis", "magma", "diverging")

filter_options = group(
    option(
        "--then",
        "chain",
        type=OperandType(),
        multiple=True,
        metavar="KERNEL",
        section="Kernel",
        help="Filter the result again, unrounded; may be repeated. Window options hold for "
        "each.",
    ),
    combine_option,
    bias_option,
    flip_option,
    layout_option,
    option(
        "--map",
        type=whole(0),
        default=None,
        metavar="N",
        section="Output maps",
        help="Write this one of a filter bank's maps, counted from 0.",
    ),
    option(
        "--sheet",
        is_flag=True,
        section="Output maps",
        help="Write all maps as one sheet of labelled tiles.",
    ),
    option(
        "--relu",
        is_flag=True,
        section="Output maps",
        help="Make negative values 0 before they are written.",
    ),
    option(
        "--colormap",
        type=click.Choice(_COLORMAPS),
        default=None,
        section="Output maps",
        help="Colour each map as heat. --range auto then stretches; with diverging it keeps "
        "0 in the middle.",
    ),
    option(
        "--direction",
        is_flag=True,
        section="Pixels",
        help="Colour the gradient's direction by hue, its strength by brightness (grey first).",
    ),
    gray_option,
    range_option,
)
"""What is done to pictures: see `options_from`."""


def options_from(settings: dict[str, Any]) -> "Options":
    """Return how to filter, from what is left of a command's settings."""
    from convcli.engine import Method  # noqa: PLC0415 - they import NumPy
    from convcli.filtering import Alpha, Colormap, Options, Range  # noqa: PLC0415 - the same
    from convcli.images import Depth  # noqa: PLC0415 - the same
    from convcli.kernels import Combine  # noqa: PLC0415 - the same

    kinds = {
        "range": Range,
        "depth": Depth,
        "alpha": Alpha,
        "method": Method,
        "combine": Combine,
        "colormap": Colormap,
    }
    named = {name: kind(settings[name]) for name, kind in kinds.items() if settings.get(name)}
    return Options(**{**settings, **named})
