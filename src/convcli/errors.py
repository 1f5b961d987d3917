"""The errors that convcli raises on purpose.

Every message says what was expected, what came, and what to do about it, on one
line, so that the command line can print the message alone.
"""

from typing import NoReturn


class ConvcliError(Exception):
    """Base of all errors that convcli raises on purpose.

    Examples
    --------
    >>> import convcli
    >>> issubclass(convcli.ImageError, convcli.ConvcliError)
    True
    """

    def __str__(self) -> str:
        """Return the message on one line, though it may quote a value of several."""
        return " ".join(line.strip() for line in super().__str__().splitlines())


class GeometryError(ConvcliError):
    """Sizes, strides, paddings or channels that do not fit each other.

    Examples
    --------
    >>> import convcli
    >>> convcli.output_size(width=3, kernel_size=5)
    Traceback (most recent call last):
    convcli.errors.GeometryError: the kernel spans 5 px but the ...
    """


class KernelError(ConvcliError):
    """Weights that cannot be used as a kernel or a filter bank.

    Examples
    --------
    >>> import convcli
    >>> convcli.kernel([[]])
    Traceback (most recent call last):
    convcli.errors.KernelError: weights: expected at least one, ...
    """


class SpecError(KernelError):
    """A kernel specification (``gaussian:2``) that names no kernel or bad parameters.

    Examples
    --------
    >>> import convcli
    >>> convcli.kernel("sobell-x")
    Traceback (most recent call last):
    convcli.errors.SpecError: no kernel is called 'sobell-x': di...
    """


class ImageError(ConvcliError):
    """Pixels that cannot be read, filtered or written.

    Examples
    --------
    >>> import convcli
    >>> convcli.open("nowhere.png")
    Traceback (most recent call last):
    convcli.errors.ImageError: nowhere.png: no such file: check the path
    """


class OptionError(ConvcliError):
    """A value that an option does not take.

    Examples
    --------
    >>> import convcli
    >>> convcli.apply("box", [[1]], border="mirror")
    Traceback (most recent call last):
    convcli.errors.OptionError: border: expected one of zero, re...
    """


class BatchError(ConvcliError):
    """Inputs that cannot be one batch. It is raised before anything runs.

    Examples
    --------
    >>> import convcli
    >>> issubclass(convcli.BatchError, convcli.ConvcliError)
    True
    """


class ClusterError(ConvcliError):
    """A cluster that cannot be reached or used, or that stopped.

    Examples
    --------
    >>> import convcli
    >>> issubclass(convcli.ClusterError, convcli.ConvcliError)
    True
    """


def fail(
    place: object, fault: str, remedy: str, error: type[ConvcliError] = KernelError
) -> NoReturn:
    """Raise an error on one line: the place, what was expected and what came, what to do.

    `error` is its class: what is wrong with a kernel, unless another is named. An empty place
    is left out.

    >>> fail("divisor", "expected a number other than 0, got 0", "use 1")
    Traceback (most recent call last):
    convcli.errors.KernelError: divisor: expected a number other than 0, got 0: use 1
    """
    raise error(f"{place}: {fault}: {remedy}" if place else f"{fault}: {remedy}") from None


def install(extra: str) -> str:
    """Return the command that installs an extra, in a checkout: nothing is released yet."""
    return f"pip install '.[{extra}]'"


def installed_version(package: str) -> str | None:
    """Return the version of an installed package; None where it is not installed."""
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def own_version() -> str:
    """Return the version of convcli, also where it runs without being installed."""
    return installed_version("convcli") or "0+unknown"
