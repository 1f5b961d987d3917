"""The strategies. A new one is one file, and one line here."""

from convcli.engine.strategies.base import Method, Part, Strategy
from convcli.engine.strategies.taps import Taps

STRATEGIES: tuple[type[Strategy], ...] = (Taps,)
"""All strategies: the planner takes the cheapest that can serve, the first where two tie."""

FALLBACK: type[Strategy] = Taps
"""Serves every problem, and keeps NaNs and infinities where they are."""

__all__ = ["FALLBACK", "STRATEGIES", "Method", "Part", "Strategy"]
