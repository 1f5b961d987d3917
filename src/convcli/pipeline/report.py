"""The report on a run: what was done, with which steps, and what came out."""

import math
from collections.abc import Sequence
from typing import Any

from convcli.geometry.window import Window
from convcli.text import short
from convcli.values import Record, fields_of, plain_json, replace


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
        where there is none, or `Options.collect_stats` is off.
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
        from convcli.geometry.layers import seen_through

        windows = [step.window for step in self.steps]
        rows, columns = (seen_through(each.axes[i] for each in windows) for i in (0, 1))
        return (rows.size, columns.size)

    @property
    def raw_values(self) -> str:
        """The smallest and the largest raw value, for a person."""
        if math.isnan(self.low):
            return "none finite"
        return f"{short(self.low)} to {short(self.high)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values; sizes are width, height, channels."""
        height, width = self.receptive_field
        further = fields_of(self, "mixed", "smaller").items()
        document = {
            "input": _size(self.input_shape),
            "output": _size(self.output_shape),
            "steps": [
                {
                    "kernel": step.kernel,
                    "weights_shape": step.weights,
                    **fields_of(step.window, "stride", "padding", "dilation"),
                    **fields_of(step, "method", "strategy", "combined"),
                }
                for step in self.steps
            ],
            "receptive_field": {"height": height, "width": width},
            "border": self.border,
            "rim_shows": self.rim,
            "range": self.range,
            "raw": {"min": self.low, "max": self.high},
            "clipped_percent": round(100 * self.clipped, 4),
            "alpha": self.alpha,
            "alpha_way": self.alpha_policy,
            **fields_of(self, "depth", "mode", "frames"),
            "legend": [{"meaning": each.meaning, "rgb": each.color} for each in self.legend],
            **{name: text for name, text in further if text},
            "warnings": self.warnings,
            "milliseconds": round(1000 * self.seconds, 3),
        }
        return dict(plain_json(document))


def combined_report(reports: Sequence[Report], mode: str, notes: Sequence[str] = ()) -> Report:
    """Return the report on all frames of a picture; `notes` are more warnings."""
    warnings = [*notes, *(warning for report in reports for warning in report.warnings)]
    return replace(
        reports[0],
        low=min((each.low for each in reports if each.low <= each.high), default=math.nan),
        high=max((each.high for each in reports if each.low <= each.high), default=math.nan),
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
