"""One layer at a time: what comes out of it, and what it costs."""

from collections.abc import Callable
from dataclasses import replace

from convcli.geometry import (
    Axis,
    Layer,
    Volume,
    Window,
    convolution_layer,
    fully_connected_layer,
    window,
)
from convcli.lessons.stacks.rows import Reached, StackRow
from convcli.lessons.stacks.spec import LayerSpec


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
