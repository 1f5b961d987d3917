"""Options about pictures and their files, and what the library takes for them."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import group, option
from convcli.cli.types import whole
from convcli.errors import ImageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from convcli.images.policy import ReadPolicy
    from convcli.images.write import Saving

_MOST_PIXELS = 2**40


class FormatType(click.ParamType[str, Any]):
    """A file format that can be written, by its name or a suffix."""

    name = "name"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the format's name."""
        from convcli.images.formats import format_named

        try:
            return format_named(str(value))
        except ImageError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem[Any]]":
        """Complete the names."""
        from click.shell_completion import CompletionItem

        from convcli.images.formats import FORMATS

        names = [name.lower() for name in FORMATS]
        return [CompletionItem(name) for name in names if name.startswith(incomplete.lower())]


alpha_option = option(
    "--alpha",
    type=click.Choice(("auto", "premultiply", "keep", "filter")),
    default="auto",
    show_default=True,
    section="Pixels",
    help="Transparency: weighs the colours and is filtered with them, stays as it was, or "
    "is filtered like a colour. auto: keep for kernels that sum to 0, else premultiply.",
)
"""``--alpha``."""

pixel_options = group(
    option(
        "--depth",
        type=click.Choice(("8", "16", "float")),
        default=None,
        section="Pixels",
        help="Bits of the result; the input's where none is given. Floats are not clipped.",
    ),
    alpha_option,
    option(
        "--linear",
        is_flag=True,
        section="Pixels",
        help="Filter in linear light (sRGB), so that blurs keep the brightness.",
    ),
)
"""How pixels are filtered: ``depth``, ``alpha``, ``linear``."""

_frame_option = option(
    "--frame",
    type=whole(0),
    metavar="N",
    default=None,
    section="Input",
    help="Only this frame or page, counted from 0; all of them otherwise.",
)

_first_frame_option = option(
    "--frame",
    type=whole(0),
    metavar="N",
    default=0,
    show_default=True,
    section="Input",
    help="Which frame or page, counted from 0.",
)

_limit_options = group(
    option(
        "--max-pixels",
        type=click.IntRange(1, _MOST_PIXELS),
        metavar="N",
        default=None,
        section="Input",
        help="Refuse larger pictures, of all frames together.  [default: 89478485]",
    ),
    option(
        "--allow-truncated",
        is_flag=True,
        section="Input",
        help="Read what there is of a file that ends too early.",
    ),
    option(
        "--allow-format",
        "allow_formats",
        multiple=True,
        metavar="NAME",
        section="Input",
        help="Read a format that is off (eps runs Ghostscript); may be repeated.",
    ),
)

reading_options = group(_frame_option, _limit_options)
"""What is accepted: see `reading_from`."""

saving_options = group(
    option(
        "--format",
        "kind",
        type=FormatType(),
        metavar="NAME",
        default=None,
        section="Output",
        help="File format of OUTPUT, whatever it is called; on a pipe the input's otherwise.",
    ),
    option(
        "--quality",
        type=click.IntRange(1, 100),
        metavar="1-100",
        default=None,
        section="Output",
        help="Of JPEG (95), AVIF (90) and WebP (lossless where none is given).",
    ),
    option(
        "--compress-level",
        type=click.IntRange(0, 9),
        metavar="0-9",
        default=None,
        section="Output",
        help="Of PNG and TIFF: 0 is fast and large, 9 slow and small.  [default: 4]",
    ),
    option(
        "--strip",
        is_flag=True,
        section="Output",
        help="Leave out the colour profile, the resolution and EXIF.",
    ),
)
"""How results are written: see `saving_from`."""


def reads_a_picture(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the reading options to a command on one frame, which gets them as ``reading``."""

    @functools.wraps(command)
    def with_reading(**settings: Any) -> Any:
        return command(reading=reading_from(settings), **settings)

    return group(_first_frame_option, _limit_options)(with_reading)


def reading_from(settings: dict[str, Any]) -> "ReadPolicy":
    """Take the reading options out of a command's settings."""
    from convcli.images.policy import MAX_PIXELS, ReadPolicy, readable_named

    names = settings.pop("allow_formats")
    try:
        allowed = frozenset(readable_named(name) for name in names)
    except ImageError as error:
        raise click.BadParameter(str(error), param_hint="'--allow-format'") from None
    return ReadPolicy(
        max_pixels=settings.pop("max_pixels") or MAX_PIXELS,
        allow_truncated=settings.pop("allow_truncated"),
        allow_formats=allowed,
        frame=settings.pop("frame"),
    )


def saving_from(settings: dict[str, Any]) -> "Saving":
    """Take the saving options out of a command's settings."""
    from convcli.images.write import Saving

    return Saving(
        quality=settings.pop("quality"),
        compress_level=settings.pop("compress_level"),
        strip=settings.pop("strip"),
    )
