"""How commands and options are declared and shown; a group of options comes as one value."""

import functools
import inspect
import os
import re
from collections.abc import Callable
from typing import Any

import click
from click.core import augment_usage_errors

from convcli.cli.output import JSON, typed
from convcli.cli.types import BANK, RECIPE, late


def _filtering(**values: Any) -> Any:
    if values.get("output_padding") and not values["transposed"]:
        raise click.UsageError("--output-padding needs --transposed: give both or none")
    return late("pipeline.options:Options")(**values)


def _reader(**values: Any) -> Any:
    policy = late("images.policy:ReadPolicy")(**values)
    return functools.partial(late("pipeline.files:read_first_frame"), reading=policy)


_GROUPS: dict[str, Callable[..., Any]] = {
    "options": _filtering,
    "reading": late("images.policy:ReadPolicy"),
    "read": _reader,
    "saving": late("images.write:Saving"),
    "planes": late("choices:PlaneChoice"),
}
"""What a command gets as one value each, by the name of its parameter; its class has defaults
for options that are not given."""


class Option(click.Option):
    """An option with a section of the help page; a command gets it, or the group it is in.

    The short help page has those that are `everyday`.
    """

    def __init__(
        self, *args: Any, section: str, part_of: str = "", everyday: bool, **settings: Any
    ) -> None:
        super().__init__(*args, **{"show_default": True, **settings})
        self.section, self.part_of, self.everyday = section, part_of, everyday

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of CONVCLI_COMMAND_OPTION, named after one of the forms."""
        if self.name in ctx.meta.get(RECIPE, ()):
            return None  # a recipe says all of a run
        value = super().resolve_envvar_value(ctx)
        if value is not None or not (self.allow_from_autoenv and ctx.auto_envvar_prefix):
            return value
        for form in sorted(self.opts, key=len, reverse=True):
            name = form.lstrip("-").replace("-", "_").upper()
            if value := os.environ.get(f"{ctx.auto_envvar_prefix}_{name}"):
                return value
        return None

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the line of the help page; ``--s`` is not named where ``-s`` is."""
        opts, self.opts = self.opts, self._named_forms()
        record = super().get_help_record(ctx)
        self.opts = opts
        return record

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return what stands in brackets behind the text: the default and the limits."""
        limits = getattr(self.type, "limits", "")
        return {**super().get_help_extra(ctx), **({"range": limits} if limits else {})}

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return how errors call it: by the forms on the help page, and whence its value is."""
        source = ctx and ctx.get_parameter_source(self.name or "")
        is_set = source is click.core.ParameterSource.ENVIRONMENT
        forms = " / ".join(repr(form) for form in self._named_forms())
        return f"{forms} (from the environment)" if is_set else forms

    def _named_forms(self) -> list[str]:
        return [form for form in self.opts if form.removeprefix("-") not in self.opts]


_FEW = 14  # options of a short help page
_EXAMPLES = 5  # examples of a short help page


class Command(click.Command):
    """A command whose help lists its options by section, and which gets groups as values.

    Its docstring ends with examples, behind "For example:".
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        text = inspect.cleandoc(self.help or "")
        self.help, _, examples = text.partition("\n\nFor example:\n")
        self.examples = examples.splitlines()
        self.context_settings = {"help_option_names": ["--help"], **self.context_settings}
        self.params.append(Option(["-h", "brief"], section="Help", everyday=False, **BRIEF))

    def format_brief_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the short help page below its usage: examples, what most people need."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text((self.help or "").partition("\n\n")[0])
        self._write_examples(formatter, _EXAMPLES)
        shown = [each for each in self.params if isinstance(each, Option) and not each.hidden]
        with formatter.section("Options"):
            for each in shown:
                record = each.get_help_record(ctx)
                if record and (each.everyday or len(shown) <= _FEW):
                    _write_in_a_line(formatter, *record)
        formatter.write_paragraph()
        formatter.write_text(f"All options: {ctx.command_path} --help")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, and the text below them."""
        self._write_examples(formatter)
        super().format_help_text(ctx, formatter)

    def _write_examples(self, formatter: click.HelpFormatter, most: int | None = None) -> None:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text("\n".join(["\b", "Examples:", *self.examples[:most]]))

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

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; each group of options comes to it as one value."""
        ctx.meta[JSON] = ctx.params.pop("as_json", False)
        if ctx.params.pop("layout", None) and typed("layout") and not ctx.meta.get(BANK):
            raise click.UsageError(
                "--layout is for filter banks, and no kernel is one: drop it"
            )
        groups: dict[str, dict[str, Any]] = {}
        for parameter in self.params:
            if isinstance(parameter, Option) and parameter.part_of and parameter.name:
                values = groups.setdefault(parameter.part_of, {})
                if (value := ctx.params.pop(parameter.name)) is not None:
                    values[parameter.name] = value
        with augment_usage_errors(ctx):
            ctx.params |= {name: _GROUPS[name](**values) for name, values in groups.items()}
        return super().invoke(ctx)


def _show_brief_help(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value and not ctx.resilient_parsing:
        command: Any = ctx.command
        formatter = ctx.make_formatter()
        command.format_usage(ctx, formatter)
        command.format_brief_help(ctx, formatter)
        click.echo(formatter.getvalue().rstrip("\n"), color=ctx.color)
        ctx.exit()


FLAG: dict[str, Any] = {"is_flag": True, "allow_from_autoenv": False}
BRIEF = FLAG | {"is_eager": True, "expose_value": False, "callback": _show_brief_help}
BRIEF["help"] = "Show a short help page."
"""The settings of ``-h``: its command has a method `format_brief_help`."""

_COLUMN = 30  # columns of the forms of an option, on the short help page


def _write_in_a_line(formatter: click.HelpFormatter, forms: str, text: str) -> None:
    """Write an option in one line: its first words, as far as there is room."""
    if len(forms) > _COLUMN:
        forms = f"{forms.rpartition(' ')[0]} WORD"
    head = f"{forms:<{_COLUMN}}  "
    room = formatter.width - len(head) - formatter.current_indent
    first = re.split(r"; |\. |:  |  \[", text, maxsplit=1)[0].rstrip(".")
    cut = first if len(first) <= room else first[: max(room - 1, 0)].rpartition(" ")[0] + " …"
    formatter.write(f"{'':>{formatter.current_indent}}{head}{cut}\n")
