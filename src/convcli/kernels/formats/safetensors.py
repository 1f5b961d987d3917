"""Layers of trained networks from safetensors files (extra `models`)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from convcli.choices import WeightLayout
from convcli.errors import KernelError, install
from convcli.kernels.formats.arrays import bias_name, chosen, kernel_of_array
from convcli.kernels.formats.base import ArrayFormat, Tensor, fail
from convcli.kernels.kernel import Kernel

_BANK = 4
_READABLE = ("F64", "F32", "F16", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL")


def _read(path: Path, name: str, layout: WeightLayout) -> Kernel:
    with opened_tensors(path) as file:
        tensor = chosen(name, _all(file), (_BANK,))
        bias = None if tensor.bias is None else tensor_of(file, tensor.bias)
        return kernel_of_array(tensor_of(file, tensor.name), bias, tensor.name, layout)


def _tensors(path: Path) -> list[Tensor]:
    with opened_tensors(path) as file:
        return [tensor for tensor in _all(file) if len(tensor.shape) == _BANK]


@contextlib.contextmanager
def opened_tensors(path: Path) -> Iterator[Any]:
    """Open a file of tensors for a while: they are read from it when they are asked for."""
    try:
        import safetensors
    except ImportError:
        raise KernelError(
            f"reading safetensors needs the extra 'models': {install('models')}"
        ) from None
    try:
        # The file is mapped into memory: only the chosen layer is read.
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except safetensors.SafetensorError as error:
        reason = " ".join(str(error).split())[:160]
        raise KernelError(f"not a whole safetensors file ({reason}): fetch it again") from None


def _all(file: Any) -> list[Tensor]:
    names = list(file.keys())
    known = set(names)
    tensors = []
    for name in names:
        part = file.get_slice(name)
        shape = tuple(part.get_shape())
        tensors.append(Tensor(name, shape, part.get_dtype(), bias_name(name, known)))
    return tensors


def tensor_of(
    file: Any, name: str, rows: slice = slice(None)
) -> np.ndarray[Any, np.dtype[Any]]:
    """Return a tensor of an open file, or rows of it; a strange type is a `KernelError`."""
    part = file.get_slice(name)
    if part.get_dtype() not in _READABLE:
        fail(
            name,
            f"expected numbers that NumPy has, got {part.get_dtype()}",
            "save it as float32",
        )
    array: np.ndarray[Any, np.dtype[Any]] = part[rows]
    return array


SAFETENSORS = ArrayFormat(
    "safetensors",
    "layers of trained networks: FILE::TENSOR (extra models)",
    (".safetensors",),
    _read,
    _tensors,
    None,
)
