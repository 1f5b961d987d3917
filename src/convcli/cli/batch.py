"""`convcli apply --out-dir`: filter many pictures, and exit with the status of the whole."""

import gc
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from convcli.batch import places
from convcli.batch.inputs import (
    DEFAULT_TEMPLATE,
    Template,
    counts_by_suffix,
    find_inputs,
    read_list,
)
from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.batch.manifest import Manifest
from convcli.batch.report import Executor, Summary
from convcli.batch.run import JobList, local_executor, prepared_jobs, run_batch
from convcli.cli.dry_run import Preview
from convcli.cli.ending import stop_at_interrupt
from convcli.cli.file_options import BatchOptions
from convcli.cli.output import STANDARD, show_json, warn
from convcli.cli.render.batch import progress_for
from convcli.errors import BatchError, install
from convcli.images.policy import needs_package
from convcli.storage.urls import is_url
from convcli.text import counted
from convcli.threads import available_cores
from convcli.values import replace


def run_many(
    work: BatchJob,
    names: Sequence[str],
    many: BatchOptions,
    *,
    rule: str,
    quiet: bool,
    as_json: bool,
    preview: Preview | None = None,
) -> None:
    """Filter many pictures into a folder, or preview that; exit with the status of the whole.

    `rule` is what an output that is there already means: error, skip or overwrite.
    """
    # A batch may run for hours: garbage is collected, unlike for one picture.
    gc.set_threshold(1000)
    out_dir = places.place_from(many.out_dir or "")
    template = Template(
        DEFAULT_TEMPLATE if many.template is None else many.template, work.file_format
    )
    left_out: Counter[str] = Counter()
    inputs = _inputs(work, names, many, out_dir, left_out)
    files: Iterator[FileJob] = (
        template.job(source, out_dir, below) for source, below in inputs
    )
    start = time.perf_counter()
    memory = many.memory if many.cluster is None else None
    dry = preview is not None
    with ExitStack() as stack:
        manifest, done = None, iter(list[FileJob]())
        if many.manifest is not None and not dry:
            manifest = stack.enter_context(Manifest(many.manifest, _arguments()))
            work, done = replace(work, checksums=True), manifest.done()
        if many.retry_failed and manifest is not None:
            files = manifest.failed()
        listing = stack.enter_context(
            prepared_jobs(
                work,
                files,
                out_dir,
                may_exist=rule != "error" or manifest is not None,
                overwrite=rule == "overwrite",
                done=() if many.retry_failed else done,
                memory=memory,
                dry=dry,
            )
        )
        listed = time.perf_counter() - start
        if preview is not None:
            preview.show_many(work, names, listing, out_dir)
            return
        if is_url(out_dir):
            work = replace(work, skip_existing=False)  # The list was asked for at once.
        summary = _run(work, many, listing, manifest, quiet=quiet, as_json=as_json)
        total = len(listing)
    summary.phases = {"list": listed, **summary.phases}
    summary.left_out = left_out
    _warn(summary)
    if as_json:
        show_json({"summary": {"files": total, **summary.as_dict()}})
    elif not quiet:
        from convcli.cli.render.batch import show_summary

        show_summary(summary, total, out_dir)
    _end(summary, total)


def _run(
    work: BatchJob,
    many: BatchOptions,
    listing: JobList,
    manifest: Manifest | None,
    *,
    quiet: bool,
    as_json: bool,
) -> Summary:
    executor = _executor(work, many, len(listing), quiet=quiet)
    interrupted = False

    def stop() -> None:
        nonlocal interrupted
        interrupted = True
        executor.stop()

    silent = quiet or (as_json and sys.stdout.isatty())
    progress = progress_for(many.progress, len(listing), silent=silent)

    def show_outcome(outcome: Outcome, summary: Summary) -> None:
        progress.show(summary)
        if manifest is not None and outcome.status is not Status.SKIPPED:
            manifest.add(outcome)
        if as_json:
            show_json(outcome.as_dict())

    with closing(progress), stop_at_interrupt(stop):
        summary = run_batch(executor, work, listing, show_outcome, fail_fast=many.fail_fast)
    summary.interrupted = interrupted
    return summary


def _executor(work: BatchJob, many: BatchOptions, files: int, *, quiet: bool) -> Executor:
    if many.cluster is not None:
        from convcli.scale.cluster import DaskExecutor

        def tell(dashboard: str) -> None:
            if sys.stderr.isatty() and not quiet:
                click.echo(f"Dask's dashboard: {dashboard}", err=True)

        return DaskExecutor(many.cluster, many.retries, many.memory, many.timeout, tell)
    jobs, cores = work.options.jobs, available_cores()
    if jobs is not None and jobs > cores:
        warn([f"--jobs {jobs}: this process may use {counted(cores, 'core')}, no more"])
    return local_executor(work, files, many.memory)


# ------------------------------------------------------------------ inputs


def _inputs(
    work: BatchJob,
    names: Sequence[str],
    many: BatchOptions,
    out_dir: str,
    left_out: Counter[str],
) -> Iterator[tuple[str, str]]:
    yield from find_inputs(
        names,
        work.reading.takes,
        recursive=many.recursive,
        excluded=out_dir,
        left_out=left_out,
    )
    if many.files_from is not None:
        with _opened_list(many.files_from) as stream:
            yield from zip(read_list(stream), itertools.repeat(""))


@contextmanager
def _opened_list(name: str) -> Iterator[BinaryIO]:
    """Open the list of ``--files-from``."""
    if name == STANDARD:
        if sys.stdin.isatty():
            raise click.UsageError(
                "--files-from is - but standard input is a terminal: use a pipe or a file"
            )
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - it is closed below
    except OSError as error:
        raise BatchError(
            f"{name}: the list cannot be read: {error.strerror}: name a file with a name a line"
        ) from None
    with stream:
        yield stream


# ------------------------------------------------------------------ the end


def _warn(summary: Summary) -> None:
    warn(summary.notices)
    unread = Counter({s: n for s, n in summary.left_out.items() if needs_package(s)})
    if unread:
        warn([f"left out: {counts_by_suffix(unread)}: {install('formats')} reads them"])
    warn(
        f"{files:,} file{'s' * (files > 1)}: {text}" for text, files in summary.warnings.items()
    )


def _end(summary: Summary, total: int) -> None:
    failed = summary.counts[Status.FAILED]
    if failed and not summary.interrupted:
        first = summary.failures[0]
        raise click.ClickException(
            f"{failed:,} of {total:,} files failed; the first: {first.job.source}: "
            f"{first.reason}"
        )
    click.get_current_context().exit(summary.return_code)


# ------------------------------------------------------------------ the command line

_MANIFEST = "--manifest"


def _arguments() -> list[str]:
    """Return the command line that runs now, without its manifest."""
    root: Any = click.get_current_context().find_root().command
    words: list[str] = list(getattr(root, "arguments", ()))
    if _MANIFEST in words:
        at = words.index(_MANIFEST)
        del words[at : at + 2]
    return [word for word in words if not word.startswith(f"{_MANIFEST}=")]
