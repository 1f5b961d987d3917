"""What `scale.md` reckons and shows, from what `benchmarks/` measured."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convcli.batch.job import FileJob, Outcome, Status
from convcli.scale.cluster import Groups

_MEASURED = Path(__file__).parent.parent / "benchmarks"

PICTURES = 10**9
WORKERS = (10, 100, 1000, 10_000)

PUTS, GETS = 3500, 5500
"""Requests a second that S3 answers for one prefix before it has split it further."""


def heartbeats(workers: int) -> float:
    """Return how many heartbeats a second so many workers send: as Dask tells them to.

    Examples
    --------
    >>> heartbeats(8), heartbeats(100), heartbeats(10_000)
    (16.0, 50.0, 196.078431372549)
    """
    known = ((10, 0.5), (49, 1.0), (199, 2.0))
    seconds = next((wait for most, wait in known if workers <= most), workers / 200 + 1)
    return workers / seconds


@dataclass(frozen=True)
class Facts:
    """What was measured, in seconds and bytes.

    Attributes
    ----------
    file : float
        A worker's time for a file.
    scheduler, client : (float, float)
        Their processors' time for a task, and for each file in it beyond the first.
    read, written : float
        Bytes of an input and of its output.
    asked, put : float
        HEAD and GET, and PUT requests for a file.
    """

    file: float
    scheduler: tuple[float, float]
    client: tuple[float, float]
    read: float
    written: float
    asked: float
    put: float

    def seconds(self, pictures: float, workers: float) -> float:
        """Return how long so many workers take for so many pictures.

        Examples
        --------
        >>> Facts(0.1, (1e-3, 0), (1e-3, 0), 1, 1, 2, 1).seconds(1000, 10)
        10.0
        """
        return pictures * self.file / workers

    def rate(self, workers: float) -> float:
        """Return files a second."""
        return workers / self.file

    def group(self, workers: int) -> int:
        """Return how many files are sent together: as the executor does it."""
        groups = Groups([])
        groups.learn(Outcome(job=FileJob("", ""), status=Status.DONE, seconds=self.file))
        return groups.size(workers)

    def share(self, whose: tuple[float, float], workers: int) -> float:
        """Return what part of its processor the scheduler, or the client, is busy."""
        group = self.group(workers)
        task, more = whose
        return self.rate(workers) / group * (task + more * (group - 1))


def facts(rows: dict[str, float]) -> Facts:
    """Take the facts out of what was measured, by what it is called."""

    def cost(whose: str) -> tuple[float, float]:
        one, hundred = (rows[f"the {whose}'s time for a task of {n}"] / 1e3 for n in (1, 100))
        return one, max(0.0, (hundred - one) / 99)

    return Facts(
        file=rows["a worker's time for a file"] / 1e3,
        scheduler=cost("scheduler"),
        client=cost("client"),
        read=rows["bytes of an input"],
        written=rows["bytes of an output"],
        asked=rows["HEAD requests for a file"] + rows["GET requests for a file"],
        put=rows["PUT requests for a file"],
    )


def measured(name: str) -> str:
    """Return all that one of the benchmarks measured, as a Markdown table.

    Parameters
    ----------
    name : str
        The file's: ``batch`` or ``cluster``.
    """
    document = _document(name)
    where = document["machine"]
    lines = [
        f"{_machine(where)}, {where['date']}:",
        "",
        "| what | measured | asked |",
        "|---|---|---|",
    ]
    rows = [
        f"| {row['what']} | {_short(row['value'], 3)} {row['unit']} | {_asked(row)} |"
        for row in document["rows"]
    ]
    return "\n".join([*lines, *rows])


def _machine(where: dict[str, Any]) -> str:
    packages = [f"{name} {where[name]}" for name in ("distributed",) if name in where]
    parts = (where["processor"], f"{where['cores']} cores", f"Python {where['python']}")
    return ", ".join((*parts, *packages))


def _asked(row: dict[str, Any]) -> str:
    """Return the target of a row, and whether it was reached."""
    for sign, key in (("≥", "least"), ("≤", "most")):
        wanted = row.get(key)
        if wanted is not None:
            short = row["value"] < wanted if key == "least" else row["value"] > wanted
            return f"{sign} {wanted:g}{', missed' * short}"
    return ""


def costs() -> str:
    """Return what a thousand million pictures take, by workers, as a Markdown table."""
    known = facts(_values())
    heads = ("workers", "days", "files a second", "files a task", "tasks a second")
    more = ("scheduler", "client", "read", "written", "PUT a second")
    lines = [f"| {' | '.join((*heads, *more))} |", "|" + "---|" * len((*heads, *more))]
    return "\n".join([*lines, *(_cost_row(known, workers) for workers in WORKERS)])


def _cost_row(known: Facts, workers: int) -> str:
    rate, group = known.rate(workers), known.group(workers)
    cells = (
        f"{workers:,}",
        _short(known.seconds(PICTURES, workers) / 86_400),
        _short(rate),
        f"{group}",
        _short(rate / group),
        f"{_short(100 * known.share(known.scheduler, workers))} %",
        f"{_short(100 * known.share(known.client, workers))} %",
        f"{_short(8e-9 * rate * known.read)} Gbit/s",
        f"{_short(8e-9 * rate * known.written)} Gbit/s",
        _short(rate * known.put),
    )
    return f"| {' | '.join(cells)} |"


def limits() -> str:
    """Return how many workers each part can serve, as a Markdown table."""
    known = facts(_values())
    moved = known.read + known.written
    rows = (
        ("the scheduler, one file a task", "t / s₁", known.file / known.scheduler[0]),
        ("the client, 250 files a task", "t / c", known.file / _client(known)),
        ("an S3 prefix, writing", "3,500 · t / puts", PUTS * known.file / known.put),
        ("an S3 prefix, reading", "5,500 · t / gets", GETS * known.file / known.asked),
        (
            "a file server at 10 Gbit/s",
            "1.25 GB/s · t / (in + out)",
            1.25e9 * known.file / moved,
        ),
    )
    lines = ["| what | formula | workers |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {a} | {b} | {_short(c)} |" for a, b, c in rows)])


def _client(known: Facts) -> float:
    task, more = known.client
    return (task + 249 * more) / 250


def core_hours() -> str:
    """Return the sentence that sums up."""
    known = facts(_values())
    hours = PICTURES * known.file / 3600
    return (
        f"n · t = 10⁹ · {_short(1e3 * known.file)} ms = **{_short(hours)} core-hours**, "
        f"{_short(1e-12 * PICTURES * known.read)} TB read and "
        f"{_short(1e-12 * PICTURES * known.written)} TB written."
    )


def _document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_MEASURED / f"{name}.json").read_text("utf-8"))
    return found


def _values() -> dict[str, float]:
    return {row["what"]: row["value"] for row in _document("cluster")["rows"]}


def _short(value: float, count: int = 2) -> str:
    """Return a number with so many digits that count, and those before the point."""
    if value == 0:
        return "0"
    places = count - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(0, places)}f}"
