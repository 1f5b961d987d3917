"""Where the result of one picture goes, and what is done about a file that is there already."""

import functools
import os
from collections.abc import Sequence
from typing import NoReturn

import click

from convcli.cli.options import OptionGroup, option, output_option, with_options
from convcli.cli.output import STANDARD, note, show_json
from convcli.errors import ImageError
from convcli.storage.atomic import is_stream, open_descriptor
from convcli.storage.urls import (
    first_output,
    is_folder,
    is_there,
    is_url,
    is_zarr,
    unknown_field,
)
from convcli.values import Record

_STANDARD_OUTPUT = 1
_TWO_NAMES = 2

_LARGEST_COMPARED = 2**28
"""Of larger files the sizes are compared, not the bytes."""


class Placing(Record, kw_only=True):
    """Where the outputs go, and what an output that is there already means, as options."""

    output: str | None
    on_exists: str | None
    no_clobber: bool

    def __post_init__(self) -> None:
        if self.no_clobber and self.on_exists not in (None, "error"):
            raise click.UsageError(f"--no-clobber and --on-exists {self.on_exists}: use one")

    def rule(self, default: str) -> str:
        """Return ``error``, ``skip`` or ``overwrite``."""
        return "error" if self.no_clobber else self.on_exists or default


PLACING = OptionGroup("placing", Placing)
"""Where outputs go: commands get it as ``placing``."""

_placing_option = functools.partial(option, section="Output", part_of=PLACING)

placing_options = with_options(
    output_option(part_of=PLACING, everyday=True),
    _placing_option(
        "--on-exists",
        type=click.Choice(("error", "skip", "overwrite")),
        help="What to do where an OUTPUT exists. error: run nothing; skip: leave it, so a "
        "batch goes on where it was stopped.  [default: overwrite; with --out-dir error]",
    ),
    _placing_option(
        "--no-clobber", "-n", is_flag=True, help="Replace nothing: as --on-exists error."
    ),
)
"""``--output``, ``--on-exists`` and ``--no-clobber``."""


def names_with_output(names: Sequence[str], placing: Placing) -> tuple[str, ...]:
    """Return the names of a command line, with that of ``--output`` as the last."""
    if placing.output is None:
        return tuple(names)
    if len(names) == _TWO_NAMES:
        raise click.UsageError(
            f"OUTPUT is given twice, as {names[-1]} and by -o {placing.output}: give one"
        )
    return (*names, placing.output)


def two_names(names: Sequence[str], remedy: str = "name two") -> tuple[str, str]:
    """Return INPUT and OUTPUT; refuse more names, or fewer."""
    if len(names) < _TWO_NAMES:
        raise click.UsageError(f"Missing argument '{('INPUT', 'OUTPUT')[len(names)]}'")
    if len(names) > _TWO_NAMES:
        raise click.UsageError(
            f"expected one INPUT and one OUTPUT, got {len(names)} names ({names[0]} … "
            f"{names[-1]}): {remedy}"
        )
    return (names[0], names[1])


def located_target(source: str, target: str, kind: str | None) -> str:
    """Return the output that a person means by a name: standard output, a file in a folder.

    Where OUTPUT is a folder, the file in it is called like INPUT; `kind`, the format, gives its
    suffix.
    """
    field = unknown_field(target)
    if field is not None:
        raise click.UsageError(
            f"OUTPUT ({target}): expected {{map}} or {{frame}}, got {field}: the fields of "
            "--name are for many pictures (--out-dir)"
        )
    if not is_url(target) and open_descriptor(target) == _STANDARD_OUTPUT:
        return STANDARD
    if is_url(target) or is_zarr(target) or not is_folder(target):
        return target
    if source == STANDARD:
        raise click.UsageError(
            f"OUTPUT is a folder ({target}), and standard input has no name: name a file in it"
        )
    from convcli.batch.inputs import Template
    from convcli.batch.places import same_file_key

    path = Template(output_format=kind).job(source, target).target
    if same_file_key(path) == same_file_key(source):
        raise click.UsageError(
            f"OUTPUT is the folder of INPUT ({target}), where {path} is INPUT itself: name "
            "another file"
        )
    return path


# ------------------------------------------------------------------ a file that is there


class ReplacedFile(Record):
    """A file that was at OUTPUT before.

    `digest` is of its bytes, if it may be a picture that OUTPUT names by mistake: `two/*.png`
    names two of them.
    """

    target: str
    digest: tuple[int, int] | None

    def warnings(self) -> list[str]:
        """Warn, after it was replaced, if another picture was there."""
        if self.digest is None or self.digest == _digest(self.target):
            return []
        text = (
            f"{self.target} was another picture beside INPUT, and is replaced: name OUTPUT "
            "with -o where that is meant, or use --no-clobber"
        )
        return [text]


def file_to_replace(
    source: str, target: str, placing: Placing, *, as_json: bool, quiet: bool
) -> ReplacedFile | None:
    """Return OUTPUT if it is there already, and is to be replaced.

    The command ends if OUTPUT is to be kept; if that is an error, it fails.
    """
    rule = placing.rule("overwrite")
    if target == STANDARD or is_stream(target) or not _is_there(target, rule):
        return None
    if rule == "error":
        raise click.ClickException(
            f"{target}: the output exists: name another, or use --on-exists skip or overwrite"
        )
    if rule == "skip":
        _skip(source, target, as_json=as_json, quiet=quiet)
    is_meant = placing.output is not None or not _are_neighbours(source, target)
    return ReplacedFile(
        target, None if is_meant or not _is_picture(target) else _digest(target)
    )


def _skip(source: str, target: str, *, as_json: bool, quiet: bool) -> NoReturn:
    if as_json:
        show_json({"source": source, "target": target, "status": "skipped"})
    elif not quiet:
        note(f"skipped {source}: {target} exists")
    click.get_current_context().exit(0)


def _is_there(target: str, rule: str) -> bool:
    """Tell whether an output exists; of a store that does not say so, only where it matters."""
    try:
        return is_there(first_output(target))
    except ImageError:
        if rule == "overwrite" and is_url(target):
            return False
        raise


def _are_neighbours(source: str, target: str) -> bool:
    """Tell whether two files are in one folder, and are not the same."""
    if source == STANDARD or is_url(source) or is_url(target):
        return False
    one, other = (os.path.split(os.path.realpath(name)) for name in (source, target))
    return one[0] == other[0] and one[1] != other[1]


def _is_picture(path: str) -> bool:
    from convcli.images.formats import RAW, format_for

    try:
        return format_for(path) not in RAW
    except ImageError:
        return False


def _digest(path: str) -> tuple[int, int] | None:
    """Return the size and the checksum of a file; of a huge one the size, of none None."""
    import zlib

    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes 3 ms to import
            size = os.fstat(file.fileno()).st_size
            return (size, zlib.crc32(file.read()) if size <= _LARGEST_COMPARED else 0)
    except OSError:
        return None
