"""Where files are: all that a batch asks of a path, so that other stores can answer too."""

import os

from convcli.filtering.maps import MAP


def is_taken(target: str) -> bool:
    """Tell whether an output is there; of many maps the first, which is written last."""
    return os.path.lexists(target.replace(MAP, "0"))


def make_folder_of(target: str) -> None:
    """Make the folder of an output, where there is none.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    os.makedirs(os.path.dirname(target) or os.curdir, exist_ok=True)  # noqa: PTH103, PTH120 - strings: 100,000 paths take a second less
