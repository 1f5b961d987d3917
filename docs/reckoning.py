"""What `scale.md` reckons and shows, from what `benchmarks/` measured."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convcli.batch.job import FileJob, Outcome, Status
from convcli.scale.cluster import Groups
from convcli.storage.urls import Retries

_MEASURED = Path(__file__).parent.parent / "benchmarks"

PICTURES = 10**9
WORKERS = (10, 100, 1000, 10_000)

PUTS, GETS = 3500, 5500
"""Requests a second that S3 answers for one prefix before it has split it further."""


def heartbeats(workers: float) -> float:
    """Return how many heartbeats a second so many workers send: as Dask tells them to.

    Examples
    --------
    >>> heartbeats(8), heartbeats(100)
    (16.0, 50.0)
    """
    known = ((10, 0.5), (49, 1.0), (199, 2.0))
    seconds = next((wait for most, wait in known if workers <= most), workers / 200 + 1)
    return workers / seconds


@dataclass(frozen=True)
class Scheduler:
    """What part of a processor the scheduler takes: fitted to slow and to fast tasks.

    Attributes
    ----------
    rest, beat : float
        The part at rest, and more for each heartbeat a second.
    task, alone : float
        Seconds for each task, and more for one that comes alone.
    together : float
        Tasks a second at which half of them come together with others.
    most : float
        Tasks a second, of the fastest run that was measured: beyond it a task costs as much.
    """

    rest: float
    beat: float
    task: float
    alone: float
    together: float
    most: float

    def share(self, workers: float, rate: float) -> float:
        """Return the part of its processor that is busy at `rate` tasks a second.

        Examples
        --------
        >>> Scheduler(0.01, 0.001, 0.001, 0.004, 100, 300).share(2, 100)
        0.314
        """
        slow = min(rate, self.most)
        each = self.task + self.alone / (1 + slow / self.together)
        return self.rest + self.beat * heartbeats(workers) + rate * each


@dataclass(frozen=True)
class Facts:
    """What was measured, in seconds and bytes.

    Attributes
    ----------
    file : float
        A worker's time for a file.
    scheduler : Scheduler
        What the scheduler takes for tasks of one file.
    more : float
        Its processor's time for each file in a task beyond the first.
    client : (float, float)
        The client's processor time for a task, and for each file in it beyond the first.
    read, written : float
        Bytes of an input and of its output.
    asked, put : float
        HEAD and GET, and PUT requests for a file.
    """

    file: float
    scheduler: Scheduler
    more: float
    client: tuple[float, float]
    read: float
    written: float
    asked: float
    put: float

    def seconds(self, pictures: float, workers: float) -> float:
        """Return how long so many workers take for so many pictures.

        Examples
        --------
        >>> Facts(0.1, Scheduler(0, 0, 0, 0, 1, 1), 0, (0, 0), 1, 1, 2, 1).seconds(1000, 10)
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

    def scheduler_share(self, workers: int) -> float:
        """Return what part of its processor the scheduler is busy."""
        group = self.group(workers)
        rate = self.rate(workers) / group
        return self.scheduler.share(workers, rate) + rate * self.more * (group - 1)

    def client_share(self, workers: int) -> float:
        """Return what part of its processor the client is busy."""
        group = self.group(workers)
        task, more = self.client
        return self.rate(workers) / group * (task + more * (group - 1))


def facts(rows: dict[str, float]) -> Facts:
    """Take the facts out of what was measured, by what it is called."""

    def cost(whose: str) -> tuple[float, float]:
        one, hundred = (rows[f"the {whose}'s time for a task of {n}"] / 1e3 for n in (1, 100))
        return one, max(0.0, (hundred - one) / 99)

    names = ("at rest", "a heartbeat", "a task", "more for a task that comes alone")
    rest, beat, task, alone = (rows[f"the scheduler's model: {name}"] / 1e3 for name in names)
    together = rows["the scheduler's model: half come together at"]
    return Facts(
        file=rows["a worker's time for a file"] / 1e3,
        scheduler=Scheduler(rest, beat, task, alone, together, rows["tasks of 1, two workers"]),
        more=cost("scheduler")[1],
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
        "| what | measured |",
        "|---|---|",
    ]
    rows = [
        f"| {row['what']} | {_short(row['value'], 3)} {row['unit']} |"
        for row in document["rows"]
    ]
    return "\n".join([*lines, *rows])


def _machine(where: dict[str, Any]) -> str:
    packages = [f"{name} {where[name]}" for name in ("distributed",) if name in where]
    parts = (where["processor"], f"{where['cores']} cores", f"Python {where['python']}")
    return ", ".join((*parts, *packages))


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
        f"{_short(100 * known.scheduler_share(workers))} %",
        f"{_short(100 * known.client_share(workers))} %",
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
        ("the scheduler, one file a task", "scheduler = 100 %", _most_workers(known)),
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


def _most_workers(known: Facts) -> int:
    """Return with how many workers the scheduler is always busy, a file a task."""
    many = (n for n in range(1, 10_000) if known.scheduler.share(n, known.rate(n)) > 1)
    return next(many) - 1


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


PRICES = {
    "processor-hour": 0.34 / 8,
    "spot processor-hour": 0.18 / 8,
    "PUT or LIST": 5e-6,
    "GET or HEAD": 0.4e-6,
    "GB-month": 0.023,
}
"""Dollars, Amazon's first region: see docs/scale.md for where they come from."""

MANIFEST_LINE = 276
"""Bytes, as the chaos run wrote them."""


def money() -> str:
    """Return what a thousand million pictures cost in dollars, as a Markdown table."""
    known, put, get = facts(_values()), PRICES["PUT or LIST"], PRICES["GET or HEAD"]
    hours = PICTURES * known.file / 3600
    kept, lines = PICTURES * known.written / 1e9, PICTURES * MANIFEST_LINE / 1e9
    rows = (
        ("processor-hours, on demand", hours, PRICES["processor-hour"]),
        ("or the same, spot", hours, PRICES["spot processor-hour"]),
        ("PUT, the outputs", PICTURES * known.put, put),
        ("GET and HEAD, the inputs", PICTURES * known.asked, get),
        ("GET and HEAD, checksums for a manifest", PICTURES * 2, get),
        ("LIST, 1,000 names each, after the run", PICTURES / 1e3, put),
        ("GB kept for a month, the outputs", kept, PRICES["GB-month"]),
        ("GB kept for a month, the manifests", lines, PRICES["GB-month"]),
    )
    head = "| what | how many | dollars each | dollars |\n|---|---|---|---|"
    return "\n".join(
        [
            head,
            *(
                f"| {what} | {_short(count)} | {_plain(each)} | {_short(count * each)} |"
                for what, count, each in rows
            ),
        ]
    )


def _plain(price: float) -> str:
    return f"{price:.7f}".rstrip("0")


def retries() -> str:
    """Return how often stores are asked again, as a Markdown table."""
    rows = (
        ("busy", "tries in all, where the answer is 429, 500, 502, 503 or 504"),
        ("lost", "tries in all, where no answer comes, or half of one"),
        ("first_seconds", "the longest wait before the second try; then twice as long"),
        ("longest_seconds", "the longest wait before any"),
        ("stall_seconds", "how long S3 and HTTP may send nothing"),
    )
    lines = [f"| `{name}` | {getattr(Retries(), name):g} | {what} |" for name, what in rows]
    return "\n".join(["| setting | is | what it is |", "|---|---|---|", *lines])


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
