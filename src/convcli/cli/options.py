"""Options that several commands share, and how help shows them."""

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from convcli.cli.types import BorderType, FiniteType, PaddingType, PairType


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


option = functools.partial(click.option, cls=Option)
"""`click.option` with a `section` on the help page."""

_RANGES = ("auto", "clip", "abs", "shift", "stretch", "balance")
_COMBINES = ("magnitude", "max", "sum", "mean", "min")

_Command = TypeVar("_Command", bound=Callable[..., Any])


def group(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """Return what adds several options, in this order."""

    def add(command: _Command) -> _Command:
        for one in reversed(options):
            command = one(command)
        return command

    return add


def typed(*names: str) -> list[str]:
    """Return which of the running command's parameters stand on its command line.

    What the environment sets is for every call: one that has no use for it is no mistake.
    """
    source = click.get_current_context().get_parameter_source
    return [name for name in names if source(name) is ParameterSource.COMMANDLINE]


def json_option(command: _Command) -> _Command:
    """Add ``--json``."""
    return json_option_for("Print the result as JSON instead.")(command)


def json_option_for(text: str) -> Callable[[_Command], _Command]:
    """Add ``--json``, where a command prints more than one object."""
    return option("--json", "as_json", is_flag=True, section="Output", help=text)


def quiet_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--quiet``, whose meaning depends on the command."""
    return option("--quiet", "-q", is_flag=True, section="Output", help=text)


def padding_option(default: str) -> Callable[[_Command], _Command]:
    """Add ``--padding``."""
    return option(
        "--padding",
        "-p",
        type=PaddingType(),
        default=default,
        show_default=True,
        section="Window",
        help="Pixels added on each side; same keeps the size at stride 1.",
    )


_STRIDE = option(
    "--stride",
    "-s",
    type=PairType(),
    default="1",
    show_default=True,
    section="Window",
    help="Step of the window, in pixels.",
)

border_option = option(
    "--border",
    type=BorderType(),
    default="zero",
    show_default=True,
    section="Window",
    help="How the picture goes on in the padding.",
)
"""``--border``."""

dilation_option = option(
    "--dilation",
    "-d",
    type=PairType(),
    default="1",
    show_default=True,
    section="Window",
    help="Distance between two taps, in pixels.",
)
"""``--dilation``."""

strict_option = option(
    "--strict", is_flag=True, section="Window", help="Fail where the stride leaves a remainder."
)
"""``--strict``."""

combine_option = option(
    "--combine",
    type=click.Choice(_COMBINES),
    default=None,
    section="Kernel",
    help="How the answers of kernels joined by + become one.  [default: magnitude]",
)
"""``--combine``."""

bias_option = option(
    "--bias",
    type=FiniteType(),
    default=None,
    section="Kernel",
    help="Add this to each value (of every kernel).",
)
"""``--bias``."""

flip_option = option(
    "--flip",
    is_flag=True,
    section="Kernel",
    help="Flip the kernel first: the mathematician's convolution.",
)
"""``--flip``."""

gray_option = option(
    "--gray", is_flag=True, section="Pixels", help="Make the picture grey first."
)
"""``--gray``."""

range_option = option(
    "--range",
    type=click.Choice(_RANGES),
    default="auto",
    show_default=True,
    section="Pixels",
    help="Values outside 0-255: cut off, without sign, 0 as mid-grey, stretched to fill "
    "the range, or scaled around mid-grey. auto: abs for kernels that sum to 0, else clip.",
)
"""``--range``."""


def window_options(command: _Command) -> _Command:
    """Add ``--stride``, ``--padding``, ``--border`` and ``--dilation``."""
    for add in (dilation_option, border_option, padding_option("same"), _STRIDE):
        command = add(command)
    return command
