"""What a run is given as: a kernel, a chain of them, a recipe."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from convcli.errors import ImageError, OptionError, SpecError, fail
from convcli.images.metadata import RECIPE_MARK
from convcli.images.policy import ReadPolicy
from convcli.images.read import read_picture
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, plain_from
from convcli.kernels.spec import operand_from
from convcli.pipeline.recipe import Recipe, recipe_from, recipe_of
from convcli.settings import MOST_TIMES, named, options_from_words, whole_number_from
from convcli.values import Record

if TYPE_CHECKING:
    from convcli.pipeline.options import Options
    from convcli.pipeline.steps import Link

KernelLike: TypeAlias = str | Path | Kernel | Operator | Recipe | ArrayLike
"""What a kernel can be given as: see `kernel`."""


class Run(Record):
    """A chain, how often it is done, and the options."""

    links: "tuple[Link, ...]"
    times: int
    options: "Options"

    @property
    def steps(self) -> "tuple[Link, ...]":
        """All steps, one after the other."""
        return self.links * self.times

    @property
    def recipe(self) -> Recipe:
        """The recipe that repeats it."""
        return recipe_of(self.links, self.times, self.options)


def run_of(kernel: Any, then: Any, times: int | None, options: Mapping[str, Any]) -> Run:
    """Return a run; that of a recipe is changed by the other arguments."""
    if isinstance(kernel, Recipe):
        then = then or list(kernel.then)
        times = kernel.times if times is None else times
        options = {**kernel.options, **options}
        kernel = kernel.kernel
    count = named("times", whole_number_from, 1 if times is None else times, 1, MOST_TIMES)
    return Run((*kernels_of(kernel), *chain_of(then)), count, options_from_words(**options))


def kernel(spec: KernelLike) -> Kernel | Operator:
    """Return the kernel, or the operator of several, that a name or weights stand for.

    Parameters
    ----------
    spec : str, Path, array or list of rows
        What ``convcli apply`` takes as KERNEL: ``"sobel-x"``, ``"gaussian:2"``,
        ``"sobel-x+sobel-y"``, a file, inline JSON; or weights.

    Raises
    ------
    KernelError
        If no kernel has that name or form.

    Examples
    --------
    >>> kernel("sobel-x").weights.tolist()
    [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    """
    if isinstance(spec, Kernel | Operator):
        return spec
    if isinstance(spec, str | os.PathLike):
        return operand_from(os.fspath(spec))
    if isinstance(spec, Recipe):
        raise SpecError("recipe: expected a kernel, got a recipe: take its kernel")
    return Kernel(spec)


def chain_of(steps: KernelLike | Sequence[Any]) -> "list[Link]":
    """Return the steps of a chain; nested lists of numbers are one kernel."""
    several = isinstance(steps, list | tuple) and not _is_grid(steps)
    each: Sequence[Any] = cast("Sequence[Any]", steps) if several else [steps]
    plain = [plain_from(step) if isinstance(step, str) else None for step in each]
    return [ours or kernel(step) for ours, step in zip(plain, each, strict=True)]


def kernels_of(steps: KernelLike | Sequence[Any]) -> "list[Link]":
    """Return the steps of a chain that has at least one."""
    if not (links := chain_of(steps)):
        raise SpecError("kernel: expected a kernel, or a list of them, got none: give one")
    return links


def _is_grid(rows: Sequence[Any]) -> bool:
    """Tell whether nested lists hold numbers: then they are the weights of one kernel."""
    if not all(isinstance(row, list | tuple | int | float | np.ndarray) for row in rows):
        return False
    first: Any = rows
    while isinstance(first, list | tuple) and first:
        first = first[0]
    return isinstance(first, int | float | np.number)


def check_options(name: str, reason: str, others: set[str]) -> None:
    """Refuse options that a function does not have."""
    if others:
        raise OptionError(f"{name}: {reason} {' and no '.join(sorted(others))}: leave it out")


def recipe(source: str | Path | Recipe) -> Recipe:
    r"""Return the recipe of a file: a ``.toml``, or a picture that holds one.

    Parameters
    ----------
    source : str or Path
        What ``--save-recipe`` or `Recipe.save` wrote, or a picture that was written with
        ``--record``; or a recipe.

    Raises
    ------
    OptionError
        If it is no recipe, or has an option that makes no sense.
    ImageError
        If the file cannot be read, or the picture has no recipe.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".toml") as file:
    ...     file.write(b'recipe = 1\nkernel = "sobel-x"\ntimes = 2')
    ...     file.flush()
    ...     recipe(file.name).times
    39
    2
    """
    if isinstance(source, Recipe):
        return source
    name = os.fspath(source)
    if name.lower().endswith(".toml") or _begins_as_recipe(name):
        try:
            text = Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no text in UTF-8"
            fail(name, f"the recipe cannot be read: {reason}", "check the path", OptionError)
    else:
        found = read_picture(name, reading=ReadPolicy(frame=0)).metadata.recipe
        if found is None:
            raise ImageError(f"{name}: no recipe: it was not written with --record")
        text = found
    made = recipe_from(text, name)
    unmasked = {key: word for key, word in made.options.items() if key != "mask"}
    named(name, lambda words: options_from_words(**words), unmasked)
    return made


def _begins_as_recipe(name: str) -> bool:
    """Tell whether a file on this machine begins as `Recipe` writes it."""
    try:
        with Path(name).open("rb") as file:
            return file.read(len(RECIPE_MARK)) == RECIPE_MARK.encode()
    except OSError:
        return False
