"""The files of a batch, what is done to each, and how they ended."""

import enum
import math
import time
from collections import Counter
from typing import Any

from convcli.batch import places
from convcli.engine.compiled import expect_runs
from convcli.engine.planner import Plan
from convcli.errors import ConvcliError, ImageError, fail
from convcli.pipeline.files import STANDARD, FileFilter, read_source
from convcli.pipeline.memory import file_bytes
from convcli.pipeline.pipeline import Pipeline
from convcli.pipeline.report import Report
from convcli.text import counted, short
from convcli.values import Record, replace

_MIB = 2**20


class FileJob(Record):
    """One file of a batch: the path or URL where it is read, and where its result goes."""

    source: str
    target: str

    def __init__(self, source: str, target: str) -> None:
        # A batch makes millions: this takes a third of the time of other records.
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "target", target)

    def absolute(self) -> "FileJob":
        """Return the same file with paths that mean the same in any working folder."""
        return FileJob(places.absolute(self.source), places.absolute(self.target))


class Status(enum.Enum):
    """How a file's job ended."""

    DONE = "done"
    SKIPPED = "skipped"
    """Its output existed already."""
    FAILED = "failed"


class Outcome(Record, kw_only=True):
    """What happened to one file.

    A job that failed has a `reason`, on one line; one that did something has a `report`. The
    `megapixels` are those of the input, all its frames together, and the `seconds` include
    reading and writing. Where a checksum was asked for, `size` and `checksum` (``sha256:…``)
    are those of the output, or of the first of several, as it was read back. `worker` is the
    address of the worker of a cluster, which tells the size always.
    """

    job: FileJob
    status: Status
    reason: str = ""
    megapixels: float = 0.0
    seconds: float = 0.0
    report: Report | None = None
    size: int = 0
    checksum: str = ""
    worker: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values."""
        return {
            "source": self.job.source,
            "target": self.job.target,
            "status": self.status.value,
            "reason": self.reason,
            "megapixels": round(self.megapixels, 6),
            "seconds": round(self.seconds, 6),
            **({} if self.report is None else self.report.as_dict()),
        }


class BatchJob(FileFilter, kw_only=True):
    """What a batch does to each of its files: the same kernels with the same options.

    Each worker gets it once, and then one `FileJob` after the other. With `checksums` each
    output is read back. A file that needs more bytes than `memory` is refused. `runs` are the
    files that each process is to filter: together they may pay for compiled functions.
    """

    skip_existing: bool = False
    checksums: bool = False
    memory: int | None = None
    runs: int = 1

    def with_limits(self, threads: int, memory: int | None) -> "BatchJob":
        """Return the same job with other limits: threads and bytes of memory for each file."""
        return replace(self, options=replace(self.options, jobs=threads), memory=memory)

    def run(self, job: FileJob) -> Outcome:
        """Filter one file; an error of that file is in the outcome, and is not raised."""
        start, facts = time.perf_counter(), dict[str, Any](status=Status.FAILED)
        expect_runs(self.runs)
        try:
            if self.skip_existing and places.output_exists(job.target):
                return Outcome(job=job, status=Status.SKIPPED)
            facts = self._filtered(job)
        except ConvcliError as error:
            facts["reason"] = str(error).removeprefix(f"{job.source}: ")
        except MemoryError:
            facts["reason"] = "not enough memory: use fewer --jobs, or --memory"
        except OSError as error:
            facts["reason"] = f"{error.filename or job.target}: {error.strerror or error}"
        return Outcome(job=job, seconds=time.perf_counter() - start, **facts)

    def fault(self, job: FileJob) -> str:
        """Say why a file that can be read cannot be filtered or written; empty if it can."""
        is_skipped = self.skip_existing and places.output_exists(job.target)
        if is_skipped or places.is_pipe(job.source):  # What is read of a pipe is gone.
            return ""
        try:
            self.checked(job)
        except ConvcliError as error:
            return str(error)
        except (OSError, MemoryError):
            pass
        return ""

    def checked(self, job: FileJob) -> Pipeline | None:
        """Return how a file would be filtered, by its header; None where that tells nothing."""
        pipeline = self.check_file(job.source, job.target)
        self._check_memory(job)
        return pipeline

    def _filtered(self, job: FileJob) -> dict[str, Any]:
        """Filter a file; return what there is to say of it."""
        self._check_memory(job)
        places.make_parent_folder(job.target)
        report = self.filter_file(job.source, job.target)
        size, checksum = places.size_and_checksum(job.target) if self.checksums else (0, "")
        return {
            "status": Status.DONE,
            "megapixels": math.prod(report.input_shape[:2]) * report.frames / 1e6,
            "report": report,
            "size": size,
            "checksum": checksum,
        }

    def needed_bytes(self, job: FileJob) -> int:
        """Estimate the memory that a file takes; 0 where memory is not limited."""
        return 0 if self.memory is None else file_bytes(self, job.source, job.target)

    def _check_memory(self, job: FileJob) -> None:
        needed = self.needed_bytes(job)
        if self.memory is not None and needed > self.memory:
            fault = f"expected a picture that takes at most {_memory(self.memory)} of memory"
            got = f"got one of about {_memory(needed)}"
            fail("", f"{fault}, {got}", "raise --memory", ImageError)


def _memory(count: int) -> str:
    return counted(count, "byte") if count < _MIB else f"{short(count / _MIB)} MiB"


# ------------------------------------------------------------------ what would be done

WRITE, REPLACE, SKIP, FAIL, LEAVE_OUT = ("write", "replace", "skip", "fail", "leave out")
"""What would be done with a file."""


class FilePreview(Record, kw_only=True):
    """What a run would do with one file, while nothing is written.

    Its `action` is `WRITE`, `REPLACE`, `SKIP`, `FAIL` or `LEAVE_OUT`; a file that is left out
    has no `target`. The `reason` says why it is not written. `memory` are about the bytes that
    it takes, `plans` how it would be computed: 0 and empty where nothing is.
    """

    source: str
    target: str = ""
    action: str
    reason: str = ""
    memory: int = 0
    plans: tuple[Plan, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the preview as plain JSON values, without the plans."""
        return {
            "source": self.source,
            "target": self.target or None,
            "action": self.action,
            "reason": self.reason,
            "memory_bytes": self.memory,
        }


def preview_file(batch_job: BatchJob, job: FileJob) -> FilePreview:
    """Return what would be done with one file; its header is read, and little more."""
    exists = job.target != STANDARD and places.output_exists(job.target)
    action = REPLACE if exists else WRITE
    preview = FilePreview(source=job.source, target=job.target, action=action)
    if exists and batch_job.skip_existing:
        return replace(preview, action=SKIP, reason="the output exists")
    if STANDARD in (job.source, job.target) or places.is_pipe(job.source):
        return preview
    try:
        pipeline = batch_job.checked(job)
        if pipeline is None:
            # The header tells nothing: reading the file says why.
            read_source(job.source, batch_job.reading)
    except ConvcliError as error:
        return replace(preview, action=FAIL, reason=str(error).removeprefix(f"{job.source}: "))
    plans = () if pipeline is None else pipeline.plans
    memory = file_bytes(batch_job, job.source, job.target)
    return replace(preview, memory=memory, plans=plans)


# ------------------------------------------------------------------ how all ended

MOST_FAILURES = 1000  # how many failures are remembered: a batch may have millions
MOST_WARNINGS = 20  # how many different warnings are remembered


class Summary:
    """Counts outcomes as they come.

    `counts` are the jobs that ended in each `Status`; `failures` the first `MOST_FAILURES` that
    failed; `warnings` how many files had each of the first `MOST_WARNINGS` different ones;
    `left_out` the files of each suffix that were in the folders and are no pictures.
    `megapixels` are those of all inputs that were filtered, `busy` the seconds of work of all
    workers together, `seconds` those since the start, `phases` those of each part of the run:
    ``list``, ``connect``, ``filter``, ``look``. `notices` has a line for each worker of a
    cluster that was refused, or left aside; `counts_of_cluster` its ``retries``, the files that
    were sent again, and the workers ``left_aside``. The batch was `interrupted` where it was
    stopped before its end. `unconfirmed` says why outputs in a store could not be looked for
    after the run.
    """

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.failures: list[Outcome] = []
        self.warnings: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.megapixels = self.busy = self.seconds = 0.0
        self.notices: list[str] = []
        self.counts_of_cluster: dict[str, int] = {}
        self.phases: dict[str, float] = {}
        self.interrupted = False
        self.unconfirmed = ""

    @classmethod
    def of(cls, done: int, megapixels: float, seconds: float) -> "Summary":
        """Return the summary of `done` jobs that all went well."""
        summary = cls()
        summary.counts[Status.DONE] = done
        summary.megapixels, summary.seconds = megapixels, seconds
        return summary

    def add(self, outcome: Outcome) -> None:
        """Count the outcome of one more job."""
        self.counts[outcome.status] += 1
        self.megapixels += outcome.megapixels
        self.busy += outcome.seconds
        if outcome.status is Status.FAILED and len(self.failures) < MOST_FAILURES:
            self.failures.append(outcome)
        for warning in outcome.report.warnings if outcome.report else ():
            if warning in self.warnings or len(self.warnings) < MOST_WARNINGS:
                self.warnings[warning] += 1

    @property
    def ended(self) -> int:
        """How many jobs ended."""
        return self.counts.total()

    @property
    def rate(self) -> float:
        """Megapixels a second."""
        return self.megapixels / self.seconds if self.seconds else 0.0

    def seconds_left(self, total: int) -> float | None:
        """Estimate how long the rest of `total` files takes; None before the first is done."""
        worked = self.ended - self.counts[Status.SKIPPED]
        return self.seconds / worked * (total - self.ended) if worked else None

    @property
    def return_code(self) -> int:
        """The exit status: 130 if interrupted, 1 if a job failed or may have, 0 otherwise."""
        if self.interrupted:
            return 130
        return 1 if self.counts[Status.FAILED] or self.unconfirmed else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {
            **{status.value: self.counts[status] for status in Status},
            "left_out": dict(self.left_out.most_common()),
            "megapixels": round(self.megapixels, 6),
            "seconds": round(self.seconds, 6),
            "busy_seconds": round(self.busy, 6),
            "megapixels_per_second": round(self.rate, 3),
            "phases": {name: round(seconds, 6) for name, seconds in self.phases.items()},
            **self.counts_of_cluster,
            "notices": self.notices,
            "interrupted": self.interrupted,
        }
