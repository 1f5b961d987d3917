"""The report on a run: what was done, with which steps, and what came out."""

from collections.abc import Sequence
from typing import Any

from convcli.geometry.window import Window
from convcli.values import Record, plain_json, replace


class Swatch(Record):
    """A colour of a legend, (red, green, blue) from 0 to 255, and its meaning."""

    meaning: str
    color: tuple[int, int, int]


class Step(Record):
    """One kernel of a chain, or several whose answers are combined, as the report names it."""

    kernel: str
    weights: tuple[int, ...]  # the shape of its weights
    window: Window
    method: str
    strategy: str
    combined: str | None = None  # how several answers become one


class Report(Record, kw_only=True):
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
        Smallest and largest raw value; of values that become pixels, the finite ones. NaN
        where `Options.collect_stats` is off.
    clipped : float
        Share of the values that a pixel could not hold, 0 to 1; or NaN.
    alpha : bool
        Whether the result has transparency.
    alpha_policy : str or None
        How that was filtered: a value of `Alpha`.
    depth : str
        The depth of the result: a value of `Depth`.
    mode : str
        How the file kept its pixels, by Pillow's name.
    frames : int
        How many frames were filtered; the numbers are of all of them.
    legend : tuple of Swatch
        The meanings of the colours, where the result has colours of its own.
    mixed : str
        How the result is mixed with the original; empty where it is not.
    warnings : tuple of str
        What a person should know.
    seconds : float
        Time of the computation, without reading and writing.
    rim : bool or None
        Whether the zeros beyond the edge are seen in the result: a darker rim, or a frame. None
        where nobody looked: a picture that is filtered block by block.
    smaller : str
        How smaller copies of the result were made; empty where there are none.

    Examples
    --------
    >>> import convcli
    >>> report = convcli.apply("sobel-x", [[0, 0, 9, 9]]).report
    >>> report.low, report.high, report.steps[0].kernel
    (-18.0, 18.0, 'sobel-x')
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
    alpha_policy: str | None = None
    depth: str = "8"
    mode: str = ""
    frames: int = 1
    legend: tuple[Swatch, ...] = ()
    rim: bool | None = None
    mixed: str = ""
    smaller: str = ""

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Rows and columns of the picture that one output value sees."""
        from convcli.geometry.layers import ReceptiveField

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
            "rim_shows": self.rim,
            "range": self.range,
            "raw": plain_json({"min": self.low, "max": self.high}),
            "clipped_percent": plain_json(round(100 * self.clipped, 4)),
            "alpha": self.alpha,
            "alpha_way": self.alpha_policy,
            "depth": self.depth,
            "mode": self.mode,
            "frames": self.frames,
            "legend": [{"meaning": s.meaning, "rgb": list(s.color)} for s in self.legend],
            **({"mixed": self.mixed} if self.mixed else {}),
            **({"smaller": self.smaller} if self.smaller else {}),
            "warnings": list(self.warnings),
            "milliseconds": round(1000 * self.seconds, 3),
        }


def combined_report(reports: Sequence[Report], mode: str, notes: Sequence[str] = ()) -> Report:
    """Return the report on all frames of a picture; `notes` are more warnings."""
    warnings = [*notes, *(warning for report in reports for warning in report.warnings)]
    return replace(
        reports[0],
        low=min(report.low for report in reports),
        high=max(report.high for report in reports),
        clipped=sum(report.clipped for report in reports) / len(reports),
        rim=next((report.rim for report in reports if report.rim), reports[0].rim),
        alpha=any(report.alpha for report in reports),
        seconds=sum(report.seconds for report in reports),
        warnings=tuple(dict.fromkeys(warnings)),
        mode=mode,
        frames=len(reports),
    )


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
        "combined": step.combined,
    }
