"""Files of arrays: NumPy's .npy and .npz, and trained networks (extra `models`)."""

import contextlib
import functools
import io
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import WeightLayout
from convcli.errors import ConvcliError, KernelError, fail, install
from convcli.kernels.kernel import MAX_WEIGHTS, Kernel
from convcli.values import Record, replace

_KERNELS = (2, 3, 4)  # dimensions of arrays that may be kernels: a grid, a filter, a bank
_FILTER, _BANK = 3, 4
_ENDINGS = ("weight", "weights", "kernel")


class Tensor(Record):
    """An array in a file of arrays; `bias` is the name of the array that holds its bias."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bias: str | None = None


_Held: TypeAlias = tuple[list[Tensor], Callable[[str], NDArray[Any]]]  # arrays; what reads one


class ArrayFormat(Record):
    """A file of one array, or of several, of which one is chosen by ``FILE::NAME``."""

    name: str
    suffixes: tuple[str, ...]
    opened: Callable[[Path], contextlib.AbstractContextManager[_Held]]
    dimensions: tuple[int, ...]  # of the arrays that may be kernels; none where a file has one
    write: Callable[[Kernel], bytes] | None  # None where the format is only read

    def tensors(self, path: Path) -> tuple[Tensor, ...]:
        """Return the arrays of a file that may be kernels."""
        with self.opened(path) as (tensors, _):
            return tuple(each for each in tensors if len(each.shape) in self.dimensions)

    def read(self, path: Path, name: str, layout: WeightLayout) -> Kernel:
        """Return the kernel of that name; without a name, the only one of a file."""
        if name and not self.dimensions:
            fail("", f"a {self.suffixes[0]} holds one array, got ::{name}", f"drop ::{name}")
        with self.opened(path) as (tensors, array):
            # What headers say is checked first: memory for a huge array is never taken.
            tensor = _chosen(name, tensors, self.dimensions)
            bias = None if tensor.bias is None else array(tensor.bias)
            weights = array(tensor.name)
        if weights.ndim == _BANK and layout is WeightLayout.HWIO:
            weights = weights.transpose(3, 2, 0, 1)
        weights = weights[np.newaxis] if weights.ndim == _FILTER else weights
        return Kernel(weights, bias, tensor.name)


def _chosen(name: str, tensors: list[Tensor], dimensions: tuple[int, ...]) -> Tensor:
    """Return the array of that name; without a name, the only one of these dimensions."""
    fitting = [each for each in tensors if not dimensions or len(each.shape) in dimensions]
    found = [each for each in tensors if each.name == name]
    chosen = found or (fitting if not name and len(fitting) == 1 else [])
    if chosen:
        _check_sizes(chosen[0], {each.name: each.shape for each in tensors})
        return chosen[0]
    known = ", ".join(each.name for each in fitting[:5]) or "none"
    more = f" … ({len(fitting)})" if len(fitting) > 5 else ""  # noqa: PLR2004 - of those shown
    fault = f"no tensor is called {name!r}" if name else "expected FILE::TENSOR, got FILE"
    raise KernelError(f"{fault}: it holds {known}{more}")


def _check_sizes(tensor: Tensor, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raise `KernelError` if no kernel has the shape of an array, or that of its bias."""
    name, shape, bias = tensor.name, tensor.shape, tensor.bias
    if len(shape) not in _KERNELS:
        fault = f"expected 2 to 4 dimensions, got {len(shape)} of shape {shape}"
        fail(name, fault, "name a convolution's weights; 'convcli kernels FILE' lists them")
    count = math.prod(shape)
    if count > MAX_WEIGHTS:
        fail(name, f"expected at most {MAX_WEIGHTS:,} weights, got {count:,}", "split the bank")
    if bias is not None and math.prod(shapes[bias]) > count:
        fail(bias, f"expected no more numbers than weights, got {shapes[bias]}", "mend it")


def _with_biases(tensors: list[Tensor]) -> list[Tensor]:
    """Return arrays with the names of their biases: ``conv1.bias`` of ``conv1.weight``."""
    names = [each.name for each in tensors if each.name.endswith("bias")]
    biases = {name.removesuffix("bias") + end: name for name in names for end in _ENDINGS}
    return [replace(each, bias=biases.get(each.name)) for each in tensors]


# ------------------------------------------------------------------ NumPy


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Turn the errors of NumPy into one of ours."""
    try:
        yield
    except (ConvcliError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file may raise any
        from convcli.images.policy import one_line

        fail("", f"not a readable NumPy file ({one_line(error)[:120]})", "write it again")


@contextlib.contextmanager
def _opened_npy(path: Path) -> Iterator[_Held]:
    with _reading():
        yield [_claimed(path.open("rb"), path.stem)], lambda _: _array_of(path.open("rb"))


@contextlib.contextmanager
def _opened_npz(path: Path) -> Iterator[_Held]:
    with _reading(), zipfile.ZipFile(path) as archive:
        items = {item.removesuffix(".npy"): item for item in archive.namelist()}
        if len(items) < len(archive.namelist()):
            raise ValueError("two arrays have one name")
        tensors = [_claimed(archive.open(item), name) for name, item in items.items()]
        yield _with_biases(tensors), lambda name: _array_of(archive.open(items[name]))


def _claimed(opened: IO[bytes], name: str) -> Tensor:
    """Return the name, shape and dtype that the header of an array states."""
    npy = np.lib.format
    with opened as file:
        is_first = npy.read_magic(file) == (1, 0)
        read = npy.read_array_header_1_0 if is_first else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    if any(isinstance(length, bool) or length < 0 for length in shape):
        raise ValueError(f"expected whole numbers as its shape, got {shape}")
    return Tensor(name, shape, str(dtype))


def _array_of(opened: IO[bytes]) -> NDArray[Any]:
    with opened as file:
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


# ------------------------------------------------------------------ trained networks

_READABLE = ("F64", "F32", "F16", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL")


@contextlib.contextmanager
def opened_tensors(path: Path) -> Iterator[Any]:
    """Open a file of tensors for a while: they are read from it when they are asked for."""
    try:
        import safetensors
    except ImportError:
        fail("", "reading safetensors needs the extra 'models'", install("models"))
    try:
        # The file is mapped into memory: only the chosen layer is read.
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except safetensors.SafetensorError as error:
        reason = " ".join(str(error).split())[:160]
        fail("", f"not a whole safetensors file ({reason})", "fetch it again")


@contextlib.contextmanager
def _opened_layers(path: Path) -> Iterator[_Held]:
    with opened_tensors(path) as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no dict
        tensors = [
            Tensor(name, tuple(part.get_shape()), part.get_dtype())
            for name, part in parts.items()
        ]
        yield _with_biases(tensors), functools.partial(tensor_of, file)


def tensor_of(file: Any, name: str, rows: slice = slice(None)) -> NDArray[Any]:
    """Return a tensor of an open file, or rows of it; a strange type is a `KernelError`."""
    part = file.get_slice(name)
    if part.get_dtype() not in _READABLE:
        fault = f"expected numbers that NumPy has, got {part.get_dtype()}"
        fail(name, fault, "save it as float32")
    return np.asarray(part[rows])


NPY = ArrayFormat("npy", (".npy",), _opened_npy, (), _write_npy)
NPZ = ArrayFormat("npz", (".npz",), _opened_npz, _KERNELS, _write_npz)
SAFETENSORS = ArrayFormat("safetensors", (".safetensors",), _opened_layers, (_BANK,), None)
