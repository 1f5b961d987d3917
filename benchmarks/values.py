"""Time three ways to define a value: a dataclass, a named tuple, a record of convcli's.

Run as ``python benchmarks/values.py``. What it prints is quoted in `convcli.values`.
"""

import timeit
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from convcli.values import Record


def _dataclass() -> Callable[..., Any]:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int
        z: int = 0

    return Point


def _named_tuple() -> Callable[..., Any]:
    class Point(NamedTuple):
        x: int
        y: int
        z: int = 0

    return Point


def _record() -> Callable[..., Any]:
    class Point(Record):
        x: int
        y: int
        z: int = 0

    return Point


def _best(call: Callable[[], Any], number: int) -> float:
    """Return the seconds of one call: the best of five runs."""
    return min(timeit.repeat(call, number=number, repeat=5)) / number


if __name__ == "__main__":
    for define in (_dataclass, _named_tuple, _record):
        make = define()
        defined = _best(define, 200)
        made = _best(lambda make=make: make(1, 2), 20_000)  # type: ignore[misc]
        name = define.__name__[1:]
        print(f"{name:12} {1e3 * defined:.3f} ms to define, {1e6 * made:.2f} µs to make")
