"""Several kernels that make one picture: gradients and compass operators."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Combine
from convcli.errors import KernelError
from convcli.kernels.kernel import Kernel
from convcli.values import Record


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
        self,
        kernels: Sequence[Kernel],
        combine: Combine,
        name: str = "",
        description: str = "",
    ) -> None:
        object.__setattr__(self, "kernels", _aligned(kernels))
        object.__setattr__(self, "combine", combine)
        object.__setattr__(self, "name", name or "+".join(k.name for k in kernels))
        object.__setattr__(self, "description", description)

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
        kernels = [change(kernel) for kernel in self.kernels]
        return Operator(kernels, self.combine, self.name, self.description)


class Plain(Record):
    """A step of a chain that has no weights.

    Its kind is ``relu`` (negative values become 0), ``abs``, ``pool`` (means) or ``max``; the
    size is the rows and columns of a window of the last two, which moves by as much.

    >>> Plain("max", 2).name
    'max:2'
    """

    kind: str
    size: int = 1

    @property
    def name(self) -> str:
        """How it is written."""
        return f"{self.kind}:{self.size}" if self.size > 1 else self.kind


_PLAIN = re.compile(r"(relu|abs)|(avgpool|pool|maxpool|max):([1-9][0-9]{0,5})")
_ALIASES = {"avgpool": "pool", "maxpool": "max"}
"""Names that mean the same in a stack of layers."""


def plain_from(text: str) -> Plain | None:
    """Return the step that a text names: relu, abs, pool:2, max:2; None for other texts.

    >>> plain_from("pool:2"), plain_from("maxpool:2"), plain_from("box:2")
    (Plain(kind='pool', size=2), Plain(kind='max', size=2), None)
    """
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
        raise KernelError(
            "expected 2-D kernels, or banks of equal filters and channels, to combine; got "
            f"the shapes {shapes}: combine like with like"
        )
    sizes = np.array([kernel.size for kernel in kernels])
    before, after = ((sizes - 1) // 2).max(axis=0), (sizes // 2).max(axis=0)
    return tuple(_padded(kernel, before, after) for kernel in kernels)


def _padded(kernel: Kernel, before: NDArray[np.intp], after: NDArray[np.intp]) -> Kernel:
    """Pad with zeros to the given (rows, columns) before and after the middle weight."""
    size = np.array(kernel.size)
    padding = np.stack([before - (size - 1) // 2, after - size // 2], axis=1)
    if not padding.any():
        return kernel
    outer = [(0, 0)] * (kernel.weights.ndim - 2)
    return kernel.with_weights(np.pad(kernel.weights, [*outer, *padding.tolist()]))
