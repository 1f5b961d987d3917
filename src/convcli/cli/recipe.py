"""`convcli recipe`: what a picture was made with."""

from typing import TYPE_CHECKING

import click

from convcli.cli.options import Command
from convcli.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convcli.images.write import Saving
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator
    from convcli.pipeline.options import Options
    from convcli.pipeline.recipe import Recipe
    from convcli.pipeline.steps import Link


@click.command(
    "recipe",
    cls=Command,
    short_help="Show the recipe of a picture.",
    epilog="""\b
Examples:
  convcli apply sobel-x photo.jpg edges.png --record
  convcli recipe edges.png > edges.toml
  convcli apply --recipe edges.toml other.jpg other.png""",
)
@click.argument("file", type=click.Path())
def command(*, file: str) -> None:
    """Print the recipe in FILE: a picture that was written with --record, or a .toml.

    It has the kernels, the chain and the options of the run, as TOML.
    """
    from convcli.library.files import recipe

    click.echo(str(recipe(file)), nl=False)


def unpacked(
    kernel: "Kernel | Operator", names: tuple[str, ...], recipe: "Recipe"
) -> "tuple[Kernel | Operator, tuple[str, ...]]":
    """Return the kernel and the names of the files: with a recipe all words are files."""
    from convcli.kernels.spec import operand_from

    return operand_from(recipe.kernel), (str(kernel), *names)


def recorded(
    links: "Sequence[Link]",
    times: int,
    options: "Options",
    saving: "Saving",
    *,
    save: str | None,
    record: bool,
) -> "Saving":
    """Write the recipe into a file, or into what is saved."""
    from convcli.pipeline.recipe import recipe_of
    from convcli.storage.atomic import replacing

    text = str(recipe_of(links, times, options))
    if save is not None:
        with replacing(save) as file:
            file.write(text.encode("ascii"))
    return replace(saving, recipe=text) if record else saving
