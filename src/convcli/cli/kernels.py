"""`convcli kernels`: the catalogue, and one kernel read from its weights."""

import json
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.help import Command
from convcli.cli.options import KernelType, json_option

if TYPE_CHECKING:
    from convcli.kernels import Kernel


@click.command(
    "kernels",
    cls=Command,
    short_help="List the kernels, or read one.",
    epilog="""\b
Examples:
  convcli kernels
  convcli kernels sobel-x
  convcli kernels gaussian:1
  convcli kernels my-kernel.json""",
)
@click.argument("kernel", metavar="[NAME]", required=False, type=KernelType())
@json_option
def command(*, kernel: "Kernel | None", as_json: bool) -> None:
    """List all named kernels, or show one: its grid, sum, rank and symmetry.

    NAME may have parameters (gaussian:2), be a .json file, or inline JSON.
    """
    if as_json:
        click.echo(json.dumps(_catalogue() if kernel is None else _document(kernel)))
        return
    from convcli.cli.render import show_catalogue, show_kernel  # noqa: PLC0415 - rich

    if kernel is None:
        show_catalogue()
    else:
        show_kernel(kernel)


def _catalogue() -> list[dict[str, Any]]:
    from convcli.kernels import CATALOGUE  # noqa: PLC0415 - NumPy only where it is needed

    return [
        {
            "name": entry.name,
            "description": entry.description,
            "source": entry.source,
            "parameters": [
                {
                    "name": parameter.name,
                    "default": parameter.default,
                    "unit": parameter.unit,
                    "range": parameter.range,
                    "about": parameter.about,
                }
                for parameter in entry.parameters
            ],
            **_facts(entry.kernel()),
        }
        for entry in CATALOGUE.values()
    ]


def _document(kernel: "Kernel") -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": kernel.name,
        "description": kernel.description,
        **_facts(kernel),
        "bias": list(kernel.bias),
        "weights": kernel.weights.tolist(),
    }
    if not kernel.is_bank:
        document |= {"rank": kernel.rank, "symmetries": list(kernel.symmetries)}
    return document


def _facts(kernel: "Kernel") -> dict[str, Any]:
    return {
        "shape": list(kernel.weights.shape),
        "sum": kernel.sum,
        "effect": kernel.effect.value,
    }
