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
from convcli.lessons.stacks.spec import LayerSpec, layers_of, volume_from
from convcli.values import Record, fields_of, replace

_SIDES = ("height", "width", "channels")
_FLOAT = 4
"""Bytes of a float32."""


class StackRow(Record, kw_only=True):
    """One layer, counted: the size of its output, its receptive fields down and across.

    `sources` are the numbers of the layers whose outputs come to it (0 is the input), `depth`
    counts the residual blocks around it. `arithmetic` says how the parameters are counted, as
    ``(3·3·3+1)·64``. `exact` has the output size before truncation.
    """

    spec: LayerSpec
    volume: Volume
    fields: tuple[ReceptiveField, ...] = (ReceptiveField(), ReceptiveField())
    all_seen: bool = False
    sources: tuple[int, ...] = ()
    depth: int = 0
    layer: Layer = Layer(0, 0)
    arithmetic: str = ""
    unseen: tuple[Unseen, Unseen] = (Unseen(0, 0), Unseen(0, 0))
    exact: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether its windows cover their input without a remainder."""
        return not any(side.total for side in self.unseen)

    @property
    def memory(self) -> int:
        """Bytes of its output for one picture, as float32."""
        return self.volume.values * _FLOAT

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        rows, columns = self.fields
        return {
            "layer": self.spec.text,
            "depth": self.depth,
            "output": fields_of(self.volume, *_SIDES),
            "parameters": self.layer.total,
            **fields_of(self.layer, "weights", "biases"),
            "arithmetic": self.arithmetic,
            "multiply_adds": self.layer.multiply_adds,
            "receptive_field": "all" if self.all_seen else [rows.size, columns.size],
            "jump": [rows.jump, columns.jump],
            "start": [float(rows.start), float(columns.start)],
            "memory_bytes": self.memory,
            "clean": self.clean,
            "exact": list(self.exact),
        }


def _row(spec: LayerSpec, now: StackRow, **changes: Any) -> StackRow:
    """Return the row of a layer that changes so much of what comes to it."""
    kept = fields_of(now, "volume", "fields", "all_seen")
    return StackRow(**{"spec": spec, **kept, **changes})


def _slid(spec: LayerSpec, now: StackRow, slide: Window, **changes: Any) -> StackRow:
    """Return the row of a layer whose window slides over its input."""
    shape = (now.volume.height, now.volume.width)
    sides = list(zip(slide.axes, shape, now.fields, strict=True))
    return _row(
        spec,
        now,
        fields=tuple(field.through(axis) for axis, _, field in sides),
        unseen=slide.unseen(shape),
        exact=tuple(str(axis.exact_output_size(size)) for axis, size, _ in sides),
        **changes,
    )


def _convolution(spec: LayerSpec, now: StackRow) -> StackRow:
    channels = now.volume.channels
    output = spec.window.output_shape((now.volume.height, now.volume.width))
    layer = convolution_layer(
        channels,
        spec.units,
        spec.kernel,
        groups=spec.groups,
        bias=spec.bias,
        output=output,
    )
    products = f"{spec.kernel[0]}·{spec.kernel[1]}·{channels // spec.groups}"
    return _slid(
        spec,
        now,
        spec.window,
        volume=Volume(spec.units, *output),
        layer=layer,
        arithmetic=_arithmetic(products, spec),
    )


def _arithmetic(products: str, spec: LayerSpec) -> str:
    return f"({products}+1)·{spec.units}" if spec.bias else f"{products}·{spec.units}"


def _pool(spec: LayerSpec, now: StackRow) -> StackRow:
    shape = (now.volume.height, now.volume.width)
    slide = window(shape) if spec.layer_type == "gap" else spec.window
    volume = Volume(now.volume.channels, *slide.output_shape(shape))
    return _slid(spec, now, slide, volume=volume)


def _adaptive(spec: LayerSpec, now: StackRow) -> StackRow:
    """Average over windows of nearly equal size; the widest count as what is seen."""
    volume, fields = now.volume, []
    for axis, size in enumerate((volume.height, volume.width)):
        count = spec.kernel[axis]
        ends = (spec.seen(axis, size, place) for place in range(count))
        widest = max(last + 1 - first for first, last in ends)
        fields.append(now.fields[axis].through(Axis(widest, max(size // count, 1))))
    return _row(spec, now, volume=Volume(volume.channels, *spec.kernel), fields=tuple(fields))


def _fully_connected(spec: LayerSpec, now: StackRow) -> StackRow:
    inputs = now.volume.values
    return _row(
        spec,
        now,
        volume=Volume(spec.units, 1, 1),
        all_seen=True,
        layer=fully_connected_layer(inputs, spec.units, bias=spec.bias),
        arithmetic=_arithmetic(f"{inputs}", spec),
    )


def _normalisation(spec: LayerSpec, now: StackRow) -> StackRow:
    """Scale and shift each map: one weight and one bias for each, as torch counts."""
    maps = now.volume.channels
    return _row(spec, now, layer=Layer(maps, maps), arithmetic=f"2·{maps}")


def _sum(spec: LayerSpec, main: StackRow, shortcut: StackRow) -> StackRow:
    if main.volume != shortcut.volume:
        raise GeometryError(
            "expected the shortcut to have the size of the main way, "
            f"{main.volume}, got {shortcut.volume}: put "
            f"'shortcut conv:{main.volume.channels},k1' with the stride of the main way "
            "before 'add'"
        )
    return _row(spec, max(main, shortcut, key=lambda row: row.fields[0].size))


_LAYERS: dict[str, Callable[..., StackRow]] = {
    "conv": _convolution,
    "pool": _pool,
    "avgpool": _pool,
    "adaptive": _adaptive,
    "gap": _pool,
    "flatten": lambda spec, now: _row(spec, now, volume=Volume(now.volume.values, 1, 1)),
    "fc": _fully_connected,
    "bn": _normalisation,
    "add": _sum,
}
"""What counts a layer, given what comes to it; others, such as relu, change nothing."""


class Stack(Record):
    """A stack, counted: the size of its input, and a row for each layer, in order."""

    source: Volume
    rows: tuple[StackRow, ...]

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(row.layer.total for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds for one picture, of convolutions and fully connected layers."""
        return sum(row.layer.multiply_adds for row in self.rows)

    @property
    def memory(self) -> int:
        """Bytes of the input and of all layers' outputs, which training keeps."""
        return sum(row.memory for row in self.rows) + self.source.values * _FLOAT

    def as_dict(self) -> dict[str, Any]:
        """Return the stack as plain JSON values."""
        return {
            "input": fields_of(self.source, *_SIDES),
            "layers": [row.as_dict() for row in self.rows],
            "totals": {
                **fields_of(self, "parameters", "multiply_adds"),
                "memory_bytes": self.memory,
                "parameter_bytes": self.parameters * _FLOAT,
            },
            "clean": all(row.clean for row in self.rows),
        }


def stack(layers: str | Sequence[str], size: str | Sequence[int] | None = None) -> Stack:
    """Count a network layer by layer.

    Parameters
    ----------
    layers : str or sequence of str
        Layers (``"conv:64,k3,p1 relu pool:2"``, or one a string), the name of a network
        (``"vgg16"``), or the path of a ``.json`` file.
    size : str or (int, int, int), optional
        Rows, columns and channels of the input: ``"224x224x3"``, or ``(224, 224, 3)``.
        Networks with a name have a size of their own, and files may have one.

    Returns
    -------
    Stack

    Raises
    ------
    GeometryError
        If a layer cannot be read or does not fit its input, or there is no size.

    Examples
    --------
    >>> stack("conv:64,k3,p1 relu pool:2", (32, 32, 3)).parameters
    1792
    >>> stack("vgg16").parameters
    138357544
    """
    own, specs = layers_of([layers] if isinstance(layers, str) else layers)
    if size is not None:
        own = volume_from(size if isinstance(size, str) else "x".join(map(str, size)))
    if own is None:
        raise GeometryError("size: expected the input's size, got none: give it as 224x224x3")
    return stack_of(own, specs)


def stack_of(source: Volume, layers: Sequence[LayerSpec]) -> Stack:
    """Count each layer of a stack, in order: see `stack`."""
    if not layers:
        raise GeometryError("stack: expected at least one layer, got none: as conv:64,k3,p1")
    rows = [StackRow(spec=LayerSpec(text="input", layer_type="input"), volume=source)]
    blocks: list[tuple[int, int]] = []
    for number, spec in enumerate(layers, start=1):
        around = len(blocks)
        try:
            sources = _sources(spec.layer_type, number, blocks)
            count: Callable[..., StackRow] = _LAYERS.get(spec.layer_type, _row)
            row = count(spec, *(rows[each] for each in sources))
        except GeometryError as error:
            text = str(error).removeprefix(f"layer '{spec.text}': ")
            raise GeometryError(
                f"layer {number} '{spec.text}': {text} (what comes to it is {rows[-1].volume})"
            ) from None
        rows.append(replace(row, sources=sources, depth=min(around, len(blocks))))
    if blocks:
        raise GeometryError("stack: a 'residual' is not closed: put 'add' where it ends")
    return Stack(source, tuple(rows[1:]))


def _sources(word: str, number: int, blocks: list[tuple[int, int]]) -> tuple[int, ...]:
    """Return the numbers of the layers whose output a layer gets.

    `blocks` are the residual blocks that are open: where each begins, and its main way ends.
    """
    if word == "residual":
        blocks.append((number, 0))
    if word not in {"shortcut", "add"}:
        return (number - 1,)
    if not blocks:
        raise GeometryError(f"'{word}' without 'residual': put 'residual' where it begins")
    entry, main = blocks.pop()
    if word == "add":
        return (main, number - 1) if main else (number - 1, entry)
    if main:
        raise GeometryError("a second 'shortcut' in one block: close it with 'add'")
    blocks.append((entry, number - 1))
    return (entry,)
