"""Options for many pictures, and what was asked for with them. Imports no batch."""

import math
import re
from collections.abc import Collection, Sequence
from typing import Any

import click

from convcli.cli.options import group, option, typed
from convcli.cli.types import whole
from convcli.errors import BatchError
from convcli.storage.urls import is_pattern, is_url
from convcli.values import Record

_SIZE = r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:I?B)?"
_UNITS = {unit: 1024**power for power, unit in enumerate(("", "K", "M", "G", "T"))}
_PAIR = 2


class SizeType(click.ParamType[int, Any]):
    """An amount of memory: bytes, or with K, M, G, T of 1024 each."""

    name = "size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the bytes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(_SIZE, str(value).strip().upper())
        amount = float(found[1]) * _UNITS[found[2]] if found else 0
        if not 1 <= amount < math.inf:
            self.fail(f"expected an amount of memory (4G, 512M), got {value!r}", param, ctx)
        return int(amount)


class AddressType(click.ParamType[str, Any]):
    """Where a cluster is: its scheduler's address, or ``local:N``."""

    name = "address"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the address as it is."""
        from convcli.scale.admission import local_workers

        try:
            local_workers(str(value))
        except BatchError as error:
            self.fail(str(error), param, ctx)
        return str(value)


batch_options = group(
    option(
        "--out-dir",
        metavar="DIR",
        section="Many pictures",
        help="Filter all INPUTs into this folder, which is made where there is none.",
    ),
    option(
        "--recursive",
        is_flag=True,
        section="Many pictures",
        help="Look into the folders of a folder too; the outputs are in the same tree.",
    ),
    option(
        "--files-from",
        metavar="LIST",
        section="Many pictures",
        help="Read names of further inputs, ended by newlines or NULs, from a file or - "
        "(standard input).",
    ),
    option(
        "--name",
        "template",
        metavar="TEMPLATE",
        section="Many pictures",
        help="What the outputs are called: {stem}-edges.png; {suffix} is that of --format, "
        "{parent} the input's folder.  [default: {stem}{suffix}]",
    ),
    option(
        "--on-exists",
        type=click.Choice(("error", "skip", "overwrite")),
        default="error",
        show_default=True,
        section="Many pictures",
        help="What an output that is there already means; error: nothing is run. skip goes "
        "on where a batch was stopped.",
    ),
    option(
        "--fail-fast",
        is_flag=True,
        section="Many pictures",
        help="Start no more after the first that fails.",
    ),
    option(
        "--memory",
        type=SizeType(),
        metavar="SIZE",
        section="Many pictures",
        help="Hold pictures back so that those in work fit into so much: 4G.",
    ),
    option(
        "--cluster",
        type=AddressType(),
        metavar="ADDRESS",
        section="Many pictures",
        help="Filter on a Dask cluster: tcp://HOST:8786 of its scheduler, or local:N to start "
        "one with N workers here (extra cluster).",
    ),
    option(
        "--retries",
        type=whole(0),
        metavar="N",
        default=3,
        show_default=True,
        section="Many pictures",
        help="How often a picture is tried again whose worker was lost (--cluster).",
    ),
    option(
        "--progress",
        type=click.Choice(("auto", "bar", "plain", "none")),
        default="auto",
        show_default=True,
        section="Many pictures",
        help="Shown on standard error: a bar (in a pipe plain lines), or plain lines; auto: a "
        "bar on a terminal, nothing in a pipe.",
    ),
)
"""What is for many pictures only: see `batch_from`."""


def prepare_cluster(address: str | None) -> None:
    """Begin to start workers of this machine, where there will be some, while all is read."""
    if address is None:
        return
    from convcli.scale.admission import local_workers, start_forking

    if local_workers(address) is not None:
        start_forking()


_NEEDS_FOLDER = {
    "recursive": "--recursive",
    "files_from": "--files-from",
    "template": "--name",
    "on_exists": "--on-exists",
    "fail_fast": "--fail-fast",
    "memory": "--memory",
    "cluster": "--cluster",
    "retries": "--retries",
    "progress": "--progress",
}


class Batch(Record, kw_only=True):
    """What was asked for beside the filter.

    Attributes
    ----------
    names : sequence of str
        Files, folders, patterns.
    out_dir : str
        Where the outputs go.
    recursive, files_from, template, on_exists, fail_fast, memory, cluster, retries, progress
        As on the command line.
    """

    names: Sequence[str]
    out_dir: str
    recursive: bool
    files_from: str | None
    template: str | None
    on_exists: str
    fail_fast: bool
    memory: int | None
    cluster: str | None
    retries: int
    progress: str


def batch_from(
    settings: dict[str, Any], names: Sequence[str], shared: Collection[str] = ()
) -> Batch | None:
    """Take the options for many pictures out of a command's settings.

    Parameters
    ----------
    settings : dict
        By the parameters' names; changed.
    names : sequence of str
        INPUTs, and OUTPUT where there is no folder.
    shared : collection of str
        Parameters that one picture may have as well.

    Returns
    -------
    Batch or None
        None where there are one INPUT and one OUTPUT.

    Raises
    ------
    click.UsageError
        If there are not, or there is nothing to filter.
    """
    own = {name: settings.pop(name) for name in ("out_dir", *_NEEDS_FOLDER)}
    if own["out_dir"] is None:
        _refuse_many(names, shared)
        return None
    if not own["out_dir"]:
        raise click.UsageError("--out-dir: expected the name of a folder, got none")
    if not names and own["files_from"] is None:
        raise click.UsageError("Missing argument 'INPUT'")
    return Batch(names=names, **own)


def _refuse_many(names: Sequence[str], shared: Collection[str]) -> None:
    """Refuse what only a batch can do, where no folder is given for it."""
    for name in typed(*_NEEDS_FOLDER):
        if name not in shared:
            flag = _NEEDS_FOLDER[name]
            raise click.UsageError(f"{flag} is for many pictures: add --out-dir DIR")
    if len(names) < _PAIR:
        raise click.UsageError(f"Missing argument '{('INPUT', 'OUTPUT')[len(names)]}'")
    if len(names) > _PAIR:
        raise click.UsageError(
            f"expected one INPUT and one OUTPUT, got {len(names)} names ({names[0]} … "
            f"{names[-1]}): add --out-dir DIR to filter many pictures"
        )
    pattern = is_pattern(names[0]) and not is_url(names[0])
    if pattern and not _exists(names[0]):
        raise click.UsageError(
            f"INPUT is a pattern ({names[0]}): add --out-dir DIR to filter many pictures"
        )


def _exists(name: str) -> bool:
    from pathlib import Path

    return Path(name).exists()
