"""`convcli stack`: a network layer by layer."""

import click

from convcli.cli.options import Command, json_option, option
from convcli.cli.output import show_json
from convcli.geometry.layers import Volume
from convcli.lessons.stacks.presets import PRESETS, layers_of
from convcli.lessons.stacks.spec import volume_from
from convcli.lessons.stacks.stack import Stack, stack_of


@click.command(
    "stack",
    cls=Command,
    short_help="Work out a network layer by layer.",
    epilog="""\b
Layers:
  conv:FILTERS,kK[,sS][,pP][,dD][,gGROUPS][,nobias]  pP may be psame
  pool:K[,sS][,pP] (maximum)   avgpool:K[,sS][,pP]   S is K unless given
  gap  adaptive:N  fc:UNITS[,nobias]  bn  relu  dropout  flatten  softmax
  residual … [shortcut …] add                        a block with a way round
In a file: {"in": "224x224x3", "layers": ["conv:64,k3,p1", "relu", "pool:2"]}

\b
Examples:
  convcli stack --in 224x224x3 conv:64,k3,p1 relu conv:64,k3,p1 relu pool:2
  convcli stack --preset vgg16
  convcli stack --in 32x32x8 conv:8,k5 --compare 'conv:8,k3 conv:8,k3'""",
)
@click.argument("layers", nargs=-1, metavar="[LAYER]...")
@option(
    "--in",
    "source",
    metavar="HxWxC",
    section="Input",
    help="Size of the input: rows x columns x channels.",
)
@option(
    "--preset",
    type=click.Choice(tuple(PRESETS)),
    section="Input",
    help="A well-known network instead of layers.",
)
@option(
    "--compare",
    metavar="LAYERS",
    section="Output",
    help="A second stack, in one word (quote it), a preset or a .json file, side by side.",
)
@json_option
def command(
    *,
    layers: tuple[str, ...],
    source: str | None,
    preset: str | None,
    compare: str | None,
    as_json: bool,
) -> None:
    """Show each LAYER's output, parameters, multiply-adds, receptive field and memory.

    LAYERs are written as conv:64,k3,p1, or stand in one .json file.
    """
    if preset and layers:
        raise click.UsageError("--preset and layers are both given: give one of them")
    size = volume_from(source) if source else None
    first = _stack((preset,) if preset else layers, size)
    if compare is None:
        _show(first, as_json=as_json)
        return
    _compare(first, _stack((compare,), size, first.source), as_json=as_json)


def _stack(
    words: tuple[str, ...], size: Volume | None, otherwise: Volume | None = None
) -> Stack:
    """Return a stack for the size that is asked for, or its own, or another one's."""
    if not words:
        raise click.UsageError("Missing argument 'LAYER': give layers, or --preset")
    given, layers = layers_of(words)
    volume = size or given or otherwise
    if volume is None:
        raise click.UsageError("Missing option '--in': give the input's size, as 224x224x3")
    return stack_of(volume, layers)


def _show(stack: Stack, *, as_json: bool) -> None:
    if as_json:
        show_json(stack.as_dict())
        return
    from convcli.cli.render.stack import show_stack

    show_stack(stack)


def _compare(one: Stack, other: Stack, *, as_json: bool) -> None:
    if as_json:
        show_json({"first": one.as_dict(), "second": other.as_dict()})
        return
    from convcli.cli.render.stack import show_comparison

    show_comparison(one, other)
