"""Products and transforms: each strategy alone, on images of several tiles both ways."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import convcli
from convcli.engine.planner import Plan
from convcli.engine.problem import problem_for
from convcli.engine.strategies import STRATEGIES
from convcli.engine.strategies.base import Strategy
from convcli.engine.worker import run_plan
from convcli.kernels.kernel import Kernel
from convcli.threads import blas_threads

Floats = NDArray[np.float64]
MUCH = 1e9
"""Nanoseconds a value: so much work is shared by threads."""

KINDS: dict[str, type[Strategy]] = {kind.name: kind for kind in STRATEGIES}
MIB = 2**20

DENSE: dict[str, tuple[int, int]] = {
    "band": (70, 4_500),
    "fft": (700, 800),
}
"""An image for each strategy that has several tiles both ways with it."""

BANKS: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "winograd": ("row-winograd", (21, 1_500, 24), (40, 24, 3, 3), {}),
    "rows shared": ("im2col", (40, 1_700, 8), (24, 8, 3, 3), {}),
    "few filters": ("im2col", (60, 5_000, 3), (2, 3, 5, 4), {}),
    "stride": ("im2col", (150, 2_000, 3), (16, 3, 7, 7), {"stride": 2}),
    "stride as wide as the kernel": ("im2col", (60, 3_000, 12), (8, 12, 2, 2), {"stride": 2}),
    "dilation": ("im2col", (30, 4_300, 6), (10, 6, 3, 3), {"dilation": (2, 3)}),
    "dilation across": ("im2col", (70, 1_700, 6), (10, 6, 3, 3), {"dilation": (1, 2)}),
    "groups": ("im2col", (90, 700, 12), (9, 4, 3, 3), {"groups": 3}),
    "groups and all": (
        "im2col",
        (60, 4_300, 6),
        (4, 3, 3, 2),
        {"groups": 2, "stride": (3, 2), "dilation": (2, 1)},
    ),
    "many channels": ("im2col", (12, 200, 160), (400, 160, 3, 3), {}),
    "1×1": ("im2col", (20, 1_500, 24), (150, 24, 1, 1), {}),
    "1×1 stride": ("im2col", (40, 700, 96), (9, 96, 1, 1), {"stride": (2, 3)}),
    "1×1 groups": ("im2col", (20, 700, 96), (300, 48, 1, 1), {"groups": 2}),
    "depthwise": ("depthwise", (40, 500, 64), (64, 1, 3, 3), {"groups": 64}),
    "depthwise stride": (
        "depthwise",
        (50, 900, 40),
        (40, 1, 3, 5),
        {"groups": 40, "stride": (2, 1), "dilation": (1, 2)},
    ),
}

dtypes = pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
dense = pytest.mark.parametrize("name", DENSE)
banks = pytest.mark.parametrize("name", BANKS)


def planned(
    name: str, shape: tuple[int, ...], dtype: str, weights: Floats, **settings: Any
) -> Plan:
    kernel = Kernel(weights)
    sliding = {k: settings.pop(k) for k in ("stride", "padding", "dilation") if k in settings}
    window = convcli.window(kernel.size, **sliding)
    problem = problem_for(shape, np.dtype(dtype), kernel, window, **settings)
    assert not isinstance(KINDS[name].cost(problem), str)
    return Plan(problem, KINDS[name].method, KINDS[name](problem), "tested", MUCH)


def executed(plan: Plan, image: NDArray[Any], jobs: int = 1) -> NDArray[Any]:
    out = np.empty(plan.problem.result_shape, plan.problem.result)
    run_plan(plan, image, out, jobs)
    return out


def expected(
    image: NDArray[Any], weights: Floats, stride: Any = 1, dilation: Any = 1, groups: int = 1
) -> Floats:
    """Return the sums over windows, by NumPy's own windows and einsum, in float64."""
    (down, across), (apart, beside) = np.broadcast_to(stride, 2), np.broadcast_to(dilation, 2)
    size = (
        (weights.shape[-2] - 1) * int(apart) + 1,
        (weights.shape[-1] - 1) * int(beside) + 1,
    )
    windows = sliding_window_view(image.astype(np.float64), size, (0, 1))
    windows = windows[::down, ::across, :, ::apart, ::beside]
    if weights.ndim == 2:
        # Not as a product of matrices, for which all windows would be copied.
        sums: Floats = np.einsum("yxcij,ij->yxc", windows, weights)
        return sums
    pairs = zip(np.split(windows, groups, 2), np.split(weights, groups), strict=True)
    with blas_threads(1):  # tests run on all cores already
        parts = [np.einsum("yxcij,ocij->yxo", w, f, optimize=True) for w, f in pairs]
    return np.concatenate(parts, axis=2)


def picture(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    values = np.random.default_rng(5).normal(110, 40, shape)
    return values.clip(0, 255).astype(dtype)


def drawn(*shape: int) -> Floats:
    return np.random.default_rng(6).normal(size=shape)


def scenario(name: str) -> tuple[str, tuple[int, ...], Floats, dict[str, Any]]:
    """Return the strategy, the shape of the image, weights and settings of that name."""
    if name in DENSE:
        return name, (*DENSE[name], 3 if name == "band" else 1), drawn(5, 4), {}
    kind, shape, size, settings = BANKS[name]
    return kind, shape, drawn(*size), settings


def assert_close(result: NDArray[Any], wanted: Floats, weights: Floats) -> None:
    """Within 1e-5, or 1e-12 for float64, of Σ|w|·255."""
    part = 1e-12 if result.dtype == np.float64 else 1e-5
    sums = np.abs(weights).reshape(len(weights) if weights.ndim == 4 else 1, -1).sum(axis=1)
    assert result.shape == wanted.shape
    assert np.abs(result - wanted).max() <= part * 255 * float(sums.max())


def assert_several_tiles(plan: Plan) -> None:
    height, width, _ = plan.problem.result_shape
    assert plan.strategy.rows < height
    assert plan.strategy.columns < width


@pytest.mark.slow
@dense
@dtypes
@pytest.mark.parametrize("size", [(7, 5), (1, 9), (8, 1), (15, 16)])
def test_dense_kernels(name: str, dtype: str, size: tuple[int, int]) -> None:
    image, weights = picture((*DENSE[name], 1), dtype), drawn(*size)
    plan = planned(name, image.shape, dtype, weights)
    assert_several_tiles(plan)
    assert_close(executed(plan, image), expected(image, weights), weights)


@dense
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_dense_kernels_take_each_channel_alone(name: str, channels: int) -> None:
    image, weights = picture((50, 1_500, channels), "uint8"), drawn(5, 6)
    plan = planned(name, image.shape, "uint8", weights)
    assert_close(executed(plan, image), expected(image, weights), weights)


@dense
def test_dense_kernels_with_a_dilation(name: str) -> None:
    image, weights = picture((90, 300, 2), "float32"), drawn(4, 3)
    plan = planned(name, image.shape, "float32", weights, dilation=(3, 2))
    assert_close(executed(plan, image), expected(image, weights, 1, (3, 2)), weights)


@pytest.mark.parametrize("size", [(40, 40), (31, 64), (200, 150), (480, 3)])
def test_large_kernels(size: tuple[int, int]) -> None:
    image, weights = picture((530, 700, 1), "uint8"), drawn(*size)
    wanted = np.fft.irfft2(
        np.fft.rfft2(image[..., 0]) * np.fft.rfft2(weights, image.shape[:2]).conj(),
        image.shape[:2],
    )[: 531 - size[0], : 701 - size[1], np.newaxis]
    plan = planned("fft", image.shape, "uint8", weights)
    assert_close(executed(plan, image), wanted, weights)


@pytest.mark.slow
@banks
@dtypes
def test_banks(name: str, dtype: str) -> None:
    kind, shape, size, settings = BANKS[name]
    image, weights = picture(shape, dtype), drawn(*size)
    plan = planned(kind, shape, dtype, weights, **settings)
    assert_several_tiles(plan)
    assert_close(executed(plan, image), expected(image, weights, **settings), weights)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
@pytest.mark.parametrize("name", [*DENSE, "row-winograd", "im2col"])
def test_whole_numbers_stay_whole(name: str, dtype: str) -> None:
    """Transforms too: their results are rounded to the whole numbers that they are."""
    rng = np.random.default_rng(8)
    bank = name not in DENSE
    weights = rng.integers(-9, 10, (16, 12, 3, 3) if bank else (13, 17)).astype(float)
    image = rng.integers(0, 250, (60, 90, 12 if bank else 1)).astype(dtype)
    image[20:40] *= np.iinfo(dtype).max // 250
    result = executed(planned(name, image.shape, dtype, weights), image)
    np.testing.assert_array_equal(result, np.rint(expected(image, weights)))


@dense
@pytest.mark.parametrize("size", [9, 31, 63])
def test_one_weight_in_a_corner_moves_the_picture(name: str, size: int) -> None:
    """Of all kernels that were tried the hardest for a transform in float32."""
    image = np.random.default_rng(9).integers(0, 2, (200, 300, 1)).astype(np.uint8) * 255
    weights = np.zeros((size, size))
    weights[0, 0] = 128
    result = executed(planned(name, image.shape, "uint8", weights), image)
    np.testing.assert_array_equal(result, 128.0 * image[: 201 - size, : 301 - size])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DENSE, *BANKS])
def test_threads_change_no_bit(name: str) -> None:
    kind, shape, weights, settings = scenario(name)
    image = picture(shape, "float32")
    plan = planned(kind, shape, "float32", weights, **settings)
    once, *others = (executed(plan, image, jobs) for jobs in (1, 2, 3))
    for result in others:
        np.testing.assert_array_equal(result, once)


@pytest.mark.parametrize("name", [*DENSE, *BANKS])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nan_reaches_no_output_that_does_not_look_at_it(name: str, value: float) -> None:
    kind, shape, weights, settings = scenario(name)
    image = picture((23, 31, shape[2]), "float32")
    plan = planned(kind, image.shape, "float32", weights, **settings)
    spoilt = image.copy()
    spoilt[11, 17, 0] = value
    touched = expected(spoilt != image, np.abs(weights), **settings) > 0
    result = executed(plan, spoilt)
    np.testing.assert_array_equal(~np.isfinite(result), touched)
    wanted = expected(image, weights, **settings)
    assert_close(np.where(touched, wanted, result).astype(np.float32), wanted, weights)


@pytest.mark.parametrize("name", [*DENSE, *BANKS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [(3_000, 4_000), (1_000, 100_000), (100_000, 100)])
def test_memory_does_not_grow_with_the_image(
    name: str, dtype: str, size: tuple[int, int]
) -> None:
    kind, shape, weights, settings = scenario(name)
    plan = planned(kind, (*size, shape[2]), dtype, weights, **settings)
    assert plan.memory_bytes(1) <= 16 * MIB


@dense
@pytest.mark.parametrize("size", [(63, 63), (1, 63), (63, 1)])
def test_memory_of_long_kernels(name: str, size: tuple[int, int]) -> None:
    plan = planned(name, (3_000, 4_000, 3), "float32", drawn(*size))
    assert plan.memory_bytes(1) <= 16 * MIB


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_of_large_transforms(dtype: str) -> None:
    plan = planned("fft", (3_000, 4_000, 1), dtype, drawn(512, 512))
    assert plan.memory_bytes(1) <= 32 * MIB


@pytest.mark.parametrize("name", [*DENSE, *BANKS])
def test_small_images_take_little_memory(name: str) -> None:
    """At most 32 times what image, weights and result take."""
    kind, shape, weights, settings = scenario(name)
    plan = planned(kind, (9, 11, shape[2]), "float32", weights, **settings)
    problem = plan.problem
    values = math.prod(problem.shape) + math.prod(problem.result_shape) + weights.size
    assert plan.memory_bytes(1) <= 32 * 4 * values


@pytest.mark.parametrize(
    ("name", "channels", "size", "settings"),
    [
        *((name, 1, (3, 5), {}) for name in DENSE),
        ("row-winograd", 8, (8, 8, 3, 3), {}),
        ("im2col", 3, (4, 3, 3, 3), {}),
        ("im2col", 3, (4, 3, 3, 3), {"stride": (1, 3)}),
        ("im2col", 8, (8, 8, 1, 1), {}),
        ("depthwise", 8, (8, 1, 3, 3), {"groups": 8}),
    ],
)
def test_wide_images(
    name: str, channels: int, size: tuple[int, ...], settings: dict[str, Any]
) -> None:
    image, weights = picture((7, 20_001, channels), "float32"), drawn(*size)
    plan = planned(name, image.shape, "float32", weights, **settings)
    assert_close(executed(plan, image), expected(image, weights, **settings), weights)


@pytest.mark.parametrize(
    ("name", "weights", "settings"),
    [
        ("band", drawn(2, 3, 3, 3), {}),
        ("band", drawn(3, 3), {"stride": 2}),
        ("band", drawn(120, 120), {}),
        ("fft", drawn(2, 3, 3, 3), {}),
        ("fft", drawn(3, 3), {"stride": (2, 1)}),
        ("fft", drawn(3, 900), {}),
        ("row-winograd", drawn(8, 3, 3, 3), {}),
        ("row-winograd", drawn(3, 3), {}),
        ("im2col", drawn(3, 3), {}),
        ("depthwise", drawn(6, 1, 3, 3), {"groups": 3}),
        ("depthwise", drawn(2, 3, 3, 3), {}),
    ],
)
def test_what_a_strategy_cannot_serve(
    name: str, weights: Floats, settings: dict[str, Any]
) -> None:
    groups = settings.get("groups", 1)
    sliding = {k: v for k, v in settings.items() if k != "groups"}
    window = convcli.window((weights.shape[-2], weights.shape[-1]), **sliding)
    shape = (1_000, 1_000, 3)
    problem = problem_for(shape, np.dtype(np.uint8), Kernel(weights), window, groups=groups)
    assert isinstance(KINDS[name].cost(problem), str)
