"""What limits a learnt kernel, in words."""

from convcli.lessons.learning.samples import Task

_ILL = 1e8
"""Condition number above which small errors of the pictures become large ones."""

_ROUGH = 0.01
"""Standard error of a weight above which rounding is worth a warning."""

_UNEXPLAINED = 0.02
"""Part of the target's variance that no kernel explains, above which one is warned."""


def warnings_for(
    task: Task, condition: float, undetermined: int, error: float, unexplained: float
) -> list[str]:
    """Return what limits a learnt kernel, a sentence each, with the remedy."""
    found = []
    if undetermined:
        found.append(
            f"the pictures cannot tell {undetermined} of the weights apart: the smallest that "
            "fit were taken; use a picture with more texture, or a smaller kernel"
        )
    elif condition > _ILL:
        found.append(
            f"ill-conditioned ({condition:.1e}): small errors of the pictures become large "
            "ones of the weights; use a picture with more texture"
        )
    if error > _ROUGH:
        found.append(
            f"rounding to whole numbers leaves a weight uncertain by ±{error:.2g}: learn from "
            "floats (apply to a .npy), or a larger picture"
        )
    if unexplained > _UNEXPLAINED:
        found.append(
            f"no kernel of this size explains {100 * unexplained:.0f} % of the target: was it "
            "made with --range abs or another step that is not linear? Use a larger --k, or a "
            ".npy target"
        )
    if task.left_out > 0:
        found.append(
            f"{100 * task.left_out:.1f} % of the target's values are at a limit, perhaps cut "
            "off: they were left out"
        )
    return found
