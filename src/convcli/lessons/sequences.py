"""Convolution outside images: two sequences of numbers, exactly."""

import contextlib
import decimal
import math
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from convcli.choices import Overlap
from convcli.errors import OptionError, fail
from convcli.values import Record

Number: TypeAlias = int | Fraction

_MOST = 10**7  # the longest sequence: it fits into memory with room for the result


class SequenceError(OptionError):
    """Sequences that cannot be convolved."""


def parse_sequence(text: str) -> list[Number]:
    """Parse whole numbers, fractions and decimals, exactly; other text is a `SequenceError`."""
    words = text.replace(",", " ").split()
    if words and not all(part.strip() for part in text.split(",")):
        raise SequenceError("expected a number between two commas, got none: write 0 there")
    if not words:
        raise SequenceError("expected numbers, got an empty sequence: write it as 1,2,3")
    if len(words) > _MOST:
        raise SequenceError(f"expected at most {_MOST:,} numbers, got {len(words):,}")
    with digits_unlimited():
        return [_number(word) for word in words]


_SHOWN = 40
_EXPONENT_DIGITS = 5


def _beginning(word: str) -> str:
    """Return a word as messages show it: the first 40 characters."""
    return word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…"


def _number(word: str) -> Number:
    shown = _beginning(word)
    if len(word.lower().partition("e")[2].lstrip("+-")) > _EXPONENT_DIGITS:
        raise SequenceError(f"expected an exponent of at most 99,999, got '{shown}'")
    try:
        value = Fraction(word)
    except ZeroDivisionError:
        raise SequenceError(f"expected a denominator other than 0, got '{shown}'") from None
    except ValueError:
        fault = f"expected numbers like 3, 1/3 or 0.25, got '{shown}'"
        fail("", fault, "put commas between them", SequenceError)
    return _reduced(value)


@contextlib.contextmanager
def digits_unlimited() -> Iterator[None]:
    """Allow whole numbers of more than Python's 4300 digits to become text, and back."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


def parse_digits(text: str) -> list[int]:
    """Return the digits of a whole number without a sign, the lowest first."""
    word = text.strip().replace("_", "")
    if not (word.isascii() and word.isdigit()):
        got = _beginning(word)
        raise SequenceError(f"digits: expected a whole number like 123, got '{got}'")
    if len(word) > _MOST:
        raise SequenceError(f"digits: expected at most {_MOST:,} digits, got {len(word):,}")
    return [int(digit) for digit in reversed(word)]


def parse_die(text: str) -> list[Number]:
    """Return the probability of each face; one number is the count of faces of a fair die."""
    values = parse_sequence(text)
    faces = values[0]
    if len(values) == 1 and faces != 1:
        if not isinstance(faces, int) or not 1 < faces <= _MOST:
            raise SequenceError(f"dice: expected a die of 1 or more faces, got '{text}'")
        return [Fraction(1, faces)] * faces
    if any(value < 0 for value in values):
        raise SequenceError("dice: expected no negative probability: check the signs")
    total = sum(values, Fraction(0))
    if total != 1:
        fault = f"expected probabilities that sum to 1, got {total}"
        fail("dice", fault, "divide each by it", SequenceError)
    return values


class Operations(Record):
    """The operations on real numbers that convolve sequences of lengths m and n."""

    direct: int  # m·n products and m·n - (m+n-1) additions
    fft: int  # three transforms at 5·N·log2(N) (radix 2), and N complex products at 6
    transform: int  # the values N of a transform


def operations(m: int, n: int) -> Operations:
    """Count the operations of the direct method and of the FFT."""
    length = m + n - 1
    log = (length - 1).bit_length()
    size = 2**log
    return Operations(2 * m * n - length, 15 * size * log + 6 * size, size)


CHEAPER_BY_FFT: tuple[tuple[int, int | None], ...] = ((128, 128), (191, 256), (284, None))
"""The first and the last n (None: no end) of each run where two of n numbers are cheaper so: a
transform doubles just above a power of two."""


def transforms(
    a: Sequence[Number], b: Sequence[Number]
) -> tuple[list[complex], list[complex], list[complex], list[float]]:
    """Return the FFT of both sequences, padded with zeros, their product, and its inverse."""
    size = operations(len(a), len(b)).transform
    first, second = (np.fft.fft([float(value) for value in each], size) for each in (a, b))
    inverse = np.fft.ifft(first * second).real.round(9) + 0.0
    return first.tolist(), second.tolist(), (first * second).tolist(), inverse.tolist()


_DIRECT_LIMIT = 4 * 10**8  # the most products that the direct method computes: about a minute


def convolve_exactly(
    a: Sequence[Number], b: Sequence[Number], *, fft: bool | None = None
) -> list[Number]:
    """Convolve two sequences exactly; without `fft` by the method with fewer operations."""
    if fft is None:
        count = operations(len(a), len(b))
        fft = count.fft < count.direct
    if not fft:
        if (products := len(a) * len(b)) > _DIRECT_LIMIT:
            fault = f"expected at most {_DIRECT_LIMIT:,} products for the direct way"
            fail("", f"{fault}, got {products:,}", "use --method fft", SequenceError)
        left, right = (np.array(each, object) for each in (a, b))
        return [_reduced(value) for value in np.convolve(left, right)]

    below_a, below_b = (math.lcm(*(x.denominator for x in s)) for s in (a, b))
    whole = _convolve_integers([int(x * below_a) for x in a], [int(x * below_b) for x in b])
    return [_reduced(Fraction(value, below_a * below_b)) for value in whole]


def _reduced(value: Number) -> Number:
    """Return a whole number as an int, any other as a fraction."""
    return value.numerator if value.denominator == 1 else value


def _convolve_integers(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Multiply two long decimal numbers, whose digits have room for the sums, by `decimal`."""
    count, largest = len(a) + len(b) - 1, [max(map(abs, each)) for each in (a, b)]
    with digits_unlimited(), decimal.localcontext(_EXACT):
        width = len(str(2 * min(len(a), len(b)) * largest[0] * largest[1])) + 1
        half = 10**width // 2
        product = _packed(a, width) * _packed(b, width) + _packed([half] * count, width)
        digits = f"{product:f}".zfill(width * count)
        ends = range(width * count, 0, -width)
        return [int(digits[end - width : end]) - half for end in ends]


_EXACT = decimal.Context(
    prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[decimal.Inexact]
)


def _packed(values: Sequence[int], width: int) -> decimal.Decimal:
    """Return the sum of values times powers of 10^width, the first value lowest."""
    signs = ([max(sign * value, 0) for value in reversed(values)] for sign in (1, -1))
    above, below = ("".join(f"{value:0{width}d}" for value in each) for each in signs)
    return decimal.Decimal(above) - decimal.Decimal(below)


def places_kept(lengths: tuple[int, int], overlap: Overlap) -> range:
    """Return the places of the full result that are kept, as `numpy.convolve` keeps them."""
    longer, shorter = max(lengths), min(lengths)
    # How many are left out at both ends, the odd one at the end.
    out = {Overlap.FULL: 0, Overlap.VALID: 2 * shorter - 2}.get(overlap, shorter - 1)
    return range(out // 2, longer + shorter - 1 - (out + 1) // 2)


def polynomial(coefficients: Sequence[Number]) -> str:
    """Return the text of a polynomial; the constant is the first coefficient."""
    terms = [_term(value, n) for n, value in enumerate(coefficients) if value]
    text = " ".join(terms) or "+ 0"
    return text.removeprefix("+ ") if text.startswith("+") else f"-{text[2:]}"


_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _term(value: Number, n: int) -> str:
    sign, size = "-" if value < 0 else "+", abs(value)
    if n == 0:
        return f"{sign} {size}"
    power = "x" if n == 1 else f"x{str(n).translate(_SUPERSCRIPTS)}"
    shown = f"({size})" if isinstance(size, Fraction) else f"{size}"
    return f"{sign} {'' if size == 1 else shown}{power}"


def carried(sums: Sequence[Number]) -> tuple[list[int], list[int]]:
    """Return the digits of a product from its sums, lowest first, and each place's carry."""
    digits: list[int] = []
    carries: list[int] = []
    carry = 0
    values = iter(sums)
    while (value := next(values, None)) is not None or carry:
        carries.append(carry)
        carry, digit = divmod(int(value or 0) + carry, 10)
        digits.append(digit)
    while len(digits) > 1 and not digits[-1]:
        digits.pop()
    return digits, carries[: len(digits)]


class Convolved(Record):
    """Two sequences, how they are read, and the sums that are kept, by their place."""

    left: Sequence[Any]
    right: Sequence[Any]
    sums: dict[int, Number]
    reading: str

    @property
    def result(self) -> list[Number]:
        """The sums, without their places."""
        return list(self.sums.values())

    @property
    def text(self) -> str:
        """The result as it is written: a number, a polynomial, or a sequence."""
        if self.reading == "digits":
            return "".join(map(str, reversed(carried(self.result)[0])))
        if self.reading == "polynomial":
            return polynomial(self.result)
        return ",".join(map(str, self.result))

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON values: fractions are texts."""
        document: dict[str, Any] = {
            name: [value if isinstance(value, int) else str(value) for value in values]
            for name, values in {"a": self.left, "b": self.right, "result": self.result}.items()
        }
        document["operations"] = operations(len(self.left), len(self.right))
        document["fft_pays_for"] = CHEAPER_BY_FFT
        if self.reading in ("digits", "polynomial"):
            document["product"] = self.text
        if self.reading == "digits":
            document["carries"] = carried(self.result)[1]
        if self.reading == "dice":
            document["distribution"] = {f"{n}": str(v) for n, v in enumerate(self.result, 2)}
        return document
