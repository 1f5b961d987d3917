"""What pictures larger than memory need beside NumPy: imported when one comes."""

import importlib
from typing import Any

from convcli.errors import ImageError


def needed(module: str, label: str) -> Any:
    """Import a module of the extra.

    Parameters
    ----------
    module : str
        Its name.
    label : str
        What messages call the file that needs it.

    Raises
    ------
    ImageError
        If it is not installed; the message says how to.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImageError(
            f"{label}: pictures in tiles need the package {module.partition('.')[0]}: "
            "pip install 'convcli[cluster]'"
        ) from None
