"""`convcli schema`: the JSON Schema of what a command prints with --json, and of recipes."""

from importlib.resources import files

import click

from convcli.cli.options import subcommand

FOLDER = files("convcli.cli") / "schemas"


def documented() -> list[str]:
    """Return the commands whose output has a schema."""
    names = (entry.name for entry in FOLDER.iterdir())
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


@subcommand("schema", short_help="Print the JSON Schema of a command's --json.")
@click.argument("name", metavar="[COMMAND]", required=False)
def command(*, name: str | None) -> None:
    """Print the JSON Schema of what COMMAND prints with --json, or which commands have one.

    That of recipe is for the TOML of recipes.

    The number in its $id grows where a key goes or changes its meaning. New keys may come at
    any time. A batch prints one object a line, and each line has this schema.

    For example:
      convcli schema size
      convcli schema apply > apply.schema.json
      convcli schema recipe
    """
    names = documented()
    if name is None:
        click.echo("\n".join(names))
        return
    if name not in names:
        known = ", ".join(names)
        raise click.UsageError(f"expected a command that has --json ({known}), got {name!r}")
    click.echo((FOLDER / f"{name}.json").read_text("utf-8"), nl=False)
