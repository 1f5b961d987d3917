"""Correlations to draw: images of every type and layout, and settings of every form."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import convcli
from convcli.choices import Method
from convcli.engine.planner import Plan, choose_plan
from convcli.engine.problem import problem_for
from convcli.engine.strategies import STRATEGIES
from convcli.engine.strategies.base import Strategy
from convcli.engine.worker import run_plan
from convcli.values import replace
from support import oracle

Layout: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]

INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float16", "float32", "float64")
BORDERS = tuple(oracle.NUMPY_MODES)

_ALONE: dict[str, type[Strategy]] = {f"only {kind.name}": kind for kind in STRATEGIES}

METHODS = tuple(method.value for method in Method)
"""All that may be asked for."""

WAYS = ("auto", *_ALONE)
"""The planner's choice, and each strategy alone: a new one is tested at once."""

_ROUNDED = {
    name
    for kind in STRATEGIES
    if not kind.exact
    for name in (f"only {kind.name}", kind.method.value)
}
"""Ways that may go through numbers that are not whole: the strategies say so themselves."""

_SERVE_ALL = ("auto", "direct")
_EXACT = 2**40
"""Pixels of wide integers stay below: their sums are whole numbers that float64 holds."""

_BESIDE = 64
"""Values on both sides of a result: a strategy that writes there is caught."""


@dataclass(frozen=True)
class Case:
    """One call of `convcli.correlate`."""

    image: NDArray[Any]
    weights: NDArray[Any]
    settings: dict[str, Any]

    @functools.cached_property
    def expected(self) -> NDArray[np.float64]:
        """What the oracle makes of it, in the shape that convcli promises."""
        maps = oracle.correlate(self.image, self.weights, **self.settings)
        flat = self.image.ndim == 2 and self.weights.ndim == 2
        return maps[..., 0] if flat else maps

    def result(self, way: str = "auto", **more: Any) -> NDArray[Any] | None:
        """Return what convcli makes of it; None where a strategy says that it cannot."""
        settings = {**self.settings, **more}
        if way in _ALONE:
            return self._alone(_ALONE[way], **settings)
        try:
            return convcli.correlate(self.image, self.weights, method=way, **settings)
        except convcli.ConvcliError as error:
            if way in _SERVE_ALL or "cannot serve" not in str(error):
                raise
            return None

    def results(
        self, ways: tuple[str, ...] = WAYS, **more: Any
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield what each way makes of it, where it can serve."""
        for way in ways:
            result = self.result(way, **more)
            if result is not None:
                yield way, result

    def _alone(self, kind: type[Strategy], **settings: Any) -> NDArray[Any] | None:
        jobs, chosen = settings.pop("jobs", None), self.plan(**settings)
        if isinstance(kind.cost(chosen.problem), str):
            return None
        out = self.executed(replace(chosen, strategy=kind(chosen.problem)), jobs)
        return out[..., 0] if self.image.ndim == 2 and self.weights.ndim == 2 else out

    def plan(self, **more: Any) -> Plan:
        """Return what the planner makes of it."""
        settings = {**self.settings, **more}
        kernel = convcli.Kernel(self.weights, settings.pop("bias", None))
        sliding = ("stride", "padding", "dilation")
        shape = {name: settings.pop(name) for name in sliding if name in settings}
        window = convcli.window(kernel.size, **shape)
        size = (*self.image.shape, 1)[:3]
        return choose_plan(problem_for(size, self.image.dtype, kernel, window, **settings))

    def executed(self, chosen: Plan, jobs: int | None = None) -> NDArray[Any]:
        """Return the raw result of a plan, shape (H', W', O); nothing is written beside it."""
        shape = chosen.problem.result_shape
        size = math.prod(shape)
        memory = np.full(size + 2 * _BESIDE, 77, chosen.problem.result)
        out = memory[_BESIDE : _BESIDE + size].reshape(shape)
        run_plan(chosen, self.image.reshape(chosen.problem.shape), out, jobs)
        assert (memory[:_BESIDE] == memory[_BESIDE + size :]).all()
        assert (memory[:_BESIDE] == 77).all()
        return out

    def slack(self, way: str) -> float:
        """Return the error that is allowed where all numbers are whole.

        None for integer images, save where a strategy says that it is inexact.
        """
        if self.image.dtype.kind == "f":
            return self.tolerance(self.image.dtype)
        return slack(way, self.scale())

    def tolerance(self, dtype: np.dtype[Any]) -> float:
        """Return the error that is allowed anywhere."""
        part = 1e-12 if dtype == np.float64 else 1e-5
        return part * self.scale() + float(np.finfo(dtype).tiny)

    def scale(self) -> float:
        """Return Σ|w|·max|x|, which errors are measured by."""
        filters = len(self.weights) if self.weights.ndim == 4 else 1
        sums = np.abs(self.weights).reshape(filters, -1).sum(axis=1)
        pixels = self.image.astype(np.float64).ravel()
        brightest = np.abs(np.append(pixels, self.settings.get("fill", 0.0))).max()
        bias = np.abs(self.settings.get("bias") or 0).max()
        return float(sums.max() * brightest + bias)

    def with_weights(self, weights: NDArray[Any]) -> "Case":
        return dataclasses.replace(self, weights=weights)


def slack(way: str, scale: float) -> float:
    """Return the error that is allowed a way where whole numbers should stay whole."""
    return 1e-5 * scale if way in _ROUNDED else 0.0


def whole_weights() -> st.SearchStrategy[float]:
    return st.integers(-9, 9).map(float)


def real_weights() -> st.SearchStrategy[float]:
    return st.floats(-2, 2, width=32, allow_subnormal=False)


@st.composite
def cases(
    draw: st.DrawFn,
    dtypes: tuple[str, ...] = (*INTEGERS, *FLOATS),
    weights: Callable[[], st.SearchStrategy[float]] = real_weights,
) -> Case:
    """Draw a call whose kernel fits into its padded image."""
    sides = st.integers(1, 4)
    kernel = draw(st.sampled_from([(1, 1), (3, 3)]) | st.tuples(sides, sides))
    dilation = draw(_one_or_two(st.integers(1, 3)))
    padding = draw(_paddings())
    groups = draw(st.integers(1, 3))
    bank = draw(st.none() | st.tuples(st.integers(1, 2), st.integers(1, 2)))
    outer = () if bank is None else (groups * bank[0], bank[1])
    channels = draw(st.none() | st.integers(1, 4)) if bank is None else groups * bank[1]
    size = draw(_sizes(kernel, dilation, padding))
    shape = size if channels is None else (*size, channels)
    outputs = outer[0] if outer else channels or 1
    return Case(
        draw(images(draw(st.sampled_from(dtypes)), shape)),
        draw(hnp.arrays(np.float64, (*outer, *kernel), elements=weights())),
        {
            "dilation": dilation,
            "padding": padding,
            "groups": groups if outer else 1,
            "stride": draw(_one_or_two(st.integers(1, 3))),
            "border": draw(st.sampled_from(BORDERS)),
            "fill": float(draw(st.integers(0, 9))),
            "bias": draw(_biases(outputs)),
        },
    )


@st.composite
def images(draw: st.DrawFn, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Draw an image of any layout in memory: reversed, transposed, strided, read-only."""
    values: NDArray[Any] = draw(hnp.arrays(dtype, shape, elements=_pixels(np.dtype(dtype))))
    layout: Layout = draw(st.sampled_from(_LAYOUTS))
    return layout(values)


def _pixels(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind == "f":
        # Beyond this part of the range a tolerance by the largest pixel says little.
        width: Any = 8 * dtype.itemsize
        return st.floats(-1000, 1000, width=width, allow_subnormal=False)
    limits = np.iinfo(dtype)
    return st.integers(max(int(limits.min), -_EXACT), min(int(limits.max), _EXACT))


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values


_LAYOUTS: tuple[Layout, ...] = (
    np.ascontiguousarray,
    np.asfortranarray,
    _read_only,
    lambda values: values[::-1].copy()[::-1],
    lambda values: values[::-1, ::-1].copy()[::-1, ::-1],
    lambda values: values.repeat(2, axis=0).repeat(3, axis=1)[::2, ::3],
    lambda values: values.repeat(2, axis=-1)[..., ::-1].copy()[..., ::-2],
)
"""Ways to hold the same values in memory."""


def _one_or_two(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    return numbers | st.tuples(numbers, numbers)


def _paddings() -> st.SearchStrategy[Any]:
    """Draw all forms; up to 9 px, which is often wider than the image."""
    pixels = st.integers(0, 9)
    pair = st.tuples(pixels, pixels)
    return st.sampled_from(["same", "valid"]) | pixels | pair | st.tuples(pair, pair)


def _biases(outputs: int) -> st.SearchStrategy[Any]:
    number = st.integers(-20, 20).map(float)
    return st.none() | number | st.lists(number, min_size=outputs, max_size=outputs)


@st.composite
def _sizes(
    draw: st.DrawFn, kernel: tuple[int, int], dilation: Any, padding: Any
) -> tuple[int, ...]:
    apart = (dilation, dilation) if isinstance(dilation, int) else dilation
    around = oracle.sides(padding, kernel, apart)
    spans = (d * (k - 1) + 1 - sum(p) for k, d, p in zip(kernel, apart, around, strict=True))
    return tuple(max(span, 1) + draw(st.integers(0, 4)) for span in spans)
