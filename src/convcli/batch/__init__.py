"""Many pictures: jobs, what runs them, and what they report.

>>> from convcli import kernel_from
>>> from convcli.batch import Job, LocalExecutor, Work, run_batch
>>> from convcli.filtering import Options
>>> work = Work(kernels=(kernel_from("box"),), options=Options())
>>> summary = run_batch(LocalExecutor(1), work, [Job("nowhere.png", "out.png")])
>>> summary.return_code, summary.failures[0].reason
(1, 'no such file: check the path')
"""

from typing import TYPE_CHECKING

from convcli.deferred import deferred

if TYPE_CHECKING:
    from convcli.batch.executor import Executor
    from convcli.batch.inputs import found, listed
    from convcli.batch.job import Job, Outcome, Status, Work
    from convcli.batch.listing import Listing
    from convcli.batch.local import LocalExecutor, shares
    from convcli.batch.names import Template
    from convcli.batch.report import Summary
    from convcli.batch.run import run_batch

__all__ = [
    "Executor",
    "Job",
    "Listing",
    "LocalExecutor",
    "Outcome",
    "Status",
    "Summary",
    "Template",
    "Work",
    "found",
    "listed",
    "run_batch",
    "shares",
]

_HOMES = {
    "Executor": "convcli.batch.executor",
    "found": "convcli.batch.inputs",
    "listed": "convcli.batch.inputs",
    "Job": "convcli.batch.job",
    "Outcome": "convcli.batch.job",
    "Status": "convcli.batch.job",
    "Work": "convcli.batch.job",
    "Listing": "convcli.batch.listing",
    "LocalExecutor": "convcli.batch.local",
    "shares": "convcli.batch.local",
    "Template": "convcli.batch.names",
    "Summary": "convcli.batch.report",
    "run_batch": "convcli.batch.run",
}


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


# An address is understood, and a cluster begun, without NumPy.
__getattr__ = deferred(__name__, _HOMES)
