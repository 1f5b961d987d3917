"""The errors that convcli raises on purpose.

Every message says what was expected, what came, and what to do about it, on one
line, so that the command line can print the message alone.
"""


class ConvcliError(Exception):
    """Base of all errors that convcli raises on purpose."""


class GeometryError(ConvcliError):
    """Sizes, strides, paddings or channels that do not fit each other."""


class KernelError(ConvcliError):
    """Weights that cannot be used as a kernel or a filter bank."""


class SpecError(KernelError):
    """A kernel specification (``gaussian:2``) that names no kernel or bad parameters."""


class ImageError(ConvcliError):
    """Pixels that cannot be read, filtered or written."""


class OptionError(ConvcliError):
    """A value that an option does not take."""


class BatchError(ConvcliError):
    """Inputs that cannot be one batch. It is raised before anything runs."""


class ClusterError(ConvcliError):
    """A cluster that cannot be reached or used, or that stopped."""
