"""PNG's filters, held against plain loops written from the standard."""

import numpy as np
import pytest
from numpy.typing import NDArray

from convcli.images.codecs.png import filtered_strips
from convcli.images.picture import Frame


def predictions(left: int, above: int, corner: int) -> tuple[int, ...]:
    """ISO/IEC 15948, 9.2: what the five filters take from a byte."""
    return (0, left, above, (left + above) // 2, paeth(left, above, corner))


def paeth(left: int, above: int, corner: int) -> int:
    """ISO/IEC 15948, 9.4."""
    estimate = left + above - corner
    by_left, by_above = abs(estimate - left), abs(estimate - above)
    by_corner = abs(estimate - corner)
    if by_left <= by_above and by_left <= by_corner:
        return left
    return above if by_above <= by_corner else corner


def filtered_by_all(row: list[int], above: list[int], pixel: int) -> list[list[int]]:
    """Return a row after each of the filters."""
    corners, lefts = [0] * pixel + above, [0] * pixel + row
    known = zip(lefts, above, corners, strict=False)
    taken = [predictions(*three) for three in known]
    return [
        [(byte - taken[at][kind]) % 256 for at, byte in enumerate(row)] for kind in range(5)
    ]


def cost(row: list[int]) -> int:
    """12.8: the sum of absolute values, as numbers with sign."""
    return sum(min(byte, 256 - byte) for byte in row)


def smooth(shape: tuple[int, ...], dtype: type) -> NDArray[np.generic]:
    """Slopes with a little noise, and half of it noise alone: all filters serve somewhere."""
    random = np.random.default_rng(1)
    most = int(np.iinfo(dtype).max)
    rows, columns = np.indices(shape[:2])
    slope = (rows * 7 + columns * 5)[..., np.newaxis] + random.integers(0, 3, shape)
    noise = random.integers(0, most, shape)
    return np.where(rows[..., np.newaxis] % 3 == 0, noise, slope % most).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (5, 1), (1, 9), (40, 17)])
def test_each_row_has_the_filter_that_leaves_least(
    *, size: tuple[int, int], channels: int, alpha: bool, dtype: type
) -> None:
    pixels = smooth((*size, channels), dtype)
    picture = Frame(pixels, smooth((*size, 1), dtype)[..., 0] if alpha else None)
    samples = [*np.moveaxis(pixels, 2, 0), *([picture.alpha] if alpha else [])]
    rows = np.stack(samples, axis=2).astype(f">u{pixels.itemsize}")
    above = [0] * (size[1] * len(samples) * pixels.itemsize)
    found = [row.tolist() for strip in filtered_strips(picture) for row in strip]
    for values, (kind, *bytes_left) in zip(rows, found, strict=True):
        row = list(values.tobytes())
        expected = filtered_by_all(row, above, len(samples) * pixels.itemsize)
        assert bytes_left == expected[kind]
        assert cost(bytes_left) == min(map(cost, expected))
        above = row


def test_strips_join() -> None:
    pixels = smooth((200, 400, 3), np.uint8)
    strips = list(filtered_strips(Frame(pixels)))
    second = len(strips[0])
    assert sum(map(len, strips)) == 200 > second
    above, row = (pixels[at].tobytes() for at in (second - 1, second))
    kind, *found = strips[1][0].tolist()
    assert found == filtered_by_all(list(row), list(above), 3)[kind]
    assert kind > 1  # a filter that looks above
