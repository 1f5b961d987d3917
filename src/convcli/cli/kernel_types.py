"""What a person may write for a kernel, and how it is read. Imports NumPy only when it is."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convcli.choices import WeightLayout
from convcli.cli.options import option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from convcli.kernels.formats.read import Archive
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator

_Value = TypeVar("_Value")


class _SpecType(click.ParamType[_Value, Any]):
    """What a person writes for a kernel; it completes names, and files where none fits."""

    name = "kernel"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,
        incomplete: str,
    ) -> "list[CompletionItem[Any]]":
        """Complete names, and files where no name fits."""
        from click.shell_completion import CompletionItem

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
        from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS

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
        from convcli.kernels.kernel import Kernel
        from convcli.kernels.spec import kernel_from

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
        from convcli.kernels.spec import operand_from

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
        from convcli.kernels.formats.read import archive_at
        from convcli.kernels.spec import operand_from

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


def _layout(ctx: click.Context | None) -> WeightLayout:
    return WeightLayout(ctx.meta.get(_LAYOUT, "oihw") if ctx else "oihw")
