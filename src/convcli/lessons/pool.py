"""Pooling: the other way to make a picture smaller."""

import numpy as np

from convcli.errors import GeometryError
from convcli.filtering import Options, Report, filter_file
from convcli.filtering.stages import Operand
from convcli.geometry import Pair
from convcli.images import Reading, Saving
from convcli.kernels import Combine, Kernel, Operator

_MOST = 1024
"""Pixels of the largest window of a maximum: each is looked at on its own."""


def pool_file(
    kind: str,
    size: Pair,
    source: str,
    target: str,
    options: Options,
    *,
    reading: Reading,
    saving: Saving,
    file_format: str | None = None,
) -> Report:
    """Pool the pictures in a file, with all that `convcli.filtering.filter_file` keeps.

    Parameters
    ----------
    kind : {"max", "average"}
        What becomes of the values in a window.
    size : (int, int)
        Rows and columns of the window.
    source, target, options, reading, saving, file_format
        As in `convcli.filtering.filter_file`.

    Raises
    ------
    ConvcliError
        If the pictures cannot be read, pooled or written.
    """
    pooling = pooling_of(kind, size)
    return filter_file(
        [pooling], source, target, options, reading=reading, saving=saving, kind=file_format
    )


def pooling_of(kind: str, size: Pair) -> Operand:
    """Return pooling as what it is: equal weights, or the largest of the shifts.

    An average is a correlation. A maximum is the largest answer of kernels that look at
    one pixel of the window each: so both have `apply`'s windows, borders and fidelity.
    Padding with zeros counts in an average, as torch does by default; in a maximum it
    wins over negative numbers only, which pictures do not have.

    Raises
    ------
    GeometryError
        If the window of a maximum is too large.

    Examples
    --------
    >>> pooling_of("average", (1, 2)).weights.tolist()
    [[0.5, 0.5]]
    >>> [kernel.weights.tolist() for kernel in pooling_of("max", (1, 2)).kernels]
    [[[1.0, 0.0]], [[0.0, 1.0]]]
    """
    rows, columns = size
    name = f"{kind} {rows}×{columns}"
    count = rows * columns
    if kind == "average" or count == 1:
        return Kernel(np.full(size, 1 / count), name=name)
    if count > _MOST:
        raise GeometryError(
            f"k: expected a window of at most {_MOST} pixels for a maximum, got {count}: pool "
            "twice, or use a smaller one"
        )
    looks = np.eye(count).reshape(count, rows, columns)
    return Operator([Kernel(look) for look in looks], Combine.MAX, name)
