"""One picture larger than memory in a store, on workers that read and write there."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from convcli.storage.atomic import temporary_name
from support.commands import begun, environment, process
from support.dask_cluster import Cluster
from support.held import Held
from support.s3_server import Bucket
from support.scenes import picture, write_tiff, write_zarr

pytestmark = pytest.mark.servers

SIZE = (300, 400, 3)


def asked(cluster: Cluster, bucket: Bucket, source: str, target: str) -> tuple[int, bytes]:
    words = ("apply", "gaussian:2", source, target, "--tiled", "--memory", "1M", "-q")
    ended = process(*words, "--cluster", cluster.address, **bucket.settings)
    assert ended.stdout == b""
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
def test_workers_read_and_write_in_a_store(
    target: str, cluster: Cluster, bucket: Bucket, tmp_path: Path
) -> None:
    path = Path(write_tiff(tmp_path / "in.tif", picture(SIZE)))
    source = bucket.put("in.tif", path.read_bytes())
    machine = temporary_name().split("-")[1]  # A killed run of this machine has left a token.
    bucket.put(f".convcli-{machine}-{os.getpid()}-1-0123456789abcdef.tmp", b"")
    local = process("apply", "gaussian:2", path, tmp_path / target, "--tiled", "-q")
    assert (local.returncode, local.stderr) == (0, b"")
    # Twice: the second takes the place of the first.
    for _ in range(2):
        assert asked(cluster, bucket, source, bucket.url(target)) == (0, b"")
    made = (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "in.tif")
    expected = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in made}
    assert set(bucket.keys()) == {"in.tif", *expected}
    assert {key: bucket.get(key) for key in expected} == expected


@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
def test_a_fault_on_a_worker_leaves_nothing(
    target: str, cluster: Cluster, bucket: Bucket, tmp_path: Path
) -> None:
    data = Path(write_tiff(tmp_path / "in.tif", picture(SIZE))).read_bytes()
    source = bucket.put("in.tif", data[: len(data) // 2])
    status, said = asked(cluster, bucket, source, bucket.url(target))
    assert (status, said.count(b"\n")) == (1, 1)
    assert b"in.tif: the picture cannot be read: the file is truncated" in said
    assert bucket.keys() == ["in.tif"]


def test_an_interrupt_waits_for_what_workers_write(
    cluster: Cluster, bucket: Bucket, tmp_path: Path
) -> None:
    """The first block is computed when the interrupt comes, and written after that."""
    source = write_zarr(tmp_path / "in.zarr", picture((900, 900)), (128, 128))
    held = Held(tmp_path / "in.zarr" / "c" / "0" / "0")
    words = ("apply", "box:3", source, bucket.url("out.zarr"), "--memory", "1M", "--cluster")
    env = environment(**bucket.settings)
    with begun(*words, cluster.address, stderr=subprocess.PIPE, env=env) as running:
        held.await_reader()
        running.send_signal(signal.SIGINT)
        held.release()
        _, said = running.communicate()
    assert (running.returncode, said.strip()) == (130, b"")
    assert bucket.keys() == []


@pytest.mark.parametrize(
    ("source", "target"), [("memory://in.zarr", "s3"), ("s3", "memory://out.zarr")]
)
def test_what_one_process_sees_only_is_refused(
    source: str, target: str, cluster: Cluster, bucket: Bucket, tmp_path: Path
) -> None:
    url = bucket.put(
        "in.tif", Path(write_tiff(tmp_path / "in.tif", picture(SIZE))).read_bytes()
    )
    places = [url if place == "s3" else place for place in (source, target)]
    status, said = asked(cluster, bucket, *places)
    assert (status, said.count(b"\n")) == (1, 1)
    assert b"memory:// is seen by one process only" in said
