"""Jobs in processes: what they write, and what becomes of a batch when one goes wrong."""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.batch.job import BatchJob, FileJob, Outcome, Status, Summary
from convcli.batch.local import LocalExecutor, worker_counts
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import kernel_from, operand_from
from convcli.pipeline.options import Options
from convcli.threads import available_cores
from support.commands import PHOTOS, load, save

pytestmark = pytest.mark.slow

DOUBLE = BatchJob(kernels=(Kernel([[2]]),), options=Options())


def jobs_for(folder: Path, count: int) -> list[FileJob]:
    return [
        FileJob(str(save(folder / f"{n}.png", [[n, n + 1]])), str(folder / "out" / f"{n}.png"))
        for n in range(count)
    ]


def test_every_job_is_done_once_in_subfolders_that_are_made(tmp_path: Path) -> None:
    jobs = jobs_for(tmp_path, 20)
    outcomes = list(LocalExecutor(2).run(DOUBLE, jobs))
    assert sorted(outcome.job.source for outcome in outcomes) == sorted(j.source for j in jobs)
    assert {outcome.status for outcome in outcomes} == {Status.DONE}
    assert load(Path(jobs[7].target)) == [[14, 16]]


def test_a_job_makes_the_same_bytes_as_a_single_run(tmp_path: Path) -> None:
    blur = BatchJob(kernels=(kernel_from("gaussian:2"),), options=Options())
    source = str(PHOTOS / "rocket.jpg")
    one, other = tmp_path / "one.jpg", tmp_path / "other.jpg"
    blur.filter_file(source, str(one))
    (outcome,) = LocalExecutor(1, 2).run(blur, [FileJob(source, str(other))])
    assert one.read_bytes() == other.read_bytes()
    # 640 × 427 pixels.
    assert outcome.megapixels == pytest.approx(0.27328)


def test_one_bad_file_does_not_stop_the_rest(tmp_path: Path) -> None:
    jobs = jobs_for(tmp_path, 5)
    Path(jobs[2].source).write_bytes(b"no picture")
    Path(jobs[3].source).unlink()
    summary = Summary()
    for outcome in LocalExecutor(2).run(DOUBLE, jobs):
        summary.add(outcome)
    assert (summary.counts[Status.DONE], summary.counts[Status.FAILED]) == (3, 2)
    reasons = {outcome.job.source: outcome.reason for outcome in summary.failures}
    assert reasons[jobs[2].source].startswith("expected a picture, got something else")
    assert reasons[jobs[3].source] == "no such file: check the path"
    assert summary.return_code == 1


def test_jobs_are_taken_as_there_is_room(tmp_path: Path) -> None:
    taken: list[FileJob] = []

    def stream() -> Iterator[FileJob]:
        for job in jobs_for(tmp_path, 10):
            taken.append(job)
            yield job

    outcomes = LocalExecutor(2).run(DOUBLE, stream())
    next(outcomes)
    assert len(taken) <= 4
    assert len(list(outcomes)) == 9


def test_after_stop_what_runs_ends_and_nothing_starts(tmp_path: Path) -> None:
    executor = LocalExecutor(2)
    outcomes: list[Outcome] = []
    for outcome in executor.run(DOUBLE, jobs_for(tmp_path, 10)):
        executor.stop()
        outcomes.append(outcome)
    # Two at a time, and the one that was begun while the first was told.
    assert len(outcomes) <= 3


class Deadly(Kernel):
    """A kernel that takes the process with it which receives it a second time."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Where threads run a worker is no fork: it gets what is pickled.
        return (Deadly, (self.weights,))

    def flipped(self) -> Kernel:
        os.kill(os.getpid(), signal.SIGKILL)
        return self


def test_a_worker_that_dies_fails_its_own_job_only(tmp_path: Path) -> None:
    # Only flipped kernels are deadly: only this batch has --flip.
    deadly = BatchJob(kernels=(Deadly(np.array([[2.0]])),), options=Options(flip=True))
    outcomes = list(LocalExecutor(2).run(deadly, jobs_for(tmp_path, 3)))
    assert [outcome.status for outcome in outcomes] == [Status.FAILED] * 3
    assert "killed by signal 9" in outcomes[0].reason


def test_closing_the_iterator_ends_the_processes(tmp_path: Path) -> None:
    outcomes = LocalExecutor(2).run(DOUBLE, jobs_for(tmp_path, 10))
    next(outcomes)
    outcomes.close()
    assert multiprocessing.active_children() == []


def test_processes_start_beside_threads_too(tmp_path: Path) -> None:
    # Then they are new processes, not forks, and get all that they need as a message.
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    try:
        jobs = jobs_for(tmp_path, 3)
        outcomes = list(LocalExecutor(1).run(DOUBLE, jobs))
    finally:
        ended.set()
        other.join()
    assert [outcome.status for outcome in outcomes] == [Status.DONE] * 3
    assert load(Path(jobs[2].target)) == [[4, 6]]


def test_workers_and_threads_together_never_exceed_the_cores() -> None:
    cores = available_cores()
    assert worker_counts(1000) == (cores, 1)
    assert worker_counts(1) == (1, cores)
    assert worker_counts(1000, jobs=1) == (1, 1)
    assert worker_counts(1000, jobs=1000) == (cores, 1)


@pytest.mark.parametrize("name", ["gaussian:2", "sobel", "kirsch"])
def test_kernels_travel_and_stay_as_they_are(name: str) -> None:
    there = pickle.loads(pickle.dumps(operand_from(name)))  # noqa: S301 - our own
    kernel = there if isinstance(there, Kernel) else there.kernels[0]
    assert there == operand_from(name)
    with pytest.raises(ValueError, match="read-only"):
        kernel.weights[0, 0] = np.float64(1)
