"""`convcli apply --out-dir`: filter many pictures, or say what would be done (`--dry-run`)."""

import gc
import heapq
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from convcli.batch import inputs, places
from convcli.batch import job as jobs
from convcli.batch.job import Summary
from convcli.batch.local import Executor, worker_counts
from convcli.batch.manifest import Manifest
from convcli.batch.run import JobList, local_executor, prepared_jobs, run_batch
from convcli.cli.ending import stop_at_interrupt
from convcli.cli.output import STANDARD, answer, show_json, show_planned, wants_json, warn
from convcli.cli.render.batch import progress_shown, show_previews, show_summary
from convcli.errors import BatchError, fail, install
from convcli.images.policy import needs_package
from convcli.storage.atomic import unwritable
from convcli.storage.urls import first_output, is_there, is_url
from convcli.text import counted
from convcli.threads import available_cores
from convcli.values import replace

if TYPE_CHECKING:
    from convcli.cli.apply import ApplyCall
    from convcli.engine.planner import Plan
    from convcli.scale.tiled.blocks import Tiling


def job_of(call: "ApplyCall") -> jobs.BatchJob:
    """Return what is done to each file."""
    return jobs.BatchJob(skip_existing=call.rule("error") == "skip", **call.files)


def run_many(call: "ApplyCall") -> None:
    """Filter many pictures into a folder, or preview that; exit with its status."""
    dry = call.plan_only or call.dry_run
    if not call.out_dir:
        raise click.UsageError("--out-dir: expected the name of a folder, got none")
    if not call.names and call.files_from is None:
        raise click.UsageError("Missing argument 'INPUT'")
    # A batch may run for hours: garbage is collected, unlike for one picture.
    gc.set_threshold(1000)
    job, rule, start = job_of(call), call.rule("error"), time.perf_counter()
    out_dir = places.place_from(call.out_dir)
    pattern = inputs.DEFAULT_TEMPLATE if call.template is None else call.template
    template = inputs.Template(pattern, job.file_format)
    left_out: Counter[str] = Counter()
    named = inputs.Inputs(call.names, job.reading.takes, call.recursive, out_dir)
    found = itertools.chain(named.find(left_out), _listed(call.files_from))
    files: Iterator[jobs.FileJob] = (template.job(at, out_dir, below) for at, below in found)
    with ExitStack() as stack:
        manifest, done = None, iter(list[jobs.FileJob]())
        if call.manifest is not None and (call.retry_failed or not dry):
            manifest = stack.enter_context(Manifest(call.manifest, _arguments()))
            job, done = replace(job, checksums=True), manifest.done()
        if call.retry_failed and manifest is not None:
            files = manifest.failed()
        asked: dict[str, Any] = {
            "may_exist": rule != "error" or manifest is not None,
            "overwrite": rule == "overwrite",
            "done": () if call.retry_failed else done,
            "memory": call.memory if call.cluster is None else None,
        }
        listing = stack.enter_context(prepared_jobs(job, files, out_dir, dry=dry, **asked))
        listed = time.perf_counter() - start
        if dry:
            _show_many(call, job, listing, named)
            return
        if is_url(out_dir):
            job = replace(job, skip_existing=False)  # The list was asked for at once.
        summary = _run(call, job, listing, manifest)
        total = len(listing)
    summary.phases = {"list": listed, **summary.phases}
    summary.left_out = left_out
    _end(call, summary, total, out_dir)


def _run(
    call: "ApplyCall", job: jobs.BatchJob, listing: JobList, manifest: Manifest | None
) -> Summary:
    total = len(listing)
    executor = _executor(call, job, total)
    with (
        progress_shown(call.progress, "files", silent=call.is_silent) as show,
        stop_at_interrupt(executor.stop) as interrupts,
    ):
        show(Summary(), total)

        def show_outcome(outcome: jobs.Outcome, summary: Summary) -> None:
            show(summary, total)
            if manifest is not None and outcome.status is not jobs.Status.SKIPPED:
                manifest.add(outcome)
            if wants_json():
                show_json(outcome.as_dict())

        summary = run_batch(executor, job, listing, show_outcome, fail_fast=call.fail_fast)
    summary.interrupted = bool(interrupts)
    return summary


def _executor(call: "ApplyCall", job: jobs.BatchJob, files: int) -> Executor:
    if call.cluster is not None:
        from convcli.scale.cluster import DaskExecutor

        def tell(dashboard: str) -> None:
            if sys.stderr.isatty() and not call.quiet:
                click.echo(f"Dask's dashboard: {dashboard}", err=True)

        return DaskExecutor(call.cluster, call.retries, call.memory, call.timeout, tell)
    wanted, cores = job.options.jobs, available_cores()
    if wanted is not None and wanted > cores:
        warn([f"--jobs {wanted}: this process may use {counted(cores, 'core')}, no more"])
    return local_executor(job, files, call.memory)


def _listed(files_from: str | None) -> Iterator[tuple[str, str]]:
    """Yield the files that a list names; none where there is no list."""
    if files_from is None:
        return
    if files_from == STANDARD and sys.stdin.isatty():
        raise click.UsageError(
            "--files-from is - but standard input is a terminal: use a pipe or a file"
        )
    try:
        stream: Any = click.open_file(files_from, "rb")
    except OSError as error:
        fault = f"the list cannot be read: {error.strerror}"
        fail(files_from, fault, "name a file with a name a line", BatchError)
    with stream:
        yield from zip(inputs.read_list(stream), itertools.repeat(""))


# ------------------------------------------------------------------ --dry-run and --plan


def show_one(call: "ApplyCall", source: str, target: str, tiling: "Tiling | None") -> None:
    """Show what would be done with one picture; `tiling` is of one that is cut into blocks."""
    threads = call.options.jobs or available_cores()
    if tiling is None:
        preview = jobs.preview_file(job_of(call), jobs.FileJob(source, target))
    else:
        threads = 1  # for each block
        action = jobs.REPLACE if is_there(target) else jobs.WRITE
        taken: Any = {"memory": tiling.memory_bytes, "plans": tiling.work.pipeline.plans}
        preview = jobs.FilePreview(source=source, target=target, action=action, **taken)
    reason = "" if target == STANDARD else unwritable(first_output(target))
    if reason and preview.action in (jobs.WRITE, jobs.REPLACE):
        reason = f"{target} {reason}"
        preview = replace(preview, action=jobs.FAIL, reason=reason, memory=0, plans=())
    _show(call, [preview], 1, threads)


def _show_many(
    call: "ApplyCall", job: jobs.BatchJob, listing: JobList, named: inputs.Inputs
) -> None:
    """Show what would be done with the files of a batch, or the plan of the first."""
    workers, threads = worker_counts(len(listing), job.options.jobs)
    job = job.with_limits(threads, call.memory if call.cluster is None else None)
    previews = (jobs.preview_file(job, each) for each in listing)
    if call.plan_only:
        plans = next((each.plans for each in previews if each.plans), None)
        if plans is None:
            where = named.excluded
            raise click.ClickException(f"{where}: expected a picture to plan for, got none")
        show_planned(plans, threads)
        return
    others = (
        jobs.FilePreview(source=place, action=jobs.LEAVE_OUT, reason=reason)
        for place, reason in named.left_out()
    )
    _show(call, itertools.chain(previews, others), workers, threads)


def _show(
    call: "ApplyCall", previews: Iterable[jobs.FilePreview], workers: int, threads: int
) -> None:
    """Show previews; leave the command with the status that a run would have."""
    kept: list[jobs.FilePreview] = []
    memories: list[int] = []
    counts: Counter[str] = Counter()
    plans: Sequence[Plan] = ()
    for preview in previews:
        counts[preview.action] += 1
        memories = heapq.nlargest(workers, (*memories, preview.memory))
        plans = plans or preview.plans
        if wants_json():
            show_json(preview.as_dict())
        else:
            kept.append(preview)
    memory = min(sum(memories), call.memory or sum(memories))
    named: dict[str, Any] = {name.replace(" ", "_"): n for name, n in counts.items()}
    named |= {"memory_bytes": memory, "plan": [each.as_dict(threads) for each in plans]}
    shown = (show_previews, kept, memory, workers, plans, threads)
    answer({"summary": named}, *shown, quiet=call.quiet)
    click.get_current_context().exit(int(counts[jobs.FAIL] > 0))


def _end(call: "ApplyCall", summary: Summary, total: int, out_dir: str) -> None:
    warn(summary.notices)
    unread = Counter({s: n for s, n in summary.left_out.items() if needs_package(s)})
    if unread:
        warn([f"left out: {inputs.counts_by_suffix(unread)}: {install('formats')} reads them"])
    warn(
        f"{files:,} file{'s' * (files > 1)}: {text}" for text, files in summary.warnings.items()
    )
    document = {"summary": {"files": total, **summary.as_dict()}}
    answer(document, show_summary, summary, total, out_dir, quiet=call.quiet)
    failed = summary.counts[jobs.Status.FAILED]
    if failed and not summary.interrupted:
        first = f"{summary.failures[0].job.source}: {summary.failures[0].reason}"
        raise click.ClickException(f"{failed:,} of {total:,} files failed; the first: {first}")
    click.get_current_context().exit(summary.return_code)


def _arguments() -> list[str]:
    """Return the command line that runs now, without its manifest."""
    words = iter(getattr(click.get_current_context().find_root().command, "arguments", ()))
    found: list[str] = []
    for word in words:
        if word == "--manifest":
            next(words, None)
        elif not word.startswith("--manifest="):
            found.append(word)
    return found
