"""What is made of kernels: operators of several, changed ones, and steps without weights."""

import functools
import re
from collections.abc import Callable, Sequence

import numpy as np

from convcli.choices import Combine
from convcli.errors import KernelError, SpecError, fail
from convcli.kernels.kernel import Kernel
from convcli.text import finite_number
from convcli.values import Record, replace


class Operator(Record):
    """Kernels whose results are combined; their middles lie over the same pixel.

    Parameters
    ----------
    kernels : sequence of Kernel
        At least two 2-D kernels, or banks of equal filters and channels. Smaller ones
        are padded with zeros around their middle.
    combine : Combine
        How their results become one.
    name, description : str
        What the operator is called and what it is for.

    Raises
    ------
    KernelError
        If the kernels cannot be combined.

    Examples
    --------
    >>> step = Kernel([[-1, 1]], name="step")
    >>> Operator([step, Kernel([[1, 2, 1]])], Combine.SUM).kernels[0].weights.tolist()
    [[0.0, -1.0, 1.0]]
    """

    kernels: tuple[Kernel, ...]
    combine: Combine
    name: str
    description: str

    def __init__(
        self, kernels: Sequence[Kernel], combine: Combine, name: str = "", description: str = ""
    ) -> None:
        joined = name or "+".join(kernel.name for kernel in kernels)
        super().__init__(_aligned(kernels), combine, joined, description)

    @property
    def size(self) -> tuple[int, int]:
        """Size of each kernel (rows, columns)."""
        return self.kernels[0].size

    @property
    def is_zero_sum(self) -> bool:
        """Whether flat areas become 0."""
        return all(kernel.is_zero_sum for kernel in self.kernels)

    def changed(self, change: Callable[[Kernel], Kernel]) -> "Operator":
        """Return the same operator after a change of each kernel."""
        return replace(self, kernels=list(map(change, self.kernels)))


class Plain(Record):
    """A step of a chain that has no weights."""

    kind: str  # relu (negative values become 0), abs, pool (means) or max
    size: int = 1  # rows and columns of a window of pool and max, which moves by as much

    @property
    def name(self) -> str:
        """How it is written."""
        return f"{self.kind}:{self.size}" if self.size > 1 else self.kind


_PLAIN = re.compile(r"(relu|abs)|(avgpool|pool|maxpool|max):([1-9][0-9]{0,5})")
_ALIASES = {"avgpool": "pool", "maxpool": "max"}  # the same in a stack of layers


def plain_from(text: str) -> Plain | None:
    """Return the step that a text names: relu, abs, pool:2, max:2; None for other texts."""
    match = _PLAIN.fullmatch(text.strip().lower())
    if match is None:
        return None
    kind = match[1] or match[2]
    return Plain(_ALIASES.get(kind, kind), int(match[3] or 1))


def _aligned(kernels: Sequence[Kernel]) -> tuple[Kernel, ...]:
    if len(kernels) < 2:  # noqa: PLR2004 - one kernel has nothing to be combined with
        raise KernelError(f"expected at least 2 kernels to combine, got {len(kernels)}")
    stacks = {kernel.weights.shape[:-2] for kernel in kernels}
    if len(stacks) > 1:
        shapes = ", ".join(str(kernel.weights.shape) for kernel in kernels)
        fault = "expected 2-D kernels, or banks of equal filters and channels, to combine"
        fail("", f"{fault}; got the shapes {shapes}", "combine like with like")
    if len({kernel.size for kernel in kernels}) == 1:
        return tuple(kernels)
    sizes = np.array([kernel.size for kernel in kernels])
    around = np.stack([(sizes - 1) // 2, sizes // 2], axis=2)  # before and after the middle
    channels = [(0, 0)] * (kernels[0].weights.ndim - 2)
    return tuple(
        kernel.with_weights(np.pad(kernel.weights, [*channels, *more]))
        for kernel, more in zip(kernels, (around.max(axis=0) - around).tolist(), strict=True)
    )


# ------------------------------------------------------------------ modifiers

# What may follow a kernel's name after @: turn it, mirror it, scale it.

_EIGHTH, _QUARTER, _TURN = 45, 90, 360

_RING = [0, 0, 0, 1, 2, 2, 2, 1], [0, 1, 2, 2, 2, 1, 0, 0]  # clockwise from the upper left
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def rotated(kernel: Kernel, angle: float) -> Kernel:
    """Turn a kernel counter-clockwise by a multiple of 90 degrees, one of 3×3 also by 45."""
    if angle % _EIGHTH:
        fault = f"expected a multiple of 45 degrees, got {angle:g}"
        fail(f"{kernel.name}@{angle:g}", fault, "@45, @90 … @315", SpecError)
    quarters, eighths = divmod(int(angle % _TURN), _QUARTER)
    weights = np.rot90(kernel.weights, quarters, axes=(-2, -1))
    if eighths and kernel.size != (3, 3):
        rows, columns = kernel.size
        fault = f"expected a 3×3 kernel to turn by 45 degrees, got {rows}×{columns}"
        remedy = "use quarter turns (@90, @180, @270)"
        fail(f"{kernel.name}@{angle:g}", fault, remedy, SpecError)
    if eighths:  # each outer weight moves to the next place
        ring, weights = weights[(..., *_RING)], weights.copy()
        weights[(..., *_RING)] = np.roll(ring, -1, axis=-1)
    return kernel.with_weights(weights)


def normalized(kernel: Kernel) -> Kernel:
    """Scale each filter so that its weights sum to 1; if they sum to 0, the positive ones."""
    rows = kernel.weights.reshape(kernel.filters, -1)
    scale = np.where(kernel.sums != 0, kernel.sums, np.maximum(rows, 0).sum(axis=1))
    if not scale.all():
        fault = "expected a weight other than 0 to normalise by, got none"
        fail(kernel.name, fault, "leave @normalize out")
    return kernel.with_weights((rows / scale[:, np.newaxis]).reshape(kernel.weights.shape))


def _scaled(kernel: Kernel, factor: float) -> Kernel:
    """Multiply all weights; the bias does not change."""
    with np.errstate(over="ignore"):
        return kernel.with_weights(kernel.weights * factor)


_WORDS: dict[str, Callable[[Kernel], Kernel]] = {
    "flip": Kernel.flipped,
    "transpose": lambda kernel: kernel.with_weights(kernel.weights.swapaxes(-2, -1)),
    "normalize": normalized,
    "negate": lambda kernel: _scaled(kernel, -1.0),
}

_KNOWN = ("@45 … @315", *(f"@{word}" for word in _WORDS), "@scale=0.25")


def modifier(text: str, spec: str) -> Callable[[Kernel], Kernel]:
    """Return the change that the text after one @ names; messages name the whole `spec`."""
    word, equals, value = (part.strip().lower() for part in text.partition("="))
    change = None if equals else _WORDS.get(word)
    if word == "scale":
        factor = _factor(value, spec)
        word = f"scale={factor:g}"
        change = functools.partial(_scaled, factor=factor)
    elif _NUMBER.fullmatch(word) and not equals:
        change = functools.partial(rotated, angle=float(word))
    if change is None:
        got = f"'@{text.strip()}'" if text.strip() else "nothing after '@'"
        raise SpecError(f"{spec}: expected a modifier, got {got}: use {', '.join(_KNOWN)}")
    return lambda kernel: replace(change(kernel), name=f"{kernel.name}@{word}")


def _factor(text: str, spec: str) -> float:
    factor = finite_number(text)
    if not factor:
        got = repr(text) if text else "nothing"
        fault = f"expected a number other than 0 after '@scale=', got {got}"
        fail(spec, fault, "@scale=0.25", SpecError)
    return factor
