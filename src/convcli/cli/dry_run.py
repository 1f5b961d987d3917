"""`convcli apply --dry-run`: what would be read, written, skipped and left out, and why."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from convcli.batch.inputs import left_out
from convcli.batch.job import (
    FAIL,
    LEAVE_OUT,
    REPLACE,
    WRITE,
    BatchJob,
    FileJob,
    FilePreview,
    preview_file,
)
from convcli.batch.local import worker_counts
from convcli.batch.run import JobList
from convcli.cli.file_options import BatchOptions, one_picture
from convcli.cli.output import show_json, show_planned
from convcli.cli.placing import Placing, file_to_replace
from convcli.pipeline.files import STANDARD
from convcli.storage.atomic import unwritable
from convcli.storage.urls import first_output
from convcli.threads import available_cores
from convcli.values import Record, replace

if TYPE_CHECKING:
    from convcli.choices import PlaneChoice
    from convcli.engine.planner import Plan


class Preview(Record, kw_only=True):
    """Shows what a command would do, instead of doing it.

    `planes` are those of a Zarr array. With `plan_only` only the plan of the first file of a
    batch is shown.
    """

    many: BatchOptions
    planes: "PlaneChoice"
    plan_only: bool
    quiet: bool
    as_json: bool

    def show_one(
        self, job: BatchJob, names: Sequence[str], placing: Placing, *, tiled: bool
    ) -> None:
        """Show what would be done with one picture."""
        located, in_blocks = one_picture(names, placing, job.file_format, tiled=tiled)
        file_to_replace(*located, placing, as_json=self.as_json, quiet=self.quiet)
        if in_blocks:
            from convcli.cli.tiled import preview_in_blocks

            preview = preview_in_blocks(located, job, self.many, self.planes)
        else:
            preview = preview_file(job, FileJob(*located))
        reason = "" if STANDARD in located[1:] else unwritable(first_output(located[1]))
        if reason and preview.action in (WRITE, REPLACE):
            reason = f"{located[1]} {reason}"
            preview = replace(preview, action=FAIL, reason=reason, memory=0, plans=())
        self._show([preview], 1, job.options.jobs or available_cores())

    def show_many(
        self, job: BatchJob, names: Sequence[str], jobs: JobList, out_dir: str
    ) -> None:
        """Show what would be done with the files of a batch."""
        workers, threads = worker_counts(len(jobs), job.options.jobs)
        limit = self.many.memory if self.many.cluster is None else None
        job = job.with_limits(threads, limit)
        previews = (preview_file(job, each) for each in jobs)
        if self.plan_only:
            plans = next((each.plans for each in previews if each.plans), None)
            if plans is None:
                raise click.ClickException(
                    f"{out_dir}: expected a picture to plan for, got none"
                )
            show_planned(plans, threads, as_json=self.as_json)
            return
        found = left_out(
            names, job.reading.takes, recursive=self.many.recursive, excluded=out_dir
        )
        others = (
            FilePreview(source=place, action=LEAVE_OUT, reason=reason)
            for place, reason in found
        )
        self._show(itertools.chain(previews, others), workers, threads)

    def _show(self, previews: Iterable[FilePreview], workers: int, threads: int) -> None:
        """Show previews; leave the command with the status that a run would have."""
        kept: list[FilePreview] = []
        memories: list[int] = []
        counts: Counter[str] = Counter()
        plans: Sequence[Plan] = ()
        for preview in previews:
            counts[preview.action] += 1
            memories = heapq.nlargest(workers, (*memories, preview.memory))
            plans = plans or preview.plans
            if self.as_json:
                show_json(preview.as_dict())
            else:
                kept.append(preview)
        memory = min(sum(memories), self.many.memory or sum(memories))
        if self.as_json:
            plan = [each.as_dict(threads) for each in plans]
            named = {action.replace(" ", "_"): count for action, count in counts.items()}
            show_json({"summary": {**named, "memory_bytes": memory, "plan": plan}})
        elif not self.quiet:
            from convcli.cli.render.batch import show_previews
            from convcli.cli.render.report import show_plans

            show_previews(kept, memory, workers)
            show_plans(plans, threads)
        click.get_current_context().exit(int(counts[FAIL] > 0))
