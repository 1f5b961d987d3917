"""Cases small enough to work out on paper."""

import numpy as np
import pytest

import convcli

EDGE = np.array([[0, 0, 0, 9, 9, 9]] * 5)


def test_sobel_x_on_a_vertical_edge_is_a_vertical_line() -> None:
    """(1 + 2 + 1)·9 where the window holds both sides, 0 where it holds one."""
    kernel = convcli.kernel_from("sobel-x")
    assert convcli.correlate(EDGE, kernel.weights).tolist() == [[0, 36, 36, 0]] * 3


def test_sobel_x_on_a_falling_edge_is_negative() -> None:
    kernel = convcli.kernel_from("sobel-x")
    assert convcli.correlate(EDGE[:, ::-1], kernel.weights).tolist() == [[0, -36, -36, 0]] * 3


def test_sobel_y_does_not_see_a_vertical_edge() -> None:
    kernel = convcli.kernel_from("sobel-y")
    assert not convcli.correlate(EDGE, kernel.weights).any()


def test_sobel_does_not_wrap_around_on_bytes() -> None:
    """80·4 is 320 and not 320 - 256 = 64, as a uint8 would say."""
    image = np.array([[0, 40, 80]] * 3, np.uint8)
    weights = convcli.kernel_from("sobel-x").weights
    assert convcli.correlate(image, weights).tolist() == [[320]]
    assert convcli.correlate(image, weights, dtype=np.uint8).tolist() == [[255]]
    assert convcli.correlate(image, -weights, dtype=np.uint8).tolist() == [[0]]


def test_convolution_turns_the_kernel_by_half() -> None:
    image, weights = [[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert convcli.convolve(image, weights, padding=1).tolist() == weights
    turned = [[9, 8, 7], [6, 5, 4], [3, 2, 1]]
    assert convcli.correlate(image, weights, padding=1).tolist() == turned


def test_convolution_multiplies_polynomials() -> None:
    """(1 + 2x + 3x²)(4 + 5x) = 4 + 13x + 22x² + 15x³."""
    product = convcli.convolve([[1, 2, 3]], [[4, 5]], padding=(0, 1))
    assert product.tolist() == [[4, 13, 22, 15]]


def test_the_sum_of_two_dice() -> None:
    """Of 36 throws 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1 make 2 … 12."""
    die = np.ones((1, 6))
    throws = convcli.convolve(die, die, padding=(0, 5))
    assert throws.tolist() == [[1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1]]


def test_the_corner_of_a_padded_window_sees_padding_on_two_sides() -> None:
    """A mean of 9 on ones: 4 pixels in a corner, 6 on a side, 9 within."""
    result = convcli.correlate(np.ones((3, 3)), np.ones((3, 3)), padding=1)
    assert result.tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


@pytest.mark.parametrize(
    ("border", "expected"),
    [
        ("zero", [0 + 20, 10 + 40]),
        ("replicate", [10 + 20, 10 + 40]),
        ("reflect", [20 + 20, 10 + 40]),
        ("symmetric", [10 + 20, 10 + 40]),
        ("wrap", [40 + 20, 10 + 40]),
    ],
)
def test_each_border_beside_the_first_pixel(border: str, expected: list[float]) -> None:
    """[1 0 1] on 10 20 40: left of the 10 stands 0, 10, 20, 10 or 40."""
    result = convcli.correlate([[10, 20, 40]], [[1, 0, 1]], padding=(0, 1), border=border)
    assert result[0, :2].tolist() == expected


def test_a_padding_wider_than_the_image_mirrors_again() -> None:
    """Reflected, 1 2 goes on as … 2 1 2 [1 2] 1 2 1 …."""
    result = convcli.correlate([[1, 2]], [[1]], padding=(0, 3), border="reflect")
    assert result.tolist() == [[2, 1, 2, 1, 2, 1, 2, 1]]


@pytest.mark.parametrize(
    ("shape", "kernel", "settings", "expected"),
    [
        ((7, 7), (3, 3), {}, (5, 5)),
        ((7, 7), (5, 5), {"padding": 2}, (7, 7)),
        ((7, 7), (5, 5), {"padding": "same"}, (7, 7)),
        ((7, 7), (3, 3), {"stride": 3}, (2, 2)),
        ((5, 5), (3, 3), {"padding": 1}, (5, 5)),
        ((5, 5), (3, 3), {"padding": "valid"}, (3, 3)),
        ((224, 224), (3, 3), {"padding": 1, "stride": 2}, (112, 112)),
    ],
)
def test_the_sizes_of_the_textbook(
    shape: tuple[int, int],
    kernel: tuple[int, int],
    settings: dict[str, int],
    expected: tuple[int, int],
) -> None:
    result = convcli.correlate(np.ones(shape), np.ones(kernel), **settings)  # type: ignore[arg-type]
    assert result.shape == expected


def test_stride_3_on_7_columns_never_looks_at_the_last() -> None:
    """(7 - 3)/3 is no whole number: windows start at 0 and 3, and column 6 is left over."""
    image = np.array([[1, 1, 1, 1, 1, 1, 500]])
    assert convcli.correlate(image, [[1, 1, 1]], stride=3).tolist() == [[3, 3]]


def test_one_filter_takes_all_three_channels_to_one_map() -> None:
    """32×32×3 under one 5×5×3 filter of ones: 75 in the middle of 28×28."""
    result = convcli.correlate(np.ones((32, 32, 3)), np.ones((1, 3, 5, 5)))
    assert result.shape == (28, 28, 1)
    assert (result == 75).all()


def test_sixty_four_filters_make_sixty_four_maps() -> None:
    bank = np.zeros((64, 3, 3, 3))
    bank[np.arange(64), :, 1, 1] = np.arange(64)[:, np.newaxis]
    image = np.full((224, 224, 3), [1, 2, 3], np.uint8)
    result = convcli.correlate(image, bank, bias=np.arange(64.0).tolist(), padding=1)
    assert result.shape == (224, 224, 64)
    assert (result == 7.0 * np.arange(64)).all()


def test_a_2d_kernel_filters_each_channel_on_its_own() -> None:
    image = np.array([[[1, 10, 100], [2, 20, 200]]])
    assert convcli.correlate(image, [[-1, 1]]).tolist() == [[[1, 10, 100]]]


def test_groups_keep_channels_apart() -> None:
    """Filter 0 sees channels 0 and 1, filter 1 sees 2 and 3."""
    bank = np.array([[1, 1], [1, 1]]).reshape(2, 2, 1, 1)
    result = convcli.correlate([[[1, 2, 30, 40]]], bank, groups=2)
    assert result.tolist() == [[[3, 70]]]


def test_a_bias_for_each_channel() -> None:
    result = convcli.correlate([[[1, 2, 3]]], [[1]], bias=[10, 20, 30])
    assert result.tolist() == [[[11, 22, 33]]]


def test_the_bias_is_added_after_the_divisor() -> None:
    """A mean of 9 tens is 10, and 5 more."""
    result = convcli.correlate(np.full((3, 3), 10, np.uint8), np.full((3, 3), 1 / 9), bias=5)
    assert result.tolist() == [[15]]


def test_1x3_and_3x1_kernels() -> None:
    image = np.arange(9).reshape(3, 3)
    assert convcli.correlate(image, [[1, 10, 100]]).tolist() == [[210], [543], [876]]
    assert convcli.correlate(image, [[1], [10], [100]]).tolist() == [[630, 741, 852]]


def test_dilation_skips_pixels() -> None:
    assert convcli.correlate([[1, 2, 3, 4, 5]], [[1, 1, 1]], dilation=2).tolist() == [[9]]


def test_a_weight_of_zero_does_not_look_at_its_pixel() -> None:
    image = np.array([[np.nan, 1, 2]])
    assert convcli.correlate(image, [[0, 1, 1]]).tolist() == [[3]]


def test_a_filter_does_not_look_where_only_its_neighbours_do() -> None:
    """Filter 0 weighs channel 1 alone: the NaN in channel 0 is none of its business."""
    bank = np.array([[0.0, 1.0], [1.0, 0.0]]).reshape(2, 2, 1, 1)
    first, second = convcli.correlate(np.array([[[np.nan, 5.0]]]), bank)[0, 0]
    assert first == 5
    assert np.isnan(second)


def test_weights_that_change_between_calls_are_looked_at_again() -> None:
    """Equal arrays share what is known of them; an array is no name for its values."""
    weights = np.array([[1.0, 2.0]])
    first = convcli.correlate([[1, 1]], weights)
    weights[0, 0] = 5
    second = convcli.correlate([[1, 1]], weights)
    third = convcli.correlate([[1, 1]], weights.astype(">f4"))
    assert [first.item(), second.item(), third.item()] == [3, 7, 7]
    masked = np.ma.masked_array([[1.0, 2.0]], [[False, False]])
    assert convcli.correlate([[1, 1]], masked).item() == 3
