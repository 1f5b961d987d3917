"""A batch from its list to its end: jobs are listed and checked, run, and looked for."""

import contextlib
import functools
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator

from convcli.batch import places
from convcli.batch.job import BatchJob, FileJob, Outcome, Status, Summary
from convcli.batch.local import Executor, LocalExecutor, worker_counts
from convcli.batch.manifest import claimed, disk_errors
from convcli.errors import BatchError, ImageError, fail
from convcli.storage.atomic import remove_abandoned
from convcli.storage.urls import first_output, is_url


@contextlib.contextmanager
def prepared_jobs(
    batch_job: BatchJob,
    files: Iterable[FileJob],
    out_dir: str,
    *,
    may_exist: bool,
    overwrite: bool = False,
    done: Iterable[FileJob] = (),
    memory: int | None = None,
    dry: bool = False,
) -> "Iterator[JobList]":
    """List the jobs of a batch, check them, and make the folder of its outputs.

    `files` are read once. Outputs `may_exist` already; with `overwrite` another run may be
    writing them. Files that are `done` are not asked for. `memory` are the bytes that pictures
    may take together. A `dry` run makes no folder. What cannot be one batch is a `BatchError`.
    """
    with JobList(files) as jobs, contextlib.ExitStack() as stack:
        jobs.settle(done)
        jobs.check(may_exist=may_exist)
        threads = worker_counts(len(jobs), batch_job.options.jobs)[1]
        _refuse_common_fault(batch_job.with_limits(threads, memory), jobs)
        if not dry:
            _make_folder(out_dir)
            stack.enter_context(claimed(jobs.keys(), overwrite=overwrite))
            if batch_job.skip_existing:
                jobs.settle(jobs.existing())
        yield jobs


def _refuse_common_fault(batch_job: BatchJob, jobs: "JobList") -> None:
    """Refuse a batch of which no file could be written: the options are wrong then."""
    first, more = "", -1
    for job in jobs:
        fault = batch_job.fault(job)
        if not fault:
            return
        first, more = first or fault, more + 1
    if first:
        raise BatchError(f"{first} (the same for {more:,} more)" if more else first)


def _make_folder(out_dir: str) -> None:
    try:
        places.make_folder(out_dir)
        if not is_url(out_dir):
            remove_abandoned(out_dir)
    except OSError as error:
        fault = f"the folder cannot be made: {error.strerror}"
        fail(out_dir, fault, "name another", BatchError)


def local_executor(batch_job: BatchJob, files: int, memory: int | None) -> LocalExecutor:
    """Return what runs a batch of so many files on this machine, in so many bytes."""
    workers, threads = worker_counts(files, batch_job.options.jobs)
    return LocalExecutor(workers, threads, memory, files)


def run_batch(
    executor: Executor,
    batch_job: BatchJob,
    jobs: "JobList",
    on_outcome: Callable[[Outcome, Summary], object] = lambda *_: None,
    *,
    fail_fast: bool = False,
) -> Summary:
    """Run all jobs; one that fails does not stop the others.

    `on_outcome` is called with each outcome as it comes, and with the summary so far. With
    `fail_fast` no more jobs are started after the first that failed. Outputs in a store are
    looked for after the run, if it came to its end.
    """
    summary = Summary()
    start = time.perf_counter()
    for job in jobs.settled():
        summary.add(outcome := Outcome(job=job, status=Status.SKIPPED))
        on_outcome(outcome, summary)
    failed = set[str]()
    # If anything is raised here, closing the generator stops the running jobs as well.
    with contextlib.closing(executor.run(batch_job, jobs)) as outcomes:
        for outcome in outcomes:
            summary.add(outcome)
            summary.seconds = time.perf_counter() - start
            on_outcome(outcome, summary)
            if outcome.status is Status.FAILED:
                if is_url(outcome.job.target):
                    failed.add(outcome.job.target)
                if fail_fast:
                    executor.stop()
    summary.seconds = time.perf_counter() - start
    connect = executor.seconds_to_connect
    summary.phases = {"connect": connect, "filter": summary.seconds - connect}
    summary.notices, summary.counts_of_cluster = executor.notices, executor.counts
    if not executor.is_stopped:
        try:
            for outcome in _absent(jobs, failed):
                summary.counts[Status.DONE] -= 1
                summary.add(outcome)
                on_outcome(outcome, summary)
        except ImageError as error:
            summary.unconfirmed = f"the store was not looked at after the run: {error}"
            summary.notices = [*summary.notices, summary.unconfirmed]
        summary.phases["look"] = time.perf_counter() - start - summary.seconds
    return summary


def _absent(jobs: "JobList", failed: set[str]) -> Iterator[Outcome]:
    """Yield a failure for each output in a store that was written, and is not listed there."""
    exists = places.existing_outputs()
    for job in jobs:
        if is_url(job.target) and not exists(job.target) and job.target not in failed:
            fault = "it was written, and the store does not list it: run it again"
            reason = f"{job.target}: {fault}"
            yield Outcome(job=job, status=Status.FAILED, reason=reason)


# ------------------------------------------------------------------ the list of jobs

_CREATE = """
PRAGMA page_size = 16384;
PRAGMA cache_size = -1024;
PRAGMA temp_store = FILE;
PRAGMA journal_mode = OFF;
CREATE TABLE jobs (number INTEGER PRIMARY KEY, source BLOB, target BLOB, output_key BLOB);
CREATE TABLE settled (number INTEGER PRIMARY KEY);
CREATE TABLE named (source BLOB, target BLOB);
"""
"""`source` and `target` are the names as given; the keys, of 16 bytes, are equal where two
names mean the same file. `settled` has the jobs that need not run. A MiB of the tables is held
in memory, and four while they are sorted; the rest is on the disk."""

_INSERT = "INSERT INTO jobs (source, target, output_key) VALUES (?, ?, ?)"

_SETTLE = (
    "INSERT OR IGNORE INTO settled SELECT number FROM jobs JOIN named USING (source, target)"
)

_SHARED_OUTPUT = """
SELECT earliest, number
FROM (SELECT number, min(number) OVER (PARTITION BY output_key) AS earliest FROM jobs)
WHERE earliest < number ORDER BY number LIMIT 1
"""
"""Finds the first job that has the output of an earlier one; returns both numbers."""

_OVERWRITTEN_INPUT = """
WITH keyed AS MATERIALIZED (SELECT number, output_key, key_of(source) AS input_key FROM jobs)
SELECT min(first) FROM (
    SELECT min(number) AS first FROM (
        SELECT output_key AS name, number FROM keyed WHERE output_key != input_key
        UNION ALL SELECT input_key, NULL FROM keyed
    ) GROUP BY name HAVING count(*) > count(number)
)
"""
"""Finds the first job whose output is the input of another job. In the middle table only
outputs have a number."""

_MOST_FOLDERS = 4096
"""So many folders are remembered while jobs are listed. With more, the disk sorts the jobs."""


class _Order:
    """What the order of jobs tells about them while they are listed.

    `sources` are the folders of inputs whose outputs go elsewhere. `last` is the last name in
    each folder of outputs. Where an output is beside its input, both names count. While all
    names in each folder rise from job to job, no two of them are the same.
    """

    def __init__(self) -> None:
        self.sources: set[str] = set()
        self.last: dict[str, str] = {}
        self.rises = self.are_few = True
        self.has_neighbours = False

    def row(self, job: FileJob) -> tuple[bytes, bytes, bytes]:
        """Return a job as a row of the table: names as bytes, for some are no valid text."""
        source, target = job.source, job.target
        folder, name = places.folder_and_name(first_output(target))
        of_source, other = places.folder_and_name(source)
        low = high = name
        if of_source != folder:
            self.sources.add(of_source)
        else:
            self.has_neighbours = True
            low, high = (other, name) if other < name else (name, other)
        if low <= self.last.get(folder, ""):
            self.rises = False
        self.last[folder] = high
        if len(self.sources) > _MOST_FOLDERS or len(self.last) > _MOST_FOLDERS:
            self.sources, self.last = set(), {}
            self.rises = self.are_few = False
        key = places.digest(folder + name)
        return places.as_bytes(source), places.as_bytes(target), key

    @property
    def are_apart(self) -> bool:
        """Whether no output can be another input."""
        if self.has_neighbours and not self.rises:
            return False
        return self.are_few and self.sources.isdisjoint(self.last)

    @property
    def are_empty(self) -> bool:
        """Whether no output can exist, for the folders of this machine have no files."""
        have_files = (is_url(each) or places.names_in(each)[0] for each in self.last)
        return self.are_few and not any(have_files)


_disk_errors = functools.partial(disk_errors, sqlite3.Error)


class JobList(contextlib.AbstractContextManager["JobList"]):
    """A list of jobs on the disk: its memory does not grow with the number of jobs.

    The jobs are read once, here; the list can be read as often as needed. It is an SQLite
    database in a temporary file without a name, which the system removes. It takes about twice
    the disk space of the names, and as much again while they are sorted.
    """

    def __init__(self, jobs: Iterable[FileJob]) -> None:
        with contextlib.ExitStack() as stack, _disk_errors():
            self._database = sqlite3.connect("", isolation_level=None)
            stack.callback(self._database.close)
            self._database.executescript(_CREATE)
            self._database.execute("BEGIN")
            self._order = _Order()
            rows = map(self._order.row, jobs)
            self._count = self._database.executemany(_INSERT, rows).rowcount
            self._database.execute("COMMIT")
            stack.pop_all()

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[FileJob]:
        return self._selected("number NOT IN settled")

    def settled(self) -> Iterator[FileJob]:
        """Yield the jobs that need not run."""
        return self._selected("number IN settled")

    def existing(self) -> Iterator[FileJob]:
        """Yield the jobs whose outputs are there; a store is asked once for each folder."""
        exists = places.existing_outputs()
        return (job for job in self._selected("TRUE") if exists(job.target))

    def _selected(self, condition: str) -> Iterator[FileJob]:
        query = f"SELECT source, target FROM jobs WHERE {condition} ORDER BY number"  # noqa: S608
        with _disk_errors():
            for source, target in self._database.execute(query):
                yield FileJob(os.fsdecode(source), os.fsdecode(target))

    def settle(self, jobs: Iterable[FileJob]) -> None:
        """Mark jobs as settled: they are not run. Jobs that are not in the list are ignored."""
        with _disk_errors():
            rows = ((os.fsencode(job.source), os.fsencode(job.target)) for job in jobs)
            self._database.executemany("INSERT INTO named VALUES (?, ?)", rows)
            self._database.execute(_SETTLE)
            self._database.execute("DELETE FROM named")

    def keys(self) -> Iterator[bytes]:
        """Yield the key of each output: see `claimed`."""
        with _disk_errors():
            rows = self._database.execute("SELECT output_key FROM jobs")
            yield from (key for (key,) in rows)

    def check(self, *, may_exist: bool) -> None:
        """Refuse, as a `BatchError`, jobs that would overwrite each other's files.

        Unless they `may_exist`, outputs that are there are refused too.
        """
        first = next(self._selected("number = 1"), None)
        if first is not None and first.target.startswith("memory://"):
            fault = (
                "a batch has many processes, and memory:// ends with the one that wrote there"
            )
            fail(first.target, fault, "use a path, or the URL of a store", BatchError)
        with _disk_errors():
            if not self._order.rises:
                self._refuse_shared_output()
            if not self._order.are_apart:
                self._refuse_overwritten_input()
        if not may_exist and not self._order.are_empty:
            self._refuse_existing_output()

    def _refuse_shared_output(self) -> None:
        if (numbers := self._database.execute(_SHARED_OUTPUT).fetchone()) is None:
            return
        first, second = map(self._numbered, numbers)
        if places.same_file_key(first.source) == places.same_file_key(second.source):
            raise BatchError(f"{second.source}: the input is given twice: name it once")
        raise BatchError(
            f"{first.source} and {second.source} would both be written to {second.target}: "
            "tell them apart by {stem}, {parent} or {suffix} in --name, or keep their folders "
            "with --recursive"
        )

    def _refuse_overwritten_input(self) -> None:
        def key_of(source: bytes) -> bytes:
            return places.output_key(os.fsdecode(source))

        self._database.create_function("key_of", 1, key_of, deterministic=True)
        (number,) = self._database.execute(_OVERWRITTEN_INPUT).fetchone()
        if number is not None:
            job = self._numbered(number)
            fault = f"the output of {job.source} is another input"
            fail(job.target, fault, "use another --out-dir or --name", BatchError)

    def _refuse_existing_output(self) -> None:
        existing = self.existing()
        if (first := next(existing, None)) is None:
            return
        count = sum(1 for _ in existing)
        more = f" (and {count:,} more outputs)" if count else ""
        remedy = "use --on-exists skip or overwrite, or another --out-dir"
        fail(first.target, f"the output exists{more}", remedy, BatchError)

    def _numbered(self, number: int) -> FileJob:
        return next(self._selected(f"number = {number}"))
