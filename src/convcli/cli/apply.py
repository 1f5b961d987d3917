"""`convcli apply`: filter a picture."""

import sys
from typing import TYPE_CHECKING

import click

from convcli.cli.file_options import (
    BatchOptions,
    batch_options,
    check_many,
    one_picture,
    plane_options,
    reading_options,
    resume_option,
    saving_options,
    tiled_option,
)
from convcli.cli.filter_options import (
    axis_option,
    bias_option,
    blend_options,
    chain_option,
    combine_option,
    direction_option,
    engine_options,
    flip_option,
    gray_option,
    layout_option,
    map_options,
    pixel_options,
    range_option,
    recipe_options,
    strict_option,
    times_option,
    transposed_options,
    window_options,
)
from convcli.cli.options import Command, json_option_for, quiet_option
from convcli.cli.output import (
    refuse_terminals,
    report_outcome,
    show_planned,
    shows_matrices,
)
from convcli.cli.placing import (
    Placing,
    file_to_replace,
    placing_options,
)
from convcli.cli.seeing import (
    check_seeing,
    compare_option,
    names_with_scratch,
    see,
    show_option,
)
from convcli.cli.types import OPERAND, OUTPUT
from convcli.threads import available_cores
from convcli.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convcli.choices import PlaneChoice
    from convcli.images.policy import ReadPolicy
    from convcli.images.write import Saving
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator
    from convcli.pipeline.options import Options
    from convcli.pipeline.recipe import Recipe
    from convcli.pipeline.steps import Link


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
  convcli apply '[[1,0],[0,-1]]' '[[1,2,3],[4,5,6],[7,8,9]]'
  convcli apply box:3 - - < photo.jpg | convcli apply sobel-y - out.png""",
)
@click.argument("kernel", type=OPERAND)
@click.argument("names", metavar="INPUT... [OUTPUT]", nargs=-1, type=OUTPUT)
@window_options
@transposed_options
@strict_option
@chain_option
@times_option
@combine_option
@bias_option
@axis_option
@flip_option
@layout_option
@recipe_options
@map_options
@direction_option
@gray_option
@range_option
@pixel_options
@blend_options
@reading_options
@tiled_option
@plane_options
@resume_option
@placing_options
@saving_options
@batch_options
@engine_options
@show_option
@compare_option
@quiet_option("Print no report (warnings and errors stay).")
@json_option_for("Print the result as JSON instead; with --out-dir, one line a file.")
def command(
    *,
    kernel: "Kernel | Operator",
    chain: tuple["Link", ...],
    times: int,
    recipe: "Recipe | None",
    save_recipe: str | None,
    record: bool,
    names: tuple[str, ...],
    plan_only: bool,
    dry_run: bool,
    kind: str | None,
    sheet: bool,
    tiled: bool,
    resume: bool,
    show: bool,
    compare: str | None,
    quiet: bool,
    as_json: bool,
    options: "Options",
    reading: "ReadPolicy",
    saving: "Saving",
    many: BatchOptions,
    placing: Placing,
    planes: "PlaneChoice",
) -> None:
    """Slide KERNEL over the picture INPUT and write the result to OUTPUT.

    KERNEL is a name (sobel-x), a name with parameters (gaussian:2, box:5), a file
    (my.json, layers.safetensors::conv1.weight), a picture (image:patch.png), or inline
    JSON. Several joined by + make one picture (sobel-x+sobel-y); @45, @flip, @transpose,
    @normalize, @negate and @scale=0.5 change what they follow.

    INPUT may be a small matrix, too: [[1,2],[3,4]], a .csv, .txt or .json; without OUTPUT
    all grids are printed. A - is standard input or output. An OUTPUT that ends in .npy,
    .csv, .txt or .json gets the raw numbers; one
    with {map} in its name, a picture for each output map; a .tif, a page for each. {frame}
    makes a file for each frame, from 0; {frame:03} from 000. Where OUTPUT is a folder, the
    file in it gets INPUT's name.

    With --out-dir there is no OUTPUT but any number of INPUTs: files, folders, and
    patterns in quotes ('*.jpg', '**/*.jpg'). With --tiled, or where a name ends in .zarr,
    one picture may be larger than memory.

    Use other tools for what is no convolution: median, bilateral, morphology, canny,
    resize, deconvolution, video.
    """
    kernel, names = _unpacked(kernel, names, recipe)
    links = (kernel, *chain)
    kernels = links * times
    saving = _recorded(links, times, options, saving, save=save_recipe, record=record)
    many_or_dry = many.out_dir is not None or dry_run or plan_only
    suffix = ".npy" if options.depth and options.depth.value == "float" else ".png"
    check_seeing((*names, placing.output or ""), show=show, compare=compare, many=many_or_dry)
    names = names_with_scratch(names, placing.output, show=show, compare=compare, suffix=suffix)
    # Nobody reads the statistics of a batch, unless each file has its line.
    collect_stats = as_json or not (quiet or many.out_dir is not None)
    options = replace(options, collect_stats=collect_stats)
    if many.out_dir is not None or dry_run:
        from convcli.batch.job import BatchJob
        from convcli.cli.dry_run import Preview

        job = BatchJob(
            kernels=kernels,
            options=options,
            reading=reading,
            saving=saving,
            file_format=kind,
            sheet=sheet,
            skip_existing=placing.rule("error") == "skip",
        )
        preview = Preview(
            many=many, planes=planes, plan_only=plan_only, quiet=quiet, as_json=as_json
        )
        if many.out_dir is None:
            preview.show_one(job, names, placing, tiled=tiled)
            return
        check_many(names, many, tiled=tiled, output=placing.output)
        from convcli.cli.batch import run_many

        run_many(
            job,
            names,
            many,
            rule=placing.rule("error"),
            quiet=quiet,
            as_json=as_json,
            preview=preview if plan_only or dry_run else None,
        )
        return
    if not plan_only and shows_matrices(names, placing.output):
        from convcli.cli.matrix import show_applied

        show_applied(kernels, names[0], options, reading, as_json=as_json)
        return
    (source, target), in_blocks = one_picture(names, placing, kind, tiled=tiled, resume=resume)
    names = (source, target)
    refuse_terminals(source, None if plan_only else target)
    if in_blocks:
        from convcli.cli.tiled import filter_in_blocks, show_tiling, tiling_of
    if plan_only and in_blocks:
        tiling = tiling_of(names, kernels, options, reading, many, planes=planes)
        show_tiling(tiling, names, as_json=as_json)
        return
    from convcli.pipeline.files import filter_file, read_first_frame

    if plan_only:
        from convcli.pipeline.pipeline import SourceInfo, plan_pipeline

        info = SourceInfo.of(read_first_frame(source, reading))
        plans = plan_pipeline(info, kernels, options).plans
        cores = options.jobs or available_cores()
        show_planned(plans, cores, as_json=as_json, mixed=options.mixing)
        return
    replaced = file_to_replace(source, target, placing, as_json=as_json, quiet=quiet)
    if in_blocks:
        silent = quiet or (as_json and sys.stdout.isatty())
        report = filter_in_blocks(
            names,
            kernels,
            options,
            reading,
            many,
            planes=planes,
            saving=saving,
            kind=kind,
            silent=silent,
            overwrite=placing.rule("") == "overwrite",
            resume=resume,
        )
    else:
        report = filter_file(
            kernels,
            source,
            target,
            options,
            reading=reading,
            saving=saving,
            file_format=kind,
            sheet=sheet,
        )
    report_outcome(report, source, target, quiet=quiet, as_json=as_json, replaced=replaced)
    see(source, target, reading, show=show, compare=compare)


def _unpacked(
    kernel: "Kernel | Operator", names: tuple[str, ...], recipe: "Recipe | None"
) -> "tuple[Kernel | Operator, tuple[str, ...]]":
    """Return the kernel and the names of the files: with a recipe all words are files."""
    if recipe is None:
        return kernel, names
    from convcli.kernels.spec import operand_from

    return operand_from(recipe.kernel), (str(kernel), *names)


def _recorded(
    links: "Sequence[Link]",
    times: int,
    options: "Options",
    saving: "Saving",
    *,
    save: str | None,
    record: bool,
) -> "Saving":
    """Write the recipe into a file, or into what is saved, where that is asked for."""
    if save is None and not record:
        return saving
    from convcli.pipeline.recipe import recipe_of

    recipe = recipe_of(links, times, options)
    if save is not None:
        recipe.save(save)
    return replace(saving, recipe=str(recipe)) if record else saving
