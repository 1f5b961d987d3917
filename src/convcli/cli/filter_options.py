"""The options of filtering, which a command gets as one `Options`."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convcli.choices import Alpha, Border, Colormap, Combine, Depth, Method, Range
from convcli.cli.options import OptionGroup, option, shared_option, with_options
from convcli.cli.types import (
    BORDER,
    FINITE,
    LINK,
    EnumType,
    keep_layout,
    keep_recipe,
    setting,
    whole,
)
from convcli.settings import MOST_TIMES

if TYPE_CHECKING:
    from convcli.pipeline.options import Options

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _options(**values: Any) -> "Options":
    from convcli.pipeline.options import Options

    if values.get("output_padding") and not values["transposed"]:
        raise click.UsageError("--output-padding needs --transposed: give both or none")
    return Options(**values)


FILTERING = OptionGroup("options", _options)
"""What a command has of the options here: it gets them as ``options``."""

_window: dict[str, Any] = {"section": "Window", "part_of": FILTERING}
_window_option = functools.partial(option, **_window)
_kernel_option = functools.partial(option, section="Kernel", part_of=FILTERING)
_map_option = functools.partial(option, section="Output maps", part_of=FILTERING)
_pixel_option = functools.partial(option, section="Pixels", part_of=FILTERING)
_engine_option = functools.partial(option, section="Engine", part_of=FILTERING)

# ------------------------------------------------------------------ the window


def padding_option(default: str) -> Callable[[_Command], _Command]:
    """Add ``--padding``."""
    return shared_option("padding", default=default, **_window)


dilation_option = shared_option("dilation", default="1", **_window)

window_options = with_options(
    shared_option("stride", default="1", **_window),
    padding_option("same"),
    _window_option(
        "--border",
        everyday=True,
        type=BORDER,
        default=Border.ZERO.value,
        help="How the picture goes on in the padding. constant:VALUE is a number or a "
        "colour; two modes are for rows and columns: replicate,wrap.",
    ),
    dilation_option,
)
"""``--stride``, ``--padding``, ``--border`` and ``--dilation``."""

transposed_options = with_options(
    _window_option(
        "--transposed",
        is_flag=True,
        help="Add up a stamp of the kernel for each pixel, stride pixels apart: the result "
        "grows. --padding is cut off; same makes it stride times as large.",
    ),
    _window_option(
        "--output-padding",
        type=whole(0),
        default=0,
        help="Rows and columns to add at the end of a transposed result.",
    ),
)
"""``--transposed`` and ``--output-padding``."""

strict_option = _window_option(
    "--strict", is_flag=True, help="Fail where the stride leaves a remainder."
)

# ------------------------------------------------------------------ the kernel

chain_option = option(
    "--then",
    "chain",
    type=LINK,
    multiple=True,
    metavar="KERNEL",
    section="Kernel",
    help="Filter the result again, unrounded; may be repeated. Window options hold for each. "
    "Also relu, abs, avgpool:2 (or pool:2) and maxpool:2 (or max:2).",
)
"""``--then``: it belongs to the kernels, not to the options."""

times_option = option(
    "--times",
    type=whole(1, MOST_TIMES),
    default="1",
    section="Kernel",
    everyday=False,
    help="Do the whole chain N times. Nothing is rounded in between.",
)
"""``--times``: it repeats the chain."""

combine_option = _kernel_option(
    "--combine",
    type=EnumType(Combine),
    help="How the answers of kernels joined by + become one.  [default: magnitude]",
)

bias_option = _kernel_option(
    "--bias", type=FINITE, help="Add this to each value (of every kernel)."
)

axis_option = _kernel_option(
    "--axis", type=setting("axis", "x|y"), help="Lay kernels of one row or column along x or y."
)

flip_option = _kernel_option(
    "--flip", is_flag=True, help="Flip the kernel first: the mathematician's convolution."
)

layout_option = option(
    "--layout",
    type=click.Choice(["oihw", "hwio"]),
    everyday=False,
    default="oihw",
    is_eager=True,
    expose_value=False,
    callback=keep_layout,
    section="Kernel",
    help="Order of the axes of filter banks in .npy, .npz and .safetensors: oihw as torch "
    "(outputs, inputs, rows, columns), hwio as TensorFlow.",
)
"""``--layout``: the types of the kernels on the same command line heed it."""

recipe_options = with_options(
    option(
        "--recipe",
        type=click.Path(),
        metavar="FILE",
        is_eager=True,
        callback=keep_recipe,
        allow_from_autoenv=False,
        section="Recipe",
        everyday=False,
        help="Repeat the run of a .toml, or of a picture written with --record. Leave KERNEL "
        "out; options that you give win.",
    ),
    option(
        "--save-recipe",
        type=click.Path(),
        metavar="FILE",
        section="Recipe",
        everyday=False,
        help="Write the kernels, the chain and the options into this .toml, too.",
    ),
    option(
        "--record",
        is_flag=True,
        section="Recipe",
        everyday=False,
        help="Keep the recipe in OUTPUT's metadata; convcli recipe OUTPUT shows it.",
    ),
)
"""``--recipe``, ``--save-recipe`` and ``--record``."""

# ------------------------------------------------------------------ maps and pixels

map_options = with_options(
    _map_option(
        "--map",
        type=whole(0),
        metavar="N",
        help="Write this one of a filter bank's maps, counted from 0.",
    ),
    option(
        "--sheet",
        is_flag=True,
        everyday=False,
        section="Output maps",
        help="Write all maps as one sheet of labelled tiles.",
    ),
    _map_option("--relu", is_flag=True, help="Make negative values 0 before they are written."),
    _map_option(
        "--colormap",
        type=EnumType(Colormap),
        help="Colour each map as heat. --range auto then stretches; with diverging it keeps "
        "0 in the middle.",
    ),
)
"""What is done to the maps of a filter bank; ``--sheet`` comes by itself."""

direction_option = _pixel_option(
    "--direction",
    is_flag=True,
    help="Colour the gradient's direction by hue, its strength by brightness (grey first).",
)

gray_option = _pixel_option(
    "--gray", is_flag=True, everyday=True, help="Make the picture grey first."
)

range_option = _pixel_option(
    "--range",
    everyday=True,
    type=EnumType(Range),
    default=Range.AUTO.value,
    help="How sums become pixels. clip cuts off, abs drops the sign, shift makes 0 mid-grey, "
    "stretch fills the range, balance does both. auto: abs if a kernel sums to 0, else clip.",
)

alpha_option = _pixel_option(
    "--alpha",
    type=EnumType(Alpha),
    default=Alpha.AUTO.value,
    help="Transparency weighs the colours and is filtered with them (premultiply), stays as it "
    "is, or is filtered like a colour. auto: keep for kernels that sum to 0, else premultiply.",
)

pixel_options = with_options(
    _pixel_option(
        "--depth",
        everyday=True,
        type=EnumType(Depth),
        help="Bits of the result; the input's where none is given. Floats are not clipped.",
    ),
    alpha_option,
    _pixel_option(
        "--background",
        type=setting("background", "COLOR"),
        help="Lay a transparent picture on this colour first: white, #ff8800.",
    ),
    _pixel_option(
        "--linear",
        everyday=True,
        is_flag=True,
        help="Filter in linear light (sRGB), so that blurs keep the brightness.",
    ),
)
"""``--depth``, ``--alpha``, ``--background`` and ``--linear``."""

# ------------------------------------------------------------------ filtered and original

_blend_option = functools.partial(option, section="How much, and where", part_of=FILTERING)

blend_options = with_options(
    _blend_option(
        "--amount",
        type=setting("amount", "NUMBER"),
        default="1",
        help="How much to filter, 0 to 10: original + NUMBER · (filtered - original).",
    ),
    _blend_option(
        "--threshold",
        type=setting("threshold", "NUMBER"),
        default="0",
        help="Keep the pixels that would change by less than this.",
    ),
    _blend_option(
        "--mask",
        type=setting("mask", "FILE"),
        help="A grey picture of the same size: white is filtered, black is left, grey between.",
    ),
    _blend_option(
        "--region",
        type=setting("region", "X,Y,WxH"),
        help="Filter only this part, in pixels or per cent: 10,20,50%x50%.",
    ),
    _blend_option(
        "--channels",
        type=setting("channels", "LIST|luma"),
        help="Filter only these, of r,g,b,a or 0,1,2; or luma: brightness (Y of BT.601, of "
        "BT.709 with --linear), which makes no colour fringes.",
    ),
    _blend_option(
        "--missing",
        type=setting("missing", "none|nan|alpha|NUMBER"),
        help="Pixels that weigh nothing: NaN, transparent ones, or those of this number in all "
        "channels; the weights of the others are scaled up.  [default: what a GeoTIFF calls no "
        "data; with none all weigh]",
    ),
    _blend_option(
        "--missing-min",
        type=setting("missing_min", "SHARE"),
        default="0",
        help="Share of the weights that must be known; else a pixel stays missing.",
    ),
)
"""``--amount``, ``--threshold``, ``--mask``, ``--region`` and ``--channels``."""

# ------------------------------------------------------------------ the engine

engine_options = with_options(
    _engine_option(
        "--method",
        type=EnumType(Method),
        default=Method.AUTO.value,
        help="Kind of strategy; fails where it cannot serve.",
    ),
    _engine_option(
        "--jobs",
        type=whole(1),
        help="Cores to use, by threads or, for many pictures, processes; all that may be "
        "used where it is left out.",
    ),
    option(
        "--plan",
        "plan_only",
        everyday=False,
        is_flag=True,
        section="Engine",
        help="Say how it would be computed, and why; compute and write nothing. Of many "
        "pictures, the first.",
    ),
    option(
        "--dry-run",
        is_flag=True,
        everyday=False,
        section="Engine",
        help="List what would be read, written, skipped and left out, and why; compute and "
        "write nothing.",
    ),
)
"""``--method``, ``--jobs``; and ``--plan`` and ``--dry-run``, which come by themselves."""
