"""A stack of layers, walked through: sizes, parameters, receptive fields, memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from convcli.errors import GeometryError
from convcli.geometry import Volume
from convcli.lessons.stacks.counting import counted
from convcli.lessons.stacks.rows import FLOAT, Reached, StackRow, size_of
from convcli.lessons.stacks.spec import LayerSpec


@dataclass(frozen=True, slots=True)
class Stack:
    """All layers of a stack, counted.

    Attributes
    ----------
    source : Volume
        The input.
    rows : tuple of StackRow
        The layers, in order.
    """

    source: Volume
    rows: tuple[StackRow, ...]

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(row.layer.total for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Products that one picture takes, in convolutions and full connections."""
        return sum(row.layer.multiply_adds for row in self.rows)

    @property
    def memory(self) -> int:
        """Bytes of all layers' outputs, as training keeps them, and of the input."""
        return sum(row.memory for row in self.rows) + self.source.values * FLOAT

    @property
    def reached(self) -> Reached:
        """What comes out at the end."""
        return self.rows[-1].reached

    def as_dict(self) -> dict[str, Any]:
        """Return the stack as plain JSON values."""
        return {
            "input": size_of(self.source),
            "layers": [row.as_dict() for row in self.rows],
            "totals": {
                "parameters": self.parameters,
                "multiply_adds": self.multiply_adds,
                "memory_bytes": self.memory,
                "parameter_bytes": self.parameters * FLOAT,
            },
            "clean": all(row.clean for row in self.rows),
        }


def stack_of(source: Volume, layers: Sequence[LayerSpec]) -> Stack:
    """Walk through a stack and count each layer.

    Parameters
    ----------
    source : Volume
        The input.
    layers : sequence of LayerSpec
        At least one.

    Returns
    -------
    Stack

    Raises
    ------
    GeometryError
        If there is no layer, one does not fit what comes to it (a stack that shrinks
        below one pixel), or a residual block is not closed.

    Examples
    --------
    >>> from convcli.lessons.stacks import layers_from
    >>> stack_of(Volume(3, 32, 32), layers_from(["conv:64,k3,p1"])).parameters
    1792
    """
    if not layers:
        raise GeometryError("stack: expected at least one layer, got none: as conv:64,k3,p1")
    walk = _Walk(Reached(source))
    for number, spec in enumerate(layers, start=1):
        try:
            walk.rows.append(walk.through(spec))
        except GeometryError as error:
            volume = walk.now.volume
            came = f"{volume.height} × {volume.width} × {volume.channels}"
            text = str(error).removeprefix(f"layer '{spec.text}': ")
            raise GeometryError(
                f"layer {number} '{spec.text}': {text} (what comes to it is {came})"
            ) from None
    if walk.blocks:
        raise GeometryError("stack: a 'residual' is not closed: put 'add' where it ends")
    return Stack(source, tuple(walk.rows))


@dataclass(slots=True)
class _Block:
    """A residual block that is open: what came in, and its main way once that ended."""

    entry: Reached
    main: Reached | None = None


@dataclass(slots=True)
class _Walk:
    now: Reached
    rows: list[StackRow] = field(default_factory=list)
    blocks: list[_Block] = field(default_factory=list)

    def through(self, spec: LayerSpec) -> StackRow:
        if spec.kind in _JUNCTIONS:
            row = StackRow(spec=spec, depth=len(self.blocks), reached=self.now)
            _JUNCTIONS[spec.kind](self)
            return replace(row, reached=self.now, depth=min(row.depth, len(self.blocks)))
        row = replace(counted(spec, self.now), depth=len(self.blocks))
        self.now = row.reached
        return row

    def open(self) -> None:
        self.blocks.append(_Block(self.now))

    def turn(self) -> None:
        block = self._block("shortcut")
        if block.main is not None:
            raise GeometryError("a second 'shortcut' in one block: close it with 'add'")
        block.main, self.now = self.now, block.entry

    def join(self) -> None:
        block = self._block("add")
        one, other = (block.main, self.now) if block.main else (self.now, block.entry)
        if one.volume != other.volume:
            raise GeometryError(
                f"expected the shortcut to have the size of the main way, {_text(one.volume)}"
                f", got {_text(other.volume)}: put 'shortcut conv:{one.volume.channels},k1' "
                "with the stride of the main way before 'add'"
            )
        self.now = max(one, other, key=lambda reached: reached.fields[0].size)
        self.blocks.pop()

    def _block(self, word: str) -> _Block:
        if not self.blocks:
            raise GeometryError(f"'{word}' without 'residual': put 'residual' where it begins")
        return self.blocks[-1]


def _text(volume: Volume) -> str:
    return f"{volume.height} × {volume.width} × {volume.channels}"


_JUNCTIONS: dict[str, Callable[[_Walk], None]] = {
    "residual": _Walk.open,
    "shortcut": _Walk.turn,
    "add": _Walk.join,
}
