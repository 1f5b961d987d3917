"""A stack of layers, counted row by row."""

from collections.abc import Callable, Sequence
from typing import Any

from convcli.errors import GeometryError
from convcli.geometry.layers import (
    Layer,
    ReceptiveField,
    Volume,
    convolution_layer,
    fully_connected_layer,
)
from convcli.geometry.window import Axis, Unseen, Window, window
from convcli.lessons.stacks.spec import LayerSpec
from convcli.values import Record, replace

FLOAT = 4
"""Bytes of a float32."""

_NOTHING = Layer(0, 0)
_SEEN = (Unseen(0, 0), Unseen(0, 0))


class Reached(Record):
    """How far a stack has come: the volume, and what one of its values sees.

    Attributes
    ----------
    volume : Volume
        The maps.
    fields : (ReceptiveField, ReceptiveField)
        Along the rows and along the columns.
    all_seen : bool
        Whether each value sees the whole input: behind a fully connected layer.
    """

    volume: Volume
    fields: tuple[ReceptiveField, ReceptiveField] = (ReceptiveField(), ReceptiveField())
    all_seen: bool = False


class StackRow(Record, kw_only=True):
    """One layer, counted.

    Attributes
    ----------
    spec : LayerSpec
        What was asked for.
    depth : int
        In how many residual blocks it stands.
    reached : Reached
        What comes out.
    layer : Layer
        Weights, biases, multiply-adds.
    arithmetic : str
        How the parameters come about, as ``(3·3·3+1)·64``; empty where there are none.
    unseen : (Unseen, Unseen)
        What its stride leaves over, rows and columns.
    exact : tuple of str
        The sizes (rows, columns) before truncation, where a window slides.
    """

    spec: LayerSpec
    depth: int
    reached: Reached
    layer: Layer = _NOTHING
    arithmetic: str = ""
    unseen: tuple[Unseen, Unseen] = _SEEN
    exact: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether its windows tile their input."""
        return not any(side.total for side in self.unseen)

    @property
    def memory(self) -> int:
        """Bytes of its output for one picture, as float32."""
        return self.reached.volume.values * FLOAT

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        rows, columns = self.reached.fields
        return {
            "layer": self.spec.text,
            "depth": self.depth,
            "output": size_of(self.reached.volume),
            "parameters": self.layer.total,
            "weights": self.layer.weights,
            "biases": self.layer.biases,
            "arithmetic": self.arithmetic,
            "multiply_adds": self.layer.multiply_adds,
            "receptive_field": "all" if self.reached.all_seen else [rows.size, columns.size],
            "jump": [rows.jump, columns.jump],
            "start": [float(rows.start), float(columns.start)],
            "memory_bytes": self.memory,
            "clean": self.clean,
            "exact": list(self.exact),
        }


def size_of(volume: Volume) -> dict[str, int]:
    """Return a volume as plain JSON values."""
    return {"height": volume.height, "width": volume.width, "channels": volume.channels}


def counted(spec: LayerSpec, now: Reached) -> StackRow:
    """Return a layer counted, given what comes to it."""
    return _LAYERS.get(spec.kind, _kept)(spec, now)


def _kept(spec: LayerSpec, now: Reached) -> StackRow:
    return StackRow(spec=spec, depth=0, reached=now)


def _slid(now: Reached, slide: Window, channels: int) -> Reached:
    volume = now.volume
    height, width = slide.output_shape((volume.height, volume.width))
    rows, columns = now.fields
    return replace(
        now,
        volume=Volume(channels, height, width),
        fields=(rows.through(slide.rows), columns.through(slide.columns)),
    )


def _convolution(spec: LayerSpec, now: Reached) -> StackRow:
    slide = window(spec.kernel, spec.stride, spec.padding, spec.dilation)
    after = _slid(now, slide, spec.units)
    layer = convolution_layer(
        now.volume.channels,
        spec.units,
        spec.kernel,
        groups=spec.groups,
        bias=spec.bias,
        output=(after.volume.height, after.volume.width),
    )
    products = f"{spec.kernel[0]}·{spec.kernel[1]}·{now.volume.channels // spec.groups}"
    return replace(
        _window_row(spec, now, slide, after),
        layer=layer,
        arithmetic=_arithmetic(products, spec),
    )


def _arithmetic(products: str, spec: LayerSpec) -> str:
    return f"({products}+1)·{spec.units}" if spec.bias else f"{products}·{spec.units}"


def _window_row(spec: LayerSpec, now: Reached, slide: Window, after: Reached) -> StackRow:
    shape = (now.volume.height, now.volume.width)
    exact = tuple(
        str(axis.exact_output_size(size)) for axis, size in zip(slide.axes, shape, strict=True)
    )
    return StackRow(spec=spec, depth=0, reached=after, unseen=slide.unseen(shape), exact=exact)


def _pool(spec: LayerSpec, now: Reached) -> StackRow:
    slide = window(spec.kernel, spec.stride, spec.padding, spec.dilation)
    return _window_row(spec, now, slide, _slid(now, slide, now.volume.channels))


def _adaptive(spec: LayerSpec, now: Reached) -> StackRow:
    """Average over windows that are as equal as they can be: from ⌊iW/n⌋ to ⌈(i+1)W/n⌉."""
    volume = now.volume
    axes = [
        _adaptive_axis(size, wanted)
        for size, wanted in zip((volume.height, volume.width), spec.kernel, strict=True)
    ]
    rows, columns = now.fields
    after = replace(
        now,
        volume=Volume(volume.channels, *spec.kernel),
        fields=(rows.through(axes[0]), columns.through(axes[1])),
    )
    return StackRow(spec=spec, depth=0, reached=after)


def _adaptive_axis(size: int, wanted: int) -> Axis:
    """Return the window with the widest reach: some may be a pixel narrower."""
    widest = max(-(-(i + 1) * size // wanted) - i * size // wanted for i in range(wanted))
    return Axis(widest, max(size // wanted, 1))


def _global_pool(spec: LayerSpec, now: Reached) -> StackRow:
    volume = now.volume
    slide = window((volume.height, volume.width))
    return _window_row(spec, now, slide, _slid(now, slide, volume.channels))


def _flat(spec: LayerSpec, now: Reached) -> StackRow:
    return StackRow(
        spec=spec, depth=0, reached=replace(now, volume=Volume(now.volume.values, 1, 1))
    )


def _fully_connected(spec: LayerSpec, now: Reached) -> StackRow:
    inputs = now.volume.values
    return StackRow(
        spec=spec,
        depth=0,
        reached=replace(now, volume=Volume(spec.units, 1, 1), all_seen=True),
        layer=fully_connected_layer(inputs, spec.units, bias=spec.bias),
        arithmetic=_arithmetic(f"{inputs}", spec),
    )


def _normalisation(spec: LayerSpec, now: Reached) -> StackRow:
    """Scale and shift each map: one weight and one bias for each, as torch counts."""
    channels = now.volume.channels
    return StackRow(
        spec=spec,
        depth=0,
        reached=now,
        layer=Layer(channels, channels),
        arithmetic=f"2·{channels}",
    )


_LAYERS: dict[str, Callable[[LayerSpec, Reached], StackRow]] = {
    "conv": _convolution,
    "pool": _pool,
    "avgpool": _pool,
    "adaptive": _adaptive,
    "gap": _global_pool,
    "flatten": _flat,
    "fc": _fully_connected,
    "bn": _normalisation,
}


class Stack(Record):
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
    >>> from convcli.lessons.stacks.spec import layers_from
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


class _Block:
    """A residual block that is open: what came in, and its main path once that ended."""

    def __init__(self, entry: Reached) -> None:
        self.entry = entry
        self.main: Reached | None = None


class _Walk:
    """Goes through the layers, and keeps where it stands."""

    def __init__(self, now: Reached) -> None:
        self.now = now
        self.rows: list[StackRow] = []
        self.blocks: list[_Block] = []

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
