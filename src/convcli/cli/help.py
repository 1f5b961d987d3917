"""`convcli help`: the help page of the program, or of a command."""

import click

from convcli.cli.options import Command


@click.command(
    "help",
    cls=Command,
    short_help="Show the help page of a command.",
    epilog="""\b
Examples:
  convcli help
  convcli help apply""",
)
@click.argument("name", metavar="[COMMAND]", required=False)
@click.pass_context
def command(context: click.Context, /, *, name: str | None) -> None:
    """Show the whole help page of COMMAND, as COMMAND --help does; or that of convcli."""
    program = context.find_root()
    assert isinstance(program.command, click.Group)  # noqa: S101 - convcli is one
    if name is None:
        click.echo(program.get_help(), color=context.color)
        return
    found = program.command.get_command(program, name)
    if found is None:
        program.command.resolve_command(program, [name])
        return
    with found.make_context(name, [], parent=program, resilient_parsing=True) as inner:
        click.echo(found.get_help(inner), color=context.color)
