"""`convcli recipe`: what a picture was made with."""

import click

from convcli.cli.options import subcommand


@subcommand("recipe", short_help="Show the recipe of a picture.")
@click.argument("file", type=click.Path())
def command(*, file: str) -> None:
    """Print the recipe in FILE: a picture that was written with --record, or a .toml.

    It has the kernels, the chain and the options of the run, as TOML.

    For example:
      convcli apply sobel-x photo.jpg edges.png --record
      convcli recipe edges.png > edges.toml
      convcli apply --recipe edges.toml other.jpg other.png
    """
    from convcli.library.chains import recipe

    click.echo(str(recipe(file)), nl=False)
