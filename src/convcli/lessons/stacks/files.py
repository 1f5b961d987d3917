"""Stacks that stand in JSON files."""

import json
from pathlib import Path

from convcli.errors import GeometryError
from convcli.geometry import Volume
from convcli.lessons.stacks.spec import LayerSpec, layer_from, refuse, volume_from

_KEYS = ("layer", "filters", "units", "size", "k", "s", "p", "d", "g", "bias")


def read_stack(path: str | Path) -> tuple[Volume | None, list[LayerSpec]]:
    """Read a stack from a JSON file.

    Parameters
    ----------
    path : str or Path
        A list of layers, or ``{"in": "224x224x3", "layers": […]}``. A layer is text
        (``"conv:64,k3,p1"``) or an object (``{"layer": "conv", "filters": 64, "k": 3,
        "p": 1, "bias": false}``).

    Returns
    -------
    (Volume or None, list of LayerSpec)
        The input's size where the file gives it, and the layers.

    Raises
    ------
    GeometryError
        If the file cannot be read or holds no stack.
    """
    try:
        document = json.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        raise GeometryError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise GeometryError(f"{path}: expected JSON: {error}: mend it there") from None
    volume = None
    if isinstance(document, dict):
        if isinstance(document.get("in"), str):
            volume = volume_from(document["in"])
        document = document.get("layers")
    if not isinstance(document, list) or not document:
        raise GeometryError(f'{path}: expected a list of layers: ["conv:64,k3,p1", "relu"]')
    return volume, [layer_from(_text(entry)) for entry in document]


def _text(entry: object) -> str:
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict) or not isinstance(entry.get("layer"), str):
        refuse(str(entry), "expected text or an object with 'layer'", 'as "conv:64,k3,p1"')
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        refuse(str(entry), f"an unknown key '{unknown[0]}'", f"use {', '.join(_KEYS)}")
    parts = [_joined(entry[key]) for key in ("filters", "units", "size") if key in entry]
    parts += [f"{key}{_joined(entry[key])}" for key in "kspdg" if key in entry]
    parts += ["nobias"] * (entry.get("bias") is False)
    return f"{entry['layer']}:{','.join(parts)}" if parts else str(entry["layer"])


def _joined(value: object) -> str:
    return "x".join(str(part) for part in value) if isinstance(value, list) else str(value)
