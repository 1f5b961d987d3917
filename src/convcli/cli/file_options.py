"""The options of files: what is read, how it is written, many pictures, large ones."""

import functools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.choices import PlaneChoice, Pyramid
from convcli.cli.options import Option, OptionGroup, option, typed, with_options
from convcli.cli.output import STANDARD
from convcli.cli.placing import Placing, located_target, names_with_output, two_names
from convcli.cli.types import (
    ADDRESS,
    AXES,
    FORMAT,
    MEMORY,
    READABLE_FORMAT,
    SELECT,
    TEMPLATE,
    EnumType,
    whole,
)
from convcli.storage.urls import is_pattern, is_there, is_url, is_zarr
from convcli.values import Record

if TYPE_CHECKING:
    from convcli.images.policy import ReadPolicy
    from convcli.images.write import Saving

_MOST_PIXELS = 2**40
_TWO_NAMES = 2

# ------------------------------------------------------------------ reading


def _read_policy(
    *, max_pixels: int | None, allow_formats: Sequence[str], **settings: Any
) -> "ReadPolicy":
    from convcli.images.policy import MAX_PIXELS, ReadPolicy

    limit, formats = max_pixels or MAX_PIXELS, frozenset(allow_formats)
    return ReadPolicy(max_pixels=limit, allow_formats=formats, **settings)


READING = OptionGroup("reading", _read_policy)
"""What is accepted of a file: commands get it as ``reading``."""

_read_option = functools.partial(option, section="Input", part_of=READING)

_limit_options = with_options(
    _read_option(
        "--max-pixels",
        type=whole(1, _MOST_PIXELS),
        metavar="N",
        help="Refuse larger pictures, of all frames together.  [default: 89478485]",
    ),
    _read_option(
        "--allow-truncated",
        is_flag=True,
        help="Read what there is of a file that ends too early.",
    ),
    _read_option(
        "--allow-format",
        "allow_formats",
        multiple=True,
        type=READABLE_FORMAT,
        help="Read a format that is off (eps runs Ghostscript); may be repeated.",
    ),
)

reading_options = with_options(
    _read_option(
        "--frame",
        type=whole(0),
        metavar="N",
        help="Only this frame or page, counted from 0; all of them otherwise.",
    ),
    _limit_options,
)
"""What is read of a file of several pictures, all of them."""

frame_options = with_options(
    _read_option(
        "--frame",
        type=whole(0),
        metavar="N",
        default=0,
        help="Which frame or page, counted from 0.",
    ),
    _limit_options,
)
"""What is read by a command on one picture."""

# ------------------------------------------------------------------ writing


def _saving(**settings: Any) -> "Saving":
    from convcli.images.write import Saving

    return Saving(**settings)


SAVING = OptionGroup("saving", _saving)
"""How results are written: commands get it as ``saving``."""

_save_option = functools.partial(option, section="Output", part_of=SAVING)
saving_options = with_options(
    option(
        "--format",
        "kind",
        everyday=False,
        type=FORMAT,
        section="Output",
        help="File format of OUTPUT, whatever it is called; on a pipe the input's otherwise.",
    ),
    _save_option(
        "--quality",
        type=whole(1, 100),
        metavar="1-100",
        help="Quality of JPEG (95 unless given), AVIF (90) and WebP (lossless).",
    ),
    _save_option(
        "--compress-level",
        type=whole(0, 9),
        metavar="0-9",
        help="Compression of PNG and TIFF: 0 is fast, 9 makes small files.  [default: 4]",
    ),
    _save_option(
        "--fit-depth",
        is_flag=True,
        help="Write fewer bits where the format cannot hold those of the input.",
    ),
    _save_option(
        "--strip", is_flag=True, help="Leave out the colour profile, the resolution and EXIF."
    ),
)
"""How results are written; ``--format`` comes by itself, as ``kind``."""

# ------------------------------------------------------------------ many pictures


class BatchOptions(Record, kw_only=True):
    """The options for many pictures, as on the command line.

    Without `out_dir`, the folder for the outputs, there is one picture.
    """

    out_dir: str | None
    recursive: bool
    files_from: str | None
    template: str | None
    fail_fast: bool
    memory: int | None
    cluster: str | None
    retries: int
    timeout: int | None
    progress: str
    manifest: str | None
    retry_failed: bool


MANY = OptionGroup("many", BatchOptions)
"""The options for many pictures: a command gets them as ``many``."""

_many_option = functools.partial(option, section="Many pictures", part_of=MANY)


def _prepare_cluster(_: click.Context, __: click.Parameter, address: str | None) -> str | None:
    """Begin to start workers of this machine, where there will be some, while all is read."""
    if address is not None:
        from convcli.scale.cluster import local_workers, start_forking

        if local_workers(address) is not None:
            start_forking()
    return address


batch_options = with_options(
    _many_option(
        "--out-dir",
        everyday=True,
        metavar="DIR",
        help="Filter all INPUTs into this folder, which is made where there is none.",
    ),
    _many_option(
        "--recursive",
        everyday=True,
        is_flag=True,
        help="Look into the folders of a folder too; the outputs are in the same tree.",
    ),
    _many_option(
        "--files-from",
        metavar="LIST",
        help="Read names of further inputs, ended by newlines or NULs, from a file or - "
        "(standard input).",
    ),
    _many_option(
        "--name",
        "template",
        metavar="TEMPLATE",
        type=TEMPLATE,
        help="What the outputs are called: {stem}-edges.png; {suffix} is that of --format, "
        "{parent} the input's folder, {frame} and {map} are numbers.  "
        "[default: {stem}{suffix}]",
    ),
    _many_option("--fail-fast", is_flag=True, help="Start no more after the first that fails."),
    _many_option(
        "--memory",
        type=MEMORY,
        help="Let pictures wait, so that those in work fit into this memory: 4G.",
    ),
    _many_option(
        "--manifest",
        metavar="FILE",
        help="Write a line a file as it ends (input, output, size, checksum, status …); with "
        "the same FILE again go on with what is not done; convcli retry FILE runs what failed.",
    ),
    _many_option("--retry-failed", is_flag=True, hidden=True, help="Of convcli retry alone."),
    _many_option(
        "--cluster",
        type=ADDRESS,
        callback=_prepare_cluster,
        help="Filter on a Dask cluster: tcp://HOST:8786 of its scheduler, or local:N to start "
        "one with N workers here (extra cluster).",
    ),
    _many_option(
        "--retries",
        type=whole(0),
        metavar="N",
        default=3,
        help="How often a picture is tried again whose worker was lost (--cluster).",
    ),
    _many_option(
        "--timeout",
        type=whole(1),
        metavar="SECONDS",
        help="Give no work to a worker that takes longer for a picture (--cluster).  [default: "
        "a minute and 20 times the slowest so far]",
    ),
    _many_option(
        "--progress",
        type=click.Choice(("auto", "bar", "plain", "none")),
        default="auto",
        help="What standard error shows: a bar (plain lines in a pipe), plain lines, or "
        "nothing. auto: a bar on a terminal, nothing in a pipe.",
    ),
)
"""What is for many pictures; some of it also for one that is larger than memory."""

tiled_option = option(
    "--tiled",
    is_flag=True,
    everyday=False,
    section="Input",
    help="Filter a TIFF block by block, so that it may be larger than memory (.zarr always "
    "is; extra cluster).",
)

PLANES = OptionGroup("planes", PlaneChoice)
"""Which planes of a Zarr array are filtered: commands get it as ``planes``."""

_plane_option = functools.partial(option, section="Input", part_of=PLANES)

plane_options = with_options(
    _plane_option(
        "--axes",
        type=AXES,
        help="The axes of a .zarr that does not name them, a letter for each: yxc, tczyx.",
    ),
    _plane_option(
        "--select",
        type=SELECT,
        default=(),
        show_default=False,
        help="Filter only these planes of a .zarr: t=0,c=1:3; all of them otherwise.",
    ),
    _plane_option(
        "--pyramid",
        type=EnumType(Pyramid),
        default=Pyramid.KEEP.value,
        section="Output",
        help="The smaller levels of an OME-Zarr image: made anew from the result, or none.",
    ),
)
"""``--axes``, ``--select`` and ``--pyramid``, of one ``.zarr``."""

resume_option = option(
    "--resume",
    is_flag=True,
    everyday=False,
    section="Output",
    help="Go on with a large picture where a stopped run has left it, and leave it there when "
    "this run is stopped too (--tiled, .zarr).",
)

_SHARED = ("memory", "cluster", "retries", "timeout", "progress")
"""Options for many pictures that one large picture has too."""


def check_many(
    names: Sequence[str], many: BatchOptions, *, tiled: bool, output: str | None
) -> None:
    """Refuse names that cannot be filtered into a folder."""
    if output is not None:
        raise click.UsageError("--output is for one picture: leave it or --out-dir out")
    if tiled:
        raise click.UsageError("--tiled is for one picture: leave it or --out-dir out")
    if given := typed("axes", "select", "pyramid"):
        raise click.UsageError(f"--{given[0]} is for one .zarr: leave it or --out-dir out")
    if typed("resume"):
        raise click.UsageError("--resume is for one picture: use --manifest to go on with many")
    if not many.out_dir:
        raise click.UsageError("--out-dir: expected the name of a folder, got none")
    if not names and many.files_from is None:
        raise click.UsageError("Missing argument 'INPUT'")


def one_picture(
    names: Sequence[str],
    placing: Placing,
    kind: str | None,
    *,
    tiled: bool,
    resume: bool = False,
) -> tuple[tuple[str, str], bool]:
    """Return INPUT and OUTPUT, and whether the picture is filtered block by block."""
    names = names_with_output(names, placing)
    in_blocks = check_one(names, tiled=tiled)
    if resume and not in_blocks:
        raise click.UsageError("--resume is for a picture in blocks: add --tiled")
    return (names[0], located_target(names[0], names[1], kind)), in_blocks


def check_one(names: Sequence[str], *, tiled: bool) -> bool:
    """Check the names of one picture; return whether it is filtered block by block."""
    in_blocks = len(names) == _TWO_NAMES and (tiled or any(map(is_zarr, names)))
    given = typed("axes", "select", "pyramid")
    if given and not any(map(is_zarr, names)):
        raise click.UsageError(f"--{given[0]} is for a .zarr: leave it out")
    if in_blocks:
        _check_blocks(names)
    _refuse_many(names, _SHARED if in_blocks else ())
    return in_blocks


def _check_blocks(names: Sequence[str]) -> None:
    """Refuse what needs the whole picture in memory."""
    if STANDARD in names or "" in names:
        raise click.UsageError("a picture is filtered block by block from a file to a file")
    flags = {"sheet": "--sheet", "allow_truncated": "--allow-truncated"}
    given = typed(*flags)
    if given:
        raise click.UsageError(
            f"{flags[given[0]]} needs the whole picture in memory: leave it out, or make the "
            "picture smaller first"
        )


def _refuse_many(names: Sequence[str], shared: Collection[str]) -> None:
    """Refuse what only a batch can do, where no folder is given for it."""
    for parameter in click.get_current_context().command.params:
        if isinstance(parameter, Option) and parameter.part_of is MANY:
            name = parameter.name or ""
            if name not in shared and typed(name):
                raise click.UsageError(
                    f"{parameter.flag} is for many pictures: add --out-dir DIR"
                )
    two_names(names, "add --out-dir DIR to filter many pictures")
    pattern = is_pattern(names[0]) and not is_url(names[0])
    if pattern and not is_there(names[0]):
        raise click.UsageError(
            f"INPUT is a pattern ({names[0]}): add --out-dir DIR to filter many pictures"
        )
