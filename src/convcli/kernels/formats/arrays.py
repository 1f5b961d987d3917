"""Files of arrays: NumPy's .npy and .npz, and trained networks (extra `models`)."""

import contextlib
import io
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import WeightLayout
from convcli.errors import KernelError, install
from convcli.kernels.formats.base import ArrayFormat, Tensor, fail
from convcli.kernels.kernel import MAX_WEIGHTS, Kernel
from convcli.values import replace

_DIMENSIONS = (2, 3, 4)
_ONE_FILTER, _BANK = 3, 4
_ENDINGS = ("weight", "weights", "kernel")
_FAULTS = (  # what NumPy raises if a file is damaged, or holds no arrays
    ValueError, EOFError, LookupError, TypeError, ArithmeticError, RuntimeError, MemoryError,
    SyntaxError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
    lzma.LZMAError,
)  # fmt: skip


def kernel_of_array(
    weights: NDArray[np.generic],
    bias: NDArray[np.generic] | None,
    name: str,
    layout: WeightLayout,
) -> Kernel:
    """Return an array as a kernel: (kh, kw), one filter (I, kh, kw), or a bank."""
    check_dimensions(weights.shape, name)
    if weights.ndim == _BANK and layout is WeightLayout.HWIO:
        weights = weights.transpose(3, 2, 0, 1)
    return Kernel(weights[np.newaxis] if weights.ndim == _ONE_FILTER else weights, bias, name)


def check_dimensions(shape: tuple[int, ...], name: str) -> None:
    """Raise `KernelError` if no kernel has this shape."""
    if len(shape) not in _DIMENSIONS:
        fault = f"expected 2 to 4 dimensions, got {len(shape)} of shape {shape}"
        fail(name, fault, "name a convolution's weights; 'convcli kernels FILE' lists them")
    count = int(np.prod(shape, dtype=object))
    if count > MAX_WEIGHTS:
        fail(name, f"expected at most {MAX_WEIGHTS:,} weights, got {count:,}", "split the bank")


def bias_name(name: str, names: set[str]) -> str | None:
    """Return which array holds the bias of another: ``conv1.bias`` of ``conv1.weight``."""
    for ending in _ENDINGS:
        if name.endswith(ending):
            bias = f"{name.removesuffix(ending)}bias"
            return bias if bias in names else None
    return None


def chosen(name: str, tensors: list[Tensor], dimensions: tuple[int, ...]) -> Tensor:
    """Return the array of that name; without a name, the only one of these dimensions."""
    for tensor in tensors:
        if tensor.name == name:
            check_dimensions(tensor.shape, name)
            return tensor
    tensors = [tensor for tensor in tensors if len(tensor.shape) in dimensions]
    if not name and len(tensors) == 1:
        check_dimensions(tensors[0].shape, tensors[0].name)
        return tensors[0]
    known = ", ".join(tensor.name for tensor in tensors[:5]) or "none"
    more = f" … ({len(tensors)})" if len(tensors) > 5 else ""  # noqa: PLR2004 - of those shown
    fault = f"no tensor is called {name!r}" if name else "expected FILE::TENSOR, got FILE"
    raise KernelError(f"{fault}: it holds {known}{more}")


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Turn the errors of NumPy into one of ours."""
    try:
        yield
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:120]
        raise KernelError(f"not a readable NumPy file ({reason}): write it again") from None


def _read_npy(path: Path, name: str, layout: WeightLayout) -> Kernel:
    if name:
        fail("", f"a .npy holds one array, got ::{name}", f"drop ::{name}")
    with _reading(), path.open("rb") as file:
        # The header is checked first: memory for a huge array is never taken.
        check_dimensions(_claimed(file, path.stem).shape, path.stem)
        file.seek(0)
        weights = np.lib.format.read_array(file, allow_pickle=False)
    return kernel_of_array(weights, None, path.stem, layout)


def _claimed(file: IO[bytes], name: str) -> Tensor:
    """Return the name, shape and dtype that the header of an array states."""
    npy = np.lib.format
    is_first = npy.read_magic(file) == (1, 0)
    read = npy.read_array_header_1_0 if is_first else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if any(isinstance(length, bool) or length < 0 for length in shape):
        raise ValueError(f"expected whole numbers as its shape, got {shape}")
    return Tensor(name, shape, str(dtype))


def _tensors(path: Path) -> list[Tensor]:
    return [tensor for tensor in _all(path) if len(tensor.shape) in _DIMENSIONS]


def _all(path: Path) -> list[Tensor]:
    tensors = []
    with _reading(), zipfile.ZipFile(path) as archive:
        for item in archive.namelist():
            with archive.open(item) as file:
                tensors.append(_claimed(file, item.removesuffix(".npy")))
    names = {tensor.name for tensor in tensors}
    return [replace(tensor, bias=bias_name(tensor.name, names)) for tensor in tensors]


def _read_npz(path: Path, name: str, layout: WeightLayout) -> Kernel:
    tensor = chosen(name, _all(path), _DIMENSIONS)
    bias = None if tensor.bias is None else _array(path, tensor.bias, tensor.shape)
    return kernel_of_array(_array(path, tensor.name), bias, tensor.name, layout)


def _array(
    path: Path, name: str, weights: tuple[int, ...] = (MAX_WEIGHTS,)
) -> NDArray[np.generic]:
    """Read one array, unless its header claims more numbers than the weights have."""
    with _reading(), zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        claimed = _claimed(file, name).shape
        if int(np.prod(claimed, dtype=object)) > int(np.prod(weights, dtype=object)):
            fail(name, f"expected no more numbers than weights, got {claimed}", "mend it")
        file.seek(0)
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _write_npy(kernel: Kernel) -> bytes:
    if any(kernel.bias):
        fail(kernel.name, "npy has no place for the bias", "export as npz or json")
    buffer = io.BytesIO()
    np.save(buffer, kernel.weights, allow_pickle=False)
    return buffer.getvalue()


def _write_npz(kernel: Kernel) -> bytes:
    buffer, arrays = io.BytesIO(), {"weights": kernel.weights}
    if kernel.bias:
        arrays["bias"] = np.array(kernel.bias)
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


NPY = ArrayFormat("npy", "NumPy array", (".npy",), _read_npy, None, _write_npy)
NPZ = ArrayFormat(
    "npz", "NumPy archive: weights and bias", (".npz",), _read_npz, _tensors, _write_npz
)


# ------------------------------------------------------------------ trained networks

_READABLE = ("F64", "F32", "F16", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL")


def _read_layer(path: Path, name: str, layout: WeightLayout) -> Kernel:
    with opened_tensors(path) as file:
        tensor = chosen(name, _tensors_of(file), (_BANK,))
        bias = None if tensor.bias is None else tensor_of(file, tensor.bias)
        return kernel_of_array(tensor_of(file, tensor.name), bias, tensor.name, layout)


def _layers(path: Path) -> list[Tensor]:
    with opened_tensors(path) as file:
        return [tensor for tensor in _tensors_of(file) if len(tensor.shape) == _BANK]


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


def _tensors_of(file: Any) -> list[Tensor]:
    parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no dict
    return [
        Tensor(name, tuple(part.get_shape()), part.get_dtype(), bias_name(name, set(parts)))
        for name, part in parts.items()
    ]


def tensor_of(file: Any, name: str, rows: slice = slice(None)) -> NDArray[Any]:
    """Return a tensor of an open file, or rows of it; a strange type is a `KernelError`."""
    part = file.get_slice(name)
    if part.get_dtype() not in _READABLE:
        fault = f"expected numbers that NumPy has, got {part.get_dtype()}"
        fail(name, fault, "save it as float32")
    array: NDArray[Any] = part[rows]
    return array


SAFETENSORS = ArrayFormat(
    "safetensors",
    "layers of trained networks: FILE::TENSOR (extra models)",
    (".safetensors",),
    _read_layer,
    _layers,
    None,
)
