"""What a run would do, file by file, while nothing is written: ``--dry-run``."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from convcli.batch import places
from convcli.batch.job import BatchJob, FileJob
from convcli.engine.planner import Plan
from convcli.errors import ConvcliError
from convcli.pipeline.files import STANDARD, read_source
from convcli.pipeline.memory import file_bytes
from convcli.storage import urls
from convcli.storage.urls import is_url
from convcli.values import Record

WRITE, REPLACE, SKIP, FAIL, LEAVE_OUT = ("write", "replace", "skip", "fail", "leave out")
"""What would be done with a file."""


class FilePreview(Record, kw_only=True):
    """What would be done with one file.

    Attributes
    ----------
    source, target : str
        Where it is read and written; no target where it is left out.
    action : str
        `WRITE`, `REPLACE`, `SKIP`, `FAIL` or `LEAVE_OUT`.
    reason : str
        Why it is not written; empty otherwise.
    memory : int
        About how many bytes it takes; 0 where nothing is computed.
    plans : tuple of Plan
        How it would be computed.
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
    if exists and batch_job.skip_existing:
        return FilePreview(
            source=job.source, target=job.target, action=SKIP, reason="the output exists"
        )
    action = REPLACE if exists else WRITE
    if STANDARD in (job.source, job.target):
        return FilePreview(source=job.source, target=job.target, action=action)
    try:
        pipeline = batch_job.checked(job)
        if pipeline is None:
            # The header tells nothing: reading the file says why.
            read_source(job.source, batch_job.reading)
    except ConvcliError as error:
        reason = str(error).removeprefix(f"{job.source}: ")
        return FilePreview(source=job.source, target=job.target, action=FAIL, reason=reason)
    return FilePreview(
        source=job.source,
        target=job.target,
        action=action,
        memory=file_bytes(
            job.source,
            job.target,
            batch_job.kernels,
            batch_job.options,
            reading=batch_job.reading,
            file_format=batch_job.file_format,
        ),
        plans=() if pipeline is None else pipeline.plans,
    )


def left_out(
    names: Iterable[str],
    is_picture: Callable[[str], bool],
    *,
    recursive: bool,
    excluded: str | None,
) -> Iterator[FilePreview]:
    """Yield what a batch leaves out of the folders among the names; see `find_inputs`."""
    for folder in map(places.place_from, names):
        if not places.folder_exists(folder):
            continue
        entries = _objects(folder) if is_url(folder) else _entries(folder, excluded)
        for place, reason, depth in entries:
            suffix = places.name_parts(place)[2].lower()
            if (depth and not recursive) or (reason == _FOLDER and recursive):
                continue
            if reason or not is_picture(suffix):
                because = reason or f"{suffix or 'no suffix'} is no picture that is read"
                yield FilePreview(source=place, action=LEAVE_OUT, reason=because)


_FOLDER = "a folder: --recursive looks into it"


def _entries(folder: str, excluded: str | None) -> Iterator[tuple[str, str, int]]:
    """Yield what is in a folder: its path, why it is left out in any case, its depth."""
    outputs = os.path.realpath(excluded) if excluded else None
    for path, folders, files in os.walk(folder):
        depth = int(path != folder)
        reasons = {name: _reason(Path(path, name), outputs) for name in sorted(folders)}
        folders[:] = [name for name, reason in reasons.items() if reason == _FOLDER]
        reasons |= {name: "hidden" * name.startswith(".") for name in sorted(files)}
        for name, reason in reasons.items():
            yield places.place_below(path, name), reason, depth


def _reason(folder: Path, outputs: str | None) -> str:
    """Say why a folder in a folder is left out."""
    if os.path.realpath(folder) == outputs:
        return "the folder of the outputs"
    if folder.name.startswith("."):
        return "hidden"
    return "a link to a folder" if folder.is_symlink() else _FOLDER


def _objects(folder: str) -> Iterator[tuple[str, str, int]]:
    """Yield the objects below a URL, as `_entries`."""
    for name in urls.files_in(folder, recursive=True):
        is_hidden = any(step.startswith(".") for step in name.split("/"))
        yield places.place_below(folder, name), "hidden" * is_hidden, int("/" in name)
