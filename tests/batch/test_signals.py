"""A batch that is interrupted, terminated or robbed of a worker: no half files, no orphans."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.commands import environment, save
from support.held import wait_for

if sys.platform == "win32":
    pytest.skip("Windows has no such signals", allow_module_level=True)

HELD = """\
import contextlib, os, signal, sys, time
from pathlib import Path
from convcli.images import write as writing
# A shell starts what runs in the background deaf to the interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
replacing = writing.replacing
@contextlib.contextmanager
def held(target):
    with replacing(target) as file:
        file.write(b"half")
        file.flush()
        Path(f"started-{os.getpid()}").write_text(str(os.getpid()))
        end = time.monotonic() + 600
        while not Path("go").exists() and time.monotonic() < end:
            time.sleep(0.01)
        file.seek(0)
        yield file
writing.replacing = held
from convcli.cli.app import main
main(sys.argv[1:], prog_name="convcli")
"""
"""The program, but each write waits, half done, until there is a file called go."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for number in range(8):
        save(tmp_path / "photos" / f"{number}.png", np.full((4, 4), number, np.uint8))
    return tmp_path


@pytest.fixture
def batch(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a batch of two jobs at a time, and wait until both are in the middle of a file."""
    words = ("apply", "[[2]]", "photos", "--out-dir", "out", "--json", "--progress", "plain")
    with subprocess.Popen(
        [sys.executable, "-c", HELD, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment(),
    ) as running:
        wait_for(lambda: len(workers(folder)) == min(2, cores()))
        yield running
        running.kill()


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def workers(folder: Path) -> list[int]:
    return [int(path.name.rpartition("-")[2]) for path in folder.glob("started-*")]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Whom nobody waits for any more is dead all the same.
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def lines(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_one_interrupt_finishes_what_runs(folder: Path, batch: subprocess.Popen[bytes]) -> None:
    running = len(workers(folder))
    batch.send_signal(signal.SIGINT)
    assert batch.stderr is not None
    assert batch.stderr.readline() == b"\n"
    assert batch.stderr.readline().startswith(b"Interrupted: what runs is finished; Ctrl-C")
    (folder / "go").touch()
    out, errors = batch.communicate(timeout=600)
    assert batch.returncode == 130
    *each, last = lines(out)
    assert [line["status"] for line in each] == ["done"] * running
    assert last["summary"]["done"] == running
    assert last["summary"]["interrupted"] is True
    assert sorted(os.listdir(folder / "out")) == [f"{n}.png" for n in range(running)]  # noqa: PTH208 - hidden files too
    assert b"Traceback" not in errors
    assert b"Error" not in errors


def stopped_at_once(folder: Path, batch: subprocess.Popen[bytes], status: int) -> None:
    pids = workers(folder)
    out, errors = batch.communicate(timeout=600)
    assert batch.returncode == status
    assert out == b""
    assert b"Traceback" not in errors
    assert b"Error" not in errors
    assert os.listdir(folder / "out") == []  # noqa: PTH208 - hidden files too
    assert [pid for pid in pids if is_running(pid)] == []


@pytest.mark.slow
def test_two_interrupts_stop_at_once(folder: Path, batch: subprocess.Popen[bytes]) -> None:
    batch.send_signal(signal.SIGINT)
    assert batch.stderr is not None
    assert batch.stderr.readline() == b"\n"
    batch.send_signal(signal.SIGINT)
    stopped_at_once(folder, batch, 130)


@pytest.mark.slow
def test_a_terminated_batch_stops_at_once(folder: Path, batch: subprocess.Popen[bytes]) -> None:
    batch.send_signal(signal.SIGTERM)
    stopped_at_once(folder, batch, 143)


def test_workers_leave_when_their_parent_is_killed(
    folder: Path, batch: subprocess.Popen[bytes]
) -> None:
    pids = workers(folder)
    batch.kill()
    batch.wait(timeout=600)
    (folder / "go").touch()
    wait_for(lambda: not any(is_running(pid) for pid in pids))
    # What they were at is complete; nothing else was begun.
    assert all(path.suffix == ".png" for path in (folder / "out").iterdir())


@pytest.mark.slow
def test_a_killed_worker_fails_its_file_and_the_batch_goes_on(
    folder: Path, batch: subprocess.Popen[bytes]
) -> None:
    os.kill(workers(folder)[0], signal.SIGKILL)
    (folder / "go").touch()
    out, errors = batch.communicate(timeout=600)
    assert batch.returncode == 1
    *each, last = lines(out)
    failed = [line for line in each if line["status"] == "failed"]
    assert len(failed) == 1
    assert "was killed by signal 9: use fewer --jobs, or --memory" in failed[0]["reason"]
    assert (last["summary"]["done"], last["summary"]["failed"]) == (7, 1)
    assert b"Traceback" not in errors
    made = [f"{n}.png" for n in range(8) if f"out/{n}.png" != failed[0]["target"]]
    assert sorted(os.listdir(folder / "out")) == made  # noqa: PTH208 - hidden files too


@pytest.mark.slow
def test_a_batch_goes_on_where_it_was_stopped(
    folder: Path, batch: subprocess.Popen[bytes]
) -> None:
    running = len(workers(folder))
    batch.send_signal(signal.SIGINT)
    (folder / "go").touch()
    batch.communicate(timeout=600)
    words = ("apply", "[[2]]", "photos", "--out-dir", "out", "--on-exists", "skip", "--json")
    again = subprocess.run(
        [sys.executable, "-m", "convcli", *words],
        capture_output=True,
        check=True,
        cwd=folder,
        env=environment(),
    )
    summary = lines(again.stdout)[-1]["summary"]
    assert summary["skipped"] >= running
    assert summary["skipped"] + summary["done"] == 8
    assert sorted(os.listdir(folder / "out")) == [f"{n}.png" for n in range(8)]  # noqa: PTH208 - hidden files too
