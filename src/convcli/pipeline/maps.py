"""Many output maps: how many there are, and how they are laid out in files."""

from collections.abc import Sequence

from convcli.errors import ImageError
from convcli.images.formats import NPY
from convcli.images.picture import Document
from convcli.kernels.operator import Operator
from convcli.pipeline.options import Options
from convcli.pipeline.run import Filtered
from convcli.pipeline.steps import Operand
from convcli.values import replace

MAP = "{map}"
"""What stands for the number of an output map in a file name."""

_PICTURE_CHANNELS = (1, 3)
_PAGED = "TIFF"

_OTHER_FORMS = (
    "write a .npy or .tif",
    f"put {MAP} into the name (map-{MAP}.png)",
    "use --sheet",
)
"""What else can be done with several maps, where the picture is read as a whole."""


def output_channels(channels: int, operands: Sequence[Operand], options: Options) -> int:
    """Return how many maps a chain makes of a picture of so many channels."""
    if options.map is not None:
        return 1
    for operand in operands:
        kernel = operand.kernels[0] if isinstance(operand, Operator) else operand
        channels = kernel.filters if kernel.is_bank else channels
    return channels


def written_channels(
    document: Document,
    operands: Sequence[Operand],
    options: Options,
    target: str,
    kind: str,
    *,
    sheet: bool,
) -> int:
    """Return how many channels each picture that is written has.

    Raises
    ------
    ImageError
        If the maps do not fit into what is to be written.
    """
    start = 1 if options.wants_gray else document.frames[0].channels
    maps = output_channels(start, operands, options)
    colored = options.colormap is not None or options.direction
    if sheet and (kind == NPY or MAP in target):
        raise ImageError(f"{target}: expected one picture for --sheet: name it .png")
    many = not _is_single(maps, options)
    if document.is_animated and (sheet or MAP in target or (many and kind == _PAGED)):
        raise ImageError(
            f"{target}: expected one picture to show the maps of, the input has "
            f"{len(document.frames)} frames: choose one with --frame"
        )
    if many and not (sheet or MAP in target or kind in (NPY, _PAGED)):
        raise _several(maps, options, target, _OTHER_FORMS)
    if sheet or (colored and kind != NPY):
        return 3
    return 1 if MAP in target or (many and kind == _PAGED) else maps


def _is_single(maps: int, options: Options) -> bool:
    """Whether all maps are one picture: grey or colour, or one in heat."""
    return (
        maps == 1 or options.direction or (maps in _PICTURE_CHANNELS and not options.colormap)
    )


def check_single(maps: int, options: Options, target: str) -> None:
    """Check that all maps are one picture.

    Parameters
    ----------
    maps : int
        How many there are.
    options : Options
        Whether they get colours.
    target : str
        What is to be written.

    Raises
    ------
    ImageError
        If they are several.
    """
    if not _is_single(maps, options):
        raise _several(maps, options, target)


def _several(
    maps: int, options: Options, target: str, others: Sequence[str] = ()
) -> ImageError:
    """Return what is raised where several maps do not fit, with what else can be done."""
    fitting = "1 output map" if options.colormap else "1 or 3 output maps"
    grey = ("make it grey (--gray)",) if options.colormap else ()
    advice = ", ".join((*grey, *others, "or pick one with --map"))
    return ImageError(f"{target}: expected {fitting} for one picture, got {maps}: {advice}")


def laid_out(
    filtered: Sequence[Filtered],
    document: Document,
    options: Options,
    kind: str,
    *,
    sheet: bool,
) -> Document:
    """Return what one file holds: the pictures, a sheet of all maps, or a page for each."""
    first = filtered[0]
    if sheet:
        from convcli.images.figures import contact_sheet

        maps = first.maps()
        labels = [f"map {number}" for number in range(len(maps))]
        return replace(document, frames=(contact_sheet(maps, labels),), timing=None)
    maps_made = first.values.shape[2]
    if kind == _PAGED and not _is_single(maps_made, options):
        return replace(document, frames=tuple(first.maps()), timing=None)
    return replace(document, frames=tuple(one.picture() for one in filtered))
