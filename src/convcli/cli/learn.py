"""`convcli learn`: the kernel that turns one picture into another."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from convcli.choices import LearningMethod, Sharing
from convcli.cli.command import subcommand, typed
from convcli.cli.options import frame_options, json_option, own_options
from convcli.cli.output import refuse_terminals, show_json, warn
from convcli.cli.types import FINITE, KERNEL, POINT, whole
from convcli.geometry.window import Pair

if TYPE_CHECKING:
    from convcli.images.policy import ReadPolicy
    from convcli.kernels.kernel import Kernel


@subcommand("learn", short_help="Find the kernel that turns one picture into another.")
@click.argument("source", metavar="INPUT", type=click.Path(allow_dash=True))
@click.argument("target", metavar="TARGET", type=click.Path())
@own_options(
    """
Kernel
--kernel-size =3    Rows and columns of the kernel.
--gray              Make both pictures grey first.
--per-channel       A kernel of its own for each colour channel, not one for all.
--mix               A filter bank: each output channel looks at all input channels.

Output
--output -o FILE    Write the kernel as JSON, for apply.
--quiet             Print no report (warnings and errors stay).

Method
--method =lstsq     Solve the normal equations, or learn by gradient descent.
--steps =4000       Steps of the descent.
--seed =0           Seed of the crops that the descent looks at.

Output
--history FILE      Write the loss of the descent as JSON.

One step
--show-step         Show one step of gradient descent in numbers, on a small grey crop of 0 to
                    1.
--start             Kernel before the step; box unless given.
--rate =0.01        Learning rate.
--at                The middle of the crop; the picture's middle.
--cells =5          Rows of the crop.
""",
    method=click.Choice([method.value for method in LearningMethod]),
    steps=whole(1, 1_000_000),
    seed=whole(0),
    start=KERNEL,
    rate=FINITE,
    at=POINT,
    cells=whole(1, 16),
)
@frame_options
@json_option
def command(
    *,
    source: str,
    target: str,
    kernel_size: Pair,
    gray: bool,
    per_channel: bool,
    mix: bool,
    output: str | None,
    method: str,
    steps: int,
    seed: int,
    history: str | None,
    show_step: bool,
    start: "Kernel | None",
    rate: float,
    at: Pair | None,
    cells: int,
    quiet: bool,
    as_json: bool,
    reading: "ReadPolicy",
) -> None:
    """Find the kernel and the bias that turn INPUT into TARGET.

    TARGET is a picture, or a .npy of raw values (apply writes one), of INPUT's size.

    For example:
      convcli apply sobel-x photo.jpg edges.npy
      convcli learn photo.jpg edges.npy --k 3 -o kernel.json
      convcli apply kernel.json photo.jpg same-edges.png
      convcli learn photo.jpg edges.npy --show-step --start box:3
      convcli learn photo.jpg edges.npy --k 3 --method sgd --history loss.json
    """
    from convcli.lessons.learning import Schedule, task_for
    from convcli.lessons.learning.learn import kernel_document, learn_task
    from convcli.lessons.pictures import write_json
    from convcli.pipeline.files import read_first_frame

    if per_channel + mix + gray > 1:
        raise click.UsageError("--gray, --per-channel and --mix exclude each other: give one")
    _check_use(method, history, show_step=show_step)
    _refuse_inputs((source, target), output, history)
    refuse_terminals(source, None)
    sharing = Sharing.MIX if mix else Sharing.CHANNEL if per_channel else Sharing.SHARED
    before, after = (read_first_frame(path, reading) for path in (source, target))
    if show_step:
        from convcli.lessons.learning.step import step_on_crop

        kernel = start or kernel_size
        step = step_on_crop(before, after, kernel, rate=rate, at=at, cells=cells)
        if as_json:
            show_json({"source": source, "target": target, "step": step})
        else:
            from convcli.cli.render.learn import show_one_step

            show_one_step(step)
        return
    if gray:
        before, after = before.gray(), after.gray()
    task = task_for(before.pixels, after.pixels, kernel_size, sharing)
    with _progress(steps * len(task.groups) if method == "sgd" else 0) as tick:
        learnt = learn_task(
            task, LearningMethod(method), Schedule(steps=steps, seed=seed, tick=tick)
        )
    if output is not None:
        write_json(kernel_document(learnt.kernel), output)
    points = [{"step": step, "loss": loss} for step, loss in learnt.history]
    if history is not None:
        write_json({"method": method, "seed": seed, "history": points}, history)
    warn(learnt.warnings)
    if as_json:
        document = {"source": source, "target": target, "method": method, "output": output}
        descent = {"history": points} if points else {}
        show_json(document | learnt.as_dict() | descent)
    elif not quiet:
        from convcli.cli.render.learn import show_learnt

        written = [path for path in (output, history) if path is not None]
        show_learnt(learnt, f"{source} → {target}", written)


def _check_use(method: str, history: str | None, *, show_step: bool) -> None:
    """Refuse options of a step or a descent without it, and those without use beside it."""
    if not show_step and (given := typed("start", "rate", "at", "cells")):
        raise click.UsageError(f"--{given[0]} needs --show-step: give both or none")
    if show_step and (given := typed("output", "mix", "per_channel", "method")):
        flag = given[0].replace("_", "-")
        raise click.UsageError(f"--{flag} has no use with --show-step: leave it out")
    given = typed("steps", "seed")
    if history is not None:  # from the environment too: its file would be written over
        given.append("history")
    if given and method != "sgd":
        raise click.UsageError(f"--{given[0]} needs --method sgd: the other has no steps")


def _refuse_inputs(inputs: tuple[str, str], *outputs: str | None) -> None:
    """Refuse to write numbers over a picture that is read."""
    from convcli.batch.places import same_file_key

    read = set(map(same_file_key, inputs))
    for path in filter(None, outputs):
        if same_file_key(path) in read:
            raise click.UsageError(f"{path} is INPUT or TARGET itself: name another file")


@contextlib.contextmanager
def _progress(steps: int) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error while a descent runs, where that is a terminal."""
    if not steps or not sys.stderr.isatty():
        yield lambda: None
        return
    with click.progressbar(length=steps, label="learning", file=sys.stderr, width=0) as bar:
        yield lambda: bar.update(1)
