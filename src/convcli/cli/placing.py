"""One picture: where it is read, where its result goes, and what is said and shown of both."""

import contextlib
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli import output
from convcli.cli.output import STANDARD
from convcli.errors import ImageError
from convcli.storage import urls
from convcli.storage.atomic import bring_back, is_stream, open_descriptor
from convcli.values import Record, fields_of

if TYPE_CHECKING:
    from convcli.images.policy import ReadPolicy
    from convcli.images.write import Saving
    from convcli.pipeline.report import Report

_STANDARD_OUTPUT = 1
TWO_NAMES = 2
_COMPARED = 2**26  # bytes that are compared, at the start of a file


class PlacedCall(Record, kw_only=True):
    """What stands on a command line that has an OUTPUT, by the names of its options."""

    names: tuple[str, ...]
    reading: "ReadPolicy"
    saving: "Saving"
    output: str | None
    on_exists: str | None
    no_clobber: bool
    kind: str | None  # the name of the output's format
    show: bool
    compare: str | None
    quiet: bool

    def __post_init__(self) -> None:
        if self.no_clobber and self.on_exists not in (None, "error"):
            raise click.UsageError(f"--no-clobber and --on-exists {self.on_exists}: use one")

    def rule(self, default: str) -> str:
        """Return what an output that is there means: ``error``, ``skip`` or ``overwrite``."""
        return "error" if self.no_clobber else self.on_exists or default

    @property
    def is_silent(self) -> bool:
        """Whether no progress is shown unless it is asked for."""
        return self.quiet or (output.wants_json() and sys.stdout.isatty())

    @property
    def files(self) -> dict[str, Any]:
        """How a file is read and written."""
        return {**fields_of(self, "reading", "saving"), "file_format": self.kind}


_NOT_SHOWN = "is for one picture that is written: leave it out"
_FOR_MANY = "is for many pictures: add --out-dir DIR"
_IN_MEMORY = (
    "needs the whole picture in memory: leave it out, or make the picture smaller first"
)

_MISFITS = (
    ("many", "output tiled", "is for one picture: leave it or --out-dir out"),
    ("many", "axes select pyramid", "is for one .zarr: leave it or --out-dir out"),
    ("many", "resume", "is for one picture: use --manifest to go on with many"),
    ("many preview", "show compare", _NOT_SHOWN),
    ("printed", "sheet colormap", "is for a picture that is written: name OUTPUT, or drop it"),
    ("tiled whole", "axes select pyramid", "is for a .zarr: leave it out"),
    ("zarr tiled", "sheet allow_truncated", _IN_MEMORY),
    ("zarr", "show compare", _IN_MEMORY),
    ("zarr tiled whole", "recursive files_from template fail_fast manifest", _FOR_MANY),
    ("whole", "memory cluster retries timeout progress retry_failed", _FOR_MANY),
    ("whole", "resume", "is for a picture in blocks: add --tiled"),
)
"""Kinds of run, options that these have no use for, and what is said of them."""


def refuse_misfits(kind: str) -> None:
    """Refuse options on the command line that a kind of run has no use for."""
    for kinds, names, reason in _MISFITS:
        if kind in kinds.split():
            output.refuse(names, f" {reason}")


def located_names(
    call: PlacedCall, *, scratch: str = ".png", remedy: str = "name two", writes: bool = True
) -> tuple[str, str]:
    """Return INPUT and OUTPUT of a command line, or say what is wrong with them.

    Where OUTPUT is shown and left out, it is a file with the suffix `scratch`.
    """
    names: Sequence[str] = call.names
    if call.output is not None and len(names) == TWO_NAMES:
        raise click.UsageError(
            f"OUTPUT is given twice, as {names[-1]} and by -o {call.output}: give one"
        )
    names = names if call.output is None else (*names, call.output)
    if call.show or call.compare is not None:
        names = _shown_names(names, call, scratch)
    if len(names) < TWO_NAMES:
        raise click.UsageError(f"Missing argument '{('INPUT', 'OUTPUT')[len(names)]}'")
    if len(names) > TWO_NAMES:
        got = f"{len(names)} names ({names[0]} … {names[-1]})"
        raise click.UsageError(f"expected one INPUT and one OUTPUT, got {got}: {remedy}")
    source, target = names
    is_one = urls.is_url(source) or not urls.is_pattern(source) or urls.is_there(source)
    if remedy.startswith("add") and not is_one:
        raise click.UsageError(f"INPUT is a pattern ({source}): {remedy}")
    target = _located_target(source, target, call.kind)
    output.refuse_terminals(source, target if writes else None)
    output.refuse_inputs((source, target), call.compare)
    return source, target


def _shown_names(names: Sequence[str], call: PlacedCall, suffix: str) -> Sequence[str]:
    """Refuse what cannot be shown; OUTPUT is a scratch file where it is left out."""
    flag = "--show" if call.show else "--compare"
    if any("{" in name for name in names):
        raise click.UsageError(f"{flag} {_NOT_SHOWN}")
    if STANDARD in names:
        raise click.UsageError(f"{flag} reads INPUT and OUTPUT again: name files, not -")
    if call.compare is not None:
        from convcli.drawing.canvas import check_canvas_target

        check_canvas_target(call.compare)
    elif len(names) == 1 and not sys.stdout.isatty():
        raise click.UsageError(
            "--show needs a terminal, and OUTPUT is left out: name OUTPUT, or --compare FILE"
        )
    if len(names) != 1:
        return names
    import tempfile

    # There is a folder for it until the command ends.
    folder = tempfile.TemporaryDirectory(prefix="convcli-")
    place = click.get_current_context().with_resource(folder)
    return (*names, os.path.join(place, f"after{suffix}"))  # noqa: PTH118 - pathlib takes 3 ms


def _located_target(source: str, target: str, kind: str | None) -> str:
    """Return the output that is meant: standard output, or a file in a folder, as of `kind`."""
    field = urls.unknown_field(target)
    if field is not None:
        raise click.UsageError(
            f"OUTPUT ({target}): expected {{map}} or {{frame}}, got {field}: the fields of "
            "--name are for many pictures (--out-dir)"
        )
    if not urls.is_url(target) and open_descriptor(target) == _STANDARD_OUTPUT:
        return STANDARD
    if urls.is_url(target) or urls.is_zarr(target) or not urls.is_folder(target):
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


def carry_out(
    run: "Callable[[str, str], Report]", source: str, target: str, call: PlacedCall
) -> None:
    """Run what writes OUTPUT, unless it is to be kept; then report, warn and show it."""
    replaced = is_replaced(source, target, call)
    before = _digest(target) if replaced and _may_be_a_slip(source, target, call) else None
    report = run(source, target)
    output.warn(report.warnings)
    if replaced and not call.quiet:
        output.note(f"replaced {target}")
    if before is not None and before != _digest(target):
        slip = "was another picture beside INPUT, and is replaced: name OUTPUT with -o where"
        output.warn([f"{target} {slip} that is meant, or use --no-clobber"])
    names = {"source": source, "target": target, **({"replaced": True} if replaced else {})}
    shown = ("report:show_report", report, source, target)
    quiet, to_stderr = call.quiet, target == STANDARD
    output.answer(lambda: names | report.as_dict(), *shown, quiet=quiet, to_stderr=to_stderr)
    if call.show or call.compare:
        from convcli.drawing.figures import side_by_side
        from convcli.pipeline.files import read_first_frame

        both = (read_first_frame(source, call.reading), read_first_frame(target))
        if call.compare is not None:
            from convcli.images.write import write_picture

            write_picture(side_by_side(both, ("before", "after")), call.compare, "PNG")
        if call.show:
            from convcli.cli.render.cells import show_frames

            show_frames(*both)


def is_replaced(source: str, target: str, call: PlacedCall) -> bool:
    """Tell whether OUTPUT is there, and is to be replaced; end if it is to be kept."""
    rule = call.rule("overwrite")
    try:
        if rule != "overwrite" and urls.is_zarr(target):
            bring_back(target)
        is_file = target != STANDARD and not is_stream(target)
        if not (is_file and urls.is_there(urls.first_output(target))):
            return False
    except ImageError:  # of a store that does not say so, which matters to other rules
        if rule == "overwrite" and urls.is_url(target):
            return False
        raise
    if rule == "error":
        raise click.ClickException(
            f"{target}: the output exists: name another, or use --on-exists skip or overwrite"
        )
    if rule == "skip":
        document = {"source": source, "target": target, "status": "skipped"}
        line = f"skipped {source}: {target} exists"
        output.answer(document, output.note, line, quiet=call.quiet)
        click.get_current_context().exit(0)
    return True


def _may_be_a_slip(source: str, target: str, call: PlacedCall) -> bool:
    """Tell whether OUTPUT may be named by mistake: ``two/*.png`` names two pictures."""
    is_meant = call.output is not None or call.on_exists == "overwrite"
    if is_meant or source == STANDARD or urls.is_url(source) or urls.is_url(target):
        return False
    from convcli.images.formats import RAW, format_for

    one, other = (os.path.split(os.path.realpath(name)) for name in (source, target))
    try:
        return one[0] == other[0] and one[1] != other[1] and format_for(target) not in RAW
    except ImageError:
        return False


def _digest(path: str) -> tuple[int, int] | None:
    """Return the size of a file and a checksum of its start, or None if it cannot be read."""
    with contextlib.suppress(OSError), open(path, "rb") as file:  # noqa: PTH123 - pathlib takes 3 ms
        return (os.fstat(file.fileno()).st_size, zlib.crc32(file.read(_COMPARED)))
    return None
