"""What filtering did, and how it would be done: the report, plans, tilings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from convcli.cli.output import say
from convcli.cli.render.tables import BAD, GOOD, Row, show, show_table
from convcli.text import counted, percent, side_lengths, times

if TYPE_CHECKING:
    from convcli.engine.planner import Plan
    from convcli.pipeline.report import Report, Step
    from convcli.scale.tiled.blocks import Tiling

_PLAIN = ("", "L", "LA", "RGB", "RGBA")  # modes that are filtered as they are
_RIM = "black beyond the edge: --border replicate; always: CONVCLI_APPLY_BORDER=replicate"


def show_report(report: "Report", source: str, target: str, *, to_stderr: bool) -> None:
    """Print what filtering did."""
    frames = f", {report.frames} frames" if report.frames > 1 else ""
    mode = f", from {report.mode}" if report.mode not in _PLAIN else ""
    alpha = f" + alpha ({report.alpha_policy})" if report.alpha else ""
    depth = {"8": "", "16": ", 16 bits", "float": ", floats"}[report.depth]
    mapped = f"become pixels by range {report.range}" if report.range else "as they are"
    style = BAD if report.clipped else GOOD
    clipped = (Text(percent(report.clipped), style=style), "of the values")
    rows: list[Row] = [
        f"input | {_size(report.input_shape)}{frames}{mode}",
        *(row for step in report.steps for row in _step(step, report)),
        *([("mixed", "with original", report.mixed)] if report.mixed else []),
        f"output | {_size(report.output_shape)}{alpha}{depth}",
        *([("levels", "made anew", report.smaller)] if report.smaller else []),
        ("raw values", report.raw_values, mapped),
        ("clipped", *(clipped if report.range else ("none", "floats hold all values"))),
        ("time", f"{1000 * report.seconds:.1f} ms", "of computation alone"),
        *([("rim", "shows", _RIM)] if report.rim else []),
    ]
    title = f"{source} → {target}"
    show_table(title, "quantity | value | how", rows, to_stderr=to_stderr)
    if report.legend:
        named = [("#{:02x}{:02x}{:02x}".format(*s.color), s.meaning) for s in report.legend]
        texts = [Text.assemble(("██", c), f" {meaning} ({c})") for c, meaning in named]
        show(*texts, to_stderr=to_stderr)


def _size(shape: tuple[int, int, int]) -> str:
    return f"{shape[1]} × {shape[0]} px | {counted(shape[2], 'channel')}"


def _step(step: "Step", report: "Report") -> list[Row]:
    """Return the kernel of a step, and how its window slides and lies at the edge."""
    combined = f", {step.combined}" if step.combined else ""
    method = f"method {step.method} ({step.strategy})"
    slide = step.window
    (top, bottom), (left, right) = slide.padding
    sides = {top, bottom, left, right}
    padding = f"{top}" if len(sides) == 1 else f"{top}+{bottom} rows, {left}+{right} columns"
    dilation = f", dilation {side_lengths(slide.dilation)}" if slide.dilation != (1, 1) else ""
    edges = f"padding {padding}{dilation}, border {report.border}"
    return [
        ("kernel", step.kernel, f"{times(step.weights)}{combined}, {method}"),
        ("window", f"stride {side_lengths(slide.stride)}", edges),
    ]


def show_plans(plans: Sequence["Plan"], threads: int, mixed: str = "") -> None:
    """Print plans: what was considered, what was chosen and why, how the original comes in."""
    for plan in (each.on(threads) for each in plans):
        strategy, memory = plan.strategy, plan.memory_bytes(threads) / 2**20
        rows = [
            ("strategy", strategy.name, f"method {strategy.method.value}, {plan.why}"),
            ("tiles", plan.tile_count, f"{strategy.columns} × {strategy.rows} outputs"),
            ("computes in", strategy.working.name, ""),
            ("memory", f"{memory:.1f} MiB", f"on {counted(plan.threads(threads), 'thread')}"),
        ]
        title = f"Plan for {plan.problem.kernel.name}"
        show_table(title, "decision | value | how and why", rows)
        considered: list[Row] = []
        for each in plan.considered:
            name = Text(each.strategy, style=GOOD if each.strategy == strategy.name else "")
            cost = f"{each.ns_per_value:.2f}" if each.ns_per_value else "-"
            considered.append((name, each.method, cost, each.refusal or ""))
        heads = "considered | method | >ns a value | cannot serve because of"
        show_table("Estimates for one thread", heads, considered)
    if mixed:
        say(f"Then mixed with the original: {mixed}")


def show_tiling(tiling: "Tiling", title: str) -> None:
    """Print how a picture would be filtered block by block."""
    blocks, memory = tiling.blocks, tiling.memory_bytes / 2**20
    at_once = counted(min(tiling.jobs, blocks.count), "block")
    passes = "one pass" if tiling.passes == 1 else f"{tiling.passes} passes"
    rows = [
        ("blocks", blocks.count, f"{_pixels(blocks.shape[-2:])} each, in {passes}"),
        ("halo", _pixels(blocks.halo), "more of the input for each block, at most"),
        ("tiles read", _pixels(tiling.work.source.chunk), "in the input's file"),
        ("tiles written", _pixels(tiling.output.chunk[-2:]), "in the output's file"),
        ("memory", f"{memory:,.0f} MiB", f"for {at_once} at once"),
    ]
    show_table(title, "decision | value | how", rows)
    show_plans(tiling.work.pipeline.plans, 1)


def _pixels(shape: Sequence[int]) -> str:
    return f"{shape[1]:,} × {shape[0]:,} px"
