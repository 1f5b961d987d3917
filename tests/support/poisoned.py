"""A batch of which one file kills each worker that takes it, on workers of this machine."""

import os
import signal
import sys
from pathlib import Path

from convcli.batch.job import BatchJob, FileJob, Outcome
from convcli.kernels.spec import kernel_from
from convcli.pipeline.options import Options
from convcli.scale.cluster import DaskExecutor


class Poisoned(BatchJob):
    """A job that dies of one file, as it would by the crash of a decoder."""

    def run(self, job: FileJob) -> Outcome:
        if Path(job.source).stem == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(job)


def main(folder: Path) -> None:
    poisoned = Poisoned(kernels=(kernel_from("box"),), options=Options())
    jobs = [
        FileJob(str(path), str(folder / "out" / path.name)) for path in folder.glob("*.png")
    ]
    for outcome in DaskExecutor("local:1", retries=1).run(poisoned, jobs):
        print(Path(outcome.job.source).stem, outcome.status.value, outcome.reason)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
