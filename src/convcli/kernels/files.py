"""Kernels as JSON: a bare list of weights, or an object around it.

``[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]`` or ``{"name": "sharpen", "weights": …,
"divisor": 1, "bias": 0, "description": "…"}``. A 2-D list is a kernel, 3-D one filter
over I input channels (I, kh, kw), 4-D a filter bank (O, I, kh, kw).
"""

import json
import math
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from convcli.errors import KernelError
from convcli.kernels.kernel import MAX_WEIGHTS, Kernel, Weights

_KEYS = ("name", "description", "weights", "divisor", "bias")
_DIMENSIONS = (2, 3, 4)
_ONE_FILTER = 3

_MOST_BYTES = 40 * MAX_WEIGHTS
"""No file within the limit of weights is larger: 25 characters a number, and white space."""


def read_kernel(path: str | Path) -> Kernel:
    """Read a kernel from a JSON file.

    Parameters
    ----------
    path : str or Path
        The file; its stem is the kernel's name where the JSON gives none.

    Returns
    -------
    Kernel

    Raises
    ------
    KernelError
        If the file cannot be read or does not hold a kernel; the message names the
        file, the place in it and the remedy.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise KernelError(f"{path}: the kernel file cannot be read: {reason}") from None
    if len(data) > _MOST_BYTES:
        raise KernelError(
            f"{path}: expected at most {MAX_WEIGHTS:,} weights, got a file of more than "
            f"{_MOST_BYTES:,} bytes: split the bank"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KernelError(
            f"{path}: expected UTF-8 text, got another encoding at byte {error.start}: "
            "save the file as UTF-8"
        ) from None
    return parse_kernel(text, str(path), name=place.stem)


def parse_kernel(text: str, source: str, name: str | None = None) -> Kernel:
    """Parse a kernel from JSON text.

    Parameters
    ----------
    text : str
        The JSON.
    source : str
        What messages call the text: a file's path, or ``inline kernel``.
    name : str, optional
        The kernel's name where the JSON gives none; `source` otherwise.

    Returns
    -------
    Kernel

    Raises
    ------
    KernelError
        If the text is no JSON or no kernel.

    Examples
    --------
    >>> parse_kernel('{"weights": [[1, 2, 1]], "divisor": 4}', "demo").weights.tolist()
    [[0.25, 0.5, 0.25]]
    """
    try:
        document = _fields(_load(text))
        weights = _grid(document["weights"])
        return Kernel(
            _divided(weights, document.get("divisor", 1)),
            _bias(document.get("bias"), weights),
            _text(document.get("name", name or source), "name"),
            _text(document.get("description", ""), "description"),
        )
    except KernelError as error:
        raise KernelError(f"{source}: {error}") from None


def _fail(place: str, fault: str, remedy: str) -> NoReturn:
    raise KernelError(f"{place}: {fault}: {remedy}" if place else f"{fault}: {remedy}")


def _load(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        _fail(
            f"line {error.lineno}, column {error.colno}",
            f"not JSON ({error.msg})",
            "mend it there",
        )
    except RecursionError:
        _fail("", "expected lists nested 2 to 4 deep, got far deeper", "use fewer brackets")
    except ValueError as error:
        _fail("", f"a number that cannot be read ({error})", "use shorter numbers")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            _fail(repr(key), "expected each key once, got it twice", "keep one of them")
        found[key] = value
    return found


def _constant(name: str) -> NoReturn:
    _fail("weights", f"expected finite numbers, got {name}", "replace it by a number")


def _fields(document: object) -> dict[str, Any]:
    if isinstance(document, list):
        return {"weights": document}
    if not isinstance(document, dict):
        _fail(
            "", f"expected a list of weights or an object, got {_kind(document)}", "see README"
        )
    unknown = [key for key in document if key not in _KEYS]
    if unknown:
        _fail(repr(unknown[0]), "an unknown key", f"use only {', '.join(_KEYS)}")
    if "weights" not in document:
        _fail("", "the key 'weights' is missing", "add it")
    return document


def _grid(weights: object) -> Weights:
    shape = _shape(weights)
    count = math.prod(shape)
    if count > MAX_WEIGHTS:
        _fail("weights", f"expected at most {MAX_WEIGHTS:,}, got {count:,}", "split the bank")
    flat: list[float] = []
    _collect(weights, shape, (), flat)
    grid = np.array(flat, dtype=np.float64).reshape(shape)
    return grid[np.newaxis] if grid.ndim == _ONE_FILTER else grid


def _divided(weights: Weights, value: object) -> Weights:
    divisor = _number(value, "divisor")
    if divisor == 0:
        _fail(
            "divisor", "expected a number other than 0, got 0", "use the sum, or leave it out"
        )
    with np.errstate(over="ignore"):
        return weights / divisor


def _shape(weights: object) -> tuple[int, ...]:
    """Return the shape that the first entry of each depth promises."""
    shape: list[int] = []
    inner = weights
    while isinstance(inner, list) and len(shape) <= max(_DIMENSIONS):
        if not inner:
            _fail(_at((0,) * len(shape)), "expected numbers, got an empty list", "fill it")
        shape.append(len(inner))
        inner = inner[0]
    if len(shape) not in _DIMENSIONS:
        fault = f"expected lists nested 2 to 4 deep, got {len(shape) or _kind(weights)}"
        _fail("weights", fault, "a kernel is a list of rows, as [[1, 2], [3, 4]]")
    return tuple(shape)


def _collect(
    weights: object, shape: tuple[int, ...], path: tuple[int, ...], into: list[float]
) -> None:
    """Append all numbers, in order, after checking that each list has its length."""
    if not shape:
        into.append(_number(weights, "weights", path))
        return
    if not isinstance(weights, list):
        fault = f"expected a list of {shape[0]}, got {_kind(weights)}"
        _fail(_at(path), fault, "nest all rows alike")
    if len(weights) != shape[0]:
        fault = f"expected {shape[0]} entries, got {len(weights)}"
        _fail(_at(path), fault, "make all rows equally long")
    for index, inner in enumerate(weights):
        _collect(inner, shape[1:], (*path, index), into)


def _at(path: tuple[int, ...], name: str = "weights") -> str:
    return name + "".join(f"[{index}]" for index in path)


def _number(value: object, name: str, path: tuple[int, ...] = ()) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _fail(_at(path, name), f"expected a number, got {_kind(value)}", "write it as 1 or 0.5")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        _fail(
            _at(path, name), "expected a number below 1e308, got a larger one", "scale it down"
        )
    return number


def _bias(bias: object, weights: Weights) -> float | list[float] | None:
    if bias is None:
        return None
    if not isinstance(bias, list):
        return _number(bias, "bias")
    filters = weights.shape[0] if weights.ndim > _ONE_FILTER else 1
    if len(bias) != filters:
        fault = f"expected {filters} (one per filter), got {len(bias)}"
        _fail("bias", fault, "give one number, or one per filter")
    return [_number(value, "bias", (index,)) for index, value in enumerate(bias)]


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        _fail(place, f"expected text, got {_kind(value)}", 'write it as "text"')
    if not value.isprintable():
        _fail(place, "expected a line of text, got control characters", "remove them")
    odd = [sign for sign in value if not sign.isprintable() and sign not in "\n\t"]
    if odd:
        # A file from elsewhere must not steer the terminal that its name is shown on.
        fault = f"expected signs that can be printed, got {odd[0]!a}"
        _fail(place, fault, "leave it out")
    return value


def _kind(value: object) -> str:
    names = {
        bool: "a boolean",
        str: "text",
        dict: "an object",
        list: "a list",
        type(None): "null",
    }
    return names.get(type(value), "a number")
