"""The journal of a large output: a run that is stopped can go on with it (``--resume``)."""

import contextlib
import hashlib
import json
import time
import zlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from convcli.batch.places import absolute
from convcli.engine.store import ValueStats
from convcli.errors import ImageError
from convcli.images.codecs.tiff_segments import fast_codecs
from convcli.scale.tiled.source import Source, TiledMask, TiledWork
from convcli.storage.atomic import JOURNAL, is_abandoned, is_stream, temporary_name
from convcli.storage.urls import is_url, read_if_exists
from convcli.values import Record, asdict, replace

_QUIET_SECONDS = 300
"""After so long without a new line the run of another machine counts as stopped."""


class Journal:
    """A file of JSON lines beside a partial output: what the run is, and each block in order.

    `place` is the partial output; empty where it is on no disk: nothing is kept then. `head`
    says what the run is. `blocks` are those of the stopped run: their statistics, and where
    their tiles are. With `resumes` the partial output stays when this run is stopped too.
    `note` is what a person should know.
    """

    def __init__(
        self,
        place: str,
        head: dict[str, Any],
        blocks: Sequence[dict[str, Any]] = (),
        *,
        resumes: bool = False,
        note: str = "",
    ) -> None:
        self.place, self.head, self.blocks, self.note = place, head, list(blocks), note
        self.resumes = resumes
        self._file: BinaryIO | None = None
        self._added = 0

    @property
    def count(self) -> int:
        """Number of blocks that the stopped run had written."""
        return len(self.blocks)

    @property
    def stats(self) -> ValueStats:
        """The statistics of those blocks."""
        return sum((ValueStats(*block["stats"]) for block in self.blocks), ValueStats())

    def prepared(self, work: TiledWork) -> TiledWork | None:
        """Return the work as the stopped run had prepared it; None where there was none."""
        if "known" not in self.head:
            return None
        known = self.head["known"]
        pipeline = work.pipeline.for_translucent() if self.head["open"] else work.pipeline
        return replace(
            work, pipeline=pipeline, known=None if known is None else ValueStats(*known)
        )

    def describe(self, work: TiledWork, planned: TiledWork, shape: Sequence[int]) -> None:
        """Set the first line: what the run computed before its first block.

        `work` was prepared from what was `planned`; its blocks have the shape.
        """
        known = None if work.known is None else _numbers(work.known)
        is_open = work.pipeline is not planned.pipeline
        self.head |= {"block": list(shape), "known": known, "open": is_open}

    def start(self) -> None:
        """Begin the file of the journal, once the partial output exists."""
        if not self.place:
            return
        self._file = _journal_of(Path(self.place)).open("wb")
        self._write(self.head, *self.blocks)

    def add(self, stats: ValueStats, tiles: Sequence[Any]) -> None:
        """Note that a block is written completely."""
        self._added += 1
        self._write({"stats": _numbers(stats), "tiles": list(tiles)})

    def _write(self, *lines: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write("".join(f"{json.dumps(line)}\n" for line in lines).encode())
            self._file.flush()

    def keeps(self) -> bool:
        """Tell whether the partial output is kept when the run is stopped by an error."""
        return self.resumes and bool(self.count + self._added)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Close the journal, and remove it unless the output waits for another run."""
        done = False
        try:
            yield
            done = True
        finally:
            if self._file is not None:
                self._file.close()
            if self.place and (done or not self.keeps()):
                _journal_of(Path(self.place)).unlink(missing_ok=True)


def journal_for(target: str, facts: dict[str, str], *, resume: bool) -> Journal:
    """Return the journal of a new output, or of the one that a stopped run has left.

    `facts` must be equal to go on: see `facts_of`. An `ImageError` is raised if the stopped run
    was another one, or may be at work on another machine.
    """
    if is_url(target) or is_stream(target):
        if resume:
            raise ImageError(f"{target}: --resume: expected an output on a disk: leave it out")
        return Journal("", {})
    final = Path(target).resolve()
    head: dict[str, Any] = {"target": str(final), "facts": facts}
    new = final.with_name(temporary_name())
    left = _left_for(final)
    if left is None:
        return Journal(str(new), head, resumes=resume)
    place, (found, *blocks) = left
    if not resume:
        note = f"a stopped run had written {len(blocks)} blocks: --resume would have kept them"
        return Journal(str(new), head, note=note if found["facts"] == facts else "")
    _check_same(target, found["facts"], facts, len(blocks))
    if is_abandoned(place.name) is None:
        quiet = time.time() - _journal_of(place).stat().st_mtime
        if quiet < _QUIET_SECONDS:
            raise ImageError(
                f"{target}: --resume: a run of another machine wrote it {quiet:.0f} s ago: "
                f"stop that, and wait {_QUIET_SECONDS} s"
            )
    place.rename(new)
    _journal_of(place).rename(_journal_of(new))
    note = f"went on after {len(blocks)} blocks of a stopped run"
    return Journal(str(new), found, blocks, resumes=True, note=note if blocks else "")


def _journal_of(place: Path) -> Path:
    return place.with_name(place.name + JOURNAL)


def _left_for(final: Path) -> tuple[Path, list[dict[str, Any]]] | None:
    """Return the partial output that was left for a target, and the lines of its journal."""
    with contextlib.suppress(OSError):
        for journal in sorted(final.parent.glob(f".convcli-*{JOURNAL}")):
            place = journal.with_name(journal.name.removesuffix(JOURNAL))
            if is_abandoned(journal.name) is not False and place.exists():
                lines = list(_lines(journal))
                if lines and lines[0].get("target") == str(final):
                    return place, lines
    return None


def _lines(journal: Path) -> Iterator[dict[str, Any]]:
    """Yield the complete lines of a journal; the last one may be cut off."""
    with contextlib.suppress(ValueError):
        for line in journal.read_bytes().split(b"\n"):
            yield json.loads(line)


def _check_same(target: str, found: dict[str, str], facts: dict[str, str], count: int) -> None:
    changed = next((name for name in facts if found.get(name) != facts[name]), None)
    if changed is not None:
        raise ImageError(
            f"{target}: --resume: {changed} is not that of the stopped run, which has written "
            f"{count} blocks: run it as before, or without --resume to begin again"
        )


# ------------------------------------------------------------------ what must be equal


def facts_of(
    work: TiledWork, kernels: Sequence[Any], saving: Any, layout: Any
) -> dict[str, str]:
    """Return what must be equal for a stopped run to go on, by names for error messages.

    `layout` is how the output is stored.
    """
    pipeline, codecs = work.pipeline, fast_codecs()
    strategies = [plan.strategy.name for plan in pipeline.plans]
    options, mask = pipeline.options, pipeline.options.mask
    same = replace(options, jobs=None, collect_stats=True)
    weights = _version(mask.source) if isinstance(mask, TiledMask) else mask and mask.weights
    packing = zlib.ZLIB_RUNTIME_VERSION if codecs is None else codecs.__version__
    return {
        "the input": absolute(work.source.label),
        "the content of the input": _version(work.source),
        "the content of the mask": _digest(weights),
        "the kernel": _digest(list(kernels)),
        "one of the options": _digest([same, saving, layout]),
        "the choice of --quiet": str(options.collect_stats),
        "the version of convcli or of a package": _digest(
            [version("convcli"), np.__version__, strategies, packing]
        ),
    }


def _version(source: Source) -> str:
    """Return a text that changes when another picture takes the place of a source."""
    if source.version:
        return source.version
    names = ("zarr.json", ".zarray", ".zattrs")
    if is_url(source.label):
        return _digest([read_if_exists(f"{source.label}/{name}") for name in names])
    heads = [Path(source.label) / name for name in names]
    facts = [head.stat() for head in heads if head.exists()]
    return _digest([(each.st_size, each.st_mtime_ns) for each in facts])


def _digest(value: object) -> str:
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: object) -> Iterator[bytes]:
    """Yield bytes that are equal for equal values, in each process."""
    if isinstance(value, np.ndarray):
        yield repr((value.dtype.str, value.shape)).encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, Record):
        yield type(value).__name__.encode()
        yield from _parts(sorted(asdict(value).items()))
    elif isinstance(value, list | tuple):
        yield b"("
        for each in value:
            yield from _parts(each)
        yield b")"
    else:
        yield repr(value).encode() + b"\0"


def _numbers(stats: ValueStats) -> list[float]:
    return [float(stats.low), float(stats.high), int(stats.clipped)]


def verified(file: BinaryIO, journal: Journal) -> int:
    """Keep the blocks whose tiles are in a file as they were written; return where they end.

    A disk that lost its power may have kept lines of the journal, and lost what they speak of.
    """
    end = file.tell()
    for number, block in enumerate(journal.blocks):
        for *_, start, length, checksum in block["tiles"]:
            file.seek(start)
            if zlib.crc32(file.read(length)) != checksum:
                del journal.blocks[number:]
                return end
            end = max(end, start + length)
    return end
