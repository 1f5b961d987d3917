"""A picture as a kernel, to find where its pattern appears."""

import numpy as np

from convcli.errors import KernelError
from convcli.kernels.kernel import Kernel

PREFIX = "image:"


def kernel_of_picture(path: str) -> Kernel:
    """Return a picture as a kernel of mean 0 and length 1.

    The picture is made grey first. Its mean is taken off, so that brightness does not
    count, and it is divided by the root of the sum of squares: no other kernel of that
    size and length answers the patch more strongly (Cauchy-Schwarz inequality).

    Parameters
    ----------
    path : str
        The picture's file.

    Returns
    -------
    Kernel
        Of the picture's size.

    Raises
    ------
    ImageError
        If the picture cannot be read.
    KernelError
        If it is all of one brightness, or too large.
    """
    from convcli.images import read_picture  # noqa: PLC0415 - Pillow, for patches only

    pixels = read_picture(path).gray().pixels[..., 0].astype(np.float64)
    flat = pixels - pixels.mean()
    length = float(np.sqrt((flat**2).sum()))
    if not flat.any() or np.ptp(pixels) == 0:
        raise KernelError(
            f"{path}: expected a picture with a pattern, got one brightness all over: "
            "choose a patch that has edges"
        )
    return Kernel(
        flat / length, name=f"{PREFIX}{path}", description="answers where this patch appears"
    )
