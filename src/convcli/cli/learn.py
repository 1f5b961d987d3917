"""`convcli learn`: the kernel that turns one picture into another."""

import functools
import sys
from typing import Any

import click

from convcli.choices import LearningMethod, Sharing
from convcli.cli.options import own_options, picture_options, subcommand
from convcli.cli.output import answer, refuse, refuse_inputs, refuse_terminals, warn
from convcli.cli.types import FrameReader, one_of
from convcli.geometry.window import Pair


@subcommand("learn", short_help="Find the kernel that turns one picture into another.")
@click.argument("source", metavar="INPUT", type=click.Path(allow_dash=True))
@click.argument("target", metavar="TARGET", type=click.Path())
@own_options(
    """
Kernel
--kernel-size =3          Rows and columns of the kernel.
--gray                    Make both pictures grey first.
--per-channel             A kernel of its own for each colour channel, not one for all.
--mix                     A filter bank: each output channel looks at all input channels.

Output
--output -o FILE          Write the kernel as JSON, for apply.
--quiet                   Print no report (warnings and errors stay).

Method
--method =lstsq           Solve the normal equations, or learn by gradient descent.
--steps 1..1000000 =4000  Steps of the descent.
--seed 0.. =0             Seed of the crops that the descent looks at.

Output
--history FILE            Write the loss of the descent as JSON.

One step
--show-step               Show one step of gradient descent in numbers, on a small grey crop of
                          0 to 1.
--start KERNEL            Kernel before the step; box unless given.
--rate NUMBER =0.01       Learning rate.
--at X,Y                  The middle of the crop; the picture's middle.
--cells 1..16 =5          Rows of the crop.
""",
    method=one_of(LearningMethod),
)
@picture_options
def command(
    *,
    source: str,
    target: str,
    kernel_size: Pair,
    gray: bool,
    per_channel: bool,
    mix: bool,
    output: str | None,
    method: LearningMethod,
    steps: int,
    seed: int,
    history: str | None,
    show_step: bool,
    quiet: bool,
    read: FrameReader,
    **step_settings: Any,
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

    if per_channel + mix + gray > 1:
        raise click.UsageError("--gray, --per-channel and --mix exclude each other: give one")
    _check_use(history, sgd=method is LearningMethod.SGD, show_step=show_step)
    refuse_inputs((source, target), output, history)
    refuse_terminals(source, None)
    sharing = Sharing.MIX if mix else Sharing.CHANNEL if per_channel else Sharing.SHARED
    before, after = map(read, (source, target))
    if show_step:
        from convcli.lessons.learning.step import step_on_crop

        kernel = step_settings.pop("start") or kernel_size
        before, after = before.as_gray(source), after.as_gray(target)
        step = step_on_crop(before, after, kernel, **step_settings)
        document = {"source": source, "target": target, "step": step}
        answer(document, "learn:show_one_step", step)
        return
    if gray:
        before, after = before.gray(), after.gray()
    task = task_for(before.pixels, after.pixels, kernel_size, sharing)
    is_descent = method is LearningMethod.SGD
    hidden = not (is_descent and sys.stderr.isatty())
    bar: Any = {"length": steps * len(task.groups), "label": "learning", "hidden": hidden}
    with click.progressbar(**bar, file=sys.stderr, width=0) as shown:
        schedule = Schedule(steps=steps, seed=seed, tick=functools.partial(shown.update, 1))
        learnt = learn_task(task, schedule if is_descent else None)
    if output is not None:
        write_json(kernel_document(learnt.kernel), output)
    points = [{"step": step, "loss": loss} for step, loss in learnt.history]
    if history is not None:
        write_json({"method": method.value, "seed": seed, "history": points}, history)
    warn(learnt.warnings)
    document = {"source": source, "target": target, "method": method.value, "output": output}
    document |= learnt.as_dict() | ({"history": points} if points else {})
    written = [path for path in (output, history) if path is not None]
    answer(document, "learn:show_learnt", learnt, f"{source} → {target}", written, quiet=quiet)


def _check_use(history: str | None, *, sgd: bool, show_step: bool) -> None:
    """Refuse options of a step or a descent without it, and those without use beside it."""
    if show_step:
        refuse("output mix per_channel method", " has no use with --show-step: leave it out")
    else:
        refuse("start rate at cells", " needs --show-step: give both or none")
    if not sgd:
        refuse("steps seed", " needs --method sgd: the other has no steps")
    if history is not None and not sgd:  # from the environment too: it would be written over
        raise click.UsageError("--history needs --method sgd: the other has no steps")
