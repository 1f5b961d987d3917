"""``python -m convcli``: the same as the command ``convcli``."""

import gc
import os
import sys


def run() -> None:
    """Start the command line; an interrupt while it is being imported is one as well."""
    # The threads that NumPy's OpenBLAS starts with look for work without rest, on cores that
    # convcli's own threads could have: a small picture took 153 ms, without them 150.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # What is imported stays: to look for garbage in it took 8 of a small picture's 170 ms.
    gc.set_threshold(100_000)
    try:
        from convcli.cli.app import main

        main(prog_name="convcli")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # The system takes all back at once: to look for garbage first takes 10 ms, or 60.
        gc.freeze()


if __name__ == "__main__":
    run()
