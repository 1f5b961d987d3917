"""Executes a plan: load, compute and store, a strip at a time."""

from typing import Any

from numpy.typing import NDArray

from convcli.engine.direct import accumulate
from convcli.engine.plan import Plan
from convcli.engine.store import Store
from convcli.engine.tiles import Loader, strips


def run(plan: Plan, image: NDArray[Any], store: Store) -> None:
    """Compute all strips of a plan.

    Parameters
    ----------
    plan : Plan
        What to do.
    image : ndarray, shape (H, W, C)
        The image that the plan's problem describes; never modified.
    store : Store
        Where the results go.
    """
    problem = plan.problem
    loader = Loader(image, problem, plan.working, plan.rows)
    for strip in strips(problem.result_shape[0], plan.rows):
        tile = loader.load(strip)
        store.write(accumulate(tile, plan.weights, problem, strip.rows), strip)
