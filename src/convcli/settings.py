"""The words that a person may write for an option, and the values that they stand for.

The command line and the library read their options here, so that both take the same words
and refuse a wrong word with the same message. Each function raises an `OptionError` that
says what was expected and what came; its caller adds the name of the option. Neither NumPy
nor click is imported here.
"""

import enum
import functools
import math
import operator
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from convcli import choices
from convcli.choices import Border, Edges, PlaneChoice, border_named
from convcli.errors import GeometryError, OptionError
from convcli.text import brief

if TYPE_CHECKING:
    from convcli.geometry.window import Padding, Pair
    from convcli.pipeline.blend import Mask
    from convcli.pipeline.options import Options, Region

_AXES = 2
_SHORT = 3
"""Digits of a colour as #rgb, and the numbers of a colour."""
_DIGITS = 12
"""No picture has a side of more digits, and no layer has more channels."""

_SIZE = r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:I?B)?"
_UNITS = {unit: 1024**power for power, unit in enumerate(("", "K", "M", "G", "T"))}

MOST_TIMES = 100
"""How often a chain may be repeated."""

_PAIR = r"([0-9]{1,12})(?:[x×]([0-9]{1,12}))?"
_FOUR_SIDES = r"\d{1,12}(,\d{1,12}){3}"

PADDING_WORDS = ("same", "valid")
"""Paddings that have a name."""

_Member = TypeVar("_Member", bound=enum.Enum)


_SHORT_NAMES = {
    "w": "width",
    "h": "height",
    "k": "kernel_size",
    "s": "stride",
    "p": "padding",
    "d": "dilation",
}
"""The names of options as one letter, and in full, as on the command line."""

_Called = TypeVar("_Called", bound=Callable[..., Any])
_Value = TypeVar("_Value")


def with_short_names(function: _Called) -> _Called:
    """Let a function take its keywords by one letter, too: `k` for `kernel_size`.

    >>> with_short_names(lambda *, width: width)(w=7)
    7
    """

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


def pair_from(value: object) -> "Pair":
    """Return (rows, columns): one number stands for both.

    The value is ``3``, ``"3"``, ``"3x5"`` or ``(3, 5)``: 3 rows and 5 columns.

    >>> pair_from("3x5"), pair_from(2)
    ((3, 5), (2, 2))
    """
    numbers = _two_numbers(value)
    if numbers is None or min(numbers) < 1:
        expected = "a whole number of at least 1, or two as YxX (3x5: 3 rows, 5 columns)"
        raise OptionError(f"expected {expected}; got {value!r}")
    return numbers


def padding_from(value: object) -> "Padding":
    """Return a padding, as `convcli.geometry.window.window` takes it.

    The value is ``"same"``, ``"valid"``, pixels for each side (``1``, ``"1"``), ``"YxX"``,
    ``"T,R,B,L"`` (top, right, bottom, left), (rows, columns), or
    ((top, bottom), (left, right)).

    >>> padding_from("same"), padding_from("1x2"), padding_from("1,2,3,4")
    ('same', (1, 2), ((1, 3), (4, 2)))
    """
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
        expected = "same, valid, a whole number of at least 0, two as YxX, or four as T,R,B,L"
        raise OptionError(f"expected {expected}; got {value!r}")
    return (pairs[0], pairs[1])


def border_from(value: str | Border | Edges) -> Border | Edges:
    """Return a border mode by its name, or by an unambiguous name of another tool.

    ``constant:VALUE`` has a number or a colour; ``replicate,wrap`` a mode for the rows and
    one for the columns.

    >>> border_from("edge"), border_from("edge,constant:8").value
    (<Border.REPLICATE: 'replicate'>, 'replicate,constant:8')
    """
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
            raise OptionError(f"expected no value after {mode.value}, got {word!r}")
        names.append(f"constant:{text.strip()}" if colon else mode.value)
        fills |= {_fill_from(text) if colon else (0.0,)} if mode is Border.ZERO else set()
    if len(fills) > 1:
        raise OptionError(f"expected one constant for both axes, got {value!r}")
    return Edges(",".join(names), (modes[0], modes[-1]), *fills)


def _fill_from(text: str) -> tuple[float, ...]:
    """Return the constant of a border: a number or a colour."""
    try:
        return (finite_number_from(text),)
    except OptionError:
        return tuple(map(float, color_from(text)))


def choice_from(kind: type[_Member], value: object) -> _Member:
    """Return the member of an enum whose value is this word, or the member itself.

    >>> choice_from(choices.Range, "abs")
    <Range.ABS: 'abs'>
    """
    try:
        return kind(str(value) if isinstance(value, int) else value)
    except ValueError:
        words = ", ".join(repr(member.value) for member in kind)
        raise OptionError(f"{brief(value)} is not one of {words}.") from None


def finite_number_from(
    value: object, least: float = -math.inf, most: float = math.inf
) -> float:
    """Return a number from `least` to `most` that is neither infinite nor NaN.

    >>> finite_number_from("0.5")
    0.5
    """
    try:
        number = float(value)  # type: ignore[arg-type] # what is no number is refused here
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and least <= number <= most):
        limits = f" from {least:g} to {most:g}" if math.isfinite(most) else ""
        limits = limits or (f" of at least {least:g}" if math.isfinite(least) else "")
        raise OptionError(f"expected a {'finite ' * (not limits)}number{limits}, got {value!r}")
    return number


def whole_number_from(value: object, least: int, most: int | None = None) -> int:
    """Return a whole number from `least` to `most`.

    >>> whole_number_from("8", least=1)
    8
    """
    end = f"of at least {least}" if most is None else f"from {least} to {most}"
    limits = f"a whole number {end}"
    try:
        number = int(value) if isinstance(value, str) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise OptionError(f"expected {limits}; got {value!r}") from None
    if most is None and number >= 10**_DIGITS:
        raise OptionError(f"expected a whole number of at most {_DIGITS} digits; got {value!r}")
    if number < least or (most is not None and number > most):
        raise OptionError(f"expected {limits}; got {number}")
    return number


_COLOURS = {
    "black": (0, 0, 0),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
}
"""Colours that have a name, as in CSS."""


def color_from(value: object) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of a word, of digits, or of the numbers themselves.

    >>> color_from("white"), color_from("#f80")
    ((255, 255, 255), (255, 136, 0))
    """
    if isinstance(value, str):
        word = value.strip().lower()
        digits = word.removeprefix("#")
        wide = "".join(2 * digit for digit in digits) if len(digits) == _SHORT else digits
        if word in _COLOURS:
            return _COLOURS[word]
        if re.fullmatch("[0-9a-f]{6}", wide):
            red, green, blue = bytes.fromhex(wide)
            return (red, green, blue)
    elif isinstance(value, list | tuple) and len(value) == _SHORT:
        numbers = [whole_number_from(number, 0, 255) for number in value]
        return (numbers[0], numbers[1], numbers[2])
    raise OptionError(
        f"expected a colour (#rrggbb, #rgb, or {', '.join(_COLOURS)}), got {value!r}"
    )


def flag_from(value: object) -> bool:
    """Return a flag: True or False."""
    if not isinstance(value, bool):
        raise OptionError(f"expected True or False, got {value!r}")
    return value


def memory_size_from(value: object) -> int:
    """Return an amount of memory in bytes: K, M, G and T are 1024 each.

    >>> memory_size_from("4K"), memory_size_from(512)
    (4096, 512)
    """
    match = re.fullmatch(_SIZE, str(value).strip().upper())
    amount = float(match[1]) * _UNITS[match[2]] if match else 0
    if not 1 <= amount < math.inf:
        raise OptionError(f"expected an amount of memory (4G, 512M), got {value!r}")
    return int(amount)


def axes_from(value: object) -> str:
    """Return the axes of an array: a letter for each, with y and x.

    >>> axes_from("tczyx")
    'tczyx'
    """
    text = str(value).strip().lower()
    if not text.isalpha() or len(set(text)) < len(text) or not set(text) >= {"y", "x"}:
        raise OptionError(
            f"expected a letter for each axis, y and x among them (yxc, tczyx), got {value!r}"
        )
    return text


def select_from(value: object) -> tuple[tuple[str, int | None, int | None], ...]:
    """Return the parts of axes: name, first index, and the one after the last.

    >>> select_from("t=0,c=1:3,z=2:")
    (('t', 0, 1), ('c', 1, 3), ('z', 2, None))
    """
    if not value:
        return ()
    found = [re.fullmatch(_PART, part.strip()) for part in str(value).split(",")]
    parts = {match[1]: _ends(match[2], match[3], match[4]) for match in found if match}
    if len(parts) < len(found):
        raise OptionError(
            "expected an index, or FIRST:END without the END, for each axis (t=0,c=1:3), got "
            f"{value!r}"
        )
    return tuple((name, *ends) for name, ends in parts.items())


_PART = r"(\w+)=(?:(\d{1,12})|(\d{0,12}):(\d{0,12}))"


def _ends(index: str | None, first: str, end: str) -> tuple[int | None, int | None]:
    if index is not None:
        return (int(index), int(index) + 1)
    return (int(first) if first else None, int(end) if end else None)


def point_from(value: object) -> "Pair":
    """Return (row, column) of a place or a shift in pixels, written as ``"X,Y"`` or (x, y).

    >>> point_from("120,80"), point_from((120, 80))
    ((80, 120), (80, 120))
    """
    try:
        texts = value.split(",") if isinstance(value, str) else map(operator.index, value)  # type: ignore[call-overload]
        x, y = (int(text) for text in texts)
    except (TypeError, ValueError):
        raise OptionError(f"expected two whole numbers as X,Y; got {brief(value)}") from None
    return (y, x)


def options_from_words(**words: Any) -> "Options":
    """Return the options of filtering, from the words or values that a person gives.

    A name that no option has is a `TypeError`.

    >>> options = options_from_words(border="edge", range="abs", stride="2x1")
    >>> options.border, options.range, options.stride
    (<Border.REPLICATE: 'replicate'>, <Range.ABS: 'abs'>, (2, 1))
    >>> options_from_words(depth="12")
    Traceback (most recent call last):
    convcli.errors.OptionError: depth: '12' is not one of '8', '16', 'float'.
    """
    from convcli.pipeline.options import Options

    known = [name for name in PARSERS if name in Options.__annotations__]
    for name in words:
        if name not in known:
            raise TypeError(f"there is no option {name!r}: the options are {', '.join(known)}")
    options = Options(**_read(words, Options()))
    if options.output_padding and not options.transposed:
        raise OptionError(
            "output_padding: expected 0 without transposed, got "
            f"{options.output_padding}: give both or none"
        )
    return options


def planes_from_words(**words: Any) -> PlaneChoice:
    """Return which planes are filtered, from the words for the fields of `PlaneChoice`."""
    return PlaneChoice(**_read(words, PlaneChoice()))


def _read(words: dict[str, Any], defaults: Any) -> dict[str, Any]:
    """Return the values of options; None stands for itself where it is the default."""
    values = {}
    for name, word in words.items():
        has_none = word is None and getattr(defaults, name) is None
        values[name] = None if has_none else named(name, PARSERS[name], word)
    return values


def named(name: str, read: Callable[..., _Value], value: object, *limits: int) -> _Value:
    """Return what reads a value, within limits; the name is in front of its `OptionError`."""
    try:
        return read(value, *limits)
    except OptionError as error:
        raise OptionError(f"{name}: {error}") from None


def missing_from(value: object) -> str | float:
    """Return which pixels are missing: ``nan``, ``alpha``, a number, or ``none``."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in ("nan", "alpha", "none"):
        return word
    try:
        return finite_number_from(value)
    except OptionError:
        raise OptionError(f"expected none, nan, alpha or a number, got {value!r}") from None


def axis_from(value: object) -> str:
    """Return an axis: x, along the rows, or y."""
    if value not in ("x", "y"):
        raise OptionError(f"expected x (a row) or y (a column), got {value!r}")
    return str(value)


def mask_from(value: Any) -> "Mask":
    """Return the mask in a file or an array (H, W)."""
    from convcli.pipeline.blend import read_mask

    return read_mask(value)


def region_from(value: "str | Region") -> "Region":
    """Return a part of a picture, written ``X,Y,WxH``, each in pixels or in per cent.

    >>> str(region_from("10,20,50%x50%"))
    '10,20,50%x50%'
    """
    from convcli.pipeline.options import Region

    if isinstance(value, Region):
        return value
    match = re.fullmatch(_REGION, str(value).replace(" ", "").lower())
    if match is None:
        raise OptionError(
            f"expected X,Y,WxH in pixels or per cent (10,20,50%x50%); got {value!r}"
        )
    percent: Any = tuple(text.endswith("%") for text in match.groups())
    numbers: Any = tuple(float(text.rstrip("%")) for text in match.groups())
    if any(not p and n != int(n) for p, n in zip(percent, numbers, strict=True)):
        raise OptionError(f"expected whole numbers of pixels, got {value!r}")
    return Region(numbers, percent)


def channels_from(value: object) -> tuple[str | int, ...]:
    """Return the channels to change: of r, g, b, a and numbers; or ``luma``.

    >>> channels_from("r,2"), channels_from("luma")
    (('r', 2), ('luma',))
    """
    if isinstance(value, str):
        words: list[Any] = [word.strip() for word in value.lower().split(",")]
    else:
        words = list(value) if isinstance(value, Iterable) else [value]
    if words == ["luma"]:
        return ("luma",)
    words = [int(w) if str(w).isdecimal() else _IN_FULL.get(w, w) for w in words]
    if not words or not all(isinstance(w, int) or w in _LETTERS for w in words):
        raise OptionError(f"expected luma, or some of r, g, b, a, 0, 1 …; got {value!r}")
    return tuple(words)


_LETTERS = ("r", "g", "b", "a")
_IN_FULL = {"red": "r", "green": "g", "blue": "b", "alpha": "a"}
_REGION = ",".join([r"(\d{1,12}(?:\.\d+)?%?)"] * 3) + r"[x×](\d{1,12}(?:\.\d+)?%?)"

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
    "range": functools.partial(choice_from, choices.Range),
    "depth": functools.partial(choice_from, choices.Depth),
    "alpha": functools.partial(choice_from, choices.Alpha),
    "method": functools.partial(choice_from, choices.Method),
    "combine": functools.partial(choice_from, choices.Combine),
    "colormap": functools.partial(choice_from, choices.Colormap),
    "pyramid": functools.partial(choice_from, choices.Pyramid),
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
