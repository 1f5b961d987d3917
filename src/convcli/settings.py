"""The words that a person may write for an option, and the values that they stand for.

The command line and the library read their options here. Each function raises an
`OptionError`; its caller adds the name of the option. Neither NumPy nor click is imported.
"""

import enum
import functools
import math
import operator
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from convcli import choices
from convcli.choices import Border, Edges, border_named
from convcli.errors import GeometryError, OptionError, fail
from convcli.text import brief

if TYPE_CHECKING:
    from convcli.geometry.window import Padding, Pair
    from convcli.pipeline.blend import Mask
    from convcli.pipeline.options import Options

_AXES = 2
_SHORT = 3  # digits of a colour as #rgb, and the numbers of a colour
_DIGITS = 12  # no picture has a side of more digits, and no layer has more channels

_SIZE = r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:I?B)?"
_UNITS = {unit: 1024**power for power, unit in enumerate(("", "K", "M", "G", "T"))}

MOST_TIMES = 100
"""How often a chain may be repeated."""

_PAIR = r"([0-9]{1,12})(?:[x×]([0-9]{1,12}))?"
_FOUR_SIDES = r"\d{1,12}(,\d{1,12}){3}"

PADDING_WORDS = ("same", "valid")
"""Paddings that have a name."""

_Member = TypeVar("_Member", bound=enum.Enum)


_IN_FULL = ("width", "height", "kernel_size", "stride", "padding", "dilation")
_SHORT_NAMES = {name[0]: name for name in _IN_FULL}
"""The names of options as one letter, and in full, as on the command line."""

_Called = TypeVar("_Called", bound=Callable[..., Any])
_Value = TypeVar("_Value")


def with_short_names(function: _Called) -> _Called:
    """Let a function take its keywords by one letter, too: `k` for `kernel_size`."""

    @functools.wraps(function)
    def called(*values: Any, **named: Any) -> Any:
        for short in _SHORT_NAMES.keys() & named.keys():
            full = _SHORT_NAMES[short]
            if full in named:
                raise TypeError(
                    f"{function.__name__}: {short} and {full} are the same: give one"
                )
            named[full] = named.pop(short)
        return function(*values, **named)

    return called  # type: ignore[return-value] # it takes more names, no other values


def _wrong(expected: str, value: object) -> OptionError:
    """Return the error for a value; what was expected ends with a comma or a semicolon."""
    return OptionError(f"expected {expected} got {brief(value)}")


def pair_from(value: object) -> "Pair":
    """Return (rows, columns) of ``3``, ``"3"``, ``"3x5"`` (3 rows, 5 columns) or (3, 5)."""
    numbers = _two_numbers(value)
    if numbers is None or min(numbers) < 1:
        expected = "a whole number of at least 1, or two as YxX (3x5: 3 rows, 5 columns);"
        raise _wrong(expected, value)
    return numbers


def padding_from(value: object) -> "Padding":
    """Return the padding of a word, of 1, ``"YxX"``, ``"T,R,B,L"``, or of pairs of numbers."""
    if isinstance(value, str) and value in PADDING_WORDS:
        return "same" if value == "same" else "valid"
    numbers = _two_numbers(value)
    if numbers is not None and min(numbers) >= 0:
        return numbers
    if isinstance(value, str) and re.fullmatch(_FOUR_SIDES, value.replace(" ", "")):
        top, right, bottom, left = map(int, value.split(","))
        return ((top, bottom), (left, right))
    sides = [] if isinstance(value, str) else [_two_numbers(side) for side in _parts(value)]
    pairs = [side for side in sides if side is not None and min(side) >= 0]
    if len(sides) != _AXES or len(pairs) != _AXES:
        expected = "same, valid, a whole number of at least 0, two as YxX, or four as T,R,B,L;"
        raise _wrong(expected, value)
    return (pairs[0], pairs[1])


def border_from(value: str | Border | Edges) -> Border | Edges:
    """Return a border: a mode, ``constant:VALUE``, or a mode for rows and one for columns."""
    if isinstance(value, Edges):
        return value
    words = [] if isinstance(value, Border) else str(value).split(",")
    try:
        if len(words) not in range(1, _AXES + 1) or (len(words) == 1 and ":" not in words[0]):
            return border_named(value)
        modes = [border_named(word.partition(":")[0]) for word in words]
    except GeometryError as error:
        raise OptionError(str(error).removeprefix("border: ")) from None
    names, fills = [], set()
    for mode, word in zip(modes, words, strict=True):
        _, colon, text = word.partition(":")
        if colon and mode is not Border.ZERO:
            raise _wrong(f"no value after {mode.value},", word)
        names.append(f"constant:{text.strip()}" if colon else mode.value)
        fills |= {_fill_from(text) if colon else (0.0,)} if mode is Border.ZERO else set()
    if len(fills) > 1:
        raise _wrong("one constant for both axes,", value)
    return Edges(",".join(names), (modes[0], modes[-1]), *fills)


def _fill_from(text: str) -> tuple[float, ...]:
    """Return the constant of a border: a number or a colour."""
    try:
        return (finite_number_from(text),)
    except OptionError:
        return tuple(map(float, color_from(text)))


def choice_from(kind: type[_Member], value: object) -> _Member:
    """Return the member of an enum whose value is this word, or the member itself."""
    try:
        return kind(str(value) if isinstance(value, int) else value)
    except ValueError:
        words = ", ".join(repr(member.value) for member in kind)
        raise OptionError(f"{brief(value)} is not one of {words}.") from None


def finite_number_from(
    value: object, least: float = -math.inf, most: float = math.inf
) -> float:
    """Return a number from `least` to `most` that is neither infinite nor NaN."""
    try:
        number = float(value)  # type: ignore[arg-type] # what is no number is refused here
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and least <= number <= most):
        limits = f" from {least:g} to {most:g}" if math.isfinite(most) else ""
        limits = limits or (f" of at least {least:g}" if math.isfinite(least) else "")
        raise _wrong(f"a {'finite ' * (not limits)}number{limits},", value)
    return number


def whole_number_from(value: object, least: int, most: int | None = None) -> int:
    """Return a whole number from `least` to `most`."""
    end = f"of at least {least}" if most is None else f"from {least} to {most}"
    limits = f"a whole number {end};"
    try:
        number = int(value) if isinstance(value, str) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise _wrong(limits, value) from None
    if most is None and number >= 10**_DIGITS:
        raise _wrong(f"a whole number of at most {_DIGITS} digits;", value)
    if number < least or (most is not None and number > most):
        raise _wrong(limits, number)
    return number


_COLOUR_WORDS = (
    "black=000 gray=808080 grey=808080 white=fff red=f00 green=008000 blue=00f yellow=ff0 "
    "cyan=0ff magenta=f0f"
)
_COLOURS = dict(re.findall(r"(\w+)=(\w+)", _COLOUR_WORDS))
"""Colours that have a name, as in CSS."""


def color_from(value: object) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of a word, of digits, or of three numbers."""
    if isinstance(value, str):
        word = value.strip().lower()
        digits = _COLOURS.get(word, word.removeprefix("#"))
        wide = "".join(2 * digit for digit in digits) if len(digits) == _SHORT else digits
        if re.fullmatch("[0-9a-f]{6}", wide):
            red, green, blue = bytes.fromhex(wide)
            return (red, green, blue)
    elif isinstance(value, list | tuple) and len(value) == _SHORT:
        red, green, blue = (whole_number_from(number, 0, 255) for number in value)
        return (red, green, blue)
    raise _wrong(f"a colour (#rrggbb, #rgb, or {', '.join(_COLOURS)}),", value)


def flag_from(value: object) -> bool:
    """Return a flag: True or False."""
    if not isinstance(value, bool):
        raise _wrong("True or False,", value)
    return value


def memory_size_from(value: object) -> int:
    """Return an amount of memory in bytes: K, M, G and T are 1024 each."""
    match = re.fullmatch(_SIZE, str(value).strip().upper())
    amount = float(match[1]) * _UNITS[match[2]] if match else 0
    if not 1 <= amount < math.inf:
        raise _wrong("an amount of memory (4G, 512M),", value)
    return int(amount)


def axes_from(value: object) -> str:
    """Return the axes of an array: a letter for each, with y and x."""
    text = str(value).strip().lower()
    if not text.isalpha() or len(set(text)) < len(text) or not set(text) >= {"y", "x"}:
        raise _wrong("a letter for each axis, y and x among them (yxc, tczyx),", value)
    return text


def select_from(value: object) -> tuple[tuple[str, int | None, int | None], ...]:
    """Return the parts of axes: name, first index, and the one after the last."""
    if not value:
        return ()
    parts: dict[str, tuple[str, int | None, int | None]] = {}
    for part in str(value).split(","):
        match = re.fullmatch(_PART, part.strip())
        if match is None or match[1] in parts:
            axes = "an index, or FIRST:END without the END, for each axis (t=0,c=1:3),"
            raise _wrong(axes, value)
        name, *ends = match.groups()
        first, end = (int(number) if number else None for number in ends)
        parts[name] = (name, first, int(ends[0]) + 1 if ends[1] is None else end)
    return tuple(parts.values())


_PART = r"(\w+)=(?=[\d:])(\d{0,12})(?::(\d{0,12}))?"


def point_from(value: object) -> "Pair":
    """Return (row, column) of a place or a shift in pixels, written as ``"X,Y"`` or (x, y)."""
    try:
        texts = value.split(",") if isinstance(value, str) else map(operator.index, value)  # type: ignore[call-overload]
        x, y = (int(text) for text in texts)
    except (TypeError, ValueError):
        raise _wrong("two whole numbers as X,Y;", value) from None
    return (y, x)


def options_from_words(**words: Any) -> "Options":
    """Return the options of filtering, from words or values; other names are a `TypeError`."""
    from convcli.pipeline.options import Options

    known = [name for name in PARSERS if name in Options.__annotations__]
    for name in words:
        if name not in known:
            raise TypeError(f"there is no option {name!r}: the options are {', '.join(known)}")
    options = record_from_words(Options, **words)
    if options.output_padding and not options.transposed:
        fault = f"expected 0 without transposed, got {options.output_padding}"
        fail("output_padding", fault, "give both or none", OptionError)
    return options


def record_from_words(kind: Callable[..., _Value], **words: Any) -> _Value:
    """Return a record of options; None stands for itself where it is the default."""
    values, defaults = {}, kind()
    for name, word in words.items():
        has_none = word is None and getattr(defaults, name) is None
        values[name] = None if has_none else named(name, PARSERS[name], word)
    return kind(**values)


def named(name: str, read: Callable[..., _Value], value: object, *limits: int) -> _Value:
    """Return what reads a value, within limits; the name is in front of its `OptionError`."""
    try:
        return read(value, *limits)
    except OptionError as error:
        raise OptionError(f"{name}: {error}") from None


def missing_from(value: object) -> str | float:
    """Return which pixels are missing: ``nan``, ``alpha``, a number, or ``none``."""
    word = "" if value is None else str(value).strip().lower()
    if word in ("nan", "alpha", "none"):
        return word
    try:
        return finite_number_from(value)
    except OptionError:
        raise _wrong("none, nan, alpha or a number,", value) from None


def axis_from(value: object) -> str:
    """Return an axis: x, along the rows, or y."""
    if value not in ("x", "y"):
        raise _wrong("x (a row) or y (a column),", value)
    return str(value)


def mask_from(value: Any) -> "Mask":
    """Return the mask in a file or an array (H, W)."""
    from convcli.pipeline.blend import read_mask

    return read_mask(value)


def region_from(value: object) -> str:
    """Return a part of a picture, ``X,Y,WxH``, each in pixels or in per cent."""
    text = str(value).replace(" ", "").lower().replace("×", "x")
    match = re.fullmatch(_REGION, text)
    if match is None:
        raise _wrong("X,Y,WxH in pixels or per cent (10,20,50%x50%);", value)
    if any(not each.endswith("%") and float(each) % 1 for each in match.groups()):
        raise _wrong("whole numbers of pixels,", value)
    return text


def channels_from(value: object) -> tuple[str | int, ...]:
    """Return the channels to change: of r, g, b, a and numbers; or ``luma``."""
    if isinstance(value, str):
        words: list[Any] = [word.strip() for word in value.lower().split(",")]
    else:
        words = list(value) if isinstance(value, Iterable) else [value]
    if words == ["luma"]:
        return ("luma",)
    words = [int(w) if str(w).isdecimal() else _COLOUR_LETTERS.get(w, w) for w in words]
    if not words or not all(isinstance(w, int) or w in _LETTERS for w in words):
        raise _wrong("luma, or some of r, g, b, a, 0, 1 …;", value)
    return tuple(words)


_LETTERS = ("r", "g", "b", "a")
_COLOUR_LETTERS = {"red": "r", "green": "g", "blue": "b", "alpha": "a"}
_SIDE = r"(\d{1,12}(?:\.\d+)?%?)"
_REGION = f"{_SIDE},{_SIDE},{_SIDE}x{_SIDE}"

PARSERS: dict[str, Callable[[Any], Any]] = {
    "stride": pair_from,
    "padding": padding_from,
    "dilation": pair_from,
    "border": border_from,
    "bias": finite_number_from,
    "background": color_from,
    "amount": functools.partial(finite_number_from, least=0, most=10),
    "threshold": functools.partial(finite_number_from, least=0),
    "missing": missing_from,
    "axis": axis_from,
    "missing_min": functools.partial(finite_number_from, least=0, most=1),
    "mask": mask_from,
    "region": region_from,
    "channels": channels_from,
    "axes": axes_from,
    "select": select_from,
    **{
        name: functools.partial(choice_from, getattr(choices, name.capitalize()))
        for name in ("range", "depth", "alpha", "method", "combine", "colormap", "pyramid")
    },
    "map": functools.partial(whole_number_from, least=0),
    "jobs": functools.partial(whole_number_from, least=1),
    "output_padding": functools.partial(whole_number_from, least=0),
    **dict.fromkeys(
        ("flip", "gray", "linear", "relu", "direction", "strict", "transposed"), flag_from
    ),
}
"""What reads each option, by its name in `Options` or `PlaneChoice`."""


def _two_numbers(value: object) -> "Pair | None":
    """Return the two whole numbers that a value stands for; None where it has another form."""
    if isinstance(value, str):
        match = re.fullmatch(_PAIR, value.strip().lower())
        return match and (int(match[1]), int(match[2] or match[1]))
    numbers = _parts(value)
    if len(numbers) != _AXES or any(isinstance(number, bool) for number in numbers):
        return None
    try:
        return (operator.index(numbers[0]), operator.index(numbers[1]))
    except TypeError:
        return None


def _parts(value: Any) -> list[Any]:
    """Return the parts of a list, a tuple or an array; a number twice."""
    return list(value) if isinstance(value, Iterable) else [value, value]
