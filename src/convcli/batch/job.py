"""One file of a batch, what is done to it, and how that ended."""

import enum
import time
from typing import Any

from convcli.batch import places
from convcli.engine.compiled import expect_runs
from convcli.errors import ConvcliError, ImageError
from convcli.images.policy import ReadPolicy
from convcli.images.write import Saving
from convcli.pipeline.files import check_file, filter_file
from convcli.pipeline.memory import file_bytes
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import Pipeline
from convcli.pipeline.report import Report
from convcli.pipeline.steps import Link
from convcli.text import counted, short
from convcli.values import Record, fields_of, replace

_MIB = 2**20


class FileJob(Record):
    """One file of a batch: where it is read, and where its result is written.

    Attributes
    ----------
    source, target : str
        Paths or URLs, as in `convcli.pipeline.files.filter_file`, but never ``-``.
    """

    source: str
    target: str

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

    Attributes
    ----------
    job : FileJob
        The file.
    status : Status
        How its job ended.
    reason : str
        Why it failed, on one line; empty if it did not.
    megapixels : float
        Size of the input, all its frames together, in millions of pixels.
    seconds : float
        How long the job took, with reading and writing.
    report : Report or None
        What was done; None if nothing was done.
    size : int
        Bytes of the output, or of the first of several; 0 where that was not looked at.
    checksum : str
        Of the same file, as it was read back: ``sha256:…``; empty unless it was asked for.
    worker : str
        The address of the worker of a cluster.
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


class BatchJob(Record, kw_only=True):
    """What a batch does to each of its files: the same kernels with the same options.

    It can be pickled: each worker gets it once, and then one `FileJob` after the other.

    Attributes
    ----------
    kernels : tuple of Kernel or Operator
        The chain.
    options, reading, saving, file_format, sheet
        As in `convcli.pipeline.files.filter_file`.
    skip_existing : bool
        Skip a file whose output exists already.
    checksums : bool
        Read each output back, and tell its size and checksum.
    memory : int, optional
        Refuse a file that needs more bytes of memory, estimated from its header.
    runs : int
        Files that each process is to filter: together they may pay for compiled functions.
    """

    kernels: tuple[Link, ...]
    options: Options
    reading: ReadPolicy = ReadPolicy()
    saving: Saving = Saving()
    file_format: str | None = None
    sheet: bool = False
    skip_existing: bool = False
    checksums: bool = False
    memory: int | None = None
    runs: int = 1

    def with_limits(self, threads: int, memory: int | None) -> "BatchJob":
        """Return the same job with other limits: threads and bytes of memory for each file."""
        return replace(self, options=replace(self.options, jobs=threads), memory=memory)

    def run(self, job: FileJob) -> Outcome:
        """Filter one file; an error of that file is in the outcome, and is not raised.

        Examples
        --------
        >>> from convcli.kernels.spec import kernel_from
        >>> blur = BatchJob(kernels=(kernel_from("box"),), options=Options())
        >>> blur.run(FileJob("nowhere.png", "out.png")).reason
        'no such file: check the path'
        """
        start = time.perf_counter()
        expect_runs(self.runs)
        try:
            if self.skip_existing and places.output_exists(job.target):
                return Outcome(job=job, status=Status.SKIPPED)
            report = self._filter(job)
            size, checksum = places.size_and_checksum(job.target) if self.checksums else (0, "")
        except ConvcliError as error:
            reason = str(error).removeprefix(f"{job.source}: ")
        except MemoryError:
            reason = "not enough memory: use fewer --jobs, or --memory"
        except OSError as error:
            reason = f"{error.filename or job.target}: {error.strerror or error}"
        else:
            outcome = _done(job, report, time.perf_counter() - start)
            return replace(outcome, size=size, checksum=checksum) if checksum else outcome
        seconds = time.perf_counter() - start
        return Outcome(job=job, status=Status.FAILED, reason=reason, seconds=seconds)

    def fault(self, job: FileJob) -> str:
        """Say why a file that can be read cannot be filtered or written; empty if it can.

        Its header is read, and little more: see `check_file`. A pipe is not read: what is read
        of it is gone.
        """
        if self.skip_existing and places.output_exists(job.target):
            return ""
        if places.is_pipe(job.source):
            return ""
        try:
            self.checked(job)
        except ConvcliError as error:
            return str(error)
        except (OSError, MemoryError):
            return ""
        return ""

    def checked(self, job: FileJob) -> Pipeline | None:
        """Return how a file would be filtered; None where its header tells nothing.

        Raises
        ------
        ConvcliError
            If it cannot be filtered or written, or needs too much memory: see `check_file`.
        """
        pipeline = check_file(
            self.kernels,
            job.source,
            job.target,
            self.options,
            **self._settings,
        )
        self._check_memory(job)
        return pipeline

    @property
    def _settings(self) -> dict[str, Any]:
        return fields_of(self, "reading", "saving", "file_format", "sheet")

    def _filter(self, job: FileJob) -> Report:
        self._check_memory(job)
        places.make_parent_folder(job.target)
        return filter_file(
            self.kernels,
            job.source,
            job.target,
            self.options,
            **self._settings,
        )

    def needed_bytes(self, job: FileJob) -> int:
        """Estimate the memory that a file needs; 0 where memory is not limited."""
        if self.memory is None:
            return 0
        return file_bytes(
            job.source,
            job.target,
            self.kernels,
            self.options,
            reading=self.reading,
            file_format=self.file_format,
        )

    def _check_memory(self, job: FileJob) -> None:
        needed = self.needed_bytes(job)
        if self.memory is not None and needed > self.memory:
            raise ImageError(
                f"expected a picture that takes at most {_memory(self.memory)} of memory, got "
                f"one of about {_memory(needed)}: raise --memory"
            )


def _memory(count: int) -> str:
    return counted(count, "byte") if count < _MIB else f"{short(count / _MIB)} MiB"


def _done(job: FileJob, report: Report, seconds: float) -> Outcome:
    rows, columns, _ = report.input_shape
    megapixels = rows * columns * report.frames / 1e6
    return Outcome(
        job=job, status=Status.DONE, megapixels=megapixels, seconds=seconds, report=report
    )
