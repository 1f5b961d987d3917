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
from convcli.errors import ClusterError, fail
from convcli.scale import admission
from convcli.scale.admission import on_scheduler
from convcli.values import Record

_LEAST_TIMEOUT, _TIMES_THE_SLOWEST = 60.0, 20
"""The seconds that an item may take: the first number, and the second times the seconds of the
slowest item so far."""

_THREADS_A_SPARE_GROUP = 4  # for each group that waits at the scheduler until another ends
_LOOK_SECONDS = 2.0  # seconds between two looks at the cluster
_LOST_SECONDS = 60.0  # seconds to wait for new workers when all are lost
_POLL_SECONDS = 0.01

_GROUP_SECONDS = 5.0
"""A worker answers after so many seconds with what it has done of a group, so that one that
hangs is known long before a whole group could have ended."""

GONE = (OSError, concurrent.futures.CancelledError, ClosedClientError)  # no scheduler is there
Task = Callable[[Any, Any], Any]  # does an item on a worker; gets what all of them share first


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


class _SentGroup:
    """A group that was sent, and how many workers it killed; whether one hung at it.

    The worker at an `address` is at it since a time: empty where its result does not come.
    """

    def __init__(
        self, future: Any, items: Sequence[Any], deaths: int, *, is_alone: bool
    ) -> None:
        self.future, self.items, self.deaths, self.is_alone = future, items, deaths, is_alone
        self.address: str | None = None
        self.since, self.has_hung = 0.0, False


class Flight(contextlib.AbstractContextManager["Flight"]):
    """The groups that were sent and have not come back: a few for each thread of the cluster.

    When workers die of a group, any item that they had may be the cause. So its items become
    suspects: when nothing else is on its way each is sent again, alone. A worker that is at a
    group for too long is left aside, and another gets the group; after a second time its items
    are suspects too.

    Workers are admitted that see the places of a file. Their task gets what is `shared` by all
    items, and an item. `retries` is how often an item is tried again whose worker died,
    `timeout` how many seconds it may take. `address`, `noun` (what items are) and `remedy` (how
    a stopped run goes on) are for messages. At the end of the context what is being done gets
    `patience` seconds. `sees_outputs` says whether this machine may write where workers do.
    """

    def __init__(
        self,
        client: Any,
        job: FileJob,
        task: Task,
        shared: Any,
        *,
        address: str,
        retries: int,
        timeout: float | None,
        noun: str,
        remedy: str,
        patience: float = 0.0,
    ) -> None:
        self._client, self._address = client, address
        self._retries, self._timeout, self._patience = retries, timeout, patience
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
        with contextlib.ExitStack() as stack:
            shown, self.sees_outputs = stack.enter_context(admission.shown_places(job))
            admitted = admission.admitted(client, shown, (task, shared))
            self._name = stack.enter_context(admitted)
            self._look()
            self._admission = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        """Cancel what was sent; wait for what is being done."""
        futures = [group.future for group in self._sent.values()]
        with self._admission, contextlib.suppress(TimeoutError, *GONE):
            if self._patience and futures:
                with self._client.as_current():
                    wait(futures, timeout=self._patience)
            self._client.cancel(futures)
        self._sent.clear()

    @property
    def notices(self) -> list[str]:
        """A line for each worker that was refused, or left aside."""
        refusals: list[str] = []
        with contextlib.suppress(*GONE):
            refusals = on_scheduler(self._client, admission.events_of, self._name)
        return [*refusals, *self._hung.values()]

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
            fault = "the scheduler went away"
            fail(self._address, fault, f"when it is there again, {self._remedy}", ClusterError)

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
        for future, result in completed:  # the status may have changed since then
            group = self._sent.pop(future.key, None)
            if group is None:  # It was cancelled here.
                continue
            if isinstance(result, Answer):
                self._slowest = max(self._slowest, result.slowest)
                ended += map(Ended, group.items, result.results)
                if rest := group.items[len(result.results) :]:
                    self._send(rest, group.deaths)
            elif isinstance(result, tuple):  # the type, the error and its traceback
                ended += self._after_error(group, result[1])
            else:
                # If the connection to the scheduler breaks, Dask cancels what was sent.
                raise ConnectionError
        return ended

    def _look(self) -> None:
        """Count the workers, which may come and go; stop if all are lost for long."""
        workers: dict[str, tuple[int, list[Any]]]
        workers = on_scheduler(self._client, admission.look_at_workers, self._name)
        if any(group.future.status == "cancelled" for group in self._sent.values()):
            raise ConnectionError  # It broke, and was made again: what was sent never ends.
        for key, group in list(self._sent.items()):
            # as_completed drops a future whose worker dies while its result is fetched, if the
            # task fails when it is computed again.
            if group.future.status == "error":
                del self._sent[key]
                self._given_up += self._after_error(group, group.future.exception())
        self._last_look = time.monotonic()
        self.threads = sum(threads for threads, _ in workers.values())
        self._leave_hung_aside(workers)
        if self.threads:
            self._last_alive = self._last_look
        elif self._last_look - self._last_alive > _LOST_SECONDS:
            fault = f"the cluster has had no workers for {_LOST_SECONDS:.0f} s"
            fail(self._address, fault, f"start some, and {self._remedy}", ClusterError)

    def _leave_hung_aside(self, workers: dict[str, tuple[int, list[Any]]]) -> None:
        """Leave aside each worker that has been at one group for too long."""
        at_work = dict[Any, str]()
        for worker, (threads, keys) in workers.items():
            at_work |= dict.fromkeys(keys[:threads], worker)
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
            fault = f"it did not end one of its {self._noun} within {limit:.0f} s (--timeout)"
            remedy = "look at it, and start it again"
            self._hung[address] = f"the worker {address} was left aside: {fault}: {remedy}"
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
