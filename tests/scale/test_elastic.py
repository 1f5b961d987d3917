"""Workers that come and go: adaptive clusters, and what docs/cluster starts on SLURM."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from convcli import apply_files
from convcli.batch.job import Status
from support.commands import environment
from support.dask_cluster import kept_environment
from support.held import contents

pytestmark = [pytest.mark.servers, pytest.mark.slow]

pytest.importorskip("distributed", reason="--cluster needs the extra cluster")

SLURM = Path(__file__).parents[2] / "docs" / "cluster" / "slurm.py"

SBATCH = """\
#!/bin/sh
cp "$1" "$JOBS/$$"
sh "$JOBS/$$" > "$JOBS/$$.log" 2>&1 &
echo "$!" >> "$JOBS/pids"
echo "Submitted batch job $!"
"""
"""In place of SLURM: a job is a process of this machine. It runs a copy of its script, for the
script is gone once it is submitted."""

SCANCEL = '#!/bin/sh\nfor job in "$@"; do kill "$job" 2> /dev/null; done\nexit 0\n'


def test_a_batch_makes_an_adaptive_cluster_grow(
    photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    import distributed

    with (
        kept_environment(),
        distributed.LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        cluster.adapt(minimum=1, maximum=2, interval="100ms")
        client.wait_for_workers(1)
        summary = apply_files("gaussian:2", photos, tmp_path / "out", cluster=client)
    assert summary.counts[Status.DONE] == len(expected)
    assert contents(tmp_path / "out") == expected


def test_a_batch_on_the_jobs_of_slurm(
    photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("dask_jobqueue", reason="docs/cluster/slurm.py needs dask-jobqueue")
    jobs, programs = tmp_path / "jobs", tmp_path / "bin"
    jobs.mkdir()
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    words: list[str | Path] = ["--queue", "short", "--most", "1", "apply", "gaussian:2", photos]
    ended = subprocess.run(
        [sys.executable, SLURM, *words, "--out-dir", tmp_path / "out", "-q"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=environment(PATH=path, JOBS=str(jobs), PYTHONPATH=os.pathsep.join(sys.path)),
    )
    assert ended.returncode == 0, ended.stderr
    assert contents(tmp_path / "out") == expected
    script = next(file for file in jobs.iterdir() if file.name.isdecimal()).read_text()
    wanted = {"-p short", "-n 1", "--cpus-per-task=1", "--mem=4G", "-t 01:00:00"}
    assert wanted <= set(re.findall(r"#SBATCH (.+)", script))
    command = script.splitlines()[-1]
    assert "distributed.cli.dask_worker tcp://" in command
    assert " --nthreads 1 " in command
    assert " --lifetime 55m --lifetime-stagger 4m" in command
