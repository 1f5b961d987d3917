"""Kernels from what a person types: names, parameters, files, inline text, sums of them.

A specification is one term, or several joined by ``+``. A term is a name with parameters
(``gaussian:2``), a file or the text of a kernel; modifiers may follow it (``@45``).
"""

import re

from convcli.choices import WeightLayout
from convcli.errors import SpecError, fail
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS, catalogued
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator

_NAMED = re.compile(r"([A-Za-z][\w-]*)(?::[\w=,-]*)?")  # a name: neither file nor text


def kernel_from(spec: str, *, layout: WeightLayout = WeightLayout.OIHW) -> Kernel:
    """Return the kernel that a specification describes.

    Parameters
    ----------
    spec : str
        A name (``sobel-x``), a name with parameters (``gaussian:2``,
        ``gaussian:sigma=2,radius=6``), a file of any known format (``my.json``,
        ``model.safetensors::conv1.weight``), a picture (``image:patch.png``), or the text
        of a kernel in any known format (``[[0,-1,0],[-1,5,-1],[0,-1,0]]``); after it any
        number of modifiers (``@45``, ``@normalize``).
    layout : WeightLayout
        The order of the axes of filter banks in ``.npy``, ``.npz`` and ``.safetensors``.

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
    operand = operand_from(spec, layout=layout)
    if isinstance(operand, Operator):
        names = ", ".join(kernel.name for kernel in operand.kernels)
        fault = f"expected one kernel, got {len(operand.kernels)}"
        fail(spec, fault, f"use one of {names}", SpecError)
    return operand


def operand_from(spec: str, *, layout: WeightLayout = WeightLayout.OIHW) -> Kernel | Operator:
    """Return a kernel, or an operator of several as ``sobel`` and ``sobel-x+sobel-y``.

    The parameters and errors are those of `kernel_from`; of several the magnitude is taken.
    """
    text = spec.strip()
    name = _NAMED.fullmatch(text)
    if name and name[1].lower() in (*CATALOGUE, *OPERATORS):
        return catalogued(text)
    # Most kernels are named, and need neither JSON nor files.
    from convcli.kernels.terms import operand_in

    return operand_in(text, layout)
