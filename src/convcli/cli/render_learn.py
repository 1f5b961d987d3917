"""A learnt kernel, and the curve of its loss."""

import math
from collections.abc import Sequence

from convcli.cli.render import show, show_facts
from convcli.cli.render_kernels import cell_grid
from convcli.lessons.learning import Learnt
from convcli.wording import short

_NOISE = 1e-9
_WIDE, _HIGH = 60, 8
"""Characters of the curve."""


def show_learnt(learnt: Learnt, title: str, output: str | None) -> None:
    """Print the kernel, how good it is, what it is nearest to, and the loss."""
    kernel = learnt.kernel
    shape = "×".join(str(length) for length in kernel.weights.shape)
    facts = [
        ("kernel", f"{shape}, sum {short(round(kernel.sum, 6))}"),
        ("bias", ", ".join(short(round(value, 6) + 0.0) for value in kernel.bias)),
        ("residual", f"{_size(learnt.residual)} (root mean square)"),
        ("unexplained", f"{_size(100 * learnt.unexplained)} % of the target's variance"),
        ("condition", f"{learnt.condition:.3g}"),
    ]
    facts += [
        ("nearest", f"{name} (no weight is further off than {_size(gap)})")
        for name, gap in learnt.nearest
    ]
    if learnt.error:
        facts.append(("rounding", f"leaves the weights uncertain by ±{learnt.error:.2g}"))
    if output is not None:
        facts.append(("written", output))
    show_facts(title, facts)
    if not kernel.is_bank:
        show("", cell_grid(kernel.with_weights(kernel.weights.round(6) + 0.0)))
    if learnt.history:
        show("", *curve(learnt.history))


def _size(value: float) -> str:
    """Return a size with 3 digits that matter; what is nothing but float noise is 0."""
    return f"{value:.3g}" if value >= _NOISE else "0"


def curve(history: Sequence[tuple[int, float]]) -> list[str]:
    """Draw a loss over its steps, each ten times smaller loss equally far down.

    Examples
    --------
    >>> for line in curve([(0, 1e7), (1, 1e4), (2, 1.0)]):
    ...     print(line.rstrip())
       1e+07 │•
             │
             │
             │ •
             │
             │
             │
           1 │  •
             └───
              loss over 3 steps
    """
    points = [history[round(i)] for i in _spread(len(history))]
    logs = [math.log10(max(loss, 1e-30)) for _, loss in points]
    high, low = max(logs), min(logs)
    rows = [round((high - value) / ((high - low) or 1.0) * (_HIGH - 1)) for value in logs]
    lines = ["".join("•" if row == line else " " for row in rows) for line in range(_HIGH)]
    names = {0: f"{10**high:.3g}", _HIGH - 1: f"{10**low:.3g}"}
    drawn = [f"{names.get(n, ''):>8} │{line}" for n, line in enumerate(lines)]
    return [
        *drawn,
        f"{'':>8} └{'─' * len(points)}",
        f"{'':>9} loss over {history[-1][0] + 1} steps",
    ]


def _spread(count: int) -> list[float]:
    wanted = min(count, _WIDE)
    return [i * (count - 1) / max(wanted - 1, 1) for i in range(wanted)]
