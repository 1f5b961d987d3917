"""Help pages whose options stand in groups."""

import os
from typing import Any

import click


class Option(click.Option):
    """An option that belongs to a section of the help page.

    Parameters
    ----------
    *args, **settings
        As for `click.Option`.
    section : str
        The heading that it stands under.
    """

    def __init__(self, *args: Any, section: str = "Options", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.section = section

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of CONVCLI_COMMAND_OPTION, named after the longest flag."""
        found = super().resolve_envvar_value(ctx)
        if found is not None or not (self.allow_from_autoenv and ctx.auto_envvar_prefix):
            return found
        flag = max(self.opts, key=len).lstrip("-").replace("-", "_")
        return os.environ.get(f"{ctx.auto_envvar_prefix}_{flag.upper()}") or None


class Command(click.Command):
    """A command whose help lists its options by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section, in the order of their first option."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                heading = getattr(parameter, "section", "Help")
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)
