"""How options are declared and shown; commands get a group of options as one value."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
from click.core import ParameterSource, augment_usage_errors

from convcli.cli.types import OUTPUT, PADDING, PAIR, RECIPE, whole
from convcli.errors import GeometryError
from convcli.values import Record


class OptionGroup(Record):
    """Options that a command's function gets as its parameter `name`.

    `build` makes its value of the options, which it takes by name.
    """

    name: str
    build: Callable[..., Any]


class Option(click.Option):
    """An option that has a section of the help page, and may be part of a group.

    A command gets it in the value of that group, or by its own name where it has none. The
    short help page has those that are `everyday`: of groups, only what says so.
    """

    def __init__(
        self,
        *args: Any,
        section: str = "Options",
        part_of: OptionGroup | None = None,
        everyday: bool | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **{"show_default": True, **settings})
        self.section, self.part_of = section, part_of
        self.everyday = part_of is None if everyday is None else everyday

    @property
    def flag(self) -> str:
        """The longest form: ``--stride`` of ``-s`` and ``--stride``."""
        return max(self.opts, key=len)

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

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return how errors call it: by the forms that the help page names."""
        return " / ".join(repr(form) for form in self._named_forms())

    def _named_forms(self) -> list[str]:
        return [form for form in self.opts if form.removeprefix("-") not in self.opts]


_FEW, _EXAMPLES = 14, 5
"""Options, and examples, of a short help page."""


class Command(click.Command):
    """A command whose help lists its options by section, and which gets groups as values.

    ``--help`` shows all of it, ``-h`` what most people need.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.context_settings = {"help_option_names": ["--help"], **self.context_settings}
        self.params.append(
            Option(
                ["-h", "brief"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                allow_from_autoenv=False,
                callback=_show_brief_help,
                section="Help",
                everyday=False,
                help="Show a short help page.",
            )
        )

    def brief_help(self, ctx: click.Context) -> str:
        """Return the short help page: usage, examples, the options that most people need."""
        formatter = ctx.make_formatter()
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text((self.help or "").partition("\n\n")[0])
        self._write_examples(formatter, _EXAMPLES)
        shown = [each for each in self.params if isinstance(each, Option) and not each.hidden]
        if len(shown) > _FEW:
            shown = [each for each in shown if each.everyday]
        with formatter.section("Options"):
            for each in shown:
                _write_in_a_line(formatter, each.get_help_record(ctx))
        formatter.write_paragraph()
        formatter.write_text(f"All options: {ctx.command_path} --help")
        return formatter.getvalue().rstrip("\n")

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the whole help page: the examples come first."""
        self.format_usage(ctx, formatter)
        self._write_examples(formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)
        self.format_epilog(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what follows the options; the examples stand elsewhere."""
        rest = [part for part in (self.epilog or "").split("\n\n") if "Examples:" not in part]
        if rest:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text("\n\n".join(rest))

    def _write_examples(self, formatter: click.HelpFormatter, most: int | None = None) -> None:
        parts = (self.epilog or "").split("\n\n")
        lines = next((part for part in parts if "Examples:" in part), "").splitlines()
        examples = [line for line in lines if line.startswith("  ")]
        if examples:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text("\n".join(["\b", "Examples:", *examples[:most]]))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; each group of options comes to it as one value."""
        groups: dict[OptionGroup, dict[str, Any]] = {}
        for parameter in self.params:
            if isinstance(parameter, Option) and parameter.part_of and parameter.name:
                values = groups.setdefault(parameter.part_of, {})
                values[parameter.name] = ctx.params.pop(parameter.name)
        with augment_usage_errors(ctx):
            ctx.params |= {group.name: group.build(**groups[group]) for group in groups}
        return super().invoke(ctx)

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


def _show_brief_help(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001, ARG001 - click's
    if value and not ctx.resilient_parsing:
        assert isinstance(ctx.command, Command)  # noqa: S101 - the option is of that class
        click.echo(ctx.command.brief_help(ctx), color=ctx.color)
        ctx.exit()


def _write_in_a_line(formatter: click.HelpFormatter, record: tuple[str, str] | None) -> None:
    """Write an option in one line: its first words, as far as there is room."""
    if record is None:
        return
    forms, text = record
    if len(forms) > _COLUMN:
        forms = f"{forms.rpartition(' ')[0]} WORD"
    head = f"{forms:<{_COLUMN}}  "
    room = formatter.width - len(head) - formatter.current_indent
    first = text.split("; ")[0].split(". ")[0].split(":  ")[0].split("  [")[0].rstrip(".")
    cut = first if len(first) <= room else first[: max(room - 1, 0)].rpartition(" ")[0] + " …"
    formatter.write(f"{'':>{formatter.current_indent}}{head}{cut}\n")


_COLUMN = 30
"""Columns of the forms of an option, on the short help page."""

option = functools.partial(click.option, cls=Option)
"""`click.option` with a `section` on the help page and a `part_of`."""

_SHARED: dict[str, tuple[tuple[str, ...], click.ParamType[Any, Any], str]] = {
    "stride": (("--stride", "-s", "--s"), PAIR, "Step of the window, in pixels."),
    "padding": (
        ("--padding", "-p", "--p"),
        PADDING,
        "Pixels added on each side; same keeps the size at stride 1.",
    ),
    "dilation": (
        ("--dilation", "-d", "--d"),
        PAIR,
        "Distance between two taps, in pixels.",
    ),
    "kernel_size": (
        ("--kernel-size", "-k", "--k"),
        PAIR,
        "Rows and columns of the kernel.",
    ),
    "width": (("--width", "-w", "--w"), whole(1), "Width of the input, in pixels."),
    "height": (("--height", "--h"), whole(1), "Height of the input, in pixels."),
    "in_channels": (("--in-channels", "--in"), whole(1), "Input channels."),
    "filters": (("--filters", "--out"), whole(1), "Filters: output channels."),
}
"""Options of several commands: the ways to write each, its type, what it is."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def shared_option(name: str, **settings: Any) -> Callable[[_Command], _Command]:
    """Add an option that several commands have, which is written alike in each.

    `settings` are what differs: its default, its section, its help.
    """
    forms, kind, text = _SHARED[name]
    return option(*forms, name, **{"type": kind, "help": text, "everyday": True, **settings})


def with_options(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Return a decorator that adds several options, in this order."""

    def add(command: _Command) -> _Command:
        for decorate in reversed(options):
            command = decorate(command)
        return command

    return add


def typed(*names: str) -> list[str]:
    """Return which of the running command's parameters stand on its command line.

    The environment sets an option for every call: where a call has no use for it, that is
    no mistake.
    """
    source = click.get_current_context().get_parameter_source
    return [name for name in names if source(name) is ParameterSource.COMMANDLINE]


def check_use(chosen: str, takes: dict[str, set[str]]) -> None:
    """Refuse options on the command line that have no use beside the `chosen` one.

    `takes` has, for each option that can be chosen, the options that go with it; an empty name
    stands for none of them.
    """
    flags = {each.name or "": max(each.opts, key=len) for each in _running().params}
    known = {*takes}.union(*takes.values()) - {"", chosen}
    for name in typed(*(known - takes[chosen])):
        if chosen:
            raise click.UsageError(
                f"{flags[name]}: {flags[chosen]} has no use for it: drop one of them"
            )
        users = " or ".join(flags[user] for user in takes if name in takes[user])
        raise click.UsageError(
            f"{flags[name]} belongs to {users}: add that, or drop {flags[name]}"
        )


@contextlib.contextmanager
def sizes_checked(before: str = "--") -> Iterator[None]:
    """Turn a `GeometryError`, which begins with an option's name, into a wrong use of it."""
    try:
        yield
    except GeometryError as error:
        raise click.UsageError(f"{before}{error}") from None


def _running() -> click.Command:
    return click.get_current_context().command


output_option = functools.partial(
    option,
    "--output",
    "-o",
    metavar="OUTPUT",
    type=OUTPUT,
    allow_from_autoenv=False,
    section="Output",
    help="OUTPUT, given as an option.",
)
"""``--output``, beside the last argument of a command."""


def json_option(command: _Command) -> _Command:
    """Add ``--json``."""
    return json_option_for("Print the result as JSON instead.")(command)


def json_option_for(text: str) -> Callable[[_Command], _Command]:
    """Add ``--json``, where a command prints more than one object."""
    return option("--json", "as_json", is_flag=True, section="Output", help=text, everyday=True)


def quiet_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--quiet``, whose meaning depends on the command."""
    return option("--quiet", "-q", is_flag=True, section="Output", help=text, everyday=True)
