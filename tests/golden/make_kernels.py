"""Make a golden picture for every kernel and operator, from references.py by SciPy.

Run as ``PYTHONPATH=tests python tests/golden/make_kernels.py`` after a change
in the catalogue. The pictures stand with the others in ``tests/golden``, and are compared
by its test. Nothing here comes from convcli. Of several crops the first is taken in which
no value lies so close to a tie that float32 and float64 may round it apart.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from support.references import BIASES, KERNELS, OPERATORS, Grid, correlated, operated

HERE = Path(__file__).parent
PHOTO = HERE.parents[1] / "sample_images" / "camera.png"

SIDES = (24, 16, 12, 8)
"""Smaller crops are tried where every large one has a tie."""

MARGIN = 1e-4
NOISE = 1e-9
"""Weights with so small a sum are taken for zero-sum: then the sign is dropped."""


def crops() -> Iterator[NDArray[np.uint8]]:
    with Image.open(PHOTO) as photo:
        pixels = np.asarray(photo.convert("L"))
    for side in SIDES:
        for top in range(60, 300, 7):
            for left in range(190, 400, 11):
                yield pixels[top : top + side, left : left + side]


def expected(pixels: NDArray[Any], name: str) -> Grid:
    """Return what a kernel makes of pixels with zeros around, before it is rounded."""
    if name in OPERATORS:
        return np.round(operated(pixels, name), 9)
    weights = KERNELS[name]
    raw = correlated(pixels, weights) + BIASES.get(name, 0.0)
    # Sixths and sixteenths do hit ties: without the float noise they are exact.
    exact = np.round(raw, 9)
    return np.abs(exact) if abs(weights.sum()) < NOISE else exact


def is_settled(values: Grid, name: str) -> bool:
    """Tell whether no value lies near a tie, but exactly on one that all agree on."""
    inside = values[(values > 0) & (values < 255)]
    away = np.abs(inside - np.floor(inside) - 0.5)
    near = away < MARGIN
    return not (near & (away > 0) if has_exact_ties(name) else near).any()


def has_exact_ties(name: str) -> bool:
    """Tell whether weights are whole numbers over one divisor: then a tie is exact."""
    if name not in KERNELS:
        return False
    over = (KERNELS[name] * divisor for divisor in range(1, 101))
    return any(np.allclose(grid, np.rint(grid), rtol=0, atol=NOISE) for grid in over)


def make(name: str) -> None:
    folder = HERE / f"kernel-{name}"
    folder.mkdir(exist_ok=True)
    pixels = next(crop for crop in crops() if is_settled(expected(crop, name), name))
    values = np.clip(np.rint(expected(pixels, name)), 0, 255).astype(np.uint8)
    (folder / "command.txt").write_text(f"apply {name} {{in}} {{out}}\n", encoding="utf-8")
    Image.fromarray(pixels).save(folder / "input.png", optimize=True)
    Image.fromarray(values).save(folder / "expected.png", optimize=True)


def main() -> None:
    for name in (*KERNELS, *OPERATORS):
        make(name)


if __name__ == "__main__":
    main()
