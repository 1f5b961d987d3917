"""`convcli apply`: filter a picture."""

import sys
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.batch_options import batch_from, batch_options, prepare_cluster
from convcli.cli.filter_options import engine_options, filter_options, options_from, show_plans
from convcli.cli.kernel_types import OperandType
from convcli.cli.options import (
    Command,
    json_option_for,
    quiet_option,
    strict_option,
    window_options,
)
from convcli.cli.output import refuse_terminals, report_outcome
from convcli.cli.picture_options import (
    pixel_options,
    reading_from,
    reading_options,
    saving_from,
    saving_options,
)
from convcli.cli.tiled import SHARED, filter_in_blocks, large_from, plan_in_blocks, tiled_option
from convcli.values import replace

if TYPE_CHECKING:
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator


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
  convcli apply sobel-x photos/*.jpg --out-dir edges --name '{stem}-edges.png'
  convcli apply gaussian:2 huge.tif soft.tif --tiled
  convcli apply model.safetensors::conv1.weight photo.jpg maps.png --sheet
  convcli apply box:3 - - < photo.jpg | convcli apply sobel-y - out.png""",
)
@click.argument("kernel", type=OperandType())
@click.argument("names", metavar="INPUT... [OUTPUT]", nargs=-1, type=click.Path())
@window_options
@strict_option
@filter_options
@pixel_options
@reading_options
@tiled_option
@saving_options
@batch_options
@engine_options
@quiet_option("Print no report (warnings and errors stay).")
@json_option_for("Print the result as JSON instead; with --out-dir, one line a file.")
def command(
    *,
    kernel: "Kernel | Operator",
    chain: tuple["Kernel | Operator", ...],
    names: tuple[str, ...],
    plan_only: bool,
    kind: str | None,
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

    With --out-dir there is no OUTPUT but any number of INPUTs: files, folders, and
    patterns in quotes ('*.jpg', '**/*.jpg'). With --tiled, or where a name ends in .zarr,
    one picture may be larger than memory.
    """
    prepare_cluster(settings["cluster"])
    large = large_from(settings, names)
    batch = batch_from(settings, names, () if large is None else SHARED)
    if batch is not None and plan_only:
        raise click.UsageError("--plan is for one picture: name one INPUT, and no --out-dir")
    kernels = (kernel, *chain)
    reading, saving = reading_from(settings), saving_from(settings)
    # Nobody reads what was seen of a batch, unless each file has its line.
    collect_stats = as_json or not (quiet or batch is not None)
    options = replace(options_from(settings), collect_stats=collect_stats)
    if batch is not None:
        from convcli.batch.job import BatchJob
        from convcli.cli.batch import run

        work = BatchJob(
            kernels=kernels,
            options=options,
            reading=reading,
            saving=saving,
            kind=kind,
            sheet=sheet,
            skip_existing=batch.on_exists == "skip",
        )
        run(work, batch, quiet=quiet, as_json=as_json)
        return
    from convcli.pipeline.files import filter_file, plan_file

    source, target = names
    refuse_terminals(source, None if plan_only else target)
    if plan_only and large is not None:
        plan_in_blocks(large, kernels, options, reading, as_json=as_json)
        return
    if plan_only:
        plans = plan_file(kernels, source, options, reading=reading)
        show_plans(plans, options.jobs, as_json=as_json)
        return
    if large is not None:
        silent = quiet or (as_json and sys.stdout.isatty())
        report = filter_in_blocks(
            large, kernels, options, reading, saving, kind=kind, silent=silent
        )
    else:
        report = filter_file(
            kernels,
            source,
            target,
            options,
            reading=reading,
            saving=saving,
            kind=kind,
            sheet=sheet,
        )
    report_outcome(report, source, target, quiet=quiet, as_json=as_json)
