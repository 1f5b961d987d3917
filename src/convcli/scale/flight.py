"""Work that is on its way in a Dask cluster: one policy for lost and hung workers.

Files of a batch and blocks of a large picture are sent alike, in groups. A group that is lost
with its workers is divided, and an item is blamed only when it fails alone.
"""

import concurrent.futures
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from distributed import KilledWorker, as_completed, get_worker, wait
from distributed.client import ClosedClientError

from convcli.batch.job import FileJob
from convcli.errors import ClusterError
from convcli.scale import admission
from convcli.scale.admission import on_scheduler
from convcli.values import Record

_LEAST_TIMEOUT, _TIMES_THE_SLOWEST = 60.0, 20
"""The seconds that an item may take: the first number, and the second times the seconds of the
slowest item so far."""

_THREADS_A_SPARE_GROUP = 4
"""Threads for each spare group: one that waits at the scheduler, and starts as another ends."""

_LOOK_SECONDS = 2.0
"""Seconds between two looks at the cluster."""

_LOST_SECONDS = 60.0
"""Seconds to wait for new workers when all are lost."""

_POLL_SECONDS = 0.01

_GROUP_SECONDS = 5.0
"""A worker answers after so many seconds with what it has done of a group, so that one that
hangs is known long before a whole group could have ended."""

GONE = (OSError, concurrent.futures.CancelledError, ClosedClientError)
"""What Dask raises where the scheduler has gone away."""

Task = Callable[[Any, Any], Any]
"""Does one item on a worker, and gets what all of them share first."""


class Answer(Record):
    """What a worker says of a group: results of its first items, the seconds of the slowest."""

    results: list[Any]
    slowest: float


class Ended(Record):
    """An item that came back: its result; otherwise the error of its task, or what was lost.

    `fault` says why it is given up, on one line, where neither a result nor an error came.
    """

    item: Any
    result: Any = None
    error: BaseException | None = None
    fault: str = ""

    @property
    def why(self) -> str:
        """Why there is no result, on one line."""
        if self.error is None:
            return self.fault
        said = f"the worker could not do it: {type(self.error).__name__}: {self.error}"
        return " ".join(said.split())


class _SentGroup:
    """A group that was sent, how many workers it killed, and whether it was sent alone.

    The worker at an `address` is at it since a time: empty where its result does not come.
    `has_hung` tells whether one was left aside for it.
    """

    def __init__(
        self, future: Any, items: Sequence[Any], deaths: int, *, is_alone: bool
    ) -> None:
        self.future, self.items, self.deaths, self.is_alone = future, items, deaths, is_alone
        self.address: str | None = None
        self.since, self.has_hung = 0.0, False


class Flight:
    """The groups that were sent and have not come back: a few for each thread of the cluster.

    When workers die of a group, any item that they had may be the cause. So its items become
    suspects: when nothing else is on its way each is sent again, alone. A worker that is at a
    group for too long is left aside, and another gets the group; after a second time its items
    are suspects too.

    The workers are admitted to the work of this `name`. `retries` is how often an item is tried
    again whose worker died, `timeout` how many seconds it may take. `address`, `noun` (what
    items are) and `remedy` (how a stopped run goes on) are for messages. `sees_outputs` says
    whether this machine may write where the workers do.
    """

    def __init__(
        self,
        client: Any,
        name: str,
        *,
        address: str,
        retries: int,
        timeout: float | None,
        noun: str,
        remedy: str,
        sees_outputs: bool = True,
    ) -> None:
        self._client, self._name, self.sees_outputs = client, name, sees_outputs
        self._address, self._retries, self._timeout = address, retries, timeout
        self._noun, self._remedy = noun, remedy
        self._numbers = itertools.count()
        self._sent: dict[Any, _SentGroup] = {}
        # Results travel with the completion: to ask for one later may wait for a hung worker.
        self._ended = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        self._suspects: deque[tuple[Any, int]] = deque()
        self._last_alive = time.monotonic()
        self._hung: dict[str, str] = {}
        self._slowest = 0.0
        self._given_up: list[Ended] = []
        self._retried = 0
        self._look()

    @property
    def notices(self) -> list[str]:
        """A line for each worker that was refused, or left aside."""
        with contextlib.suppress(*GONE):
            refusals = on_scheduler(self._client, admission.events_of, self._name)
            return [*refusals, *self._hung.values()]
        return list(self._hung.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many items were sent again, and how many workers left aside."""
        return {"retries": self._retried, "left_aside": len(self._hung)}

    def run(self, following: Callable[[], Sequence[Any]]) -> Iterator[Ended]:
        """Send groups while there is room, and yield what comes back, until there are no more.

        An empty group means that none is to be sent now. A `ClusterError` says that the cluster
        has gone away, or has had no workers for long.
        """
        try:
            while self._send_more(following):
                yield from self._next_ended()
        except GONE:
            raise ClusterError(
                f"{self._address}: the scheduler went away: when it is there again, "
                f"{self._remedy}"
            ) from None

    def _send_more(self, following: Callable[[], Sequence[Any]]) -> bool:
        """Send groups, or a suspect alone; tell whether anything is to come back."""
        spare = max(self.threads // _THREADS_A_SPARE_GROUP, 2)
        while len(self._sent) < self.threads + spare and (group := following()):
            self._send(group)
        if self._suspects and not self._sent:
            item, deaths = self._suspects.popleft()
            self._send([item], deaths, is_alone=True)
        return bool(self._sent or self._given_up)

    def _send(self, items: Sequence[Any], deaths: int = 0, *, is_alone: bool = False) -> None:
        if self._client.status in ("closing", "closed"):
            raise ConnectionError
        future = self._client.submit(
            perform,
            self._name,
            items,
            min(self._limit, _GROUP_SECONDS),
            key=(self._name, next(self._numbers)),
            retries=self._retries,
            resources={self._name: 1e-9},
        )
        self._sent[future.key] = _SentGroup(future, items, deaths, is_alone=is_alone)
        self._ended.add(future)

    @property
    def _limit(self) -> float:
        """The seconds that an item may take."""
        return self._timeout or _LEAST_TIMEOUT + _TIMES_THE_SLOWEST * self._slowest

    def _next_ended(self) -> list[Ended]:
        """Wait until groups come back, and return them; none if their items became suspects."""
        while not (self._ended.has_ready() or self._given_up) and self._sent:
            if time.monotonic() - self._last_look > _LOOK_SECONDS:
                self._look()
            time.sleep(_POLL_SECONDS)
        completed = self._ended.next_batch(block=False)
        ended, self._given_up = self._given_up, []
        for future, result in completed:
            group = self._sent.pop(future.key, None)
            if group is None:  # It was cancelled here.
                continue
            if future.status == "error":
                ended += self._after_error(group, result[1])
            elif isinstance(result, Answer):
                self._slowest = max(self._slowest, result.slowest)
                ended += map(Ended, group.items, result.results)
                if rest := group.items[len(result.results) :]:
                    self._send(rest, group.deaths)
            else:
                # If the connection to the scheduler breaks, Dask cancels what was sent.
                raise ConnectionError
        return ended

    def cancel(self, patience: float) -> None:
        """Cancel what was sent; wait up to `patience` seconds for what is being done."""
        futures = [group.future for group in self._sent.values()]
        with contextlib.suppress(TimeoutError, *GONE):
            if patience and futures:
                with self._client.as_current():
                    wait(futures, timeout=patience)
            self._client.cancel(futures)
        self._sent.clear()

    def _look(self) -> None:
        """Count the workers, which may come and go; stop if all are lost for long."""
        workers: dict[str, tuple[int, list[Any]]]
        workers = on_scheduler(self._client, admission.look_at_workers, self._name)
        if any(group.future.status == "cancelled" for group in self._sent.values()):
            raise ConnectionError  # It broke, and was made again: what was sent never ends.
        self._last_look = time.monotonic()
        self.threads = sum(threads for threads, _ in workers.values())
        self._leave_hung_aside(workers)
        if self.threads:
            self._last_alive = self._last_look
        elif self._last_look - self._last_alive > _LOST_SECONDS:
            raise ClusterError(
                f"{self._address}: the cluster has had no workers for {_LOST_SECONDS:.0f} s: "
                f"start some, and {self._remedy}"
            )

    def _leave_hung_aside(self, workers: dict[str, tuple[int, list[Any]]]) -> None:
        """Leave aside each worker that has been at one group for too long."""
        at_work = {
            key: address
            for address, (threads, keys) in workers.items()
            for key in keys[:threads]
        }
        limit = self._limit
        for key, group in list(self._sent.items()):
            # A result that does not come lies on a worker that does not answer.
            absent = "" if group.future.status == "finished" else None
            address = at_work.get(key, absent)
            if address is None or address != group.address:
                group.address, group.since = address, self._last_look
            elif self._last_look - group.since > limit + min(limit, _GROUP_SECONDS):
                self._after_timeout(key, group, address, limit)

    def _after_timeout(self, key: Any, group: _SentGroup, address: str, limit: float) -> None:
        self._retried += len(group.items)
        if address and address not in self._hung:
            self._hung[address] = (
                f"the worker {address} was left aside: it did not end one of its {self._noun} "
                f"within {limit:.0f} s (--timeout): look at it, and start it again"
            )
            on_scheduler(self._client, admission.leave_aside, address)
        if address and not group.has_hung and not group.is_alone:
            group.has_hung = True  # Dask gives it to another worker.
            return
        del self._sent[key]
        group.future.cancel(force=True)
        if not address:
            self._send(group.items, group.deaths, is_alone=group.is_alone)
        elif group.is_alone:
            fault = f"it was not ended within {limit:.0f} s: allow more by --timeout"
            self._given_up += [Ended(item, fault=fault) for item in group.items]
        else:
            self._suspects.extend((item, group.deaths) for item in group.items)

    def _after_error(self, group: _SentGroup, error: BaseException) -> list[Ended]:
        """Make the items suspects if workers died of them; otherwise return the error."""
        if not isinstance(error, KilledWorker):
            return [Ended(item, error=error) for item in group.items]
        died = error.allowed_failures + 1
        # Among others an item may die of what another did, so only deaths alone count.
        deaths = group.deaths + died if group.is_alone else 0
        if self._retries == 0 or deaths > self._retries:
            fault = f"{deaths or died} workers died while they were at it"
            return [Ended(item, fault=fault) for item in group.items]
        self._retried += len(group.items)
        self._suspects.extend((item, deaths) for item in group.items)
        return []


@contextlib.contextmanager
def flight_of(
    client: Any,
    job: FileJob,
    task: Task,
    shared: Any,
    *,
    patience: float = 0.0,
    **settings: Any,
) -> Iterator[Flight]:
    """Admit the workers that see the places of a file, and yield the flight of a task's groups.

    The task gets what is `shared` by all items, and an item. The `settings` are those of
    `Flight`. At the end what is being done gets `patience` seconds.
    """
    with (
        admission.shown_places(job) as (shown, sees_outputs),
        admission.admitted(client, shown, (task, shared)) as name,
    ):
        flight = Flight(client, name, sees_outputs=sees_outputs, **settings)
        try:
            yield flight
        finally:
            flight.cancel(patience)


def perform(name: str, items: Sequence[Any], seconds: float) -> Answer:
    """Do items of a group on a worker that was admitted, until so many seconds are over."""
    plugin: Any = get_worker().plugins[name]
    task, shared = plugin.work
    results, slowest = [], 0.0
    start = before = time.perf_counter()
    for item in items:
        results.append(task(shared, item))
        now = time.perf_counter()
        slowest, before = max(slowest, now - before), now
        if now - start > seconds:
            break
    return Answer(results, slowest)
