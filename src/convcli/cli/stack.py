"""`convcli stack`: a network layer by layer."""

from types import SimpleNamespace
from typing import Any

import click

from convcli.cli.command import Command
from convcli.cli.options import json_option, own_options, subcommand
from convcli.cli.output import answer, check_use, refuse_inputs, say, sizes_checked
from convcli.cli.types import whole
from convcli.geometry.layers import Volume
from convcli.lessons.stacks import Stack, stack_of
from convcli.lessons.stacks.spec import PRESETS, layers_of, volume_from
from convcli.text import short


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
        joined = [" ".join(args[start:end])] * (end > start)
        return super().parse_args(ctx, [*args[:start], *joined, *args[end:]])


@subcommand(
    "stack",
    cls=StackCommand,
    short_help="Work out a network layer by layer.",
    epilog="""\b
Layers:
  conv:FILTERS,kK[,sS][,pP][,dD][,gGROUPS][,nobias]  pP may be psame
  maxpool:K[,sS][,pP] (or pool, max)  avgpool:K[,sS][,pP]  S is K unless given
  gap  adaptive:N  fc:UNITS[,nobias]  bn  relu  dropout  flatten  softmax
  residual … [shortcut …] add                        a block with a shortcut
In a file: {"in": "224x224x3", "layers": ["conv:64,k3,p1", "relu", "pool:2"]}""",
)
@click.argument("layers", nargs=-1, metavar="[LAYER]...")
@own_options(f"""
Input
--in source HxWxC       Size of the input: rows x columns x channels. Or give --width and
                        --in-channels.
--width                 Width of the input, in pixels.
--height                Height of the input; as the width where it is left out.
--in-channels in_channels 1..
                        Input channels.
--preset [{"|".join(PRESETS)}]
                        A well-known network instead of layers.

Output
--compare LAYERS        A second stack, side by side: all LAYERs that follow, a preset, or a
                        .json file.

Run
--run photo PHOTO *     Run the network on this picture, cut to the input's size; needs
                        --weights.
--weights FILE *        A .safetensors file with tensors called as torchvision calls them, or as
                        conv1, fc1; layers of a .json may name others.
--out-dir FOLDER *      Write a sheet of maps for each layer, and index.html with all of them.
--layer 1.. *           Only the maps of this layer, by number; the layer that --erf starts
                        from.
--top 1.. *             Only the maps with the most energy.

Receptive field
--unit LAYER:MAP@X,Y *  Say what this unit can see of --run's picture; the layer counts from 1,
                        the map, the column X and the row Y from 0. The map * is any.
--png FILE *            Draw the receptive field of --unit on the picture.
--erf FILE *            Draw the effective receptive field as PNG: where the input moves --unit,
                        or the middle of the last map. Weights are random without --weights.
--seeds 1..1000 =8 *    Inputs, and random weights, that --erf averages over.
""")
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
    **given: Any,
) -> None:
    """Show each LAYER's output, parameters, multiply-adds, receptive field and memory.

    LAYERs are written as conv:64,k3,p1, or stand in one .json file.

    For example:
      convcli stack --in 224x224x3 conv:64,k3,p1 relu conv:64,k3,p1 relu pool:2
      convcli stack --preset vgg16
      convcli stack --preset lenet --run 7.png --weights lenet.safetensors
      convcli stack --preset vgg16 --run cat.jpg --unit 17:0@20,30 --png field.png
      convcli stack --preset vgg16 --erf field.png
      convcli stack --in 32x32x8 conv:8,k5 --compare conv:8,k3 conv:8,k3
    """
    if preset and layers:
        raise click.UsageError("--preset and layers are both given: give one of them")
    size = _size(source, width, height, in_channels)
    words = (preset,) if preset else layers
    first = _stack(words, size)
    second = None if compare is None else _stack((compare,), size, first.source)
    asked = SimpleNamespace(**given)
    question = _question(asked, len(first.rows))
    if question:
        (_run if question == "photo" else _show_seen)(words, first, asked)
    elif second:
        both = {"first": first.as_dict(), "second": second.as_dict()}
        answer(both, "layers:show_comparison", first, second)
    else:
        answer(first.as_dict(), "layers:show_stack", first)


_TAKEN = {
    "erf": {"photo", "weights", "unit", "layer", "seeds"},
    "unit": {"photo", "weights", "png"},
    "photo": {"weights", "out_dir", "layer", "top"},
    "": {"compare"},
}
"""What can be asked of a network, the first that is given, and the options that go with it."""


def _question(asked: SimpleNamespace, layers: int) -> str:
    """Return what is asked of a network; refuse what does not go with it, or is missing."""
    question = next((name for name in _TAKEN if name and getattr(asked, name) is not None), "")
    check_use(question, _TAKEN)
    if asked.layer is not None and asked.layer > layers:
        raise click.UsageError(f"--layer: expected at most {layers}, got {asked.layer}")
    if asked.unit is not None and asked.layer is not None:
        raise click.UsageError("--layer: --unit names a layer, too: drop one of them")
    if question == "unit" and asked.photo is None:
        raise click.UsageError("Missing option '--run': --unit is seen on a picture, or --erf")
    refuse_inputs([], asked.out_dir)
    if question == "photo" and asked.weights is None:
        raise click.UsageError("Missing option '--weights': --run needs it, or --unit")
    return question


def _run(words: tuple[str, ...], counted: Stack, asked: SimpleNamespace) -> None:
    from convcli.lessons.stacks.run import network_input, run_stack

    frame, values = network_input(words, asked.photo, counted)
    layers = run_stack(words, values, asked.weights)
    if asked.out_dir is not None:
        from convcli.drawing.figures import fitted
        from convcli.images.picture import Frame
        from convcli.lessons.stacks.drawing import with_maps

        taken = Frame(fitted(frame, counted.source.height, counted.source.width))
        layers = with_maps(layers, asked.out_dir, taken, asked.layer, asked.top)
    told, classes = [], list[tuple[int, float]]()
    for each in layers:
        told.append(each.as_dict())
        classes = each.top_classes()
    document = {"source": asked.photo, "weights": asked.weights, "layers": told}
    document["classes"] = [{"class": number, "part": part} for number, part in classes]
    answer(document, "layers:show_run", told, classes)


def _show_seen(words: tuple[str, ...], counted: Stack, asked: SimpleNamespace) -> None:
    """Say what a unit can see or, for ``--erf``, what moves it; and draw it."""
    from convcli.drawing.canvas import check_canvas_target
    from convcli.images.write import write_picture
    from convcli.lessons.stacks import drawing as pictures
    from convcli.lessons.stacks import fields
    from convcli.lessons.stacks.run import network_input, run_stack

    photo, weights = asked.photo, asked.weights
    if drawing := asked.erf or asked.png:
        check_canvas_target(drawing)
        refuse_inputs([photo or ""], drawing)
    frame, image = (None, None) if photo is None else network_input(words, photo, counted)
    with sizes_checked():
        unit = fields.unit_from(asked.unit, counted) if asked.unit else None
    found: fields.Field | fields.EffectiveField
    value = None
    if asked.erf is not None:
        size = (counted.source.height, counted.source.width, counted.source.channels)
        more: Any = {"weights": weights, "image": image, "seeds": asked.seeds}
        found = fields.effective_field(words, size, unit=asked.unit or asked.layer, **more)
        picture = pictures.draw_effective(found)
    elif unit and frame is not None:
        found = fields.field_of(counted, unit)
        picture = pictures.draw_field(found, frame)
        if weights is not None and unit.map is not None:
            layers = run_stack(words, image, weights)
            values = next(each.values for each in layers if each.number == unit.layer)
            value = float(values[unit.y, unit.x, unit.map])
    if drawing:
        write_picture(picture, drawing, "PNG")
    document = {"drawing": drawing, "source": photo, "weights": weights, "answer": value}
    answered = [] if value is None else [f"It answers {short(value)}."]
    drawn = f"Drawn in {drawing}." if drawing else "--png FILE draws it on the picture."
    answer(document | found.as_dict(), say, found.facts(), *answered, drawn)


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
        with sizes_checked():
            return volume_from(source) if source else None
    if width is None or channels is None:
        missing = "--width" if width is None else "--in-channels"
        raise click.UsageError(f"Missing option '{missing}': {given[0]} is given without it")
    return Volume(channels, height or width, width)


def _stack(
    words: tuple[str, ...], size: Volume | None, otherwise: Volume | None = None
) -> Stack:
    """Return a stack for the size that is asked for, or its own, or another one's."""
    if not words:
        raise click.UsageError(
            "Missing argument 'LAYER': give layers (before --compare), or --preset"
        )
    with sizes_checked(""):
        given, layers = layers_of(words)
    volume = size or given or otherwise
    if volume is None:
        raise click.UsageError("Missing option '--in': give the input's size, as 224x224x3")
    return stack_of(volume, layers)
