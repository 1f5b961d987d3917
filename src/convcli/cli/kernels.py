"""`convcli kernels`: the catalogue, and one kernel read, drawn or exported."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from convcli.choices import EXPORTED
from convcli.cli.options import json_option, own_options, subcommand, with_options
from convcli.cli.output import answer, refuse, scratch_file, show_file
from convcli.cli.types import READABLE, OperandValue, ReadableValue
from convcli.values import fields_of

if TYPE_CHECKING:
    from convcli.kernels.kernel import Kernel


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
        from convcli.kernels.formats.json_text import schema as published

        click.echo(json.dumps(published(), indent=2))
    elif export:
        _export(_operand(subject, "--export"), export, output)
    elif png is not None or show:
        from convcli.lessons.kernel_figures import draw_kernel

        drawn = scratch_file("kernel.png") if png is None else png
        draw_kernel(_operand(subject, "--show" if png is None else "--png"), drawn)
        if show:
            show_file(drawn)
    elif subject is None:
        answer(_catalogue, f"kernels:{'show_catalogue' if long else 'show_names'}")
    else:
        answer(*_document(subject), subject)


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


def _document(subject: ReadableValue) -> tuple[Callable[[], Any], str]:
    """Return what makes the document of a kernel, or of several, and what shows it."""
    from convcli.kernels.formats.read import Archive
    from convcli.kernels.operator import Operator

    if isinstance(subject, Archive):
        return (lambda: subject.tensors), "kernels:show_tensors"
    if not isinstance(subject, Operator):
        return (lambda: _read(subject)), "kernels:show_kernel"
    operator = {**fields_of(subject, "name", "description"), "combine": subject.combine.value}
    kernels = subject.kernels
    return (lambda: {**operator, "kernels": [*map(_read, kernels)]}), "kernels:show_operator"


def _catalogue() -> list[dict[str, Any]]:
    from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS

    parameter = ("name", "default", "unit", "range", "about")
    kernels = [
        {
            **fields_of(entry, "name", "theme", "description", "source"),
            "parameters": [fields_of(each, *parameter) for each in entry.parameters],
            **_facts(entry.kernel()),
        }
        for entry in CATALOGUE.values()
    ]
    operators = [
        {
            **fields_of(entry, "name", "description", "source", "kernels"),
            "theme": "Operators",
            "combine": entry.combine.value,
        }
        for entry in OPERATORS.values()
    ]
    return [*kernels, *operators]


def _read(kernel: "Kernel") -> dict[str, Any]:
    from convcli.kernels.analysis import factors_of, frequency_response, output_range
    from convcli.lessons.kernels import strategy_of

    document: dict[str, Any] = {
        **fields_of(kernel, "name", "description"),
        **_facts(kernel),
        **fields_of(kernel, "bias", "weights", "flip_matters"),
        "strategy": strategy_of(kernel),
    }
    if kernel.is_bank:
        return document
    factors = factors_of(kernel)
    return document | {
        **fields_of(kernel, "rank", "symmetries"),
        "factors": factors and dict(zip(("column", "row", "divisor"), factors, strict=True)),
        "output_range": dict(zip(("min", "max"), output_range(kernel), strict=True)),
        "dc_gain": kernel.sum,
        "frequency_response": frequency_response(kernel).round(6),
    }


def _facts(kernel: "Kernel") -> dict[str, Any]:
    return {"shape": kernel.weights.shape, "sum": kernel.sum, "effect": kernel.effect.value}
