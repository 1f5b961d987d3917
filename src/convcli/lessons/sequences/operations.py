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


def break_even() -> int:
    """Return the length n from which on the FFT of two sequences of n is always cheaper.

    By the counts of `operations`; beyond 4096 the FFT always is.
    """
    dearer = [n for n in range(1, 4097) if (c := operations(n, n)).fft >= c.direct]
    return max(dearer) + 1
