"""The weights of a stack's layers: which tensors of which file they are."""

import contextlib
import functools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import KernelError, fail
from convcli.kernels.formats.arrays import opened_tensors, tensor_of
from convcli.lessons.stacks.spec import LayerSpec
from convcli.values import Record

Array = NDArray[np.float32]

_WITH_WEIGHTS = ("conv", "fc", "bn")


class WeightFiles(contextlib.ExitStack):
    """The tensors of a stack: each is found at once, and read when its layer is computed."""

    def __init__(self, path: str, specs: Sequence[LayerSpec]) -> None:
        super().__init__()
        self._path, self._files = path, dict[str, Any]()
        self._names = self._matched(specs)
        for number, (file, name) in self._names.items():
            if f"{name}.weight" not in self._known(file):
                fault = f"no {name}.weight for layer {number + 1} '{specs[number].text}'"
                fail(file, fault, "check its 'weights'")

    def tensor(self, number: int, part: str, *shape: int, rows: slice = slice(None)) -> Array:
        """Return rows of a layer's tensor as float32; a wrong shape is a `KernelError`."""
        path, name = self._names[number]
        full = f"{name}.{part}"
        if full not in self._known(path):
            fail(path, f"layer {number + 1} has no {full}", "name it with 'weights'")
        file = self._files[path]
        found = tuple(file.get_slice(full).get_shape())
        if found != shape:
            fault = f"layer {number + 1}: expected {full} of shape {shape}, got {found}"
            fail(path, fault, "mend the stack, or name other weights")
        return tensor_of(file, full, rows).astype(np.float32, copy=False)

    def _known(self, path: str) -> set[str]:
        """Return the names of the tensors of a file, which is opened once."""
        if path not in self._files:
            if not Path(path).is_file():
                fail(path, "no such file of weights", "check the path")
            try:
                self._files[path] = self.enter_context(opened_tensors(Path(path)))
            except KernelError as error:
                raise KernelError(f"{path}: {error}") from None
        return set(self._files[path].keys())

    def _matched(self, specs: Sequence[LayerSpec]) -> dict[int, tuple[str, str]]:
        """Return the file and the tensor's name of each layer that has weights."""
        numbers = [n for n, spec in enumerate(specs) if spec.layer_type in _WITH_WEIGHTS]
        parts = {n: specs[n].weights.rpartition("::") for n in numbers if specs[n].weights}
        own = {
            n: (file or self._path, name.removesuffix(".weight"))
            for n, (file, _, name) in parts.items()
        }
        if len(own) == len(numbers):
            return own
        known = self._known(self._path)
        missing = [n for n in numbers if n not in own]
        for names in (scheme(specs) for scheme in _SCHEMES):
            if all(f"{names[n]}.weight" in known for n in missing):
                return {n: own.get(n, (self._path, names[n])) for n in numbers}
        names_held, first = ", ".join(sorted(known)[:4]), missing[0]
        fault = f"its names are not those of this stack (it holds {names_held} …)"
        layers = f"layer {first + 1} '{specs[first].text}' and the others"
        remedy = f'give {layers} their "weights": "file::name" in a .json'
        raise KernelError(f"{self._path}: {fault}: {remedy}")


class RandomWeights(Record):
    """Normal weights of variance 2/n for n inputs (He et al., 2015), no biases, by a seed."""

    seed: int

    def tensor(self, number: int, part: str, *shape: int, rows: slice = slice(None)) -> Array:
        """Return rows of a layer's tensor."""
        if len(shape) == 1:
            return np.full(shape, part in {"weight", "running_var"}, np.float32)
        count = len(range(*rows.indices(shape[0])))
        chance = np.random.default_rng((self.seed, number, rows.start or 0))
        scale = np.float32(math.sqrt(2 / math.prod(shape[1:])))
        return scale * chance.standard_normal((count, *shape[1:]), dtype=np.float32)


def in_two_parts(specs: Sequence[LayerSpec]) -> dict[int, str]:
    """Return torchvision's names of AlexNet and VGG: ``features.0``, ``classifier.1``."""
    types = [spec.layer_type for spec in specs]
    split = types.index("flatten") + 1 if "flatten" in types else len(types)
    names = [f"features.{n}" for n in range(split)]
    return dict(enumerate([*names, *(f"classifier.{n}" for n in range(len(specs) - split))]))


def counted_names(specs: Sequence[LayerSpec], *, blocks: bool = False) -> dict[int, str]:
    """Return ``conv1``, ``fc1``; with blocks a ResNet's ``layer2.0.conv1``, ``fc``."""
    names, prefix, shortcut = {}, "", False
    counts = Counter[str]()
    group, block, filters = 0, 0, -1
    for number, spec in enumerate(specs):
        kind = spec.layer_type
        if blocks and kind in {"residual", "shortcut", "add"}:
            counts, shortcut = Counter(), kind == "shortcut"
            prefix = "" if kind == "add" else prefix
        if blocks and kind == "residual":
            units = next((s.units for s in specs[number:] if s.layer_type == "conv"), 0)
            # A layer of blocks begins where the filters of its first convolution change.
            group, block = (group, block + 1) if units == filters else (group + 1, 0)
            filters, prefix = units, f"layer{group}.{block}."
        if kind in _WITH_WEIGHTS:
            counts["" if shortcut else kind] += 1
            tail = f"downsample.{counts[''] - 1}" if shortcut else f"{kind}{counts[kind]}"
            names[number] = "fc" if blocks and kind == "fc" else prefix + tail
    return names


_SCHEMES: tuple[Callable[[Sequence[LayerSpec]], dict[int, str]], ...] = (
    in_two_parts,
    functools.partial(counted_names, blocks=True),
    counted_names,
    lambda specs: {number: str(number) for number in range(len(specs))},
)
"""How networks name their tensors, by the number of the layer; a ``Sequential`` at the end."""
