"""The jobs of a batch, counted and checked before any runs."""

import contextlib
import tempfile
from collections.abc import Collection, Iterable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from convcli.batch import places
from convcli.batch.job import Job
from convcli.errors import BatchError

_IN_MEMORY = 2**18
"""Bytes of names above which they are kept in a temporary file."""

_BLOCK = 65_536
_END = b"\0"


class Listing:
    """A list of jobs that takes 16 bytes of memory for each, however long their names.

    Parameters
    ----------
    jobs : iterable of Job
        Read once, at once; read back as often as needed.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - see close
        with contextlib.ExitStack() as stack:
            stack.callback(self._file.close)
            self._count = sum(1 for _ in map(self._keep, jobs))
            stack.pop_all()
        self._end = self._file.tell()

    def _keep(self, job: Job) -> None:
        for place in (job.source, job.target):
            self._file.write(places.encoded(place) + _END)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Job]:
        names = (places.decoded(name) for name in self._names())
        return (Job(source, target) for source, target in zip(names, names, strict=True))

    def _names(self) -> Iterator[bytes]:
        rest = b""
        for start in range(0, self._end, _BLOCK):
            # Several may read at the same time, each at its own place.
            self._file.seek(start)
            *whole, rest = (rest + self._file.read(_BLOCK)).split(_END)
            yield from whole

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
        sources, targets = self._hashes()
        ordered = np.sort(targets)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if twice.size:
            self._refuse_twice(set(twice.tolist()))
        # By hand: np.intersect1d imports numpy.ma, which takes 13 ms.
        other = sources[sources != targets]
        found = np.minimum(np.searchsorted(ordered, other), len(ordered) - 1)
        crossed = other[ordered[found] == other]
        if crossed.size:
            self._refuse_crossed(set(crossed.tolist()))
        if not may_exist:
            self._refuse_taken()

    def _refuse_private(self) -> None:
        for job in self:
            if places.is_private(job.target):
                raise BatchError(
                    f"{job.target}: a batch has many processes, and memory:// ends with the "
                    "one that wrote there: use a path, or the URL of a store"
                )

    def _hashes(self) -> NDArray[np.int64]:
        """Return the hashes of inputs and of outputs; what has the same is compared."""
        hashes = np.empty((2, len(self)), np.int64)
        for index, job in enumerate(self):
            hashes[:, index] = hash(places.key(job.source)), hash(_written(job))
        return hashes

    def _refuse_twice(self, hashes: Collection[int]) -> None:
        first: dict[str, Job] = {}
        for job in self:
            key = _written(job)
            if hash(key) not in hashes:
                continue
            if key not in first:
                first[key] = job
            elif places.key(job.source) == places.key(first[key].source):
                raise BatchError(f"{job.source}: the input is given twice: name it once")
            else:
                raise BatchError(
                    f"{first[key].source} and {job.source} would both be written to "
                    f"{job.target}: tell them apart by {{stem}}, {{parent}} or {{suffix}} in "
                    "--name, or keep their folders with --recursive"
                )

    def _refuse_crossed(self, hashes: Collection[int]) -> None:
        keys = (places.key(job.source) for job in self)
        inputs = {key for key in keys if hash(key) in hashes}
        for job in self:
            key = _written(job)
            if key in inputs and key != places.key(job.source):
                raise BatchError(
                    f"{job.target}: the output of {job.source} is another input: use "
                    "another --out-dir or --name"
                )

    def _refuse_taken(self) -> None:
        taken = places.taken(job.target for job in self)
        first = next(taken, None)
        if first is None:
            return
        rest = sum(1 for _ in taken)
        more = f" (and {rest:,} more outputs)" if rest else ""
        raise BatchError(
            f"{first}: the output exists{more}: use --on-exists skip or overwrite, or "
            "another --out-dir"
        )


def _written(job: Job) -> str:
    return places.key(places.first_map(job.target))
