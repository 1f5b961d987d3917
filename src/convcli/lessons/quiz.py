"""Questions on sizes, with answers that can be checked and explained."""

import random
import re
from collections.abc import Callable
from fractions import Fraction

from convcli.geometry.layers import ReceptiveField, convolution_layer
from convcli.geometry.window import Axis
from convcli.text import counted
from convcli.values import Record


class Question(Record):
    """One question, its answer (a whole number), and the arithmetic that gives it."""

    text: str
    answer: int
    explanation: str

    def is_right(self, given: str) -> bool:
        """Tell whether an answer is right; spaces and the commas of thousands are ignored.

        >>> Question("1,000 + 792?", 1792, "").is_right(" 1,792 ")
        True
        """
        return is_number(given) and Fraction(_bare(given)) == self.answer


_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15}|/0*[1-9][0-9]{0,14})?")


def is_number(given: str) -> bool:
    """Tell whether an answer is a number: whole, decimal, or a fraction.

    >>> is_number("1,792"), is_number("7/3"), is_number("seven")
    (True, True, False)
    """
    return _NUMBER.fullmatch(_bare(given)) is not None


def _bare(given: str) -> str:
    return given.strip().replace(",", "")


def questions(seed: int, count: int) -> list[Question]:
    """Return `count` questions; the same for the same seed.

    >>> questions(1, 2) == questions(1, 2)
    True
    """
    chance = random.Random(seed)  # noqa: S311 - a quiz, no secret
    makers = list(_MAKERS)
    chance.shuffle(makers)
    return [makers[number % len(makers)](chance) for number in range(count)]


def _output(chance: random.Random) -> Question:
    axis = _axis(chance)
    outputs = chance.randint(2, 60)
    size = (outputs - 1) * axis.stride + axis.kernel - 2 * axis.before
    if size < 1:
        return _output(chance)
    return Question(
        f"A picture is {size} px wide. {_settings(axis)} How wide is the output?",
        outputs,
        f"{_formula(axis, size)} = {outputs}",
    )


def _same(chance: random.Random) -> Question:
    kernel = chance.choice((3, 5, 7, 9, 11))
    return Question(
        f"Kernel {kernel}×{kernel}, stride 1: which padding keeps the size?",
        (kernel - 1) // 2,
        f"(K - 1)/2 = ({kernel} - 1)/2 = {(kernel - 1) // 2}",
    )


def _unseen(chance: random.Random) -> Question:
    kernel, stride = chance.choice((3, 5, 7)), chance.randint(2, 4)
    size = chance.randint(kernel + stride, 64)
    axis = Axis(kernel, stride)
    left = axis.unseen(size).total
    return Question(
        f"A picture is {size} px wide. {_settings(axis)} How many columns at the right are "
        "never looked at?",
        left,
        f"{_formula(axis, size)} = {axis.exact_output_size(size)}, truncated to "
        f"{axis.output_size(size)}; ({size} - {kernel}) mod {stride} = {left}",
    )


def _parameters(chance: random.Random) -> Question:
    channels, filters = chance.choice((1, 3, 16, 64)), chance.choice((8, 16, 32, 64))
    kernel = chance.choice((1, 3, 5))
    total = convolution_layer(channels, filters, (kernel, kernel)).total
    return Question(
        f"{filters} filters of {kernel}×{kernel} over {counted(channels, 'channel')}, each "
        "with a bias: how many parameters?",
        total,
        f"({kernel}·{kernel}·{channels} + 1)·{filters} = {total}",
    )


def _field(chance: random.Random) -> Question:
    kernels = [chance.choice((3, 5)) for _ in range(chance.randint(2, 4))]
    field = ReceptiveField()
    for kernel in kernels:
        field = field.through(Axis(kernel))
    layers = ", then ".join(f"{kernel}×{kernel}" for kernel in kernels)
    terms = " + ".join(f"({kernel} - 1)" for kernel in kernels)
    return Question(
        f"Layers with stride 1: {layers}. How many pixels wide is the receptive field?",
        field.size,
        f"1 + {terms} = {field.size}",
    )


_MAKERS: tuple[Callable[[random.Random], Question], ...]
_MAKERS = (_output, _same, _unseen, _parameters, _field)


def _axis(chance: random.Random) -> Axis:
    kernel, stride = chance.choice((3, 5, 7, 11)), chance.choice((1, 1, 2, 3, 4))
    padding = chance.choice((0, 1, kernel // 2))
    return Axis(kernel, stride, padding, padding)


def _settings(axis: Axis) -> str:
    return f"Kernel {axis.kernel}, stride {axis.stride}, padding {axis.before}."


def _formula(axis: Axis, size: int) -> str:
    return f"({size} - {axis.kernel} + 2·{axis.before})/{axis.stride} + 1"
