"""The strategies. A new one is one file, and one line here."""

from convcli.engine.strategies.base import Strategy
from convcli.engine.strategies.dense import Band, Dense
from convcli.engine.strategies.depthwise import CompiledDepthwise, Depthwise
from convcli.engine.strategies.fft import CompiledFft, Fft
from convcli.engine.strategies.lines import Lines, SeparableLines
from convcli.engine.strategies.passes import Passes, Taps
from convcli.engine.strategies.products import Im2col, RowWinograd
from convcli.engine.strategies.separable import Separable

STRATEGIES: tuple[type[Strategy], ...] = (
    Passes,
    Separable,
    Band,
    Fft,
    RowWinograd,
    Im2col,
    Depthwise,
    Taps,
)
"""All strategies: the planner takes the cheapest that can serve, the first where two tie."""

COMPILED: tuple[type[Strategy], ...] = (
    Lines,
    SeparableLines,
    Dense,
    CompiledFft,
    CompiledDepthwise,
)
"""Those that numba compiles, with the extra ``fast``: they are chosen where that pays."""

FALLBACK: type[Strategy] = Taps
"""Serves every problem, and keeps NaNs and infinities where they are."""
