"""Many pictures: jobs, what runs them, and what they report.

>>> from convcli import kernel_from
>>> from convcli.filtering import Options
>>> work = Work(kernels=(kernel_from("box"),), options=Options())
>>> summary = run_batch(LocalExecutor(1), work, [Job("nowhere.png", "out.png")])
>>> summary.return_code, summary.failures[0].reason
(1, 'no such file: check the path')
"""

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
