"""What filtering says it did."""

from dataclasses import dataclass
from typing import Any

from convcli.geometry import ReceptiveField, Window


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel of a chain.

    Attributes
    ----------
    kernel : str
        Its name.
    weights : tuple of int
        Shape of its weights.
    window : Window
        How it slid.
    method, strategy : str
        Kind and name of the engine's strategy.
    """

    kernel: str
    weights: tuple[int, ...]
    window: Window
    method: str
    strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was done to one picture.

    Attributes
    ----------
    input_shape, output_shape : (int, int, int)
        Rows, columns, channels (alpha not counted).
    steps : tuple of Step
        The kernels, in order.
    border : str
        The border mode.
    range : str or None
        How values became pixels; None for raw floats.
    low, high : float
        Smallest and largest raw value.
    clipped : float
        Part of the values that a pixel could not hold, 0 to 1.
    alpha : bool
        Whether transparency was carried over.
    warnings : tuple of str
        What a person should know.
    seconds : float
        Time of the computation, without reading and writing.
    """

    input_shape: tuple[int, int, int]
    output_shape: tuple[int, int, int]
    steps: tuple[Step, ...]
    border: str
    range: str | None
    low: float
    high: float
    clipped: float
    alpha: bool
    warnings: tuple[str, ...]
    seconds: float

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Rows and columns of the picture that one output value sees."""
        rows = columns = ReceptiveField()
        for step in self.steps:
            rows, columns = rows.through(step.window.rows), columns.through(step.window.columns)
        return (rows.size, columns.size)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values; sizes are width, height, channels."""
        return {
            "input": _size(self.input_shape),
            "output": _size(self.output_shape),
            "steps": [_step(step) for step in self.steps],
            "receptive_field": dict(
                zip(("height", "width"), self.receptive_field, strict=True)
            ),
            "border": self.border,
            "range": self.range,
            "raw": {"min": self.low, "max": self.high},
            "clipped_percent": round(100 * self.clipped, 4),
            "alpha": self.alpha,
            "warnings": list(self.warnings),
            "milliseconds": round(1000 * self.seconds, 3),
        }


def _size(shape: tuple[int, int, int]) -> dict[str, int]:
    return {"width": shape[1], "height": shape[0], "channels": shape[2]}


def _step(step: Step) -> dict[str, Any]:
    return {
        "kernel": step.kernel,
        "weights_shape": list(step.weights),
        "stride": list(step.window.stride),
        "padding": [list(side) for side in step.window.padding],
        "dilation": list(step.window.dilation),
        "method": step.method,
        "strategy": step.strategy,
    }
