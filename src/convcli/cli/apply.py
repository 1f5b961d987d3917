"""`convcli apply`: filter a picture, one that is larger than memory, or many."""

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from convcli.cli import output, placing
from convcli.cli.options import subcommand, with_options
from convcli.cli.output import STANDARD, answer, show_planned, shows_matrices, wants_json
from convcli.cli.types import OPERAND, OUTPUT, LinkValue, OperandValue, OptionsValue
from convcli.errors import ConvcliError
from convcli.storage.urls import is_there, is_zarr
from convcli.text import is_matrix
from convcli.threads import available_cores
from convcli.values import fields_of, replace

if TYPE_CHECKING:
    from convcli.choices import PlaneChoice
    from convcli.pipeline.recipe import Recipe
    from convcli.pipeline.report import Report
    from convcli.scale.tiled.run import LargeFilter


class ApplyCall(placing.PlacedCall, kw_only=True):
    """What stands on the command line of `convcli apply`, by the names of its options.

    Without `out_dir`, the folder for the outputs of many, there is one picture.
    """

    kernels: tuple[LinkValue, ...]
    options: OptionsValue
    planes: "PlaneChoice"
    sheet: bool
    tiled: bool
    resume: bool
    plan_only: bool
    dry_run: bool
    save_recipe: Callable[[], None] = lambda: None
    out_dir: str | None
    recursive: bool
    files_from: str | None
    template: str | None
    fail_fast: bool
    memory: int | None
    cluster: str | None
    retries: int
    timeout: int | None
    progress: str
    manifest: str | None
    retry_failed: bool

    @property
    def files(self) -> dict[str, Any]:
        """What a `FileFilter` is made of."""
        return {**super().files, **fields_of(self, "kernels", "options", "sheet")}

    @property
    def in_blocks(self) -> "LargeFilter":
        """How a picture is filtered block by block."""
        from convcli.scale.tiled.run import LargeFilter

        names = ("planes", "memory", "cluster", "retries", "timeout", "resume")
        is_replaced = self.rule("") == "overwrite"
        return LargeFilter(**self.files, **fields_of(self, *names), overwrite=is_replaced)


@subcommand("apply", short_help="Filter a picture.")
@click.argument("kernel", metavar="KERNEL", type=OPERAND, required=False)
@click.argument("names", metavar="INPUT... [OUTPUT]", nargs=-1, type=OUTPUT)
@with_options(
    "Window", "Kernel", "Recipe", "Output maps", "Pixels", "How much, and where", "Input"
)
@with_options("Large pictures", "Output", "Many pictures", "Engine")
@with_options(
    "as_json",
    section="Output",
    help="Print the result as JSON instead; with --out-dir, one line a file.",
)
def command(**given: Any) -> None:
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

    For example:
      convcli apply sobel-x photo.jpg edges.png
      convcli apply gaussian:2 photo.jpg soft.png --border replicate
      convcli apply '[[0,-1,0],[-1,5,-1],[0,-1,0]]' photo.jpg crisp.png
      convcli apply gaussian:1 photo.jpg out.png --then laplacian8
      convcli apply sobel photo.jpg edges.png --direction
      convcli apply sobel-x photos/*.jpg --out-dir edges --name '{stem}-edges.png'
      convcli apply gaussian:2 huge.tif soft.tif --tiled
      convcli apply model.safetensors::conv1.weight photo.jpg maps.png --sheet
      convcli apply '[[1,0],[0,-1]]' '[[1,2,3],[4,5,6],[7,8,9]]'
      convcli apply box:3 - - < photo.jpg | convcli apply sobel-y - out.png
    """
    call = _call(**given)
    try:
        _run(call)
    except click.exceptions.Exit as ended:
        if ended.exit_code:
            raise  # a run that failed is none to repeat
    call.save_recipe()


def _run(call: ApplyCall) -> None:
    """Filter one picture or many, show a matrix, or say what would be done."""
    previews = call.plan_only or call.dry_run
    if call.out_dir is not None:
        output.refuse_inputs([], call.out_dir, call.manifest)
        placing.refuse_misfits("many")
        from convcli.cli.batch import run_many

        run_many(call)
    elif not (previews or call.compare) and shows_matrices(call.names, call.output):
        placing.refuse_misfits("printed")
        from convcli.cli.matrix import show_applied

        show_applied(call.kernels, call, call.options)
    else:
        if previews:
            placing.refuse_misfits("preview")
        _filter_one(call)


def _call(
    *,
    kernel: "OperandValue | None",
    chain: tuple[LinkValue, ...],
    times: int,
    names: tuple[str, ...],
    recipe: "Recipe | None",
    save_recipe: str | None,
    record: bool,
    **given: Any,
) -> ApplyCall:
    """Return what is asked for, with the recipe that goes with it."""
    if recipe is not None:
        from convcli.cli.suggestions import is_kernel_name

        first = str(kernel or "")  # a file, as all words are: the recipe has the kernel
        is_kernel = is_kernel_name(first) and not (is_matrix(first) or is_there(first))
        names, most = names if kernel is None else (first, *names), placing.TWO_NAMES
        if is_kernel or (len(names) > most and given["out_dir"] is None):
            raise click.UsageError(
                f"the kernel is the recipe's, and {first!r} would be INPUT: leave it out, or "
                "leave --recipe out"
            )
        from convcli.kernels.spec import operand_from

        kernel = operand_from(recipe.kernel)
    if kernel is None:
        raise click.UsageError("Missing argument 'KERNEL'")
    links = (kernel, *chain)
    call = ApplyCall(kernels=links * times, names=names, **given)
    # Nobody reads the statistics of a batch, unless each file has its line.
    collect_stats = wants_json() or not (call.quiet or call.out_dir is not None)
    if save_recipe is not None or record:
        from convcli.pipeline.recipe import recipe_of
        from convcli.storage.atomic import unwritable

        made = recipe_of(links, times, call.options)
        output.refuse_inputs([*names, call.output or ""], save_recipe)
        if save_recipe is not None and not (call.plan_only or call.dry_run):
            if reason := unwritable(save_recipe):
                raise ConvcliError(f"{save_recipe or '--save-recipe'}: {reason}")
            call = replace(call, save_recipe=functools.partial(made.save, save_recipe))
        if record:
            call = replace(call, saving=replace(call.saving, recipe=str(made)))
    return replace(call, options=replace(call.options, collect_stats=collect_stats))


def _filter_one(call: ApplyCall) -> None:
    """Filter one picture, as a whole or block by block, or say how that would be done."""
    words = (*call.names, *filter(None, [call.output]))
    has_zarr = any(map(is_zarr, words))
    in_blocks = has_zarr or call.tiled
    placing.refuse_misfits("zarr" if has_zarr else "tiled" if in_blocks else "whole")
    if in_blocks and (STANDARD in words or "" in words):
        raise click.UsageError("a picture is filtered block by block from a file to a file")
    depth = call.options.depth
    has_floats = (depth and depth.value == "float") or shows_matrices(call.names, None)
    remedy = "add --out-dir DIR to filter many pictures"
    writes = call.dry_run or not call.plan_only
    scratch = ".npy" if has_floats else ".png"
    names = placing.located_names(call, scratch=scratch, remedy=remedy, writes=writes)
    if call.dry_run:
        from convcli.cli.batch import show_one

        placing.is_replaced(*names, call)
        show_one(call, *names, call.in_blocks.plan(*names) if in_blocks else None)
    elif call.plan_only:
        _show_plan(call, *names, in_blocks=in_blocks)
    elif in_blocks:
        placing.carry_out(functools.partial(_filter_in_blocks, call), *names, call)
    else:
        from convcli.pipeline.files import FileFilter

        placing.carry_out(FileFilter(**call.files).filter_file, *names, call)


def _show_plan(call: ApplyCall, source: str, target: str, *, in_blocks: bool) -> None:
    from convcli.storage.atomic import is_stream, unwritable

    if in_blocks:
        tiling = call.in_blocks.plan(source, target)
        if reason := unwritable(target):
            raise ConvcliError(f"{target}: {reason}")
        answer(tiling.as_dict(), "report:show_tiling", tiling, f"{source} → {target}")
        return
    from convcli.pipeline.files import FileFilter, read_first_frame
    from convcli.pipeline.pipeline import plan_pipeline
    from convcli.storage.urls import first_output

    pipeline, options = None, call.options
    has_pipe = any(each == STANDARD or is_stream(each) for each in (source, target))
    if not has_pipe:
        pipeline = FileFilter(**call.files).check_file(source, target)
    if pipeline is None:  # its header tells nothing
        header = read_first_frame(source, call.reading).header
        pipeline = plan_pipeline(header, call.kernels, options)
    if not has_pipe and (reason := unwritable(first_output(target))):
        raise ConvcliError(f"{target}: {reason}")
    show_planned(pipeline.plans, options.jobs or available_cores(), options.mixing)


def _filter_in_blocks(call: ApplyCall, source: str, target: str) -> "Report":
    """Filter a picture block by block, and show the progress."""
    from convcli.batch.job import Summary
    from convcli.cli.ending import only_one_interrupt
    from convcli.cli.render.batch import progress_shown

    started = time.monotonic()
    with (
        # Running blocks are written to the end before the output is removed.
        only_one_interrupt(),
        progress_shown(call.progress, "blocks", silent=call.is_silent) as show,
    ):

        def progress(done: int, total: int, megapixels: float) -> None:
            show(Summary.of(done, megapixels, time.monotonic() - started), total)

        return call.in_blocks.run(source, target, progress)
