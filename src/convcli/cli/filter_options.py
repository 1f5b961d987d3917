"""The options of filtering, which a command gets as one `Options`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convcli.choices import Alpha, Border, Colormap, Combine, Depth, Method, Range
from convcli.cli.options import OptionGroup, option, together
from convcli.cli.types import (
    BORDER,
    FINITE,
    PADDING,
    PAIR,
    EnumType,
    OperandType,
    keep_layout,
    whole,
)

if TYPE_CHECKING:
    from convcli.pipeline.options import Options

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _options(**values: Any) -> "Options":
    from convcli.pipeline.options import Options

    return Options(**values)


FILTERING = OptionGroup("options", _options)
"""What a command has of the options here: it gets them as ``options``."""

# ------------------------------------------------------------------ the window


def padding_option(default: str) -> Callable[[_Command], _Command]:
    """Add ``--padding``."""
    return option(
        "--padding",
        "-p",
        type=PADDING,
        default=default,
        show_default=True,
        section="Window",
        part_of=FILTERING,
        help="Pixels added on each side; same keeps the size at stride 1.",
    )


dilation_option = option(
    "--dilation",
    "-d",
    type=PAIR,
    default="1",
    show_default=True,
    section="Window",
    part_of=FILTERING,
    help="Distance between two taps, in pixels.",
)
"""``--dilation``."""

window_options = together(
    option(
        "--stride",
        "-s",
        type=PAIR,
        default="1",
        show_default=True,
        section="Window",
        part_of=FILTERING,
        help="Step of the window, in pixels.",
    ),
    padding_option("same"),
    option(
        "--border",
        type=BORDER,
        default=Border.ZERO.value,
        show_default=True,
        section="Window",
        part_of=FILTERING,
        help="How the picture goes on in the padding.",
    ),
    dilation_option,
)
"""``--stride``, ``--padding``, ``--border`` and ``--dilation``."""

strict_option = option(
    "--strict",
    is_flag=True,
    section="Window",
    part_of=FILTERING,
    help="Fail where the stride leaves a remainder.",
)
"""``--strict``."""

# ------------------------------------------------------------------ the kernel

chain_option = option(
    "--then",
    "chain",
    type=OperandType(),
    multiple=True,
    metavar="KERNEL",
    section="Kernel",
    help="Filter the result again, unrounded; may be repeated. Window options hold for each.",
)
"""``--then``: it belongs to the kernels, not to the options."""

combine_option = option(
    "--combine",
    type=EnumType(Combine),
    default=None,
    section="Kernel",
    part_of=FILTERING,
    help="How the answers of kernels joined by + become one.  [default: magnitude]",
)
"""``--combine``."""

bias_option = option(
    "--bias",
    type=FINITE,
    default=None,
    section="Kernel",
    part_of=FILTERING,
    help="Add this to each value (of every kernel).",
)
"""``--bias``."""

flip_option = option(
    "--flip",
    is_flag=True,
    section="Kernel",
    part_of=FILTERING,
    help="Flip the kernel first: the mathematician's convolution.",
)
"""``--flip``."""

layout_option = option(
    "--layout",
    type=click.Choice(["oihw", "hwio"]),
    default="oihw",
    show_default=True,
    is_eager=True,
    expose_value=False,
    callback=keep_layout,
    section="Kernel",
    help="Axes of filter banks in .npy, .npz and .safetensors: outputs, inputs, rows, "
    "columns as torch; or as TensorFlow.",
)
"""``--layout``: the types of the kernels on the same command line heed it."""

# ------------------------------------------------------------------ maps and pixels

map_options = together(
    option(
        "--map",
        type=whole(0),
        default=None,
        metavar="N",
        section="Output maps",
        part_of=FILTERING,
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
        part_of=FILTERING,
        help="Make negative values 0 before they are written.",
    ),
    option(
        "--colormap",
        type=EnumType(Colormap),
        default=None,
        section="Output maps",
        part_of=FILTERING,
        help="Colour each map as heat. --range auto then stretches; with diverging it keeps "
        "0 in the middle.",
    ),
)
"""What is done to the maps of a filter bank; ``--sheet`` comes by itself."""

direction_option = option(
    "--direction",
    is_flag=True,
    section="Pixels",
    part_of=FILTERING,
    help="Colour the gradient's direction by hue, its strength by brightness (grey first).",
)
"""``--direction``."""

gray_option = option(
    "--gray",
    is_flag=True,
    section="Pixels",
    part_of=FILTERING,
    help="Make the picture grey first.",
)
"""``--gray``."""

range_option = option(
    "--range",
    type=EnumType(Range),
    default=Range.AUTO.value,
    show_default=True,
    section="Pixels",
    part_of=FILTERING,
    help="Values outside 0-255: cut off, without sign, 0 as mid-grey, stretched to fill "
    "the range, or scaled around mid-grey. auto: abs for kernels that sum to 0, else clip.",
)
"""``--range``."""

alpha_option = option(
    "--alpha",
    type=EnumType(Alpha),
    default=Alpha.AUTO.value,
    show_default=True,
    section="Pixels",
    part_of=FILTERING,
    help="Transparency: weighs the colours and is filtered with them, stays as it was, or "
    "is filtered like a colour. auto: keep for kernels that sum to 0, else premultiply.",
)
"""``--alpha``."""

pixel_options = together(
    option(
        "--depth",
        type=EnumType(Depth),
        default=None,
        section="Pixels",
        part_of=FILTERING,
        help="Bits of the result; the input's where none is given. Floats are not clipped.",
    ),
    alpha_option,
    option(
        "--linear",
        is_flag=True,
        section="Pixels",
        part_of=FILTERING,
        help="Filter in linear light (sRGB), so that blurs keep the brightness.",
    ),
)
"""``--depth``, ``--alpha`` and ``--linear``."""

# ------------------------------------------------------------------ the engine

engine_options = together(
    option(
        "--method",
        type=EnumType(Method),
        default=Method.AUTO.value,
        show_default=True,
        section="Engine",
        part_of=FILTERING,
        help="Kind of strategy; fails where it cannot serve.",
    ),
    option(
        "--jobs",
        type=whole(1),
        section="Engine",
        part_of=FILTERING,
        help="Cores to use, by threads or, for many pictures, processes; all that may be "
        "used where it is left out.",
    ),
    option(
        "--plan",
        "plan_only",
        is_flag=True,
        section="Engine",
        help="Say how it would be computed, and why; compute and write nothing.",
    ),
)
"""``--method``, ``--jobs`` and ``--plan``, which comes by itself."""
