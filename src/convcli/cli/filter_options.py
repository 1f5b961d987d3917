"""Options of filtering, and of the engine."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.kernel_types import OperandType, layout_option
from convcli.cli.options import (
    bias_option,
    combine_option,
    flip_option,
    gray_option,
    group,
    option,
    range_option,
)
from convcli.cli.output import show_json
from convcli.cli.types import whole
from convcli.text import counted
from convcli.threads import available_cores

if TYPE_CHECKING:
    from convcli.engine.planner import Plan
    from convcli.pipeline.options import Options


_METHODS = ("auto", "direct", "separable", "gemm", "fft")


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--method``, ``--jobs`` and ``--plan``."""
    for decorate in (
        option(
            "--plan",
            "plan_only",
            is_flag=True,
            section="Engine",
            help="Say how it would be computed, and why; compute and write nothing.",
        ),
        option(
            "--jobs",
            type=whole(1),
            section="Engine",
            help="Cores to use, by threads or, for many pictures, processes; all that may be "
            "used where it is left out.",
        ),
        option(
            "--method",
            type=click.Choice(_METHODS),
            default="auto",
            show_default=True,
            section="Engine",
            help="Kind of strategy; fails where it cannot serve.",
        ),
    ):
        command = decorate(command)
    return command


def show_plans(plans: "Sequence[Plan]", jobs: int | None, *, as_json: bool) -> None:
    """Print plans: what was considered, what was chosen and why."""
    threads = jobs or available_cores()
    if as_json:
        show_json([plan.as_dict(threads) for plan in plans])
        return
    from convcli.cli.render.tables import show_facts, show_table

    for plan in (one.on(threads) for one in plans):
        strategy, memory = plan.strategy, plan.memory_bytes(threads) / 2**20
        facts = [
            ("strategy", f"{strategy.name}, method {strategy.method.value}"),
            ("why", plan.why),
            (
                "tile",
                f"{strategy.columns} × {strategy.rows} outputs, {plan.tile_count:,} tiles",
            ),
            ("computes in", plan.working.name),
            ("memory", f"{memory:.1f} MiB on {counted(plan.threads(threads), 'thread')}"),
        ]
        show_facts(f"Plan for {plan.problem.kernel.name}", facts)
        rows = [
            (
                c.name,
                c.method.value,
                f"{c.nanoseconds:.2f}" if c.nanoseconds else "-",
                c.refusal,
            )
            for c in plan.considered
        ]
        headings = ("considered", "method", "ns a value", "cannot serve because of")
        show_table("Estimates for one thread", headings, rows, numbers=(2,))


_COLORMAPS = ("gray", "viridis", "magma", "diverging")

filter_options = group(
    option(
        "--then",
        "chain",
        type=OperandType(),
        multiple=True,
        metavar="KERNEL",
        section="Kernel",
        help="Filter the result again, unrounded; may be repeated. Window options hold for "
        "each.",
    ),
    combine_option,
    bias_option,
    flip_option,
    layout_option,
    option(
        "--map",
        type=whole(0),
        default=None,
        metavar="N",
        section="Output maps",
        help="Write this one of a filter bank's maps, counted from 0.",
    ),
    option(
        "--sheet",
        is_flag=True,
        section="Output maps",
        help="Write all maps as one sheet of labelled tiles.",
    ),
    option(
        "--relu",
        is_flag=True,
        section="Output maps",
        help="Make negative values 0 before they are written.",
    ),
    option(
        "--colormap",
        type=click.Choice(_COLORMAPS),
        default=None,
        section="Output maps",
        help="Colour each map as heat. --range auto then stretches; with diverging it keeps "
        "0 in the middle.",
    ),
    option(
        "--direction",
        is_flag=True,
        section="Pixels",
        help="Colour the gradient's direction by hue, its strength by brightness (grey first).",
    ),
    gray_option,
    range_option,
)
"""What is done to pictures: see `options_from`."""


def options_from(settings: dict[str, Any]) -> "Options":
    """Return how to filter, from what is left of a command's settings."""
    from convcli.choices import Alpha, Colormap, Combine, Depth, Method, Range
    from convcli.pipeline.options import Options

    kinds = {
        "range": Range,
        "depth": Depth,
        "alpha": Alpha,
        "method": Method,
        "combine": Combine,
        "colormap": Colormap,
    }
    named = {name: kind(settings[name]) for name, kind in kinds.items() if settings.get(name)}
    return Options(**{**settings, **named})
