"""The sums of docs/scale.md, by hand: a file of 50 ms, 2 ms and 1 ms a task, round bytes."""

import pytest
from reckoning import Facts, Scheduler, facts, heartbeats

KNOWN = Facts(
    file=0.05,
    scheduler=Scheduler(rest=0.0, beat=0.0, task=2e-3, alone=0.0, together=1, most=1e9),
    more=0.0,
    client=(1e-3, 1e-5),
    read=3e5,
    written=8e5,
    asked=2,
    put=1,
)


def test_a_thousand_million_files_of_50_milliseconds_take_14_thousand_hours() -> None:
    assert KNOWN.seconds(1e9, 1) / 3600 == pytest.approx(13_888.9, abs=0.1)
    assert KNOWN.seconds(1e9, 1000) == 50_000


@pytest.mark.parametrize(
    ("workers", "group", "scheduler", "client"),
    [
        # 0.2 s a task: 4 files. 200 files a second are 50 tasks, of 2 ms and of 1.03 ms.
        (10, 4, 0.1, 0.0515),
        # 10 s a task: 200 files. 20,000 files a second are 100 tasks, of 2 ms and of 2.99 ms.
        (1000, 200, 0.2, 0.299),
        # No more than 250 files: 200,000 files a second are 800 tasks, of 2 and of 3.49 ms.
        (10_000, 250, 1.6, 2.792),
    ],
)
def test_how_busy_the_scheduler_and_the_client_are(
    workers: int, group: int, scheduler: float, client: float
) -> None:
    assert KNOWN.group(workers) == group
    assert KNOWN.scheduler_share(workers) == pytest.approx(scheduler)
    assert KNOWN.client_share(workers) == pytest.approx(client)


def test_tasks_that_come_together_cost_less_and_no_less_than_was_measured() -> None:
    scheduler = Scheduler(0.01, 1e-3, 1e-3, 4e-3, together=100, most=300)
    # 4 heartbeats a second; 1 ms and 4 ms / (1 + 1/10) a task.
    assert scheduler.share(2, 10) == pytest.approx(0.01 + 0.004 + 10 * (0.001 + 0.004 / 1.1))
    # A task of 3,000 a second costs as much as one of 300: 1 ms and 4 ms / (1 + 3).
    assert scheduler.share(2, 3000) == pytest.approx(0.01 + 0.004 + 3000 * 0.002)
    assert heartbeats(2) == 4


def test_facts_are_found_by_what_they_are_called() -> None:
    rows = {
        "a worker's time for a file": 50.0,
        "the scheduler's model: at rest": 4.0,
        "the scheduler's model: a heartbeat": 1.0,
        "the scheduler's model: a task": 2.0,
        "the scheduler's model: more for a task that comes alone": 3.0,
        "the scheduler's model: half come together at": 100.0,
        "tasks of 1, two workers": 230.0,
        "the scheduler's time for a task of 1": 2.0,
        "the scheduler's time for a task of 100": 1.9,
        "the client's time for a task of 1": 1.0,
        "the client's time for a task of 100": 1.99,
        "bytes of an input": 3e5,
        "bytes of an output": 8e5,
        "HEAD requests for a file": 1.0,
        "GET requests for a file": 1.0,
        "PUT requests for a file": 1.0,
    }
    found = facts(rows)
    assert found.client == pytest.approx((1e-3, 1e-5))
    # A task of more files that took less is none that saves time.
    assert found.more == 0
    assert found.scheduler == Scheduler(4e-3, 1e-3, 2e-3, 3e-3, 100, 230)
    assert (found.file, found.asked, found.put) == (0.05, 2, 1)
