"""What is known of one layer of a stack."""

from dataclasses import dataclass
from typing import Any

from convcli.geometry import Layer, ReceptiveField, Unseen, Volume
from convcli.lessons.stacks.spec import LayerSpec

FLOAT = 4
"""Bytes of a float32."""

_NOTHING = Layer(0, 0)
_SEEN = (Unseen(0, 0), Unseen(0, 0))


@dataclass(frozen=True, slots=True)
class Reached:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRow:
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
