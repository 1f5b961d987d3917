"""What of a picture no window looks at: the remainders of the stride."""

from collections.abc import Sequence

from convcli.errors import GeometryError
from convcli.filtering.options import Options
from convcli.filtering.stages import Stage
from convcli.geometry import Axis, Pair, Window
from convcli.wording import counted


def remainders(
    name: str, slide: Window, shape: Pair, *, strict: bool, whose: str = "the picture"
) -> list[str]:
    """Say which rows and columns no window looks at.

    Parameters
    ----------
    name : str
        What messages call the kernel.
    slide : Window
        How it slides.
    shape : (int, int)
        Rows and columns of what it slides over.
    strict : bool
        Whether any remainder, of the padding too, is an error.
    whose : str
        What messages call what it slides over.

    Raises
    ------
    GeometryError
        If there is a remainder that is not wanted.
    """
    found: list[str] = []
    for line, axis, size in zip(("row", "column"), slide.axes, shape, strict=True):
        left = axis.unseen(size)
        if strict and left.total:
            raise GeometryError(_not_clean(name, line, axis, size))
        if left.picture:
            found.append(_unseen(line, axis.stride, size, left.picture, whose))
    return found


def all_remainders(stages: Sequence[Stage], options: Options) -> tuple[str, ...]:
    """Say which rows and columns of its input each step of a chain does not look at.

    Raises
    ------
    GeometryError
        If there is a remainder that is not wanted.
    """
    found: list[str] = []
    for number, step in enumerate(stages, start=1):
        whose = "the picture" if number == 1 else f"step {number}'s input"
        slide, shape = step.problem.window, step.problem.shape[:2]
        found += remainders(step.name, slide, shape, strict=options.strict, whose=whose)
    return tuple(found)


def _not_clean(kernel: str, name: str, axis: Axis, size: int) -> str:
    left = axis.unseen(size)
    parts = [f"{counted(left.picture, name)} of picture"] * (left.picture > 0)
    parts += [f"{counted(left.padding, name)} of padding"] * (left.padding > 0)
    return (
        f"{kernel}: expected windows that tile {counted(size, name)}, got "
        f"{axis.exact_output_size(size)} outputs ({' and '.join(parts)} left over): change the "
        "stride or the padding, or drop --strict"
    )


def _unseen(name: str, stride: int, size: int, count: int, whose: str) -> str:
    coordinate = "y" if name == "row" else "x"
    which = f"{size - 1}" if count == 1 else f"{size - count} to {size - 1}"
    lines = name if count == 1 else f"{count} {name}s"
    return f"stride {stride} leaves the last {lines} of {whose} ({coordinate} = {which}) unseen"
