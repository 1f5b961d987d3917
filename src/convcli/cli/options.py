"""Parameter types and options that commands share. Imports neither NumPy nor rich."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from convcli.cli.help import Option
from convcli.errors import GeometryError
from convcli.geometry import Padding, Pair

if TYPE_CHECKING:
    from convcli.borders import Border
    from convcli.kernels import Archive, Kernel, Layout, Operator

option = functools.partial(click.option, cls=Option)
"""`click.option` with a `section` on the help page."""

_PAIR = 2
_DIGITS = 12
"""No picture has a side of more digits."""

_Value = TypeVar("_Value")
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _WordType(click.ParamType[_Value, Any]):
    """A type that shows its forms as they are written, and completes its words."""

    words: tuple[str, ...] = ()

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what stands for the value on the help page."""
        return self.name

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem[Any]]:
        """Complete the words."""
        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]


class FiniteType(_WordType[float]):
    """A number that is neither infinite nor NaN."""

    name = "NUMBER"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"expected a finite number, got {value!r}", param, ctx)
        return number


class PairType(_WordType[Pair]):
    """One whole number for both axes, or two: ``YxX``, rows by columns."""

    name = "N|YxX"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Pair:
        """Return (rows, columns)."""
        numbers = _numbers(value)
        if numbers is None or min(numbers) < 1:
            expected = "a whole number of at least 1, or two as YxX (3x5: 3 rows, 5 columns)"
            self.fail(f"expected {expected}; got {value!r}", param, ctx)
        return numbers


class PaddingType(_WordType[Padding]):
    """``same``, ``valid``, or pixels a side: ``N`` or ``YxX``."""

    name = "same|valid|N|YxX"
    words = ("same", "valid")

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Padding:
        """Return what `convcli.geometry.window` takes."""
        if value == "same" or value == "valid":  # noqa: PLR1714 - mypy narrows only this form
            word: Padding = value
            return word
        numbers = _numbers(value)
        if numbers is None:
            expected = "same, valid, a whole number of at least 0, or two as YxX"
            self.fail(f"expected {expected}; got {value!r}", param, ctx)
        return numbers


class BorderType(_WordType["Border"]):
    """A border mode by its name, or by an unambiguous name of another tool."""

    words = ("zero", "replicate", "reflect", "symmetric", "wrap")
    name = "|".join(words)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Border":
        """Return the border mode."""
        from convcli.borders import border_named  # noqa: PLC0415 - borders import NumPy

        try:
            return border_named(value)
        except GeometryError as error:
            self.fail(str(error).removeprefix("border: "), param, ctx)


class _SpecType(click.ParamType[_Value, Any]):
    """What a person writes for a kernel; it completes names, and files where none fits."""

    name = "kernel"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem[Any]]:
        """Complete names, and files where no name fits."""
        names: list[CompletionItem[Any]] = [
            CompletionItem(name, help=about)
            for name, about in self.known()
            if name.startswith(incomplete)
        ]
        return names or [CompletionItem(incomplete, type="file")]

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split the kernels of an environment variable; inline JSON is one of them."""
        return [rv] if rv.lstrip().startswith(("[", "{")) else rv.split()

    def known(self) -> list[tuple[str, str]]:
        """Return the names that may stand here, and what they do."""
        from convcli.kernels import CATALOGUE, OPERATORS  # noqa: PLC0415 - they import NumPy

        kernels = [(entry.name, entry.description) for entry in CATALOGUE.values()]
        operators = [(entry.name, entry.description) for entry in OPERATORS.values()]
        return [*kernels, *operators]


class KernelType(_SpecType["Kernel"]):
    """A kernel: a name, ``name:parameters``, a file or inline text, and modifiers."""

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> "Kernel":
        """Return the kernel."""
        from convcli.kernels import Kernel, kernel_from  # noqa: PLC0415 - they import NumPy

        return value if isinstance(value, Kernel) else kernel_from(value, layout=_layout(ctx))


class OperandType(_SpecType["Kernel | Operator"]):
    """A kernel, or several that make one picture: ``sobel``, ``sobel-x+sobel-y``."""

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> "Kernel | Operator":
        """Return the kernel or the operator."""
        from convcli.kernels import operand_from  # noqa: PLC0415 - they import NumPy

        return operand_from(value, layout=_layout(ctx)) if isinstance(value, str) else value


class NameType(_SpecType["Kernel | Operator | Archive"]):
    """What can be read and shown: an operand, or a file of several arrays."""

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> "Kernel | Operator | Archive":
        """Return the operand, or what the file holds."""
        from convcli.kernels import archive_at, operand_from  # noqa: PLC0415 - NumPy

        archive = archive_at(str(value))
        return operand_from(str(value), layout=_layout(ctx)) if archive is None else archive


_LAYOUT = "convcli.layout"


def layout_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--layout``, which kernels given on the same command line are read by."""
    return option(
        "--layout",
        type=click.Choice(["oihw", "hwio"]),
        default="oihw",
        show_default=True,
        is_eager=True,
        expose_value=False,
        callback=_keep_layout,
        section="Kernel",
        help="Axes of filter banks in .npy, .npz and .safetensors: outputs, inputs, rows, "
        "columns as torch; or as TensorFlow.",
    )(command)


def _keep_layout(ctx: click.Context, _: click.Parameter, value: str) -> None:
    ctx.meta[_LAYOUT] = value


def _layout(ctx: click.Context | None) -> "Layout":
    from convcli.kernels import Layout  # noqa: PLC0415 - kernels import NumPy

    return Layout(ctx.meta.get(_LAYOUT, "oihw") if ctx else "oihw")


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json``."""
    return option(
        "--json",
        "as_json",
        is_flag=True,
        section="Output",
        help="Print one JSON object instead.",
    )(command)


def quiet_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--quiet``, whose meaning depends on the command."""
    return option("--quiet", "-q", is_flag=True, section="Output", help=text)


def whole(least: int) -> click.IntRange:
    """Return the type of a whole number of at least `least`."""
    return click.IntRange(min=least)


def _numbers(value: object) -> Pair | None:
    """Return the pair that a value stands for; None where it stands for none."""
    if isinstance(value, tuple):
        return (value[0], value[1])
    parts = str(value).strip().lower().replace("×", "x").split("x")
    if len(parts) > _PAIR or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    if max(len(part) for part in parts) > _DIGITS:
        return None
    return (int(parts[0]), int(parts[-1]))


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


def window_options(command: _Command) -> _Command:
    """Add ``--stride``, ``--padding``, ``--border`` and ``--dilation``."""
    for add in (dilation_option, border_option, padding_option("same"), _STRIDE):
        command = add(command)
    return command
