"""Run a command of convcli on workers that SLURM starts.

python docs/cluster/slurm.py --most 40 apply gaussian:2 scans --out-dir soft
"""

import argparse
import subprocess
import sys

from dask_jobqueue.slurm import SLURMCluster
from distributed import Client


def cluster_on(queue: str | None) -> SLURMCluster:
    """Start a scheduler here, whose workers are jobs of a partition of SLURM."""
    return SLURMCluster(
        queue=queue,
        cores=1,
        processes=1,
        memory="4GB",
        walltime="01:00:00",
        # A worker leaves in good time before SLURM ends its job.
        worker_extra_args=["--lifetime", "55m", "--lifetime-stagger", "4m"],
    )


def main() -> int:
    """Start workers as they are needed, run the command, and return its status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=10, help="workers at the most")
    parser.add_argument("--queue", default=None, help="the partition")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="apply …")
    chosen = parser.parse_args()
    with cluster_on(chosen.queue) as cluster, Client(cluster) as client:
        cluster.adapt(minimum=1, maximum=chosen.most)
        client.wait_for_workers(1)  # A job may wait in the queue for hours.
        words = [*chosen.command, "--cluster", cluster.scheduler_address]
        return subprocess.run([sys.executable, "-m", "convcli", *words], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
