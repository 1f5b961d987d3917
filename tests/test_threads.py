"""How many threads BLAS has: asked of OpenBLAS itself, as NumPy's wheels carry it."""

import os
import subprocess
import sys

from convcli.threads import (
    available_cores,
    blas_threads,
    thread_functions,
)

STARTED = """\
import sys
from convcli.__main__ import run
sys.argv = ["convcli", "kernels", "box", "--json"]
try:
    run()
except SystemExit:
    pass
from convcli.threads import thread_functions
print(thread_functions()[1]())
"""


def test_blas_has_as_many_threads_as_it_is_given_for_a_while_only() -> None:
    functions = thread_functions()
    assert functions is not None
    set_threads, get_threads = functions
    before = get_threads()
    try:
        set_threads(3)
        with blas_threads(available_cores()):
            assert get_threads() == available_cores()
            with blas_threads(1), blas_threads(1):
                assert get_threads() == 1
            assert get_threads() == available_cores()
        assert get_threads() == 3
        # Blocks of several callers need not end in the order in which they began.
        one, all_cores = blas_threads(1), blas_threads(available_cores())
        one.__enter__()
        all_cores.__enter__()
        assert get_threads() == 1
        one.__exit__(None, None, None)
        assert get_threads() == available_cores()
        all_cores.__exit__(None, None, None)
        assert get_threads() == 3
    finally:
        set_threads(before)


def test_the_command_line_starts_with_one_thread_for_blas() -> None:
    unasked = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", STARTED]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=unasked)
    assert ended.stdout.splitlines()[-1] == "1"
