"""The engine: how a correlation is computed. `correlate.py` is its front door."""

from convcli.engine.blas import many_threaded_blas
from convcli.engine.correlate import convolve, correlate
from convcli.engine.pixels import Seen, ValueRange
from convcli.engine.plan import Plan, plan
from convcli.engine.problem import Problem, problem_for
from convcli.engine.results import result_array
from convcli.engine.rounding import saturate
from convcli.engine.run import run
from convcli.engine.store import Store
from convcli.engine.strategies import Method
from convcli.engine.tiles import Block

__all__ = [
    "Block",
    "Method",
    "Plan",
    "Problem",
    "Seen",
    "Store",
    "ValueRange",
    "convolve",
    "correlate",
    "many_threaded_blas",
    "plan",
    "problem_for",
    "result_array",
    "run",
    "saturate",
]
