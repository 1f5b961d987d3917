"""Blocks on threads of this machine: started a few at a time, and without Dask."""

import threading
import time
from pathlib import Path

from convcli.scale.tiled.blocks import Blocks
from convcli.scale.tiled.run import on_threads
from support.commands import script
from support.scenes import picture, write_tiff

MODULES = """\
import sys
from convcli.cli.app import main
main(["apply", "box:3", "in.tif", "out.tif", "--tiled", "-q"], standalone_mode=False)
print("dask" in sys.modules, "distributed" in sys.modules)
"""


def test_dask_is_not_imported_without_a_cluster(tmp_path: Path) -> None:
    write_tiff(tmp_path / "in.tif", picture((300, 300)))
    ran = script(MODULES, folder=tmp_path, anew=True)
    assert ran.stdout.split() == ["False", "False"], ran.stderr


def test_few_blocks_are_started_ahead_and_results_keep_their_order() -> None:
    blocks, started, lock = Blocks(size=(500, 1), shape=(1, 1)), [], threading.Lock()

    def task(rows: slice, _: slice) -> int:
        with lock:
            started.append(rows.start)
        time.sleep(0.002 * (rows.start % 3))
        return int(rows.start)

    results = on_threads(task, enumerate(blocks.all()), 2)
    assert [next(results) for _ in range(10)] == list(range(10))
    time.sleep(0.05)
    assert len(started) <= 10 + 2 * 2
    results.close()
