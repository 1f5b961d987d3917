"""One picture a block at a time: its option, and the way to `convcli.large`."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.ending import interrupted_once
from convcli.cli.options import option, typed
from convcli.cli.output import show_json
from convcli.storage.urls import is_url, is_zarr
from convcli.text import counted
from convcli.values import Record

if TYPE_CHECKING:
    from convcli.images.policy import ReadPolicy
    from convcli.images.write import Saving
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator
    from convcli.pipeline.options import Options
    from convcli.pipeline.report import Report
    from convcli.scale.tiled.blocks import Tiling
    from convcli.scale.tiled.run import Progress

_STANDARD = "-"
_PAIR = 2

tiled_option = option(
    "--tiled",
    is_flag=True,
    section="Input",
    help="Filter a TIFF block by block, so that it may be larger than memory (.zarr always "
    "is; extra cluster).",
)
"""``--tiled``."""

SHARED = ("memory", "cluster", "retries", "progress")
"""Options for many pictures that one large picture has too."""


class Large(Record, kw_only=True):
    """What was asked for with one picture that is filtered block by block.

    Attributes
    ----------
    source, target : str
        The files.
    memory, cluster, retries, progress
        As on the command line.
    """

    source: str
    target: str
    memory: int | None
    cluster: str | None
    retries: int
    progress: str


def large_from(settings: dict[str, Any], names: Sequence[str]) -> Large | None:
    """Take ``--tiled`` out of a command's settings.

    Returns
    -------
    Large or None
        None where the picture is read as a whole, or there are many.

    Raises
    ------
    click.UsageError
        If what is asked for cannot be done block by block.
    """
    tiled, many = settings.pop("tiled"), settings["out_dir"] is not None
    if many and tiled:
        raise click.UsageError("--tiled is for one picture: leave it or --out-dir out")
    if many or len(names) != _PAIR or not (tiled or any(map(is_zarr, names))):
        return None
    _refuse(names)
    source, target = names
    return Large(source=source, target=target, **{name: settings[name] for name in SHARED})


def _refuse(names: Sequence[str]) -> None:
    if _STANDARD in names or "" in names:
        raise click.UsageError("a picture is filtered block by block from a file to a file")
    flags = {"sheet": "--sheet", "allow_truncated": "--allow-truncated"}
    given = typed(*flags)
    if given:
        raise click.UsageError(
            f"{flags[given[0]]} needs the whole picture in memory: leave it out, or make the "
            "picture smaller first"
        )


def filter_in_blocks(
    large: Large,
    kernels: Sequence["Kernel | Operator"],
    options: "Options",
    reading: "ReadPolicy",
    saving: "Saving",
    *,
    kind: str | None,
    silent: bool,
) -> "Report":
    """Filter a picture block by block, and show how far it is."""
    from convcli.scale.tiled.run import filter_large

    with (
        # Blocks that are at work write to the end before what they wrote is removed.
        interrupted_once(),
        _cluster(large) as client,
        _shown(large.progress, silent=silent) as progress,
    ):
        return filter_large(
            kernels,
            *_places(large),
            options,
            frame=reading.frame,
            max_pixels=reading.max_pixels,
            saving=saving,
            kind=kind,
            memory=large.memory,
            client=client,
            retries=large.retries,
            progress=progress,
        )


@contextlib.contextmanager
def _cluster(large: Large) -> Iterator[Any]:
    """Connect to the cluster, where one is asked for."""
    if large.cluster is None:
        yield None
        return
    from pathlib import Path

    from convcli.batch.job import FileJob
    from convcli.scale.admission import check_shared_files, connected

    source, target = _places(large)
    with connected(large.cluster, large.retries) as client:
        # A TIFF is written here: only the chunks of an array are written by the workers.
        if is_url(target) or Path(target).parent.is_dir() or not is_zarr(target):
            check_shared_files(client, FileJob(source, target if is_zarr(target) else source))
        yield client


def _places(large: Large) -> tuple[str, str]:
    """Return the files' names: those that workers in other folders know them by."""
    if large.cluster is None:
        return (large.source, large.target)
    from convcli.batch.places import absolute, place_from

    return (absolute(place_from(large.source)), absolute(place_from(large.target)))


@contextlib.contextmanager
def _shown(kind: str, *, silent: bool) -> "Iterator[Progress]":
    """Yield what shows the progress, which is gone at the end."""
    from convcli.batch.report import Summary
    from convcli.cli.render.batch import progress_for

    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        shown: list[Any] = []

        def show(done: int, total: int, megapixels: float) -> None:
            if not shown:
                shown.append(progress_for(kind, total, silent=silent, unit="blocks"))
                stack.callback(shown[0].close)
            seconds = time.monotonic() - started
            shown[0].show(Summary.of(done, megapixels, seconds))

        yield show


def plan_in_blocks(
    large: Large,
    kernels: Sequence["Kernel | Operator"],
    options: "Options",
    reading: "ReadPolicy",
    *,
    as_json: bool,
) -> None:
    """Print how a picture would be filtered block by block."""
    from convcli.scale.tiled.run import plan_large

    with _cluster(large) as client:
        tiling = plan_large(
            kernels,
            *_places(large),
            options,
            frame=reading.frame,
            memory=large.memory,
            client=client,
        )
    if as_json:
        show_json(tiling.as_dict())
        return
    _show_tiling(tiling, large)


def _show_tiling(tiling: "Tiling", large: Large) -> None:
    from convcli.cli.filter_options import show_plans
    from convcli.cli.render.tables import show_facts

    blocks, memory = tiling.blocks, tiling.memory_bytes / 2**20
    together = counted(min(tiling.jobs, blocks.count), "block")
    facts = [
        ("blocks", f"{blocks.count:,} of {_pixels(blocks.shape)}, in {_passes(tiling.passes)}"),
        ("halo", f"{_pixels(blocks.halo)} more of the input for each, at most"),
        ("tiles", f"{_pixels(tiling.source_chunk)} read, {_pixels(tiling.chunk)} written"),
        (
            "memory",
            f"{memory:,.0f} MiB for {together} at once",
        ),
    ]
    show_facts(f"{large.source} → {large.target}", facts)
    show_plans(tiling.plans, 1, as_json=False)


def _pixels(shape: tuple[int, int]) -> str:
    return f"{shape[1]:,} × {shape[0]:,} px"


def _passes(count: int) -> str:
    return "one pass" if count == 1 else f"{count} passes"
