"""`convcli apply --dry-run`: what would be read, written, skipped and left out, and why."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from convcli.batch.inputs import JobList
from convcli.batch.job import BatchJob, FileJob
from convcli.batch.local import worker_counts
from convcli.batch.places import place_exists
from convcli.batch.preview import FAIL, REPLACE, WRITE, FilePreview, left_out, preview_file
from convcli.cli.output import STANDARD, show_json, show_planned
from convcli.storage.atomic import unwritable
from convcli.storage.urls import first_output
from convcli.threads import available_cores
from convcli.values import replace

if TYPE_CHECKING:
    from convcli.cli.apply import ApplyCall
    from convcli.engine.planner import Plan
    from convcli.scale.tiled.blocks import Tiling


def job_of(call: "ApplyCall") -> BatchJob:
    """Return what is done to each file."""
    skip = call.placing.rule("error") == "skip"
    return BatchJob(
        kernels=call.kernels, options=call.options, skip_existing=skip, **call.files
    )


def show_one(call: "ApplyCall", source: str, target: str, tiling: "Tiling | None") -> None:
    """Show what would be done with one picture; `tiling` is of one that is cut into blocks."""
    threads = call.options.jobs or available_cores()
    if tiling is None:
        preview = preview_file(job_of(call), FileJob(source, target))
    else:
        threads = 1  # for each block
        preview = FilePreview(
            source=source,
            target=target,
            action=REPLACE if place_exists(target) else WRITE,
            memory=tiling.memory_bytes,
            plans=tiling.plans,
        )
    reason = "" if target == STANDARD else unwritable(first_output(target))
    if reason and preview.action in (WRITE, REPLACE):
        reason = f"{target} {reason}"
        preview = replace(preview, action=FAIL, reason=reason, memory=0, plans=())
    _show(call, [preview], 1, threads)


def show_many(call: "ApplyCall", job: BatchJob, jobs: JobList, out_dir: str) -> None:
    """Show what would be done with the files of a batch, or the plan of the first."""
    workers, threads = worker_counts(len(jobs), job.options.jobs)
    limit = call.many.memory if call.many.cluster is None else None
    job = job.with_limits(threads, limit)
    previews = (preview_file(job, each) for each in jobs)
    if call.plan_only:
        plans = next((each.plans for each in previews if each.plans), None)
        if plans is None:
            raise click.ClickException(f"{out_dir}: expected a picture to plan for, got none")
        show_planned(plans, threads, as_json=call.placing.as_json)
        return
    recursive = call.many.recursive
    others = left_out(call.names, job.reading.takes, recursive=recursive, excluded=out_dir)
    _show(call, itertools.chain(previews, others), workers, threads)


def _show(
    call: "ApplyCall", previews: Iterable[FilePreview], workers: int, threads: int
) -> None:
    """Show previews; leave the command with the status that a run would have."""
    kept: list[FilePreview] = []
    memories: list[int] = []
    counts: Counter[str] = Counter()
    plans: Sequence[Plan] = ()
    for preview in previews:
        counts[preview.action] += 1
        memories = heapq.nlargest(workers, (*memories, preview.memory))
        plans = plans or preview.plans
        if call.placing.as_json:
            show_json(preview.as_dict())
        else:
            kept.append(preview)
    memory = min(sum(memories), call.many.memory or sum(memories))
    if call.placing.as_json:
        plan = [each.as_dict(threads) for each in plans]
        named = {action.replace(" ", "_"): count for action, count in counts.items()}
        show_json({"summary": {**named, "memory_bytes": memory, "plan": plan}})
    elif not call.placing.quiet:
        from convcli.cli.render.batch import show_previews
        from convcli.cli.render.report import show_plans

        show_previews(kept, memory, workers)
        show_plans(plans, threads)
    click.get_current_context().exit(int(counts[FAIL] > 0))
