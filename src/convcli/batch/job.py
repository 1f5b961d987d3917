"""One picture of many: where it comes from, where it goes, what became of it."""

import enum
import time
from typing import Any

from convcli.batch import places
from convcli.errors import ConvcliError, ImageError
from convcli.images.policy import ReadPolicy
from convcli.images.write import Saving
from convcli.pipeline.files import filter_file
from convcli.pipeline.memory import file_bytes
from convcli.pipeline.options import Options
from convcli.pipeline.report import Report
from convcli.pipeline.steps import Operand
from convcli.text import counted, short
from convcli.values import Record, replace

_MIB = 2**20


class Status(enum.Enum):
    """How a job ended."""

    DONE = "done"
    SKIPPED = "skipped"
    """Its output was there before."""
    FAILED = "failed"


class Job(Record):
    """A file to filter.

    Attributes
    ----------
    source, target : str
        As `convcli.pipeline.files.filter_file` takes them, but never ``-``.
    """

    source: str
    target: str


class Outcome(Record, kw_only=True):
    """How one job ended.

    Attributes
    ----------
    job : Job
        Which.
    status : Status
        How.
    reason : str
        Why it failed, on one line; empty otherwise.
    megapixels : float
        Size of the input, of all frames together, in millions of pixels.
    seconds : float
        How long it took, with reading and writing.
    report : Report or None
        What was done; None where nothing was.
    """

    job: Job
    status: Status
    reason: str = ""
    megapixels: float = 0.0
    seconds: float = 0.0
    report: Report | None = None

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


class BatchJob(Record, kw_only=True):
    """What is done to every file; it can be pickled, and is sent to a worker once.

    Attributes
    ----------
    kernels : tuple of Kernel or Operator
        The chain.
    options, reading, saving, kind, sheet
        As in `convcli.pipeline.files.filter_file`.
    skip_existing : bool
        Leave a file alone whose output is there already.
    memory : int, optional
        Refuse a file that takes more bytes, judged by its header.
    """

    kernels: tuple[Operand, ...]
    options: Options
    reading: ReadPolicy = ReadPolicy()
    saving: Saving = Saving()
    kind: str | None = None
    sheet: bool = False
    skip_existing: bool = False
    memory: int | None = None

    def with_threads(self, threads: int) -> "BatchJob":
        """Return the same work, which does each file on so many threads."""
        return replace(self, options=replace(self.options, jobs=threads))

    def run(self, job: Job) -> Outcome:
        """Filter one file; its own faults are told, not raised.

        Examples
        --------
        >>> from convcli.kernels.spec import kernel_from
        >>> work = BatchJob(kernels=(kernel_from("box"),), options=Options())
        >>> work.run(Job("nowhere.png", "out.png")).reason
        'no such file: check the path'
        """
        start = time.perf_counter()
        try:
            report = None if self._is_done(job) else self._filter(job)
        except ConvcliError as error:
            reason = str(error).removeprefix(f"{job.source}: ")
        except MemoryError:
            reason = "not enough memory: use fewer --jobs, or --memory"
        except OSError as error:
            reason = f"{error.filename or job.target}: {error.strerror or error}"
        else:
            return _ended(job, report, time.perf_counter() - start)
        seconds = time.perf_counter() - start
        return Outcome(job=job, status=Status.FAILED, reason=reason, seconds=seconds)

    def _is_done(self, job: Job) -> bool:
        return self.skip_existing and places.is_taken(job.target)

    def _filter(self, job: Job) -> Report:
        self._check_memory(job)
        places.make_folder_of(job.target)
        return filter_file(
            self.kernels,
            job.source,
            job.target,
            self.options,
            reading=self.reading,
            saving=self.saving,
            kind=self.kind,
            sheet=self.sheet,
        )

    def needed_bytes(self, job: Job) -> int:
        """Estimate the memory that a job takes; 0 where nobody asks for a limit."""
        if self.memory is None:
            return 0
        return file_bytes(
            job.source,
            job.target,
            self.kernels,
            self.options,
            reading=self.reading,
            kind=self.kind,
        )

    def _check_memory(self, job: Job) -> None:
        needed = self.needed_bytes(job)
        if self.memory is not None and needed > self.memory:
            raise ImageError(
                f"expected a picture that takes at most {_memory(self.memory)} of memory, got "
                f"one of about {_memory(needed)}: raise --memory"
            )


def _memory(count: int) -> str:
    return counted(count, "byte") if count < _MIB else f"{short(count / _MIB)} MiB"


def _ended(job: Job, report: Report | None, seconds: float) -> Outcome:
    if report is None:
        return Outcome(job=job, status=Status.SKIPPED)
    return Outcome(
        job=job,
        status=Status.DONE,
        megapixels=_megapixels(report),
        seconds=seconds,
        report=report,
    )


def _megapixels(report: Report) -> float:
    rows, columns, _ = report.input_shape
    return rows * columns * report.frames / 1e6
