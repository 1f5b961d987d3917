"""Options of the engine, and the plan that `--plan` prints."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.documents import show_json
from convcli.cli.options import option
from convcli.cli.types import whole
from convcli.threads import available_cores
from convcli.wording import counted

if TYPE_CHECKING:
    from convcli.engine import Plan

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
    from convcli.cli.render import show_facts, show_table  # noqa: PLC0415 - rich

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
