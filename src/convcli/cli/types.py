"""What a person may write on the command line: numbers, words, kernels. No NumPy, no rich."""

import enum
import importlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convcli.choices import Border, WeightLayout
from convcli.errors import BatchError, ImageError, OptionError
from convcli.settings import PADDING_WORDS, PARSERS, pair_from, point_from, whole_number_from
from convcli.storage.urls import FRAME, MAP

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from convcli.kernels.formats.read import Archive
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator
    from convcli.pipeline.recipe import Recipe
    from convcli.pipeline.steps import Link

_Value = TypeVar("_Value")
_Member = TypeVar("_Member", bound=enum.Enum)


def late(place: str) -> Callable[..., Any]:
    """Return a function or a class that is imported when it is called: ``module:name``."""
    module, _, name = place.partition(":")

    def call(*values: Any, **named: Any) -> Any:
        return getattr(importlib.import_module(f"convcli.{module}"), name)(*values, **named)

    return call


class ReadType(click.ParamType[_Value, Any]):
    """A type whose values a function of the library reads; its errors become wrong usage.

    `form` stands for the value on the help page; where it is empty, the words. `words` returns
    what a shell may complete.
    """

    def __init__(
        self,
        form: str,
        read: Callable[[Any], _Value],
        words: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.name = form
        self._read, self._words = read, words

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> _Value:
        """Return the value."""
        try:
            return self._read(value)
        except (OptionError, ImageError, BatchError) as error:
            self.fail(str(error), param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what stands for the value on the help page."""
        return self.name or "|".join(self._words())

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem[Any]]":
        """Complete the words."""
        from click.shell_completion import CompletionItem

        words = (word for word in self._words() if word.startswith(incomplete.lower()))
        return [CompletionItem(word) for word in words]


def setting(name: str, form: str, words: Callable[[], Sequence[str]] = tuple) -> ReadType[Any]:
    """Return the type of an option of filtering: `convcli.settings` reads its values."""
    return ReadType(form, PARSERS[name], words)


PAIR = ReadType("N|YxX", pair_from)
PADDING = setting("padding", "same|valid|N|YxX|T,R,B,L", lambda: PADDING_WORDS)
BORDER = setting("border", "", lambda: [border.value for border in Border])
FINITE = setting("bias", "NUMBER")
POINT = ReadType("X,Y", point_from)


class WholeType(click.IntRange):
    """A whole number of a range."""

    def _describe_range(self) -> str:
        """Return the range in words, for the help page."""
        return f"at least {self.min}" if self.max is None else f"{self.min} to {self.max}"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what stands for the value on the help page."""
        return "N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number."""
        try:
            return whole_number_from(value, self.min or 0, self.max)
        except OptionError as error:
            self.fail(str(error), param, ctx)


def whole(least: int, most: int | None = None) -> WholeType:
    """Return the type of a whole number from `least` to `most`."""
    return WholeType(least, most)


class EnumType(click.Choice[_Member]):
    """A member of an enum, by its value; a new member needs no edit here."""

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:
        """Return the word of a member."""
        return str(choice.value if isinstance(choice, enum.Enum) else choice)


# ------------------------------------------------------------------ files and addresses


class FieldPath(click.Path):
    """A path that may have fields: after a ``{`` they are completed, before it files.

    Of a template for names (`is_template`) no files are.
    """

    def __init__(self, *fields: str, is_template: bool = False) -> None:
        super().__init__()
        self._fields, self._is_template = fields, is_template

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem[Any]]":
        """Complete a field that is begun, or a file."""
        from click.shell_completion import CompletionItem

        before, brace, begun = incomplete.rpartition("{")
        if not brace or "}" in begun:
            if not self._is_template:
                return super().shell_complete(ctx, param, incomplete)
            before, begun = incomplete, ""
        elif os.environ.get("_CONVCLI_COMPLETE") in _OWN_BRACES and not _in_quotes():
            return []
        found = [each for each in self._fields if each.startswith("{" + begun)]
        return [CompletionItem(before + each) for each in found]


_OWN_BRACES = ("zsh_complete", "fish_complete")
"""Shells that would complete a brace that is not in quotes by themselves, to something else."""


def _in_quotes() -> bool:
    typed = os.environ.get("COMP_WORDS", "")
    return any(typed.count(quote) % 2 for quote in "'\"")


OUTPUT = FieldPath(MAP, FRAME, "{frame:03}")

# ------------------------------------------------------------------ kernels


class SpecType(click.ParamType[_Value, Any]):
    """What a person writes for a kernel; it completes names, and files where none fits.

    `read` returns what a text stands for, with the value of ``--layout``.
    """

    name = "kernel"

    def __init__(self, read: Callable[..., _Value]) -> None:
        self._read = read

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> _Value:
        """Return the kernel; with a recipe the first word is a file, as it is written."""
        meta = {} if ctx is None else ctx.meta
        if RECIPE in meta and param is not None and param.name == "kernel":
            return value  # type: ignore[no-any-return]
        meta[STDIN] = meta.get(STDIN) or value == "-"
        found = self._read(value, layout=meta.get(_LAYOUT, WeightLayout.OIHW))
        is_bank = any(each.is_bank for each in getattr(found, "kernels", ()))
        meta[BANK] = meta.get(BANK) or is_bank
        return found

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem[Any]]":
        """Complete names, what may follow them, and files where no name fits."""
        from click.shell_completion import CompletionItem

        from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS

        if more := _continued(incomplete):
            return [CompletionItem(text, help=use) for text, use in more]

        uses = {entry.name: entry.description for entry in CATALOGUE.values()}
        uses |= {entry.name: entry.description for entry in OPERATORS.values()}
        names: list[CompletionItem[Any]] = [
            CompletionItem(name, help=use)
            for name, use in uses.items()
            if name.startswith(incomplete)
        ]
        return names or [CompletionItem(incomplete, type="file")]

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split the kernels of an environment variable; inline JSON is one of them."""
        return [rv] if rv.lstrip().startswith(("[", "{")) else rv.split()


_MODIFIERS = ("45", "90", "180", "270", "flip", "transpose", "normalize", "negate", "scale=")


def _continued(text: str) -> list[tuple[str, str]]:
    """Return what may follow ``gaussian:``, ``sobel-x@`` or ``FILE::``, and why."""
    from convcli.kernels.catalogue.entry import CATALOGUE

    path, colons, tensor = text.partition("::")
    if colons:
        return [
            (f"{path}::{name}", shape)
            for name, shape in _tensors(path)
            if name.startswith(tensor)
        ]
    start, at, word = text.rpartition("@")
    if at:
        found = [(f"{start}@{each}", "") for each in _MODIFIERS if each.startswith(word)]
        return found if start else []
    name, colon, values = text.partition(":")
    entry = CATALOGUE.get(name.lower())
    if not colon or entry is None:
        return []
    before, comma, last = values.rpartition(",")
    return [
        (f"{name}:{before}{comma}{each.name}={_shown(each.default)}", each.about)
        for each in entry.parameters
        if each.name.startswith(last) and f"{each.name}=" not in before
    ]


def _shown(default: float | None) -> str:
    return "" if default is None else f"{default:g}"


def _tensors(path: str) -> list[tuple[str, str]]:
    """Return the names and the shapes of the arrays in a file; none where it has none."""
    from convcli.errors import ConvcliError
    from convcli.kernels.formats.read import archive_at

    try:
        archive = archive_at(path)
    except ConvcliError:
        return []
    found = archive.tensors if archive is not None else ()
    return [(each.name, "×".join(map(str, each.shape))) for each in found]


_operand_from = late("kernels.spec:operand_from")


def _link_from(text: str, *, layout: WeightLayout) -> "Link":
    from convcli.kernels.operator import plain_from

    return plain_from(text) or _operand_from(text, layout=layout)


def _named(text: str, *, layout: WeightLayout) -> "Kernel | Operator | Archive":
    from convcli.kernels.formats.read import archive_at

    archive = archive_at(text)
    return _operand_from(text, layout=layout) if archive is None else archive


KERNEL = SpecType(late("kernels.spec:kernel_from"))
"""A kernel: a name, ``name:parameters``, a file or inline text, and modifiers."""

OPERAND = SpecType(_operand_from)
"""A kernel, or several that make one picture: ``sobel``, ``sobel-x+sobel-y``."""

LINK = SpecType(_link_from)
"""A step of a chain: an operand, or relu, abs, pool:2, max:2."""

READABLE = SpecType(_named)
"""What can be read and shown: an operand, or a file of several arrays."""

STDIN = "convcli.stdin"
"""The key under which a run remembers that a kernel was read from standard input."""

BANK = "convcli.bank"
"""The key under which a run remembers that one of its kernels is a filter bank."""

RECIPE = "convcli.recipe"
"""The key under which a run remembers the options that a recipe sets."""


def keep_recipe(ctx: click.Context, _: click.Parameter, value: str | None) -> "Recipe | None":
    """Read the recipe of ``--recipe``: what it says is the default of the other options."""
    if value is None:
        return None
    from convcli.library.chains import recipe
    from convcli.pipeline.recipe import OPTION_NAMES

    found = recipe(value)
    ctx.meta[RECIPE] = {*OPTION_NAMES, "chain", "times"}
    chain = {"chain": found.then, "times": found.times}
    ctx.default_map = {**(ctx.default_map or {}), **found.options, **chain}
    return found


_LAYOUT = "convcli.layout"


def keep_layout(ctx: click.Context, _: click.Parameter, value: WeightLayout) -> None:
    """Keep ``--layout`` for the kernels on the same command line."""
    ctx.meta[_LAYOUT] = value
