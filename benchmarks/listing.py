"""Measure how long a batch needs until its first file, and its memory, for a list of names.

python benchmarks/listing.py --names 1000000
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from convcli.batch.inputs import JobList, Template, read_list
from convcli.batch.manifest import claimed


def main() -> None:
    """Make a list of names, read and check it as a batch does, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=1_000_000)
    names = parser.parse_args().names
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "list")
        with listed.open("w", encoding="utf-8") as file:
            for number in range(names):
                file.write(f"/data/pictures/{number // 1000:05}/{number:08}.jpg\n")
        started, used = time.perf_counter(), time.process_time()
        with listed.open("rb") as stream:
            template = Template("{parent}-{stem}{suffix}")
            jobs = JobList(template.job(each, f"{folder}/out") for each in read_list(stream))
            with jobs:
                jobs.check(may_exist=False)
                with claimed(jobs.keys(), overwrite=False):
                    next(iter(jobs))
        took, used = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{names:,} names: {took:.1f} s, {used:.1f} s of a core, {peak} MiB at the most")


if __name__ == "__main__":
    main()
