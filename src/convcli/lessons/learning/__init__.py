"""Learning: the kernel that turns one picture into another."""

from convcli.lessons.learning.descent import Schedule, gradient
from convcli.lessons.learning.learnt import Learnt, kernel_document, learn
from convcli.lessons.learning.nearest import Nearest, nearest_named
from convcli.lessons.learning.samples import Samples, Sharing, Task, task_for

__all__ = [
    "Learnt",
    "Nearest",
    "Samples",
    "Schedule",
    "Sharing",
    "Task",
    "gradient",
    "kernel_document",
    "learn",
    "nearest_named",
    "task_for",
]
