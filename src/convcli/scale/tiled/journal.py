"""The journal of a large output: a run that is stopped can go on with it (``--resume``)."""

import contextlib
import hashlib
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from convcli.batch.places import absolute
from convcli.engine.store import ValueStats
from convcli.errors import ImageError, fail, own_version
from convcli.scale.tiled.source import TiledMask, TiledWork, fast_codecs
from convcli.storage import atomic, urls
from convcli.storage.atomic import JOURNAL, is_abandoned
from convcli.storage.urls import is_url, is_zarr
from convcli.values import replace

_QUIET_SECONDS = 300  # after so long without a line a run of another machine counts as stopped
_SEND_SECONDS = 5  # seconds between two sendings to a store, which cannot append to an object
HEADS = ("zarr.json", ".zarray", ".zgroup")  # describe an array or a group, in two versions


class Journal:
    """Lines of JSON beside a partial output: what the run is, and each block in order.

    `place` is the partial output, `path` the journal: empty where none is kept. `head` says
    what the run is. `blocks` are those of the stopped run: their statistics, and where their
    tiles are. With `resumes` the partial output stays when this run is stopped too. `note` is
    what a person should know.
    """

    def __init__(
        self,
        place: str,
        path: str,
        head: dict[str, Any],
        blocks: Sequence[dict[str, Any]] = (),
        *,
        resumes: bool = False,
        note: str = "",
    ) -> None:
        self.place, self.path, self.head = place, path, head
        self.blocks, self.resumes, self.note = list(blocks), resumes, note
        self._file: Any = None
        self._added, self._sent = 0, 0.0

    @property
    def stats(self) -> ValueStats:
        """The statistics of the blocks of the stopped run."""
        return sum((ValueStats(*block["stats"]) for block in self.blocks), ValueStats())

    def prepared(
        self, work: TiledWork, prepare: Callable[[TiledWork], TiledWork], block: Sequence[int]
    ) -> TiledWork:
        """Return the work as the stopped run had prepared it; otherwise prepare it now."""
        if "known" not in self.head:
            made = prepare(work)
            known = None if made.known is None else _numbers(made.known)
            is_open = made.pipeline is not work.pipeline
            self.head |= {"block": list(block), "known": known, "open": is_open}
            return made
        known = self.head["known"]
        pipeline = work.pipeline.for_translucent() if self.head["open"] else work.pipeline
        return replace(work, pipeline=pipeline, known=known and ValueStats(*known))

    def start(self) -> None:
        """Begin the journal, once it is known where the partial output is."""
        if self.path:
            opened = tempfile.TemporaryFile if is_url(self.path) else Path(self.path).open
            self._file = opened("w+b")
            self._write({**self.head, "place": self.place}, *self.blocks)

    def add(self, stats: ValueStats, tiles: Sequence[Any]) -> None:
        """Note that a block is written completely."""
        self._added += 1
        self._write({"stats": _numbers(stats), "tiles": list(tiles), "time": time.time()})

    def _write(self, *lines: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write("".join(f"{json.dumps(line)}\n" for line in lines).encode())
            self._file.flush()
            if time.monotonic() - self._sent > _SEND_SECONDS:
                self._send()

    def _send(self) -> None:
        self._sent = time.monotonic()
        if is_url(self.path):
            urls.put_file(self.path, self._file)

    def keeps(self) -> bool:
        """Tell whether the partial output is kept when the run is stopped by an error."""
        return self.resumes and bool(len(self.blocks) + self._added)

    def remove(self) -> None:
        """Remove the journal of an output that is complete, or not kept."""
        if self._file is not None:
            self._file.close()
            self._file = None
            with contextlib.suppress(OSError, ImageError):
                urls.remove(self.path)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Remove the journal at the end, unless the output waits for another run."""
        try:
            yield
        except BaseException:
            if self._file is not None and self.keeps():
                with self._file, contextlib.suppress(ImageError):  # Another error is told.
                    self._send()
                self._file = None
            raise
        finally:
            self.remove()


def journal_for(target: str, facts: dict[str, str], *, resume: bool) -> Journal:
    """Return the journal of a new output, or of the one that a stopped run has left.

    `facts` must be equal to go on: see `facts_of`. In a store a journal is kept with `resume`
    only, and of a Zarr, whose chunks are objects of their own.
    """
    in_store, run, note = is_url(target), atomic.temporary_name(), ""
    if atomic.is_stream(target) or (in_store and not is_zarr(target)):
        if resume:
            why = "of which each part is there as soon as it is written"
            fault = f"--resume: expected an output on a disk, or a .zarr in a store, {why}"
            fail(target, fault, "leave it out", ImageError)
        return Journal("", "", {})
    final = target.rstrip("/") if in_store else str(Path(target).resolve())
    place = "" if in_store else str(Path(final).with_name(run))
    path = (final if in_store else place) + JOURNAL
    head, *blocks = left = _left_for(final) or [{}]
    if not in_store:
        atomic.remove_abandoned(str(Path(final).parent), with_journals=not resume)
    if head and resume:
        _check_left(target, left, facts)
        if in_store:
            place = head["place"]
        else:
            Path(head["place"]).rename(place)
            Path(head["place"] + JOURNAL).rename(path)
        if blocks:
            note = f"went on after {len(blocks)} blocks of a stopped run"
        return Journal(place, path, {**head, "run": run}, blocks, resumes=True, note=note)
    if head and head["facts"] == facts:
        note = f"a stopped run had written {len(blocks)} blocks: --resume would have kept them"
    if head and in_store:
        urls.remove(path)
        if head["place"] != final:
            atomic.remove_prefix(head["place"])
    head = {"target": final, "facts": facts, "run": run, "time": time.time()}
    path = path if resume or not in_store else ""
    return Journal(place, path, head, resumes=resume, note=note)


def _check_left(target: str, left: list[dict[str, Any]], facts: dict[str, str]) -> None:
    """Refuse to go on with another run, or one that may be at work on another machine."""
    for name, value in facts.items():
        if left[0]["facts"].get(name) != value:
            raise ImageError(
                f"{target}: --resume: {name} is not that of the stopped run, which has written "
                f"{len(left) - 1} blocks: run it as before, or without --resume to begin again"
            )
    quiet = time.time() - left[-1]["time"]
    if is_abandoned(left[0]["run"]) is None and quiet < _QUIET_SECONDS:
        fault = f"--resume: a run of another machine wrote it {quiet:.0f} s ago"
        fail(target, fault, f"stop that, and wait {_QUIET_SECONDS} s", ImageError)


def _left_for(final: str) -> list[dict[str, Any]]:
    """Return the journal of what a stopped run has left for an output; nothing without one."""
    found = [final + JOURNAL]
    if not is_url(final):
        names = sorted(Path(final).parent.glob(f".convcli-*{JOURNAL}"))
        found = [str(name) for name in names if is_abandoned(name.name) is not False]
    for path in found:
        lines = list(_lines(urls.read_if_exists(path) or b""))
        if lines and lines[0].get("target") == final and _is_left(lines[0]["place"]):
            return lines
    return []


def _is_left(place: str) -> bool:
    """Tell whether a place has a partial output, that is not removed and not complete."""
    if not is_url(place):
        return urls.is_there(place)
    return urls.is_folder(place) and not any(urls.is_there(f"{place}/{h}") for h in HEADS)


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the complete lines of a journal; the last one may be cut off."""
    with contextlib.suppress(ValueError):
        for line in data.split(b"\n"):
            yield json.loads(line)


# ------------------------------------------------------------------ what must be equal


def facts_of(
    work: TiledWork, kernels: Sequence[Any], saving: Any, layout: Any
) -> dict[str, str]:
    """Return what must be equal for a stopped run to go on, by names for error messages."""
    pipeline, codecs = work.pipeline, fast_codecs()
    strategies = [plan.strategy.name for plan in pipeline.plans]
    options = pipeline.options
    packing = zlib.ZLIB_RUNTIME_VERSION if codecs is None else codecs.__version__
    versions = [own_version(), np.__version__, strategies, packing]
    same = replace(options, jobs=None, collect_stats=True)
    return {
        "the input": absolute(work.source.label),
        "the content of the input": work.source.version,
        "the content of the mask": _digest(_content_of(options.mask)),
        "the kernel": _digest(list(kernels)),
        "one of the options": _digest([same, saving, layout]),
        "the choice of --quiet": str(options.collect_stats),
        "the version of convcli or of a package": _digest(versions),
    }


def _content_of(mask: Any) -> object:
    """Return a value that differs for masks of other content, without reading a tiled mask."""
    if isinstance(mask, TiledMask):
        return mask.source.version
    return mask and hashlib.sha256(mask.weights.tobytes()).digest()


def _digest(value: object) -> str:
    """Return a text that is equal for equal values, in each process."""
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        return hashlib.sha256(repr(value).encode()).hexdigest()


def _numbers(stats: ValueStats) -> list[float]:
    return [float(stats.low), float(stats.high), int(stats.clipped)]


def verified(file: BinaryIO, journal: Journal) -> int:
    """Keep the blocks whose tiles are in a file as they were written; return where they end."""
    end = file.tell()  # A disk that lost its power may have lost what a journal speaks of.
    for number, block in enumerate(journal.blocks):
        for *_, start, length, checksum in block["tiles"]:
            file.seek(start)
            if zlib.crc32(file.read(length)) != checksum:
                del journal.blocks[number:]
                return end
            end = max(end, start + length)
    return end
