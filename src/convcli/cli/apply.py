"""`convcli apply`: filter a picture."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.engine import engine_options, show_plans
from convcli.cli.help import Command
from convcli.cli.kernel_types import OperandType, layout_option
from convcli.cli.options import json_option, option, quiet_option, strict_option, window_options
from convcli.cli.pictures import (
    pixel_options,
    reading_from,
    reading_options,
    saving_from,
    saving_options,
)
from convcli.cli.types import FiniteType, whole

if TYPE_CHECKING:
    from convcli.filtering import Report
    from convcli.kernels import Kernel, Operator

_STANDARD = "-"
_RANGES = ("auto", "clip", "abs", "shift", "stretch", "balance")
_COMBINES = ("magnitude", "max", "sum", "mean", "min")
_COLORMAPS = ("gray", "viridis", "magma", "diverging")


@click.command(
    "apply",
    cls=Command,
    short_help="Filter a picture.",
    epilog="""\b
Examples:
  convcli apply sobel-x photo.jpg edges.png
  convcli apply gaussian:2 photo.jpg soft.png --border replicate
  convcli apply '[[0,-1,0],[-1,5,-1],[0,-1,0]]' photo.jpg crisp.png
  convcli apply gaussian:1 photo.jpg out.png --then laplacian8
  convcli apply sobel photo.jpg edges.png --direction
  convcli apply model.safetensors::conv1.weight photo.jpg maps.png --sheet
  convcli apply box:3 - - < photo.jpg | convcli apply sobel-y - out.png""",
)
@click.argument("kernel", type=OperandType())
@click.argument("source", metavar="INPUT", type=click.Path(allow_dash=True))
@click.argument("target", metavar="OUTPUT", type=click.Path(allow_dash=True))
@window_options
@strict_option
@option(
    "--then",
    "chain",
    type=OperandType(),
    multiple=True,
    metavar="KERNEL",
    section="Kernel",
    help="Filter the result again, unrounded; may be repeated. Window options hold for each.",
)
@option(
    "--combine",
    type=click.Choice(_COMBINES),
    default=None,
    section="Kernel",
    help="How the answers of kernels joined by + become one.  [default: magnitude]",
)
@option(
    "--bias",
    type=FiniteType(),
    default=None,
    section="Kernel",
    help="Add this to each value (of every kernel).",
)
@option(
    "--flip",
    is_flag=True,
    section="Kernel",
    help="Flip the kernel first: the mathematician's convolution.",
)
@layout_option
@option(
    "--map",
    type=whole(0),
    default=None,
    metavar="N",
    section="Output maps",
    help="Write this one of a filter bank's maps, counted from 0.",
)
@option(
    "--sheet",
    is_flag=True,
    section="Output maps",
    help="Write all maps as one sheet of labelled tiles.",
)
@option(
    "--relu",
    is_flag=True,
    section="Output maps",
    help="Make negative values 0 before they are written.",
)
@option(
    "--colormap",
    type=click.Choice(_COLORMAPS),
    default=None,
    section="Output maps",
    help="Colour each map as heat. --range auto then stretches; with diverging it keeps "
    "0 in the middle.",
)
@option(
    "--direction",
    is_flag=True,
    section="Pixels",
    help="Colour the gradient's direction by hue, its strength by brightness (grey first).",
)
@option("--gray", is_flag=True, section="Pixels", help="Make the picture grey first.")
@option(
    "--range",
    "mapping",
    type=click.Choice(_RANGES),
    default="auto",
    show_default=True,
    section="Pixels",
    help="Values outside 0-255: cut off, without sign, 0 as mid-grey, stretched to fill "
    "the range, or scaled around mid-grey. auto: abs for kernels that sum to 0, else clip.",
)
@pixel_options
@reading_options
@saving_options
@engine_options
@quiet_option("Print no report (warnings and errors stay).")
@json_option
def command(
    *,
    kernel: "Kernel | Operator",
    chain: tuple["Kernel | Operator", ...],
    source: str,
    target: str,
    mapping: str,
    method: str,
    plan_only: bool,
    depth: str | None,
    alpha: str,
    kind: str | None,
    combine: str | None,
    colormap: str | None,
    sheet: bool,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Slide KERNEL over the picture INPUT and write the result to OUTPUT.

    KERNEL is a name (sobel-x), a name with parameters (gaussian:2, box:5), a file
    (my.json, layers.safetensors::conv1.weight), a picture (image:patch.png), or inline
    JSON. Several joined by + make one picture (sobel-x+sobel-y); @45, @flip, @transpose,
    @normalize, @negate and @scale=0.5 change what they follow.

    A - is standard input or output. An OUTPUT that ends in .npy gets the raw floats; one
    with {map} in its name, a picture for each output map; a .tif, a page for each.
    """
    from convcli.engine import Method  # noqa: PLC0415 - the same
    from convcli.filtering import (  # noqa: PLC0415 - they import NumPy
        Alpha,
        Colormap,
        Options,
        Range,
        filter_file,
        plan_file,
    )
    from convcli.images import Depth  # noqa: PLC0415 - the same
    from convcli.kernels import Combine  # noqa: PLC0415 - the same

    _refuse_terminals(source, None if plan_only else target)
    reading, saving = reading_from(settings), saving_from(settings)
    options = Options(
        range=Range(mapping),
        depth=Depth(depth) if depth else None,
        alpha=Alpha(alpha),
        method=Method(method),
        combine=Combine(combine) if combine else None,
        colormap=Colormap(colormap) if colormap else None,
        **settings,
    )
    if plan_only:
        plans = plan_file([kernel, *chain], source, options, reading=reading)
        show_plans(plans, options.jobs, as_json=as_json)
        return
    report = filter_file(
        [kernel, *chain],
        source,
        target,
        options,
        reading=reading,
        saving=saving,
        kind=kind,
        sheet=sheet,
    )
    for warning in report.warnings:
        click.echo(f"{click.style('Warning:', fg='yellow', bold=True)} {warning}", err=True)
    if not quiet or as_json:
        _show(report, source, target, as_json=as_json, to_stderr=target == _STANDARD)


def _refuse_terminals(source: str, target: str | None) -> None:
    for name, path in (("INPUT", source), ("OUTPUT", target)):
        if path == "":
            raise click.UsageError(
                f"{name} is empty: name a file, or - for the standard stream"
            )
    if target == _STANDARD and sys.stdout.isatty():
        raise click.UsageError(
            "OUTPUT is - but standard output is a terminal: name a file, or use a pipe"
        )
    if source == _STANDARD and sys.stdin.isatty():
        raise click.UsageError(
            "INPUT is - but standard input is a terminal: name a file, or use a pipe"
        )


def _show(
    report: "Report", source: str, target: str, *, as_json: bool, to_stderr: bool
) -> None:
    if as_json:
        document = {"source": source, "target": target, **report.as_dict()}
        click.echo(json.dumps(document), err=to_stderr)
        return
    from convcli.cli.render import show_report  # noqa: PLC0415 - rich only where it prints

    show_report(report, source, target, to_stderr=to_stderr)
