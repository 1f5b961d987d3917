"""The program `convcli`: its commands, and the one place where errors become exit codes."""

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from convcli.cli import ending
from convcli.cli.command import BRIEF, FLAG
from convcli.errors import BatchError, ConvcliError, KernelError, OptionError

_PURPOSES = {
    "Filter pictures": "apply recipe retry pool find kernels",
    "Work out networks": "size params stack",
    "See and learn": "animate borders conv1d equivariance explain explore learn matrix",
    "About convcli": "help schema",
}
"""The commands by what they are for: each is `command` in the module of its name."""

_COMMANDS = sorted(" ".join(_PURPOSES.values()).split())
_FAILED, _USAGE, _BUG = 1, 2, 70  # exit statuses; 70 is the system's EX_SOFTWARE
_MISUSE = (BatchError, OptionError)  # errors of the library that are wrong usage
_TRACEBACK = "CONVCLI_TRACEBACK"  # the variable that asks for the traceback of a bug
_COLOR = False if os.environ.get("NO_COLOR") else None  # no-color.org; rich looks there, too


class Program(click.Group):
    """A group of commands: each is imported when it is called, each error is one line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by what they are for."""
        for purpose, names in _PURPOSES.items():
            found = [(name, self.get_command(ctx, name)) for name in names.split()]
            width = formatter.width
            rows = [(name, one.get_short_help_str(width)) for name, one in found if one]
            with formatter.section(purpose):
                formatter.write_dl(rows)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands before the options."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_brief_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the short help page below its usage: examples, commands."""
        self.format_help_text(ctx, formatter)
        self.format_commands(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(f"More: {ctx.command_path} COMMAND -h, {ctx.command_path} --help")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"convcli.cli.{cmd_name}").command
        return command

    def main(self, args: Sequence[str] | None = None, **settings: Any) -> Any:  # type: ignore[override] # click has overloads
        """Run the program; in standalone mode exit with its status."""
        if not settings.pop("standalone_mode", True):
            return super().main(args, standalone_mode=False, **settings)
        _tolerate_plain_terminals()
        if os.environ.get("_CONVCLI_COMPLETE") == "bash_source":
            # bash would take gaussian:2 and sobel-x@45 for several words.
            click.echo("COMP_WORDBREAKS=${COMP_WORDBREAKS//[:@=]/}")
        with ending.exit_on_sigterm():
            return self._run(args, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; exit without a message where the reader of its output has gone."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            ending.abandon_output()
            sys.exit(_FAILED)

    def _run(self, args: Sequence[str] | None, **settings: Any) -> NoReturn:
        self.arguments = list(sys.argv[1:] if args is None else args)
        try:
            status = super().main(args, standalone_mode=False, **settings)
            sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(_USAGE)
        except (click.UsageError, KernelError) as error:
            _fail(self._corrected(error), _USAGE)
        except click.ClickException as error:
            _fail(error.format_message(), error.exit_code)
        except click.Abort:
            sys.exit(ending.INTERRUPTED)
        except ConvcliError as error:
            _fail(str(error), _USAGE if isinstance(error, _MISUSE) else _FAILED)
        except MemoryError:
            _fail("not enough memory: use a smaller picture, padding or kernel", _FAILED)
        except OSError as error:
            ending.abandon_output()
            if isinstance(error, BrokenPipeError):
                sys.exit(_FAILED)
            place, why = error.filename or "output", error.strerror or error
            remedy = _REMEDIES.get(error.errno or 0, "check the path and its permissions")
            _fail(f"{place}: {why}: {remedy}", _FAILED)
        except Exception as error:  # noqa: BLE001 - the only place where bugs become a line
            _report_bug(error)
        sys.exit(status if isinstance(status, int) else 0)

    def _corrected(self, error: Exception) -> str:
        """Return what is wrong, what was meant, and where the help is, of wrong usage."""
        from convcli.cli.suggestions import correction

        said, hint = str(error), ""
        if isinstance(error, click.UsageError):
            said = " ".join(error.format_message().split()).rstrip(".")
            word = next(iter(self.arguments), "")
            path = f"convcli {word}" if word in _COMMANDS else "convcli"
            hint = f" (see '{error.ctx.command_path if error.ctx else path} --help')"
        return (correction(self.arguments, error, self) or said) + hint


_FEWER = "allow more with ulimit, or use fewer --jobs"
_REMEDIES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room, or write elsewhere")
_REMEDIES |= dict.fromkeys((errno.EMFILE, errno.EAGAIN), _FEWER)
"""What to do where the system refuses."""


class _ClosedStream(io.RawIOBase):
    """Standard output that was closed before the program started: nothing can be written."""

    def writable(self) -> bool:
        """Say that writing may be tried: that raises the error."""
        return True

    def write(self, data: object) -> NoReturn:
        """Raise an error, which is shown."""
        raise ConvcliError(
            "standard output is closed, and something was to be written to it: leave it open, "
            "or send it to /dev/null"
        )


def _tolerate_plain_terminals() -> None:
    """Replace closed streams, and characters that an encoding lacks by ``?``."""
    for name in ("stdin", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    if sys.stdout is None:
        # Text that is held back would be written again at the exit, and fail again.
        sys.stdout = io.TextIOWrapper(_ClosedStream(), encoding="utf-8", write_through=True)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _report_bug(error: Exception) -> NoReturn:
    """Ask for a report of an error that convcli did not expect; show where, if asked to."""
    ending.abandon_output()
    if os.environ.get(_TRACEBACK):
        import traceback

        traceback.print_exception(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    advice = f"please report it, with the command and what {_TRACEBACK}=1 shows"
    _fail(f"this is a bug in convcli: {text}: {advice}", _BUG)


def _fail(message: str, status: int) -> NoReturn:
    line = ending.shortened(ending.printable(" ".join(message.splitlines())))
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {line}", err=True, color=_COLOR)
    sys.exit(status)


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value:
        from convcli.cli.help import show_version

        show_version(context)


@click.group(
    cls=Program,
    commands=dict.fromkeys(_COMMANDS),
    context_settings={
        "auto_envvar_prefix": "CONVCLI",
        "help_option_names": ["--help"],
        "max_content_width": 120,
        "color": _COLOR,
    },
    help="""Slide kernels over pictures, and say exactly what that does.

\b
Examples:
  convcli apply sobel-x photo.jpg edges.png
  convcli size --w 7 --k 3 --s 2 --p 1
  convcli params --in 3 --filters 64 --k 3
  convcli kernels gaussian:2""",
    epilog="""\b
convcli COMMAND -h shows what most people need, COMMAND --help everything.
Lessons: docs/lessons.md, from Python: docs/api.md, all else: README.md.

Each option can be set by environment, as CONVCLI_APPLY_BORDER=replicate.
With the extra fast, CONVCLI_FAST=auto (where that saves time), always or never
says whether filters are compiled.

Exit status: 0 done, 1 it failed, 2 wrong usage, 70 a bug in convcli (with
CONVCLI_TRACEBACK=1 it shows where), 130 interrupted, 143 terminated.""",
)
@click.option(
    "--json", "as_json", **FLAG, is_eager=True, help="With --version: print it as JSON."
)
@click.option("-h", "brief", **BRIEF)
@click.option(
    "--version",
    **FLAG,
    expose_value=False,
    callback=_show_version,
    help="Show the versions that a report of a bug needs, and exit.",
)
def main(*, as_json: bool) -> None:
    """Run the command that the first word names."""
