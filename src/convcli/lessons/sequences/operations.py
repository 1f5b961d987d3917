"""What convolving two sequences costs, directly and by the FFT."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operations:
    """What convolving sequences of lengths m and n takes, in real operations.

    Attributes
    ----------
    direct : int
        m·n products and m·n - (m+n-1) additions.
    fft : int
        Three transforms of N = 2^⌈log2(m+n-1)⌉ values at 5·N·log2(N) (the radix-2
        Cooley-Tukey count), and N complex products at 6.
    transform : int
        N.
    """

    direct: int
    fft: int
    transform: int


def operations(m: int, n: int) -> Operations:
    """Count the operations of both ways."""
    length = m + n - 1
    log = max((length - 1).bit_length(), 0)
    size = 2**log
    return Operations(2 * m * n - length, 15 * size * log + 6 * size, size)


def cheaper_by_fft() -> tuple[tuple[int, int | None], ...]:
    """Return the lengths n for which the FFT of two sequences of n is cheaper.

    By the counts of `operations`. A transform's length is a power of two: just above one it
    doubles, and the direct way is cheaper once more. Beyond 4096 the FFT always is.

    Returns
    -------
    tuple of (int, int or None)
        The first and the last n of each run; None where it does not end.

    Examples
    --------
    >>> cheaper_by_fft()
    ((128, 128), (191, 256), (284, None))
    """
    cheaper = [n for n in range(1, 4097) if (c := operations(n, n)).fft < c.direct]
    firsts = [n for n in cheaper if n - 1 not in cheaper]
    lasts = [n for n in cheaper if n + 1 not in cheaper]
    return tuple(zip(firsts, [*lasts[:-1], None], strict=True))
