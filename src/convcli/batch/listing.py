"""The list of all jobs of a batch, on disk."""

import contextlib
import functools
import os
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from convcli.batch import places
from convcli.batch.job import Job
from convcli.batch.places import is_url
from convcli.errors import BatchError, ConvcliError


def same_file_key(place: str) -> str:
    """Return what two names of one file have in common.

    Folders are followed through links; where the disk does not tell A from a, neither
    does the key.
    """
    if is_url(place):
        return place
    folder, name = os.path.split(place)
    real, folds = _real(os.path.abspath(folder))
    return os.path.join(real, _folded(name) if folds else name)


@functools.lru_cache(maxsize=4096)
def _real(folder: str) -> tuple[str, bool]:
    real = os.path.realpath(folder)
    return real, _folds(real)


@functools.lru_cache(maxsize=4096)
def _folds(folder: str) -> bool:
    """Tell whether a disk takes names for the same that differ in case only."""
    above, name = os.path.split(folder)
    if not name:
        return os.path.normcase("A") == "a"
    if name.swapcase() == name or not os.path.exists(folder):
        return _folds(above)
    other = os.path.join(above, name.swapcase())
    return os.path.exists(other) and os.path.samefile(folder, other)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


_TABLE = """
PRAGMA page_size = 1024;
PRAGMA cache_size = -256;
PRAGMA temp_store = FILE;
PRAGMA journal_mode = OFF;
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY, source BLOB, target BLOB, input BLOB, output BLOB
);
"""
"""Names are kept as they are given, and as the same file is always called. Of pages a quarter
MiB stays in memory, and as much where they are sorted; the rest is on the disk."""

_KEEP = "INSERT INTO jobs (source, target, input, output) VALUES (?, ?, ?, ?)"

_TWICE = """
SELECT earliest, number
FROM (SELECT number, min(number) OVER (PARTITION BY output) AS earliest FROM jobs)
WHERE earliest < number ORDER BY number LIMIT 1
"""
"""The first job whose output is that of an earlier one."""

_CROSSED = """
SELECT number FROM (
    SELECT number, min(number) OVER (PARTITION BY name) AS least FROM (
        SELECT output AS name, number FROM jobs WHERE output != input
        UNION ALL SELECT input, -number FROM jobs
    )
) WHERE least < 0 AND number > 0 ORDER BY number LIMIT 1
"""
"""The first job whose output is an input, of another job: inputs count below zero."""


class Listing:
    """A list of jobs that takes the same memory however long it is: it is on the disk.

    It is a database of SQLite's, in a temporary file that has no name and that nobody has
    to remove; with what it sorts it takes several times the disk of the names themselves.

    Parameters
    ----------
    jobs : iterable of Job
        Read once, at once; read back as often as needed.

    Raises
    ------
    ConvcliError
        If there is no room on the disk.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        with contextlib.ExitStack() as stack, _told():
            self._database = sqlite3.connect("", isolation_level=None)
            stack.callback(self._database.close)
            self._database.executescript(_TABLE)
            self._database.execute("BEGIN")
            self._count = self._database.executemany(_KEEP, map(_row, jobs)).rowcount
            self._database.execute("COMMIT")
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Job]:
        with _told():
            rows = self._database.execute("SELECT source, target FROM jobs ORDER BY number")
            yield from (_job(*row) for row in rows)

    def _numbered(self, number: int) -> Job:
        query = "SELECT source, target FROM jobs WHERE number = ?"
        return _job(*self._database.execute(query, (number,)).fetchone())

    def check(self, *, may_exist: bool) -> None:
        """Refuse jobs that would get into each other's way.

        Parameters
        ----------
        may_exist : bool
            Whether outputs may be there already.

        Raises
        ------
        BatchError
            If two jobs write the same file, one writes another's input, or an output is
            there already.
        """
        self._refuse_private()
        with _told():
            self._refuse_twice()
            self._refuse_crossed()
        if not may_exist:
            self._refuse_taken()

    def _targets(self) -> Iterator[str]:
        with _told():
            rows = self._database.execute("SELECT target FROM jobs ORDER BY number")
            yield from (places.decoded(target) for (target,) in rows)

    def _refuse_private(self) -> None:
        private = next(filter(places.is_private, self._targets()), None)
        if private is not None:
            raise BatchError(
                f"{private}: a batch has many processes, and memory:// ends with the one that "
                "wrote there: use a path, or the URL of a store"
            )

    def _refuse_twice(self) -> None:
        numbers = self._database.execute(_TWICE).fetchone()
        if numbers is None:
            return
        first, second = map(self._numbered, numbers)
        if same_file_key(first.source) == same_file_key(second.source):
            raise BatchError(f"{second.source}: the input is given twice: name it once")
        raise BatchError(
            f"{first.source} and {second.source} would both be written to {second.target}: "
            "tell them apart by {stem}, {parent} or {suffix} in --name, or keep their folders "
            "with --recursive"
        )

    def _refuse_crossed(self) -> None:
        numbers = self._database.execute(_CROSSED).fetchone()
        if numbers is not None:
            job = self._numbered(*numbers)
            raise BatchError(
                f"{job.target}: the output of {job.source} is another input: use another "
                "--out-dir or --name"
            )

    def _refuse_taken(self) -> None:
        taken = places.taken(self._targets())
        first = next(taken, None)
        if first is None:
            return
        rest = sum(1 for _ in taken)
        more = f" (and {rest:,} more outputs)" if rest else ""
        raise BatchError(
            f"{first}: the output exists{more}: use --on-exists skip or overwrite, or "
            "another --out-dir"
        )


def _row(job: Job) -> tuple[bytes, ...]:
    written = same_file_key(places.first_map(job.target))
    return tuple(
        map(places.encoded, (job.source, job.target, same_file_key(job.source), written))
    )


def _job(source: bytes, target: bytes) -> Job:
    return Job(places.decoded(source), places.decoded(target))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say on one line what the disk does not take."""
    try:
        yield
    except sqlite3.Error as error:
        raise ConvcliError(
            f"the list of files cannot be kept on the disk: {error}: make room where temporary "
            "files go, or set TMPDIR to another folder"
        ) from None
