"""A stack of layers, counted row by row."""

from collections.abc import Sequence
from typing import Any

from convcli.errors import GeometryError, fail
from convcli.geometry.layers import Layer, ReceptiveField, Volume, convolution_layer
from convcli.geometry.window import Axis, Pair, Unseen, Window, window
from convcli.lessons.stacks.spec import SLIDING, LayerSpec, layers_of, volume_from
from convcli.text import brief
from convcli.values import Record, fields_of, replace

_SIDES = ("height", "width", "channels")
_FLOAT = 4  # bytes of a float32


class StackRow(Record, kw_only=True):
    """One layer, counted: the size of its output, its receptive fields down and across."""

    spec: LayerSpec
    volume: Volume
    fields: tuple[ReceptiveField, ...] = (ReceptiveField(), ReceptiveField())
    all_seen: bool = False  # as it is after a fully connected layer
    sources: tuple[int, ...] = ()  # numbers of the layers that come to it; 0 is the input
    depth: int = 0  # residual blocks around it
    layer: Layer = Layer(0, 0)
    arithmetic: str = ""  # how parameters are counted: (3·3·3+1)·64
    unseen: tuple[Unseen, ...] = ()  # what no window sees, down and across
    exact: tuple[str, ...] = ()  # the output size before truncation

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


def _row(spec: LayerSpec, now: StackRow) -> StackRow:
    """Count a layer, given what comes to it; some layers, such as relu, change nothing."""
    size, shape = now.volume, (now.volume.height, now.volume.width)
    slide = spec.window if spec.layer_type in SLIDING else None
    slide = window(shape) if spec.layer_type == "gap" else slide
    volume = _volume(spec, size, slide)
    layer, arithmetic = _parameters(spec, size, volume)
    axes = _adaptive_axes(spec, shape) if slide is None else slide.axes
    fields = (field.through(axis) for field, axis in zip(now.fields, axes, strict=False))
    tiled = () if slide is None else tuple(zip(axes, shape, strict=True))
    return StackRow(
        spec=spec,
        volume=volume,
        fields=tuple(fields) or now.fields,
        all_seen=now.all_seen or spec.layer_type == "fc",
        layer=layer,
        arithmetic=arithmetic,
        unseen=tuple(axis.unseen(length) for axis, length in tiled),
        exact=tuple(str(axis.exact_output_size(length)) for axis, length in tiled),
    )


def _volume(spec: LayerSpec, size: Volume, slide: Window | None) -> Volume:
    if slide is not None:
        channels = spec.units if spec.layer_type == "conv" else size.channels
        return Volume(channels, *slide.output_shape((size.height, size.width)))
    if spec.layer_type == "adaptive":
        return Volume(size.channels, *spec.kernel)
    units = {"flatten": size.values, "fc": spec.units}.get(spec.layer_type)
    return size if units is None else Volume(units, 1, 1)


def _parameters(spec: LayerSpec, size: Volume, output: Volume) -> tuple[Layer, str]:
    """Count the weights, biases and multiply-adds of a layer, and say how."""
    if spec.layer_type == "bn":  # one weight and one bias for each map, as torch counts
        return Layer(size.channels, size.channels), f"2·{size.channels}"
    if spec.layer_type not in {"conv", "fc"}:
        return Layer(0, 0), ""
    # A fully connected layer is a 1×1 convolution of all values at one place.
    is_conv = spec.layer_type == "conv"
    inputs = size.channels if is_conv else size.values
    settings: dict[str, Any] = fields_of(spec, "kernel", "groups", "bias")
    shape = (output.height, output.width)
    layer = convolution_layer(inputs, spec.units, output=shape, **settings)
    window = spec.kernel if is_conv else ()
    products = "·".join(map(str, (*window, inputs // spec.groups)))
    return layer, f"({products}+1)·{spec.units}" if spec.bias else f"{products}·{spec.units}"


def _adaptive_axes(spec: LayerSpec, shape: Pair) -> list[Axis]:
    """Return axes for the windows of an adaptive pool, of which the widest counts."""
    axes = []
    for axis, size in enumerate(shape if spec.layer_type == "adaptive" else ()):
        count = spec.kernel[axis]
        ends = (spec.seen(axis, size, place) for place in range(count))
        widest = max(last + 1 - first for first, last in ends)
        axes.append(Axis(widest, max(size // count, 1)))
    return axes


def _joined(main: StackRow, *shortcuts: StackRow) -> StackRow:
    """Return what comes to a layer: of a sum of two ways, the one that sees more."""
    for shortcut in shortcuts:
        if main.volume != shortcut.volume:
            fault = f"expected the shortcut to have the size of the main way, {main.volume}"
            layer = f"'shortcut conv:{main.volume.channels},k1'"
            remedy = f"put {layer} with the stride of the main way before 'add'"
            fail("", f"{fault}, got {shortcut.volume}", remedy, GeometryError)
    return max((main, *shortcuts), key=lambda row: row.fields[0].size)


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
    words = [layers] if isinstance(layers, str) else layers
    if not (isinstance(words, list | tuple) and all(isinstance(each, str) for each in words)):
        fault = f"expected text, or a list of texts, got {brief(layers)}"
        fail("layers", fault, "write them as 'conv:64,k3,p1 relu'", GeometryError)
    own, specs = layers_of(words)
    if size is not None:
        sides = size if hasattr(size, "__len__") and not isinstance(size, str) else [size]
        own = volume_from("x".join(map(str, sides)))
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
            row = _row(spec, _joined(*(rows[each] for each in sources)))
        except GeometryError as error:
            text = str(error).removeprefix(f"layer '{spec.text}': ")
            fault = f"{text} (what comes to it is {rows[-1].volume})"
            raise GeometryError(f"layer {number} '{spec.text}': {fault}") from None
        rows.append(replace(row, sources=sources, depth=min(around, len(blocks))))
    if blocks:
        raise GeometryError("stack: a 'residual' is not closed: put 'add' where it ends")
    return Stack(source, tuple(rows[1:]))


def _sources(word: str, number: int, blocks: list[tuple[int, int]]) -> tuple[int, ...]:
    """Return the layers that come to a layer; `blocks` are open: their first and last layer."""
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
