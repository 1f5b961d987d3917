"""`convcli kernels`: the catalogue, and one kernel read, drawn or exported."""

import json
import sys
from typing import Any

import click

from convcli.choices import EXPORTED
from convcli.cli.options import json_option, own_options, subcommand, with_options
from convcli.cli.output import answer, refuse
from convcli.cli.types import READABLE, KernelValue, OperandValue, ReadableValue
from convcli.text import times
from convcli.values import fields_of


@subcommand("kernels", short_help="List the kernels, or read one.")
@click.argument("subject", metavar="[NAME]", required=False, type=READABLE)
@with_options("layout")
@own_options(
    """
Output
--png FILE        Draw the kernel and what can be read from it.
--export          Write the kernel for another program.
--output -o FILE  Where --export writes to. [default: standard output]
--long            List sizes, sums and uses, too.
--show            Show that drawing in the terminal.
--schema          Print the JSON Schema of kernels as JSON.
""",
    png=click.Path(dir_okay=False),
    export=click.Choice(EXPORTED),
    output={"type": click.Path(allow_dash=True), "default": "-", "show_default": False},
)
@json_option
def command(
    *,
    subject: "ReadableValue | None",
    png: str | None,
    export: str | None,
    output: str,
    long: bool,
    show: bool,
    schema: bool,
) -> None:
    """List all named kernels, or read one: grid, sum, rank, range, frequencies.

    NAME is what 'convcli apply' takes: a name with parameters (gaussian:2) and modifiers
    (sobel-x@45), an operator (sobel), a file, or inline text. A .npz or .safetensors
    file without ::TENSOR is listed.

    For example:
      convcli kernels
      convcli kernels --long
      convcli kernels sobel-x
      convcli kernels gaussian:2 --png gaussian.png
      convcli kernels sharpen --export vips > sharpen.mat
      convcli kernels model.safetensors
      convcli kernels my-kernel.json
    """
    if long and subject is not None:
        raise click.UsageError("--long is for the list of all kernels: drop it, or the NAME")
    if not export:
        refuse("output", " belongs to --export: add that, or drop --output")
    if schema:
        from convcli.cli.kernel_schema import kernel_schema

        click.echo(json.dumps(kernel_schema(), indent=2))
    elif export:
        _export(_operand(subject, "--export"), export, output)
    elif png is not None or show:
        from convcli.images.formats import format_for
        from convcli.images.write import write_picture
        from convcli.lessons.kernel_figures import kernel_figure

        figure = kernel_figure(_operand(subject, "--show" if png is None else "--png"))
        if png is not None:
            write_picture(figure, png, format_for(png))
        if show:
            from convcli.cli.render.cells import show_frames

            show_frames(figure)
    elif subject is None:
        answer(_catalogue, f"kernels:{'show_catalogue' if long else 'show_names'}")
    else:
        _show(subject)


def _operand(subject: "ReadableValue | None", name: str) -> OperandValue:
    from convcli.kernels.formats.read import Archive

    if subject is None:
        raise click.UsageError(f"{name} needs the NAME of a kernel")
    if isinstance(subject, Archive):
        raise click.UsageError(f"{name} needs one tensor: write {subject.path}::TENSOR")
    return subject


def _export(operand: OperandValue, form: str, output: str) -> None:
    from convcli.kernels.formats.read import export
    from convcli.kernels.operator import Operator
    from convcli.storage.atomic import replacing

    if isinstance(operand, Operator):
        names = ", ".join(kernel.name for kernel in operand.kernels)
        raise click.UsageError(f"--export writes one kernel: choose one of {names}")
    data = export(operand, form)
    if output != "-":
        with replacing(output) as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        return
    if isinstance(data, bytes) and sys.stdout.isatty():
        raise click.UsageError(f"{form} is binary but standard output is a terminal: use -o")
    click.echo(data, nl=False)


def _show(subject: ReadableValue) -> None:
    """Show a kernel, the kernels of an operator, or the names of what a file holds."""
    from convcli.kernels.formats.read import Archive
    from convcli.kernels.operator import Operator

    if isinstance(subject, Archive):
        rows = [(t.name, times(t.shape), t.dtype, t.bias or "none") for t in subject.tensors]
        heads = "tensor | shape | type | bias"
        answer(subject.tensors, "tables:show_table", subject.path, heads, rows)
    elif isinstance(subject, Operator):
        document = {
            **fields_of(subject, "name", "description"),
            "combine": subject.combine.value,
        }
        document["kernels"] = [*map(_read, subject.kernels)]
        answer(document, "kernels:show_operator", subject)
    else:
        answer(lambda: _read(subject), "kernels:show_kernel", subject)


def _catalogue() -> list[dict[str, Any]]:
    from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS

    parameter = ("name", "default", "unit", "range", "about")
    found = []
    for entry in CATALOGUE.values():
        document = fields_of(entry, "name", "theme", "description", "source")
        document["parameters"] = [fields_of(each, *parameter) for each in entry.parameters]
        found.append(document | _facts(entry.kernel()))
    for each in OPERATORS.values():
        document = fields_of(each, "name", "description", "source", "kernels")
        found.append(document | {"theme": "Operators", "combine": each.combine.value})
    return found


def _read(kernel: KernelValue) -> dict[str, Any]:
    from convcli.lessons import kernels as lesson

    document: dict[str, Any] = {
        **fields_of(kernel, "name", "description"),
        **_facts(kernel),
        **fields_of(kernel, "bias", "weights", "flip_matters"),
        "strategy": lesson.strategy_of(kernel),
    }
    if kernel.is_bank:
        return document
    factors = lesson.factors_of(kernel)
    return document | {
        **fields_of(kernel, "rank", "symmetries"),
        "factors": factors and dict(zip(("column", "row", "divisor"), factors, strict=True)),
        "output_range": dict(zip(("min", "max"), lesson.output_range(kernel), strict=True)),
        "dc_gain": kernel.sum,
        "frequency_response": lesson.frequency_response(kernel).round(6),
    }


def _facts(kernel: KernelValue) -> dict[str, Any]:
    return {"shape": kernel.weights.shape, "sum": kernel.sum, "effect": kernel.effect.value}
