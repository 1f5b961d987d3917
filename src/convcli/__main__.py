"""``python -m convcli``: the same as the command ``convcli``."""

import gc
import os
import sys


def run() -> None:
    """Start the command line; Ctrl-C while it is imported ends with status 130, too."""
    # OpenBLAS starts threads that wait for work in a loop, on cores that convcli's own threads
    # use: a small picture took 153 ms with them, 150 ms without.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Pillow keeps 64 MB for its next image: of a photograph of 12 megapixels the result then
    # needs no fresh memory from the system, which takes 52 ms for 83 (JPEG to JPEG).
    os.environ.setdefault("PILLOW_BLOCKS_MAX", "4")
    # Modules are no garbage: looking for some in them took 8 of a small picture's 170 ms.
    gc.set_threshold(100_000)
    try:
        from convcli.cli.app import main

        main(prog_name="convcli")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # The system frees all memory at the end: a last look for garbage takes 10 to 60 ms.
        gc.freeze()


if __name__ == "__main__":
    run()
