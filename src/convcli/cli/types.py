"""What a person may write on the command line: numbers, words, kernels. No NumPy, no rich."""

import enum
import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from convcli import settings
from convcli.choices import Border, WeightLayout
from convcli.errors import BatchError, ConvcliError, ImageError, OptionError
from convcli.storage.urls import FRAME, MAP
from convcli.text import times

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from convcli.images.picture import Frame
    from convcli.kernels.formats.read import Archive
    from convcli.kernels.kernel import Kernel
    from convcli.kernels.operator import Operator
    from convcli.pipeline.options import Options
    from convcli.pipeline.recipe import Recipe
    from convcli.pipeline.steps import Link

_Words: TypeAlias = Callable[[], Iterable[str]]
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

    The help page shows `form`, or else the words that a shell completes, and the `limits`.
    Where no word fits, a shell completes files if there may be `or_files`.
    """

    or_files, limits = False, ""

    def __init__(self, form: str, read: Callable[..., _Value], words: _Words = tuple) -> None:
        self.name, self._read, self._words = form, read, words

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

    def offers(self, begun: str) -> Iterable[tuple[str, str]]:
        """Return the words that begin so, and what they are for."""
        return ((word, "") for word in self._words() if word.startswith(begun.lower()))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem[Any]]":
        """Complete what is offered."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(word, help=use) for word, use in self.offers(incomplete)]
        return found or [CompletionItem(incomplete, type="file")] * self.or_files


def setting(name: str, form: str, words: _Words = tuple) -> ReadType[Any]:
    """Return the type of an option whose values `convcli.settings` reads."""
    read = settings.PARSERS[name]
    if isinstance(read, partial) and read.func is settings.choice_from:
        return one_of(*read.args)
    return ReadType(form, read, words)


PAIR = ReadType("N|YxX", settings.pair_from)
PADDING = setting("padding", "same|valid|N|YxX|T,R,B,L", lambda: settings.PADDING_WORDS)
BORDER = setting("border", "", lambda: [border.value for border in Border])
FINITE = setting("bias", "NUMBER")
POINT = ReadType("X,Y", settings.point_from)


def whole(least: int, most: int | None = None) -> ReadType[int]:
    """Return the type of a whole number from `least` to `most`."""
    kind = ReadType("N", partial(settings.whole_number_from, least=least, most=most))
    kind.limits = f"at least {least}" if most is None else f"{least} to {most}"
    return kind


def one_of(kind: type[_Member]) -> ReadType[_Member]:
    """Return the type of a member of an enum, by its value."""
    words = [member.value for member in kind]
    return ReadType(f"[{'|'.join(words)}]", partial(settings.choice_from, kind), lambda: words)


class FieldPath(click.Path):
    """A path that may have fields, completed after a ``{``; before it files, if no template."""

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
        elif os.environ.get("_CONVCLI_COMPLETE") in _OWN_BRACES:
            typed = os.environ.get("COMP_WORDS", "")
            if not any(typed.count(quote) % 2 for quote in "'\""):
                return []
        found = [each for each in self._fields if each.startswith("{" + begun)]
        return [CompletionItem(before + each) for each in found]


_OWN_BRACES = ("zsh_complete", "fish_complete")  # they complete bare braces in their own way

OUTPUT = FieldPath(MAP, FRAME, "{frame:03}")


class SpecType(ReadType[_Value]):
    """What a person writes for a kernel; it completes names, and files where none fits."""

    or_files = True

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> _Value:
        """Return the kernel; with a recipe the first word is a file, as it is written."""
        meta = {} if ctx is None else ctx.meta
        if RECIPE in meta and param is not None and param.name == "kernel":
            return value  # type: ignore[no-any-return]
        meta[STDIN] = meta.get(STDIN) or value == "-"
        layout = ctx.params.get("layout") if ctx else None
        found = self._read(value, layout=layout or WeightLayout.OIHW)
        is_bank = any(each.is_bank for each in getattr(found, "kernels", ()))
        meta[BANK] = meta.get(BANK) or is_bank
        return found

    def offers(self, begun: str) -> Iterable[tuple[str, str]]:
        """Return names, or what may follow ``gaussian:``, ``sobel-x@`` or ``FILE::``."""
        from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS

        path, colons, _ = begun.partition("::")
        start, at, _ = begun.rpartition("@")
        name, colon, values = begun.partition(":")
        if colons:
            found = [(f"{path}::{each.name}", times(each.shape)) for each in _tensors(path)]
        elif at:
            found = [(f"{start}@{each}", "") for each in _MODIFIERS if start]
        elif colon and (entry := CATALOGUE.get(name.lower())):
            before, comma, _ = values.rpartition(",")
            found = [
                (f"{name}:{before}{comma}{each.name}={default}", each.about)
                for each in entry.parameters
                for default in ["" if each.default is None else f"{each.default:g}"]
                if f"{each.name}=" not in before
            ]
        else:
            found = [(each.name, each.description) for each in CATALOGUE.values()]
            found += [(each.name, each.description) for each in OPERATORS.values()]
        return [(text, use) for text, use in found if text.startswith(begun)]

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split the kernels of an environment variable; inline JSON is one of them."""
        return [rv] if rv.lstrip().startswith(("[", "{")) else rv.split()


_MODIFIERS = ("45", "90", "180", "270", "flip", "transpose", "normalize", "negate", "scale=")


def _tensors(path: str) -> Sequence[Any]:
    """Return what is known of the arrays in a file; nothing where it has none."""
    try:
        archive = _archive_at(path)
    except ConvcliError:
        return ()
    return () if archive is None else archive.tensors


_operand_from = late("kernels.spec:operand_from")
_plain_from = late("kernels.operator:plain_from")
_archive_at = late("kernels.formats.read:archive_at")


def _link_from(text: str, *, layout: WeightLayout) -> Any:
    return _plain_from(text) or _operand_from(text, layout=layout)


def _named(text: str, *, layout: WeightLayout) -> Any:
    return _archive_at(text) or _operand_from(text, layout=layout)


KERNEL = SpecType("", late("kernels.spec:kernel_from"))  # a name with parameters, or a file
OPERAND = SpecType("", _operand_from)  # a kernel, or several that make one picture: sobel
LINK = SpecType("", _link_from)  # a step of a chain: an operand, or relu, abs, pool:2, max:2
READABLE = SpecType("", _named)  # what can be shown: an operand, or a file of several arrays

KernelValue: TypeAlias = "Kernel"
OperandValue: TypeAlias = "Kernel | Operator"
LinkValue: TypeAlias = "Link"
ReadableValue: TypeAlias = "Kernel | Operator | Archive"
OptionsValue: TypeAlias = "Options"
FrameReader: TypeAlias = "Callable[[str], Frame]"
"""What commands get, for their annotations: the classes are imported where they are used."""

STDIN, BANK, RECIPE = (f"convcli.{key}" for key in ("stdin", "bank", "recipe"))
"""The keys under which a run remembers whether a kernel was read from standard input and is a
filter bank, and which options a recipe sets."""


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
