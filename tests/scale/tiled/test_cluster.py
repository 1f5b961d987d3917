"""One large picture on a Dask cluster of real processes."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.choices import Range
from convcli.pipeline.options import Options
from support.commands import process
from support.dask_cluster import kept_environment
from support.held import Held, wait_for
from support.scenes import (
    SMALL,
    filter_large,
    operands,
    picture,
    read,
    whole,
    write_tiff,
    write_zarr,
)

pytestmark = pytest.mark.servers

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    from convcli.scale.cluster import connected

    with kept_environment(), connected("local:2", 3) as found:
        yield found


@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
def test_blocks_of_a_cluster_are_equal_to_the_whole(
    client: Any, target: str, tmp_path: Path
) -> None:
    values, options = picture((400, 500, 3)), Options(range=Range.STRETCH)
    source = write_tiff(tmp_path / "in.tif", values)
    told: list[tuple[int, int, float]] = []
    report = filter_large(
        operands(["sobel", "gaussian:1"]),
        source,
        str(tmp_path / target),
        options,
        memory=SMALL,
        cluster=client,
        progress=lambda *said: told.append(said),
    )
    expected = whole(values, ["sobel", "gaussian:1"], options)
    np.testing.assert_array_equal(read(str(tmp_path / target)), expected.values)
    assert (report.low, report.high) == (expected.report.low, expected.report.high)
    done, total, megapixels = told[-1]
    assert done == total == len(told)
    assert megapixels == pytest.approx(2 * 0.2)


def test_a_fault_on_a_worker_is_one_line_here(client: Any, tmp_path: Path) -> None:
    source = Path(write_zarr(tmp_path / "in.zarr", picture((250, 250))))
    (source / "c" / "1" / "1").write_bytes(b"no chunk")
    with pytest.raises(Exception, match=r"in\.zarr: the picture cannot be read") as caught:
        filter_large(
            operands(["box:3"]),
            str(source),
            str(tmp_path / "out.zarr"),
            Options(),
            memory=SMALL,
            cluster=client,
        )
    assert type(caught.value).__name__ == "ImageError"
    assert [path.name for path in tmp_path.iterdir()] == ["in.zarr"]


@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
@pytest.mark.parametrize("killed", [1, 2])
def test_workers_that_are_killed_cost_nothing(
    client: Any, target: str, killed: int, tmp_path: Path
) -> None:
    values = picture((400, 500))
    source = write_zarr(tmp_path / "in.zarr", values)
    held = Held(tmp_path / "in.zarr" / "c" / "2" / "2")

    def kill() -> None:
        held.await_reader()
        for pid in list(client.run(os.getpid).values())[:killed]:
            os.kill(pid, signal.SIGKILL)
        held.release()

    with ThreadPoolExecutor() as pool:
        killing = pool.submit(kill)
        filter_large(
            operands(["box:3"]),
            source,
            str(tmp_path / target),
            Options(),
            memory=SMALL,
            cluster=client,
        )
        killing.result()
    expected = whole(values, ["box:3"], Options()).values[..., 0]
    np.testing.assert_array_equal(read(str(tmp_path / target)), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.zarr", target]


def test_the_command_takes_a_cluster(tmp_path: Path) -> None:
    values = picture((300, 400))
    write_zarr(tmp_path / "in.zarr", values)
    words = ("apply", "box:3", "in.zarr", "out.zarr", "--cluster", "local:1", "--quiet")
    result = process(*words, folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, b"")
    expected = whole(values, ["box:3"], Options()).values[..., 0]
    np.testing.assert_array_equal(read(str(tmp_path / "out.zarr")), expected)


def test_a_block_is_not_blamed_for_workers_that_others_kill(tmp_path: Path) -> None:
    """Every worker is killed after each of the first blocks: more often than one may be."""
    from convcli.scale.cluster import connected

    values = picture((400, 500))
    source = write_zarr(tmp_path / "in.zarr", values)
    with kept_environment(), connected("local:2", 1) as doomed:

        def kill(done: int, *_: object) -> None:
            pids = doomed.run(os.getpid, on_error="ignore") if done < 5 else {}
            for pid in pids.values():
                os.kill(pid, signal.SIGKILL)
            # What is sent to a worker that is dead counts as if it had killed that.
            wait_for(lambda: not pids.keys() & doomed.nthreads().keys())

        target = str(tmp_path / "out.zarr")
        settings: dict[str, Any] = {"memory": SMALL, "retries": 1, "progress": kill}
        filter_large(operands(["box:3"]), source, target, Options(), cluster=doomed, **settings)
    expected = whole(values, ["box:3"], Options()).values[..., 0]
    np.testing.assert_array_equal(read(target), expected)
    assert not list(Path(target).rglob("*.partial"))
