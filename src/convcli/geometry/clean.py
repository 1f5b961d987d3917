"""Settings near by whose windows tile the input."""

from collections.abc import Callable

from convcli.geometry.axis import Axis
from convcli.records import Record, replace


class CleanSetting(Record):
    """One change that makes the windows tile the axis.

    Attributes
    ----------
    letter : str
        The letter that changes: K, S, P or W.
    value : int
        Its new value.
    output : int
        The output size that follows.
    """

    letter: str
    value: int
    output: int


def clean_settings(axis: Axis, size: int) -> list[CleanSetting]:
    """Return the nearest settings that tile an axis, one letter changed at a time.

    For each of K, S, P and W the nearest value below and the nearest above that
    make (W - K + 2P)/S an integer, where there are any. P is the padding a side.

    Examples
    --------
    >>> for setting in clean_settings(Axis(kernel=3, stride=3), 7):
    ...     print(setting.letter, setting.value, setting.output)
    K 1 3
    K 4 2
    S 2 3
    S 4 2
    P 1 3
    W 6 2
    W 9 3
    """
    changes: list[tuple[str, int, int, Callable[[int], tuple[Axis, int]]]] = [
        ("K", axis.kernel, 1, lambda k: (replace(axis, kernel=k), size)),
        ("S", axis.stride, 1, lambda s: (replace(axis, stride=s), size)),
        ("P", axis.before, 0, lambda p: (replace(axis, before=p, after=p), size)),
        ("W", size, 1, lambda w: (axis, w)),
    ]
    symmetric = axis.before == axis.after
    return [
        CleanSetting(letter, value, changed.output_size(length))
        for letter, current, least, change in changes
        if symmetric or letter != "P"
        for value in _nearest_clean(current, least, change)
        for changed, length in [change(value)]
    ]


_SEARCHED = 1000
"""How far from its value a letter is changed: further off is no neighbour any more."""


def _nearest_clean(
    current: int, least: int, change: Callable[[int], tuple[Axis, int]]
) -> list[int]:
    below = range(current - 1, max(current - _SEARCHED, least) - 1, -1)
    above = range(current + 1, current + _SEARCHED)
    found = (next((v for v in side if _tiles(*change(v))), None) for side in (below, above))
    return [value for value in found if value is not None]


def _tiles(axis: Axis, size: int) -> bool:
    padded = size + axis.before + axis.after
    return padded >= axis.extent and axis.tiles(size)
