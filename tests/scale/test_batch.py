"""A batch on a real cluster: the same bytes as here, whatever is lost on the way."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from convcli import apply_files, apply_tiled
from convcli.batch.job import Outcome, Status, Summary
from convcli.storage.urls import store_of
from support.commands import PHOTOS, Running, begun, process, save
from support.dask_cluster import Cluster
from support.held import Held, contents, release, settled, wait_for
from support.s3_server import Bucket
from support.waiting import PATIENCE

pytestmark = pytest.mark.servers


def lines_of(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@contextmanager
def started(*words: str | Path) -> Iterator[Running]:
    """Start the program in a session of its own, whose processes get a terminal's signals."""
    pipe = subprocess.PIPE
    running = begun(*words, stdout=pipe, stderr=pipe, start_new_session=True)
    with running:
        yield running
        running.kill()


def await_outcomes(running: Running, count: int) -> list[dict[str, Any]]:
    assert running.stdout is not None
    return [json.loads(running.stdout.readline()) for _ in range(count)]


def batch(photos: Path, out: Path, address: str) -> list[str | Path]:
    # By name, for a pipe in a folder is left alone.
    named = sorted(photos.iterdir())
    return ["apply", "gaussian:2", *named, "--out-dir", out, "--cluster", address, "--json"]


# ------------------------------------------------------------------ the same as here


def test_a_batch_is_the_same_as_on_one_machine(
    cluster: Cluster, photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    ended = process(*batch(photos, tmp_path / "out", cluster.address))
    assert (ended.returncode, ended.stderr) == (0, b"")
    *outcomes, last = lines_of(ended.stdout)
    assert last["summary"]["done"] == len(outcomes) == len(expected)
    assert (last["summary"]["retries"], last["summary"]["left_aside"]) == (0, 0)
    phases = last["summary"]["phases"]
    assert list(phases) == ["list", "connect", "filter", "look"]
    total = phases["connect"] + phases["filter"]  # each is rounded to a millionth
    assert total == pytest.approx(last["summary"]["seconds"], abs=2e-6)
    assert {one["target"] for one in outcomes} == {
        str(tmp_path / "out" / name) for name in expected
    }
    assert contents(tmp_path / "out") == expected


def test_a_client_that_is_ready_is_used_and_stays_open(
    cluster: Cluster, photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    import distributed

    with distributed.Client(cluster.address, set_as_default=False) as client:
        summary = apply_files("gaussian:2", photos, tmp_path / "out", cluster=client)
        assert summary.counts[Status.DONE] == len(expected)
        assert contents(tmp_path / "out") == expected
        picture, wanted = tmp_path / "a.tif", tmp_path / "wanted.tif"
        save(picture, [[10, 20, 30], [40, 50, 60]])
        apply_tiled("[[2]]", picture, tmp_path / "b.tif", cluster=client)
        apply_tiled("[[2]]", picture, wanted)
        assert (tmp_path / "b.tif").read_bytes() == wanted.read_bytes()
        assert client.status == "running"


def test_relative_paths_are_those_of_the_client(cluster: Cluster, tmp_path: Path) -> None:
    save(tmp_path / "in.png", [[1, 2, 3]])
    words = ("apply", "[[2]]", "in.png", "--out-dir", "out", "--cluster", cluster.address)
    ended = process(*words, "--json", folder=tmp_path)
    one, last = lines_of(ended.stdout)
    assert (one["source"], one["target"]) == ("in.png", os.path.join("out", "in.png"))  # noqa: PTH118
    assert last["summary"]["done"] == 1
    assert (tmp_path / "out" / "in.png").exists()


def test_odd_names(cluster: Cluster, tmp_path: Path) -> None:
    names = ["a b.png", "new\nline.png", "-dash.png", "ünï→码.png", "x" * 250 + ".png"]
    named = [os.fsencode(name) for name in names] + [b"no-text-\xff.png"]
    for number, name in enumerate(named):
        save(tmp_path / "in.png", [[number, 9]])
        os.rename(tmp_path / "in.png", os.fsencode(tmp_path) + b"/" + name)  # noqa: PTH104
    words = ("apply", "[[2]]", "--files-from", "-", "--out-dir", "out", "-q")
    for out, more in (("here", ()), ("there", ("--cluster", cluster.address))):
        ended = process(
            *(out if word == "out" else word for word in words),
            *more,
            stdin=b"\0".join(named) + b"\0",
            folder=tmp_path,
        )
        assert (ended.returncode, ended.stderr) == (0, b"")
    here = contents(tmp_path / "here")
    assert len(here) == len(named)
    assert contents(tmp_path / "there") == here


# ------------------------------------------------------------------ what goes wrong


def test_a_worker_that_is_killed_costs_nothing(
    cluster: Cluster, photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    doomed = cluster.start_worker()
    with started(*batch(photos, tmp_path, cluster.address)) as running:
        outcomes = await_outcomes(running, 3)
        os.kill(doomed, signal.SIGKILL)
        rest, errors = running.communicate(timeout=PATIENCE)
    assert (running.returncode, errors) == (0, b"")
    *more, last = lines_of(rest)
    assert last["summary"]["done"] == len(outcomes) + len(more) == len(expected)
    made = contents(tmp_path)
    # A process that is killed cannot take away what it was in the middle of.
    assert {name: made[name] for name in made if not name.startswith(".convcli-")} == expected


def test_a_client_that_is_killed_goes_on_with_skip(
    cluster: Cluster, photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with started(*batch(photos, tmp_path, cluster.address)) as running:
        await_outcomes(running, 5)
        os.kill(running.pid, signal.SIGKILL)
    ended = process(*batch(photos, tmp_path, cluster.address), "--on-exists", "skip")
    assert (ended.returncode, ended.stderr) == (0, b"")
    summary = lines_of(ended.stdout)[-1]["summary"]
    assert summary["skipped"] >= 5
    assert summary["skipped"] + summary["done"] == len(expected)
    assert settled(tmp_path) == expected


@pytest.mark.parametrize("where", ["running", "local:2"])
def test_an_interrupt_finishes_what_runs(
    cluster: Cluster,
    held: tuple[Path, list[Held]],
    expected: dict[str, bytes],
    tmp_path: Path,
    where: str,
) -> None:
    out, count = tmp_path / "out", len(held[1])
    with interrupted(held, out, cluster.address if where == "running" else where) as running:
        release(held[1])
        rest, errors = running.communicate(timeout=PATIENCE)
    assert (running.returncode, errors) == (130, b"")
    *outcomes, last = lines_of(rest)
    made = contents(out)
    assert last["summary"]["interrupted"]
    assert len(outcomes) == last["summary"]["done"] == len(made)
    assert 1 <= len(made) <= count
    assert made == {name: expected[name] for name in made}


@contextmanager
def interrupted(held: tuple[Path, list[Held]], out: Path, address: str) -> Iterator[Running]:
    """Start a batch whose inputs are held back, and interrupt it while it reads the first."""
    with started(*batch(held[0], out, address)) as running:
        held[1][0].await_reader()
        interrupt(running)
        yield running


def interrupt(running: Running) -> None:
    """Press Ctrl-C, and wait until the program says so."""
    assert running.stderr is not None
    os.killpg(running.pid, signal.SIGINT)
    assert running.stderr.readline() == b"\n"
    assert running.stderr.readline().startswith(b"Interrupted")


@pytest.mark.parametrize("where", ["running", "local:2"])
def test_two_interrupts_stop_at_once(
    cluster: Cluster,
    held: tuple[Path, list[Held]],
    expected: dict[str, bytes],
    tmp_path: Path,
    where: str,
) -> None:
    out = tmp_path / "out"
    with interrupted(held, out, cluster.address if where == "running" else where) as running:
        os.killpg(running.pid, signal.SIGINT)
        _, errors = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert b"Traceback" not in errors
    release(held[1])
    ended = process(*batch(held[0], out, cluster.address), "--on-exists", "skip")
    assert ended.returncode == 0
    assert settled(out) == expected


def test_an_interrupt_while_a_cluster_starts_is_no_reason_for_noise(
    held: tuple[Path, list[Held]], tmp_path: Path
) -> None:
    with started(*batch(held[0], tmp_path / "out", "local:2")) as running:
        wait_for(lambda: any("numpy" in loaded for loaded in children(running.pid)))
        os.killpg(running.pid, signal.SIGINT)
        release(held[1])
        _, errors = running.communicate(timeout=PATIENCE)
    # Python ends by the signal itself where it came in the middle of an import.
    assert running.returncode in (130, -signal.SIGINT)
    assert b"Traceback" not in errors
    assert b"KeyboardInterrupt" not in errors


def children(pid: int) -> list[str]:
    """Return what each child of a process has loaded: nothing where it is gone already."""
    loaded = []
    for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(OSError):
            loaded.append(Path(f"/proc/{number}/maps").read_text())
    return loaded


def test_a_full_disk_a_damaged_file_and_one_that_vanishes_stop_no_other(
    cluster: Cluster, photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    out.mkdir()
    source.mkdir()
    for path in photos.iterdir():
        os.link(path, source / path.name)
    (source / "001.jpg").unlink()
    (source / "001.jpg").write_bytes(b"no picture")
    # The one device of Linux that is always full.
    (out / "002.jpg").symlink_to("/dev/full")
    last = f"{len(expected) - 1:03}.jpg"
    listed = "\n".join(str(path) for path in sorted(source.iterdir()))
    (source / last).unlink()
    words = ["apply", "gaussian:2", "--files-from", "-", "--out-dir", str(out), "--json"]
    words += ["--cluster", cluster.address, "--on-exists"]
    ended = process(*words, "overwrite", stdin=listed.encode())
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    *outcomes, summary = lines_of(ended.stdout)
    failed = [one for one in outcomes if one["status"] == "failed"]
    reasons = {Path(one["source"]).name: one["reason"] for one in failed}
    assert reasons.keys() == {"001.jpg", "002.jpg", last}
    assert reasons["001.jpg"].startswith("expected a picture, got something else")
    assert "/002.jpg: cannot be written: No space left on device" in reasons["002.jpg"]
    assert reasons[last] == "no such file: check the path"
    assert summary["summary"]["done"] == len(expected) - 3
    (out / "002.jpg").unlink()
    again = process(*words, "skip", stdin=listed.encode())
    assert lines_of(again.stdout)[-1]["summary"]["done"] == 1
    assert contents(out) == {
        name: data for name, data in expected.items() if name not in ("001.jpg", last)
    }


def test_a_duplicate_is_refused_before_anything_runs(cluster: Cluster, tmp_path: Path) -> None:
    source = save(tmp_path / "in.png", [[1, 2, 3]])
    words = ("apply", "box", source, source, "--out-dir", tmp_path / "out")
    ended = process(*words, "--cluster", cluster.address)
    assert ended.returncode == 2
    assert b"the input is given twice" in ended.stderr
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------ S3


@pytest.mark.parametrize("where", ["here", "on the cluster"])
def test_from_a_store_to_a_store(
    cluster: Cluster, bucket: Bucket, tmp_path: Path, where: str
) -> None:
    for name in ("camera.png", "coffee.png", "rocket.jpg"):
        bucket.put(f"in/deeper/{name}", (PHOTOS / name).read_bytes())
    bucket.put("in/readme.txt", b"no picture")
    words = ["apply", "sobel-x", bucket.url("in"), "--recursive", "--json"]
    words += ["--out-dir", bucket.url("out")]
    words += ["--cluster", cluster.address] if where == "on the cluster" else []
    ended = process(*words, **bucket.settings)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert process("apply", "sobel-x", PHOTOS, "--out-dir", tmp_path, "-q").returncode == 0
    here = contents(tmp_path)
    for name in ("camera.png", "coffee.png", "rocket.jpg"):
        assert bucket.get(f"out/deeper/{name}") == here[name]
    assert len(bucket.keys()) == 7


def test_an_output_that_the_store_does_not_list_is_not_done(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.settings.items():
        monkeypatch.setenv(name, value)
    for name in ("camera.png", "coffee.png"):
        bucket.put(f"in/{name}", (PHOTOS / name).read_bytes())

    def lose(outcome: Outcome, _: Summary) -> None:
        if outcome.status is Status.DONE and "coffee" in outcome.job.target:
            store_of(outcome.job.target)[0].rm(outcome.job.target)

    summary = apply_files("box", bucket.url("in"), bucket.url("out"), jobs=1, progress=lose)
    assert (summary.counts[Status.DONE], summary.counts[Status.FAILED]) == (1, 1)
    (failure,) = summary.failures
    assert failure.job.source == bucket.url("in/coffee.png")
    assert "the store does not list it" in failure.reason


def test_a_bucket_that_is_not_there_is_noticed_before_work_begins(bucket: Bucket) -> None:
    url = f"{bucket.url('')[:-1]}-none/out"
    words = ("apply", "box", PHOTOS / "coffee.png", "--out-dir", url)
    ended = process(*words, **bucket.settings)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.decode() == (
        f"Error: {url}: cannot be written: the bucket or folder does not exist: make it first\n"
    )


def test_a_pattern_of_objects_of_which_one_is_there_already(bucket: Bucket) -> None:
    for name in ("in/camera.png", "in/coffee.png", "in/rocket.jpg", "out/coffee.png"):
        bucket.put(name, (PHOTOS / Path(name).name).read_bytes())
    words = ["apply", "box", bucket.url("in/*.png"), "--out-dir", bucket.url("out"), "--json"]
    words += ["--jobs", "1"]
    refused = process(*words, **bucket.settings)
    assert refused.returncode == 2
    assert refused.stderr.decode().startswith(
        f"Error: {bucket.url('out/coffee.png')}: the output exists: use --on-exists skip"
    )
    skipped = process(*words, "--on-exists", "skip", **bucket.settings)
    assert skipped.returncode == 0
    summary = lines_of(skipped.stdout)[-1]["summary"]
    assert (summary["done"], summary["skipped"]) == (1, 1)
    assert bucket.get("out/coffee.png") == (PHOTOS / "coffee.png").read_bytes()
