"""A learnt kernel, and the curve of its loss."""

import math
from collections.abc import Iterator, Sequence

from rich.text import Text

from convcli.cli.output import say
from convcli.cli.render.kernels import cell_grid
from convcli.cli.render.tables import GOOD, ODD, Row, show, show_table, width_of_output
from convcli.lessons.learning.learn import Learnt
from convcli.lessons.learning.step import LearningStep
from convcli.text import short, times

_NONE_NEAR = ("none", "no catalogue kernel is near")
_NOISE = 1e-9
_TINY_SHARE = 1e-5  # part of the largest weight that is shown as 0
_WIDE, _HIGH = 60, 8  # characters of the curve, where there is room
_NAMES = 8  # characters of the losses beside it


def show_learnt(learnt: Learnt, title: str, written: Sequence[str]) -> None:
    """Print the kernel, its error, the nearest kernel of the catalogue, and the loss."""
    rows = [*_fit(learnt), *(("written", path) for path in written)]
    show_table(title, "quantity | value | meaning", rows)
    if not learnt.kernel.is_bank:
        weights = learnt.kernel.weights
        kept = abs(weights) > _TINY_SHARE * abs(weights).max()
        show(cell_grid(learnt.kernel.with_weights((weights * kept).round(6) + 0.0))[0])
    if learnt.history:
        show("", *curve(learnt.history, width_of_output()))


def show_one_step(step: LearningStep) -> None:
    """Print a step of gradient descent: each grid below what it is computed from."""
    of_kernel = "x ⋆ e: how the loss grows with each weight; e is the kernel here"
    of_image = "e, padded, ⋆ flipped w: what a layer before would learn from"
    grids = {
        "input x": step.image,
        f"kernel w, bias {short(step.bias)}": step.kernel,
        "output y = x ⋆ w + b  (⋆: w slides over x)": step.output,
        "target t": step.target,
        f"error e = y - t;  loss ½ Σ e² = {step.loss:.4g}": step.error,
        f"gradient of w = {of_kernel}": step.kernel_gradient,
        f"gradient of x = {of_image}": step.image_gradient,
        f"new w = w - {short(step.rate)} · its gradient": step.new_kernel,
    }
    for title, grid in grids.items():
        say(title, *(" ".join(f"{v:8.4f}" for v in line) for line in grid), "")
    say(
        f"gradient of b = Σ e = {step.bias_gradient:.4g};  new b {step.new_bias:.4g}",
        f"loss {step.loss:.4g} → {step.new_loss:.4g}",
    )
    if step.new_loss > step.loss:
        say("The loss has grown: the rate is too large.")


def _fit(learnt: Learnt) -> Iterator[Row]:
    """Say how well the kernel turns one picture into the other, and what is uncertain."""
    unexplained = f"{_size(100 * learnt.unexplained)} %"
    style = GOOD if unexplained == "0 %" else ODD
    yield "kernel", times(learnt.kernel.weights.shape), f"sum {_rounded(learnt.kernel.sum)}"
    yield "bias", ", ".join(map(_rounded, learnt.kernel.bias)), ""
    yield "residual", _size(learnt.residual), "root mean square"
    yield "unexplained", Text(unexplained, style=style), "of the target's variance"
    yield "condition", f"{learnt.condition:.3g}", "how much noise may grow: 1 is best"
    for each in learnt.nearest:
        off = f"no weight is further off than {_size(each.difference)}"
        yield ("nearest", *((each.kernel, off) if each.near else _NONE_NEAR))
    if learnt.rounding_error:
        yield "rounding", f"±{learnt.rounding_error:.2g}", "of uncertainty in the weights"
    left_out = f"{100 * learnt.left_out:.1f}"
    if left_out != "0.0":
        where = "of the target: at a limit, perhaps cut off"
        yield "left out", Text(f"{left_out} %", style=ODD), where


def _rounded(value: float) -> str:
    """Return a number without float noise, and without the sign of a zero."""
    return short(round(value, 6) + 0.0)


def _size(value: float) -> str:
    """Return a size with 3 significant digits; float noise becomes 0."""
    return f"{value:.3g}" if value >= _NOISE else "0"


def curve(history: Sequence[tuple[int, float]], room: int) -> list[str]:
    """Draw a loss over its steps, on a logarithmic scale."""
    wide = max(min(room - _NAMES - len(" │"), _WIDE), 2)
    steps, last = min(len(history), wide), len(history) - 1
    points = [history[round(i * last / max(steps - 1, 1))] for i in range(steps)]
    logs = [math.log10(max(loss, 1e-30)) for _, loss in points]
    high, low = max(logs), min(logs)
    rows = [round((high - value) / ((high - low) or 1.0) * (_HIGH - 1)) for value in logs]
    lines = ["".join("•" if row == line else " " for row in rows) for line in range(_HIGH)]
    names = {0: f"{10**high:.3g}", _HIGH - 1: f"{10**low:.3g}"}
    drawn = [f"{names.get(n, ''):>{_NAMES}} │{line}" for n, line in enumerate(lines)]
    return [
        *drawn,
        f"{'':>{_NAMES}} └{'─' * len(points)}",
        f"{'':>{_NAMES}}  loss over {history[-1][0] + 1} steps",
    ]
