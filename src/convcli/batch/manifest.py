"""The manifest of a batch: a file with a line for each file that ended, kept while it runs."""

import contextlib
import functools
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from convcli.batch import places
from convcli.batch.job import FileJob, Outcome, Status
from convcli.errors import BatchError, ConvcliError, fail
from convcli.storage.atomic import remove_abandoned, temporary_name
from convcli.storage.urls import is_url, put_file, read_if_exists

_SEND_SECONDS = 60.0  # between two sendings to a store, which cannot append to an object


class Manifest(contextlib.AbstractContextManager["Manifest"]):
    """A file of JSON lines: what the run is first, then the outcome of each file as it ends.

    It is at a path or a URL; one that exists is continued. If a run was killed while it wrote,
    the last line is incomplete, and removed. A manifest that cannot be read or written, or is
    another file, is a `ConvcliError`. `arguments` are the command line, for its `head`.
    """

    def __init__(self, place: str, arguments: Sequence[str] = ()) -> None:
        self._place, self._sent = place, time.monotonic()
        what = f"{place}: the manifest cannot be written"
        self._errors = functools.partial(disk_errors, OSError, what, "name another place")
        with contextlib.ExitStack() as stack, self._errors():
            self._file = stack.enter_context(_opened(place))
            first = self._file.readline()
            if first and not first.startswith(b'{"convcli"'):
                fault = "expected a manifest, got another file"
                fail(place, fault, "name a new one", BatchError)
            self._file.seek(0)
            self._file.truncate(sum(len(s) for s in self._file if s.endswith(b"\n")))
            if not self._file.seek(0, os.SEEK_END):
                self._write({"convcli": 1, "folder": os.getcwd(), "arguments": list(arguments)})
            stack.pop_all()

    def __exit__(self, *_: object) -> None:
        with self._errors(), self._file:
            self._send()

    @property
    def head(self) -> dict[str, Any]:
        """What the run is: its ``folder`` and its ``arguments``."""
        return next(self._lines())

    def add(self, outcome: Outcome) -> None:
        """Write the line of a file that ended."""
        self._write(
            {
                "input": outcome.job.source,
                "output": outcome.job.target,
                "size": outcome.size,
                "checksum": outcome.checksum,
                "status": outcome.status.value,
                "reason": outcome.reason,
                "worker": outcome.worker,
                "seconds": round(outcome.seconds, 6),
            }
        )
        if time.monotonic() - self._sent > _SEND_SECONDS:
            with self._errors():
                self._send()

    def done(self) -> Iterator[FileJob]:
        """Yield the files that are done, or were skipped."""
        return (job for job, status in self._ended() if status is not Status.FAILED)

    def failed(self) -> Iterator[FileJob]:
        """Yield the files that failed in the end: of two lines of a file the last counts."""
        failed: dict[FileJob, None] = {}
        for job, status in self._ended():
            failed.pop(job, None)
            if status is Status.FAILED:
                failed[job] = None
        return iter(failed)

    def _ended(self) -> Iterator[tuple[FileJob, Status]]:
        for line in itertools.islice(self._lines(), 1, None):
            yield FileJob(line["input"], line["output"]), Status(line["status"])

    def _lines(self) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        try:
            for number, line in enumerate(self._file, 1):  # noqa: B007 - named in the error
                yield json.loads(line)
        except ValueError:
            fault = f"line {number} is no JSON: expected a manifest"
            fail(self._place, fault, "name another", BatchError)
        finally:
            self._file.seek(0, os.SEEK_END)

    def _write(self, line: dict[str, Any]) -> None:
        with self._errors():
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()

    def _send(self) -> None:
        self._sent = time.monotonic()
        if is_url(self._place):
            put_file(self._place, self._file)
            self._file.seek(0, os.SEEK_END)


def _opened(place: str) -> Any:
    """Open a manifest to read and append; that of a store is kept in a file without a name."""
    if is_url(place):
        file: Any = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the manifest
        file.write(read_if_exists(place) or b"")
    else:
        places.make_folder(os.path.dirname(place))
        file = open(place, "a+b")  # noqa: SIM115 - closed by the manifest
    file.seek(0)
    return file


# ------------------------------------------------------------------ one run an output


@contextlib.contextmanager
def claimed(keys: Iterable[bytes], *, overwrite: bool) -> Iterator[None]:
    """Claim outputs while they are made: a second run of this machine onto them is refused.

    The claims are files in the folder of temporary files, a file for each living process. The
    `keys` are the `output_key` of each output. Unless `overwrite`, it is a `ConvcliError` if a
    living run has claimed one of them.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = os.path.join(tempfile.gettempdir(), f"convcli-claims-{user}")
    own = os.path.join(folder, temporary_name())
    try:
        with disk_errors(OSError):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            remove_abandoned(folder)
            with open(own, "xb") as file:
                file.writelines(keys)
        for other in [] if overwrite else os.listdir(folder):
            if other != os.path.basename(own) and _share_keys(own, f"{folder}/{other}"):
                fault = f"another run (process {other.split('-')[2]}) writes the same outputs"
                remedy = "wait for its end, or use --on-exists overwrite"
                fail("", fault, remedy, ConvcliError)
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(own)


@contextlib.contextmanager
def disk_errors(
    kind: type[Exception],
    what: str = "the list of files cannot be kept on the disk",
    remedy: str = "make room where temporary files go, or set TMPDIR to another folder",
) -> Iterator[None]:
    """Turn errors of a kind into one line: what fails is the disk."""
    try:
        yield
    except kind as error:
        reason = getattr(error, "strerror", error)
        raise ConvcliError(f"{what}: {reason}: {remedy}") from None


def _share_keys(own: str, other: str) -> bool:
    """Tell whether two claims have a key in common; few keys are in memory at a time."""
    keys = _keys_of(own)
    while portion := set(itertools.islice(keys, _MOST_KEYS)):
        if not portion.isdisjoint(_keys_of(other)):
            return True
    return False


_MOST_KEYS = 50_000


def _keys_of(path: str) -> Iterator[bytes]:
    # Another run may have ended meanwhile.
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        yield from iter(lambda: file.read(places.KEY_BYTES), b"")
