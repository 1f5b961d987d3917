"""`convcli apply` on one picture that is filtered block by block."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from convcli.cli.ending import only_one_interrupt
from convcli.cli.file_options import BatchOptions
from convcli.cli.output import show_json
from convcli.values import fields_of

if TYPE_CHECKING:
    from convcli.batch.job import BatchJob
    from convcli.batch.preview import FilePreview
    from convcli.choices import PlaneChoice
    from convcli.images.policy import ReadPolicy
    from convcli.images.write import Saving
    from convcli.pipeline.options import Options
    from convcli.pipeline.report import Report
    from convcli.pipeline.steps import Link
    from convcli.scale.tiled.blocks import Tiling
    from convcli.scale.tiled.run import Progress


def filter_in_blocks(
    names: tuple[str, str],
    kernels: Sequence["Link"],
    options: "Options",
    reading: "ReadPolicy",
    many: BatchOptions,
    *,
    planes: "PlaneChoice",
    saving: "Saving",
    kind: str | None,
    silent: bool,
    overwrite: bool,
    resume: bool,
) -> "Report":
    """Filter a picture block by block, and show the progress."""
    from convcli.scale.tiled.run import filter_large

    with (
        # Running blocks are written to the end before the output is removed.
        only_one_interrupt(),
        _shown(many.progress, silent=silent) as progress,
    ):
        return filter_large(
            kernels,
            *names,
            options,
            frame=reading.frame,
            max_pixels=reading.max_pixels,
            saving=saving,
            file_format=kind,
            **fields_of(many, "memory", "cluster", "retries", "timeout"),
            overwrite=overwrite,
            resume=resume,
            progress=progress,
            planes=planes,
        )


@contextlib.contextmanager
def _shown(setting: str, *, silent: bool) -> "Iterator[Progress]":
    """Yield a function that shows the progress; what it shows is gone at the end."""
    from convcli.batch.report import Summary
    from convcli.cli.render.batch import ProgressView, progress_for

    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        views: list[ProgressView] = []

        def show(done: int, total: int, megapixels: float) -> None:
            if not views:  # only now it is known how many blocks there are
                views.append(progress_for(setting, total, silent=silent, unit="blocks"))
                stack.callback(views[0].close)
            views[0].show(Summary.of(done, megapixels, time.monotonic() - started))

        yield show


def preview_in_blocks(
    names: tuple[str, str], job: "BatchJob", many: BatchOptions, planes: "PlaneChoice"
) -> "FilePreview":
    """Return what would be done with a picture that is filtered block by block."""
    from convcli.batch.places import place_exists
    from convcli.batch.preview import REPLACE, WRITE, FilePreview

    tiling = tiling_of(names, job.kernels, job.options, job.reading, many, planes=planes)
    return FilePreview(
        source=names[0],
        target=names[1],
        action=REPLACE if place_exists(names[1]) else WRITE,
        memory=tiling.memory_bytes,
        plans=tiling.plans,
    )


def tiling_of(
    names: tuple[str, str],
    kernels: Sequence["Link"],
    options: "Options",
    reading: "ReadPolicy",
    many: BatchOptions,
    *,
    planes: "PlaneChoice",
) -> "Tiling":
    """Return how a picture would be filtered block by block."""
    from convcli.scale.tiled.run import plan_large

    return plan_large(
        kernels,
        *names,
        options,
        frame=reading.frame,
        planes=planes,
        **fields_of(many, "memory", "cluster", "retries"),
    )


def show_tiling(tiling: "Tiling", names: tuple[str, str], *, as_json: bool) -> None:
    """Print how a picture would be filtered block by block."""
    if as_json:
        show_json(tiling.as_dict())
        return
    from convcli.cli.render import report

    report.show_tiling(tiling, " → ".join(names))
