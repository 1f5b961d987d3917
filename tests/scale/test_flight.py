"""Groups of items on a cluster: what comes back of one that takes long, and what all share."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convcli.batch.job import FileJob
from convcli.errors import ClusterError
from convcli.scale import cluster as scale_cluster
from convcli.scale.cluster import connected
from convcli.scale.flight import Flight
from support.dask_cluster import Cluster
from support.held import wait_for

pytestmark = [pytest.mark.servers, pytest.mark.slow]

pytest.importorskip("distributed", reason="--cluster needs the extra cluster")

Task = Callable[[Any, Any], Any]


def flown(cluster: Cluster, folder: Path, task: Task, shared: Any, *groups: list[Any]) -> Any:
    """Send groups of items; return what came back, in parts, and the flight."""
    job = FileJob(str(folder / "in.png"), str(folder / "out.png"))
    with (
        connected(cluster.address, 0) as client,
        Flight(
            client,
            job,
            task,
            shared,
            address=cluster.address,
            retries=3,
            timeout=0.5,
            noun="files",
            remedy="go on",
        ) as flight,
    ):
        waiting = list(groups)
        parts = list(flight.run(lambda: waiting.pop(0) if waiting else []))
        return parts, flight


def test_a_group_that_takes_long_comes_back_in_parts(cluster: Cluster, tmp_path: Path) -> None:
    """Each item is in time, but all of them together take longer than one may."""
    seconds = [0.2 + number / 1000 for number in range(8)]

    def sleep(shared: str, item: float) -> tuple[str, float]:
        time.sleep(item)
        return shared, item

    parts, flight = flown(cluster, tmp_path, sleep, "x", seconds)
    assert [ended.item for ended in parts] == seconds
    assert [ended.result for ended in parts] == [("x", item) for item in seconds]
    assert flight.counts["left_aside"] == 0


@pytest.mark.parametrize("size", [10, 200_000])
def test_what_all_share_reaches_each_item(size: int, cluster: Cluster, tmp_path: Path) -> None:
    parts, _ = flown(
        cluster, tmp_path, lambda shared, item: shared[item], bytes(range(10)) * size, [3, 18]
    )
    assert [ended.result for ended in parts] == [3, 8]


def test_a_worker_that_hangs_at_a_large_group_is_left_aside(
    lonely: Cluster, tmp_path: Path
) -> None:
    """The time for one item counts, not for all of the group."""
    first, second = lonely.start_worker(), lonely.start_worker()

    def stop_first(number: int, _: int) -> int:
        if number == os.getpid():
            os.kill(number, signal.SIGSTOP)
        return os.getpid()

    try:
        group = [0] * 1000
        parts, flight = flown(lonely, tmp_path, stop_first, first, group, group)
    finally:
        os.kill(first, signal.SIGCONT)
    assert [ended.result for ended in parts] == [second] * 2000
    assert flight.counts["left_aside"] == 1
    assert "end one of its files within 0 s" in flight.notices[0]


def test_a_client_that_gave_up_its_scheduler_is_told_in_one_line(
    lonely: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask closes it by itself, and it then refuses in an error of its own."""
    monkeypatch.setattr(scale_cluster, "_PATIENCE", 0.5)
    lonely.start_worker()
    job = FileJob(str(tmp_path / "in.png"), str(tmp_path / "out.png"))
    named: dict[str, Any] = {"address": "here", "noun": "files", "remedy": "go on"}
    with (
        connected(lonely.address, 0) as client,
        Flight(client, job, divmod, 7, retries=3, timeout=None, **named) as flight,
    ):

        def following() -> list[int]:
            lonely.processes[0].kill()
            wait_for(lambda: client.status == "closed")
            return [1]

        with pytest.raises(ClusterError, match="here: the scheduler went away"):
            list(flight.run(following))


def test_an_error_that_dask_does_not_hand_out_comes_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    """It hands out none where a worker dies as its result is fetched, and the next ones die."""
    job = FileJob(str(tmp_path / "in.png"), str(tmp_path / "out.png"))
    named: dict[str, Any] = {"address": "here", "noun": "files", "remedy": "go on"}
    waiting = [[0]]
    with (
        connected(cluster.address, 0) as client,
        Flight(client, job, divmod, 7, retries=0, timeout=None, **named) as flight,
    ):

        def following() -> list[int]:
            if waiting:
                return waiting.pop()
            flight._ended.clear()  # type: ignore[no-untyped-call] # noqa: SLF001 - as there
            return []

        (ended,) = flight.run(following)
    assert isinstance(ended.error, ZeroDivisionError)
