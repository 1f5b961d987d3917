"""How the numbers of a layer come about, for `convcli params`."""

from typing import Any

from convcli.geometry.layers import (
    Layer,
    Volume,
    fully_connected_layer,
    locally_connected_layer,
)
from convcli.geometry.window import Pair
from convcli.values import Record


class Row(Record):
    """A layer and how its numbers come about."""

    name: str
    arithmetic: str
    layer: Layer


def counted_as(filters: int, channels: int, groups: int, size: Pair) -> str:
    """Return the product that counts the weights of a convolution."""
    depth = f"{channels:,}/{groups}" if groups > 1 else f"{channels:,}"
    return f"{filters:,} · {depth} · {size[0]} · {size[1]}"


def alternatives(
    volume: Volume, output: Volume, size: Pair, *, groups: int, bias: bool, hidden: int
) -> list[Row]:
    """Return the layers that would do the same without sharing weights."""
    depth = volume.channels // groups
    return [
        Row(
            "locally connected",
            f"{output.values:,} · {depth} · {size[0]} · {size[1]}",
            locally_connected_layer(volume.channels, output, size, groups=groups, bias=bias),
        ),
        Row(
            "fully connected, same output",
            f"{volume.values:,} · {output.values:,}",
            fully_connected_layer(volume.values, output.values, bias=bias),
        ),
        Row(
            f"fully connected, {hidden:,} units",
            f"{volume.values:,} · {hidden:,}",
            fully_connected_layer(volume.values, hidden, bias=bias),
        ),
    ]


def document(rows: list[Row], output: Volume | None) -> dict[str, Any]:
    """Return the counts as plain JSON values."""
    convolution = rows[0].layer
    found: dict[str, Any] = {**_counts(convolution), "arithmetic": rows[0].arithmetic}
    if output is not None:
        found["output"] = {
            "channels": output.channels,
            "height": output.height,
            "width": output.width,
        }
        found["multiply_adds"] = convolution.multiply_adds
        found["compared"] = [
            {
                "layer": row.name,
                **_counts(row.layer),
                "multiply_adds": row.layer.multiply_adds,
                "ratio": row.layer.total / convolution.total,
            }
            for row in rows[1:]
        ]
    return found


def _counts(layer: Layer) -> dict[str, int]:
    return {"weights": layer.weights, "biases": layer.biases, "total": layer.total}


def show(rows: list[Row], output: Volume | None) -> None:
    """Print the counts, and what it would take without shared weights."""
    from convcli.cli.render.tables import show_facts, show_table

    layer = rows[0].layer
    facts = [
        ("weights", f"{rows[0].arithmetic} = {layer.weights:,}"),
        ("biases", f"{layer.biases:,}" + (" (one per filter)" if layer.biases else "")),
        ("total", f"{layer.weights:,} + {layer.biases:,} = {layer.total:,}"),
    ]
    if output:
        positions = f"{output.width:,} × {output.height:,}"
        facts += [
            ("output", f"{positions} × {output.channels:,} = {output.values:,} values"),
            ("multiply-adds", f"{positions} · {layer.weights:,} = {layer.multiply_adds:,}"),
        ]
    show_facts("Parameters of the convolution", facts)
    if output:
        show_table(
            "What it would take without shared weights",
            ("layer", "weights", "biases", "total", "ratio"),
            [
                (
                    row.name,
                    f"{row.layer.weights:,}",
                    f"{row.layer.biases:,}",
                    f"{row.layer.total:,}",
                    f"{row.layer.total / layer.total:,.1f} ×",
                )
                for row in rows
            ],
            numbers=(1, 2, 3, 4),
        )
