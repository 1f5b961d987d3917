"""Stacks that stand in JSON files."""

import json
from collections.abc import Sequence
from pathlib import Path

from convcli.errors import GeometryError
from convcli.geometry import Volume
from convcli.lessons.stacks.spec import LayerSpec, layer_from, refuse, volume_from

_KEYS = ("in", "layers")
_LAYER_KEYS = ("layer", "filters", "units", "size", "k", "s", "p", "d", "g", "bias")


def read_stack(path: str | Path) -> tuple[Volume | None, list[LayerSpec]]:
    """Read a stack from a JSON file.

    Parameters
    ----------
    path : str or Path
        A list of layers, or ``{"in": "224x224x3", "layers": […]}``, where the size may be
        ``[224, 224, 3]`` too. A layer is text (``"conv:64,k3,p1"``) or an object
        (``{"layer": "conv", "filters": 64, "k": 3, "p": 1, "bias": false}``).

    Returns
    -------
    (Volume or None, list of LayerSpec)
        The input's size where the file gives it, and the layers.

    Raises
    ------
    GeometryError
        If the file cannot be read or holds no stack.
    """
    document = _read(path)
    given: dict[str, object] = document if isinstance(document, dict) else {"layers": document}
    _check_keys(f"{path}", given, _KEYS)
    layers = given.get("layers")
    if not isinstance(layers, list) or not layers:
        raise GeometryError(f'{path}: expected a list of layers: ["conv:64,k3,p1", "relu"]')
    volume = volume_from(_joined(given["in"])) if "in" in given else None
    return volume, [layer_from(_text(entry)) for entry in layers]


def _read(path: str | Path) -> object:
    try:
        document: object = json.loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise GeometryError(f"{path}: cannot be read: {reason}: check the path") from None
    except (ValueError, RecursionError) as error:
        raise GeometryError(f"{path}: expected JSON: {error}: mend it there") from None
    return document


def _check_keys(where: str, given: dict[str, object], known: Sequence[str]) -> None:
    unknown = [key for key in given if key not in known]
    if unknown:
        raise GeometryError(f"{where}: an unknown key '{unknown[0]}': use {', '.join(known)}")


def _text(entry: object) -> str:
    """Return a layer as a person writes it on the command line."""
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict) or not isinstance(entry.get("layer"), str):
        refuse(str(entry), "expected text or an object with 'layer'", 'as "conv:64,k3,p1"')
    _check_keys(f"layer '{entry['layer']}'", entry, _LAYER_KEYS)
    if not isinstance(entry.get("bias", True), bool):
        refuse(str(entry["layer"]), "expected a bias of true or false", "leave it out for true")
    parts = [_joined(entry[key]) for key in ("filters", "units", "size") if key in entry]
    parts += [f"{key}{_joined(entry[key])}" for key in "kspdg" if key in entry]
    parts += ["nobias"] * (entry.get("bias") is False)
    return f"{entry['layer']}:{','.join(parts)}" if parts else str(entry["layer"])


def _joined(value: object) -> str:
    return "x".join(str(part) for part in value) if isinstance(value, list) else str(value)
