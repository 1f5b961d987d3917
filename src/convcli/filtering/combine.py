"""Several answers become one, without ever holding more than two of them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.kernels import Combine

Values = NDArray[Any]


def combined(answers: Iterable[Values], how: Combine) -> Values:
    """Return the combination of some answers.

    Parameters
    ----------
    answers : iterable of ndarray of floats, all of one shape
        At least one; they may be overwritten.
    how : Combine
        How.

    Returns
    -------
    ndarray, of the answers' shape and dtype

    Examples
    --------
    >>> combined([np.array([3.0]), np.array([-4.0])], Combine.MAGNITUDE).tolist()
    [5.0]
    """
    total: Values | None = None
    count = 0
    for answer in answers:
        count += 1
        total = _joined(total, answer, how)
    if total is None:
        raise ValueError("expected at least one answer, got none")
    if how is Combine.MAGNITUDE:
        np.sqrt(total, out=total)
    if how is Combine.MEAN:
        total /= total.dtype.type(count)
    return total


def _joined(total: Values | None, answer: Values, how: Combine) -> Values:
    if how is Combine.MAGNITUDE:
        np.square(answer, out=answer)
    if total is None:
        return answer
    if how is Combine.MAX:
        return np.maximum(total, answer, out=total)
    if how is Combine.MIN:
        return np.minimum(total, answer, out=total)
    return np.add(total, answer, out=total)
