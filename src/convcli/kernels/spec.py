"""From what a person writes to a `Kernel`: a name, parameters, modifiers, a file, JSON."""

import re

from convcli.errors import SpecError
from convcli.kernels.catalogue import CATALOGUE, OPERATORS
from convcli.kernels.kernel import Kernel
from convcli.kernels.layout import Layout
from convcli.kernels.named import named
from convcli.kernels.operator import Operator

_NAMED = re.compile(r"([A-Za-z][\w-]*)(?::[\w=,-]*)?")
"""A name, with parameters or not, that is no file and no kernel in itself: what a file's
name has beside, a dot or a slash, it has not."""


def kernel_from(spec: str, *, layout: Layout = Layout.OIHW) -> Kernel:
    """Return the kernel that a specification describes.

    Parameters
    ----------
    spec : str
        A name (``sobel-x``), a name with parameters (``gaussian:2``,
        ``gaussian:sigma=2,radius=6``), a file of any known format (``my.json``,
        ``model.safetensors::conv1.weight``), a picture (``image:patch.png``), or the text
        of a kernel in any known format (``[[0,-1,0],[-1,5,-1],[0,-1,0]]``); after it any
        number of modifiers (``@45``, ``@normalize``).
    layout : Layout
        The order of the axes of filter banks in ``.npy``, ``.npz`` and ``.safetensors``.

    Returns
    -------
    Kernel

    Raises
    ------
    SpecError
        If the text names no kernel, or several; or its parameters are wrong.
    KernelError
        If a file or inline text does not hold a kernel.

    Examples
    --------
    >>> kernel_from("box:5").size
    (5, 5)
    >>> kernel_from("sobel-x@90").weights.tolist()
    [[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]
    """
    found = operand_from(spec, layout=layout)
    if isinstance(found, Operator):
        names = ", ".join(kernel.name for kernel in found.kernels)
        raise SpecError(
            f"{spec}: expected one kernel, got {len(found.kernels)}: use one of {names}"
        )
    return found


def operand_from(spec: str, *, layout: Layout = Layout.OIHW) -> Kernel | Operator:
    """Return the kernel, or the operator of several kernels, of a specification.

    Parameters
    ----------
    spec : str
        As for `kernel_from`, the name of an operator (``sobel``), or several joined by
        ``+`` (``sobel-x+sobel-y``), whose magnitude is taken.
    layout : Layout
        As for `kernel_from`.

    Returns
    -------
    Kernel or Operator

    Raises
    ------
    SpecError, KernelError
        As `kernel_from`.

    Examples
    --------
    >>> operand_from("sobel-x+sobel-y").combine
    <Combine.MAGNITUDE: 'magnitude'>
    """
    text = spec.strip()
    name = _NAMED.fullmatch(text)
    if name and name[1].lower() in (*CATALOGUE, *OPERATORS):
        return named(text)
    from convcli.kernels.terms import combined  # noqa: PLC0415 - all formats of files

    return combined(text, layout)
