"""The engine: how a correlation is computed. `correlate.py` is its front door."""

from convcli.engine.correlate import convolve, correlate
from convcli.engine.plan import Method, Plan, plan
from convcli.engine.problem import Problem, problem_for
from convcli.engine.run import run
from convcli.engine.store import Store, ValueRange, saturate

__all__ = [
    "Method",
    "Plan",
    "Problem",
    "Store",
    "ValueRange",
    "convolve",
    "correlate",
    "plan",
    "problem_for",
    "run",
    "saturate",
]
