"""Parameters, counted on paper and by torch."""

import pytest

from convcli.errors import GeometryError
from convcli.geometry.layers import Volume, convolution_layer


def test_64_filters_of_3x3x3() -> None:
    """64·3·3·3 = 1,728 weights and 64 biases."""
    layer = convolution_layer(3, 64, (3, 3))
    assert (layer.weights, layer.biases, layer.total) == (1_728, 64, 1_792)


def test_without_biases() -> None:
    assert convolution_layer(3, 64, (3, 3), bias=False).total == 1_728


def test_32x32x3_to_1000_units() -> None:
    """32·32·3 = 3,072 values, times 1,000."""
    image = Volume(3, 32, 32)
    assert image.values == 3_072
    layer = convolution_layer(image.values, 1_000, (1, 1), output=(1, 1))
    assert (layer.weights, layer.biases) == (3_072_000, 1_000)
    assert layer.multiply_adds == 3_072_000


def test_a_million_pixels_to_a_million_units_take_a_trillion() -> None:
    assert convolution_layer(10**6, 10**6, (1, 1), bias=False).total == 10**12


@pytest.mark.parametrize(
    ("channels", "filters", "kernel", "groups", "total"),
    [
        (3, 64, (3, 3), 1, 1_792),
        (8, 12, (3, 5), 4, 372),
        (64, 64, (3, 3), 64, 640),
        (256, 64, (1, 1), 1, 16_448),
    ],
)
def test_as_many_as_torch_counts(
    channels: int, filters: int, kernel: tuple[int, int], groups: int, total: int
) -> None:
    """torch 2.13: sum(p.numel() for p in Conv2d(…, groups=…).parameters())."""
    assert convolution_layer(channels, filters, kernel, groups=groups).total == total


def test_multiply_adds_are_weights_times_positions() -> None:
    """32·32·64·27 with padding 1."""
    layer = convolution_layer(3, 64, (3, 3), output=(32, 32))
    assert layer.multiply_adds == 1_769_472


def test_without_sharing_each_position_has_its_own_weights() -> None:
    """32·32·64·(27 + 1)."""
    layer = convolution_layer(3, Volume(64, 32, 32).values, (3, 3), output=(1, 1))
    assert (layer.weights, layer.biases, layer.total) == (1_769_472, 65_536, 1_835_008)
    assert layer.multiply_adds == 1_769_472


def test_without_sharing_in_groups() -> None:
    layer = convolution_layer(4, Volume(2, 5, 5).values, (3, 3), groups=2, bias=False)
    assert layer.total == 5 * 5 * 2 * (4 // 2) * 9


@pytest.mark.parametrize(
    ("channels", "filters", "groups", "said"),
    [
        (0, 64, 1, "in: expected a whole number of at least 1, got 0"),
        (3, -1, 1, "filters: expected a whole number of at least 1, got -1"),
        (3, 64, 0, "groups: expected a whole number of at least 1, got 0"),
        (3, 64, 2, "groups: expected a divisor of 3 input channels and 64 filters, got 2"),
        (4, 3, 2, "groups: expected a divisor of 4 input channels and 3 filters, got 2"),
    ],
)
def test_counts_that_are_refused(channels: int, filters: int, groups: int, said: str) -> None:
    with pytest.raises(GeometryError) as raised:
        convolution_layer(channels, filters, (3, 3), groups=groups)
    assert said in str(raised.value)


def test_an_empty_volume_is_refused() -> None:
    with pytest.raises(
        GeometryError, match="at least 1 channel, row and column, got 3 × 0 × 5"
    ):
        Volume(3, 0, 5)
