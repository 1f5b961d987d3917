"""`convcli stack`: a network layer by layer."""

import click

from convcli.cli.options import Command, json_option, option, shared_option, typed
from convcli.cli.output import show_json
from convcli.cli.types import whole
from convcli.errors import GeometryError
from convcli.geometry.layers import Volume
from convcli.lessons.stacks.presets import PRESETS, layers_of
from convcli.lessons.stacks.spec import volume_from
from convcli.lessons.stacks.stack import Stack, stack_of


class StackCommand(Command):
    """A command whose ``--compare`` takes all layers that follow it, up to an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Join the words after ``--compare`` into one."""
        flag = next((a for a in args if a.partition("=")[0] == "--compare"), None)
        if flag is None:
            return super().parse_args(ctx, args)
        start = args.index(flag) + ("=" not in flag)
        end = start + 1
        while end < len(args) and not args[end].startswith("-"):
            end += 1
        return super().parse_args(ctx, [*args[:start], *_joined(args[start:end]), *args[end:]])


def _joined(words: list[str]) -> list[str]:
    return [" ".join(words)] if words else []


@click.command(
    "stack",
    cls=StackCommand,
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
  convcli stack --preset lenet --run 7.png --weights lenet.safetensors
  convcli stack --in 32x32x8 conv:8,k5 --compare conv:8,k3 conv:8,k3""",
)
@click.argument("layers", nargs=-1, metavar="[LAYER]...")
@option(
    "--in",
    "source",
    metavar="HxWxC",
    section="Input",
    help="Size of the input: rows x columns x channels. Or give --width and --in-channels.",
)
@shared_option("width", section="Input")
@shared_option(
    "height", section="Input", help="Height of the input; as the width where it is left out."
)
@option("--in-channels", type=whole(1), section="Input", help="Input channels.")
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
    help="A second stack, side by side: all LAYERs that follow, a preset, or a .json file.",
)
@option(
    "--run",
    "photo",
    metavar="PHOTO",
    section="Run",
    help="Run the network on this picture, cut to the input's size; needs --weights.",
)
@option(
    "--weights",
    metavar="FILE",
    section="Run",
    help="A .safetensors file with tensors called as torchvision calls them, or as conv1, "
    "fc1; layers of a .json may name others.",
)
@option(
    "--out-dir",
    metavar="FOLDER",
    section="Run",
    help="Write a sheet of maps for each layer, and index.html with all of them.",
)
@option("--layer", type=whole(1), section="Run", help="Only the maps of this layer, by number.")
@option("--top", type=whole(1), section="Run", help="Only the maps with the most energy.")
@json_option
def command(
    *,
    layers: tuple[str, ...],
    source: str | None,
    width: int | None,
    height: int | None,
    in_channels: int | None,
    preset: str | None,
    compare: str | None,
    photo: str | None,
    weights: str | None,
    out_dir: str | None,
    layer: int | None,
    top: int | None,
    as_json: bool,
) -> None:
    """Show each LAYER's output, parameters, multiply-adds, receptive field and memory.

    LAYERs are written as conv:64,k3,p1, or stand in one .json file.
    """
    if preset and layers:
        raise click.UsageError("--preset and layers are both given: give one of them")
    size = _size(source, width, height, in_channels)
    first = _stack((preset,) if preset else layers, size)
    second = None if compare is None else _stack((compare,), size, first.source)
    if (photo is None) != (weights is None):
        raise click.UsageError("--run and --weights belong together: give both or none")
    if photo is None and (given := typed("out_dir", "layer", "top")):
        raise click.UsageError(f"--{given[0].replace('_', '-')} needs --run: give both or none")
    if photo is not None and weights is not None:
        if layer is not None and layer > len(first.rows):
            raise click.UsageError(f"--layer: expected at most {len(first.rows)}, got {layer}")
        words = (preset,) if preset else layers
        _run(words, first, photo, weights, out_dir, (layer, top), as_json=as_json)
        return
    if as_json and second:
        show_json({"first": first.as_dict(), "second": second.as_dict()})
        return
    if as_json:
        show_json(first.as_dict())
        return
    from convcli.cli.render.stack import show_comparison, show_stack

    if second:
        show_comparison(first, second)
    else:
        show_stack(first)


def _run(  # noqa: PLR0917 - the options of one section
    words: tuple[str, ...],
    counted: Stack,
    photo: str,
    weights: str,
    out_dir: str | None,
    shown: tuple[int | None, int | None],
    *,
    as_json: bool,
) -> None:
    """Run a stack on a picture, and show what each layer answers."""
    from convcli.lessons.stacks.maps import MapsFolder, top_classes
    from convcli.lessons.stacks.run import network_input, run_stack
    from convcli.pipeline.files import read_first_frame

    frame, (only, top) = read_first_frame(photo), shown
    trained = words in {("alexnet",), ("vgg16",), ("resnet18",)}
    values = network_input(frame, counted, imagenet=trained)
    folder = None if out_dir is None else MapsFolder(out_dir, frame, top)
    told = []
    for answer in run_stack(words, values, weights):
        told.append(answer.as_dict())
        if folder is not None and only in (None, answer.number):
            folder.add(answer)
    if folder is not None:
        folder.finish()
    classes = list(top_classes(answer)) if answer.values.shape[:2] == (1, 1) else []
    if as_json:
        best = [{"class": number, "part": part} for number, part in classes]
        show_json({"source": photo, "weights": weights, "layers": told, "classes": best})
        return
    from convcli.cli.render.stack import show_run

    show_run(told, classes)


def _size(
    source: str | None, width: int | None, height: int | None, channels: int | None
) -> Volume | None:
    """Return the size of the input, from one of the two ways to write it."""
    if source and source.isdecimal() and channels is None and width is not None:
        source, channels = None, whole(1).convert(source, None, None)  # as `params --in 3`
    sides = {"--width": width, "--height": height, "--in-channels": channels}
    given = [name for name, value in sides.items() if value is not None]
    if source and given:
        raise click.UsageError(f"--in says what {given[0]} says, too: give one of them")
    if not given:
        return _volume(source) if source else None
    if width is None or channels is None:
        missing = "--width" if width is None else "--in-channels"
        raise click.UsageError(f"Missing option '{missing}': {given[0]} is given without it")
    return Volume(channels, height or width, width)


def _volume(source: str) -> Volume:
    try:
        return volume_from(source)
    except GeometryError as error:
        raise click.UsageError(f"--{error}") from None


def _stack(
    words: tuple[str, ...], size: Volume | None, otherwise: Volume | None = None
) -> Stack:
    """Return a stack for the size that is asked for, or its own, or another one's."""
    if not words:
        raise click.UsageError(
            "Missing argument 'LAYER': give layers (before --compare), or --preset"
        )
    try:
        given, layers = layers_of(words)
    except GeometryError as error:
        raise click.UsageError(str(error)) from None
    volume = size or given or otherwise
    if volume is None:
        raise click.UsageError("Missing option '--in': give the input's size, as 224x224x3")
    return stack_of(volume, layers)
