"""Questions on sizes, with answers that can be checked and explained."""

import random
import re
from fractions import Fraction

from convcli.geometry.layers import convolution_layer, seen_through
from convcli.geometry.window import Axis
from convcli.text import counted
from convcli.values import Record


class Question(Record):
    """One question, its answer (a whole number), and the arithmetic that gives it."""

    text: str
    answer: int
    explanation: str

    def is_right(self, given: str) -> bool:
        """Tell whether an answer is right; spaces and the commas of thousands are ignored."""
        return number_in(given) == self.answer


_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15}|/0*[1-9][0-9]{0,14})?")


def number_in(given: str) -> Fraction | None:
    """Return the number that an answer is: whole, decimal, or a fraction; None for others."""
    bare = given.strip().replace(",", "")
    return Fraction(bare) if _NUMBER.fullmatch(bare) else None


def questions(seed: int, count: int) -> list[Question]:
    """Return `count` different questions; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - a quiz, no secret
    makers = [_output, _same, _unseen, _parameters, _field, _understanding]
    chance.shuffle(makers)
    asked: dict[str, Question] = {}
    while len(asked) < count:
        for question in [make(chance) for make in makers]:
            # The choices below the first line may come in any order.
            asked.setdefault(question.text.partition("\n")[0], question)
    return list(asked.values())[:count]


def _output(chance: random.Random) -> Question:
    kernel, stride = chance.choice((3, 5, 7, 11)), chance.choice((1, 1, 2, 3, 4))
    padding = chance.choice((0, 1, kernel // 2))
    axis = Axis(kernel, stride, padding, padding)
    outputs = chance.randint(2, 60)
    size = axis.input_size(outputs) - 2 * padding
    text = f"A picture is {size} px wide. {_settings(axis)} How wide is the output?"
    return Question(text, outputs, f"{_formula(axis, size)} = {outputs}")


def _same(chance: random.Random) -> Question:
    kernel = chance.choice((3, 5, 7, 9, 11))
    padding = (kernel - 1) // 2
    text = f"Kernel {kernel}×{kernel}, stride 1: which padding keeps the size?"
    return Question(text, padding, f"(K - 1)/2 = ({kernel} - 1)/2 = {padding}")


def _unseen(chance: random.Random) -> Question:
    kernel, stride = chance.choice((3, 5, 7)), chance.randint(2, 4)
    size = chance.randint(kernel + stride, 64)
    axis = Axis(kernel, stride)
    left = axis.unseen(size).total
    truncated = f", truncated to {axis.output_size(size)}" * (left > 0)
    text = f"A picture is {size} px wide. {_settings(axis)} How many columns at the right are "
    formula = f"{_formula(axis, size)} = {axis.exact_output_size(size)}{truncated}"
    rest = f"({size} - {kernel}) mod {stride} = {left}"
    return Question(f"{text}never looked at?", left, f"{formula}; {rest}")


def _parameters(chance: random.Random) -> Question:
    channels, filters = chance.choice((1, 3, 16, 64)), chance.choice((8, 16, 32, 64))
    kernel = chance.choice((1, 3, 5))
    total = convolution_layer(channels, filters, (kernel, kernel)).total
    layer = f"{filters} filters of {kernel}×{kernel} over {counted(channels, 'channel')}"
    text = f"{layer}, each with a bias: how many parameters?"
    return Question(text, total, f"({kernel}·{kernel}·{channels} + 1)·{filters} = {total}")


def _field(chance: random.Random) -> Question:
    kernels = [chance.choice((3, 5)) for _ in range(chance.randint(2, 4))]
    field = seen_through(map(Axis, kernels))
    layers = ", then ".join(f"{kernel}×{kernel}" for kernel in kernels)
    terms = " + ".join(f"({kernel} - 1)" for kernel in kernels)
    text = f"Layers with stride 1: {layers}. How many pixels wide is the receptive field?"
    return Question(text, field.size, f"1 + {terms} = {field.size}")


_UNDERSTANDING = (
    (
        "Why do all places share one kernel's weights?",
        ("a pattern can be anywhere, and is found by the same weights",
         "the output gets smaller", "the weights sum to 1"),
        "What is worth finding at one place is worth finding at another; and it saves weights.",
    ),
    (
        "What does padding 1 mean?",
        ("one pixel is added on each side, so W grows by 2",
         "one pixel is added in all", "the window moves by 1"),
        "One row or column on each of the four sides: (W - K + 2·1)/S + 1.",
    ),
    (
        "What do two layers of 3×3 replace, seen from one output?",
        ("one layer of 5×5, with fewer weights",
         "one layer of 6×6, with fewer weights", "one layer of 9×9, with more weights"),
        "1 + 2 + 2 = 5 pixels; 2·9 = 18 weights a pair of channels instead of 25.",
    ),
    (
        "What does a kernel whose weights sum to 0 answer where the picture is flat?",
        ("0", "the brightness of the picture", "the largest weight"),
        "All products have the same brightness as a factor: brightness · 0 = 0.",
    ),
    (
        "A picture moves 3 pixels to the right. What does the output of a convolution do?",
        ("it moves 3 pixels to the right, too", "it stays as it is", "it becomes brighter"),
        "Convolution is translation equivariant: shift then filter, or filter then shift.",
    ),
)  # fmt: skip
"""Questions of understanding: what is asked, the choices (the first is right), and why."""


def _understanding(chance: random.Random) -> Question:
    text, choices, explanation = chance.choice(_UNDERSTANDING)
    order = chance.sample(choices, len(choices))
    listed = "".join(f"\n   {number} {choice}" for number, choice in enumerate(order, 1))
    right = order.index(choices[0]) + 1
    return Question(f"{text} Answer with a number.{listed}", right, explanation)


def _settings(axis: Axis) -> str:
    return f"Kernel {axis.kernel}, stride {axis.stride}, padding {axis.before}."


def _formula(axis: Axis, size: int) -> str:
    return f"({size} - {axis.kernel} + 2·{axis.before})/{axis.stride} + 1"
