"""The small parts of a pipeline, each by itself, against values worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from convcli.choices import Border, Colormap, Combine, Depth, Range, WeightLayout, border_named
from convcli.engine.store import ValueStats
from convcli.errors import install
from convcli.images.picture import Frame, Header
from convcli.kernels.catalogue.entry import no_convolution
from convcli.kernels.formats.base import plain
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Plain, plain_from
from convcli.kernels.spec import kernel_from
from convcli.pipeline.alpha import unweigh, with_nan
from convcli.pipeline.blend import read_mask, region_box
from convcli.pipeline.colours import hue_picture, meanings, palette
from convcli.pipeline.options import LUMA, Options
from convcli.pipeline.pipeline import plan_pipeline
from convcli.pipeline.recipe import recipe_from
from convcli.pipeline.run import filter_frame
from convcli.pipeline.steps import combined_answer


def test_a_plan_says_what_comes_out_before_a_pixel_is_read() -> None:
    photo = Header((480, 640, 3), alpha=False, dtype=np.dtype(np.uint8))
    pipeline = plan_pipeline(photo, [kernel_from("sobel-x")], Options())
    assert pipeline.output_shape == (480, 640, 3)
    assert pipeline.mapping is Range.ABS
    assert pipeline.is_streamed


def test_a_frame_is_filtered_by_a_difference() -> None:
    step = Frame(np.array([[[0], [0], [90], [90]]], dtype=np.uint8))
    result = filter_frame(step, [kernel_from("[[-1,0,1]]")], Options())
    assert result.values[..., 0].tolist() == [[0, 90, 90, 90]]


def test_answers_of_3_and_4_have_the_magnitude_5() -> None:
    answers = [np.array([3.0]), np.array([-4.0])]
    assert combined_answer(answers, Combine.MAGNITUDE).tolist() == [5.0]


def test_colours_are_divided_by_their_opacity() -> None:
    colours, alpha = unweigh(np.array([[[50.0, 0.5]]]), 255)
    assert (colours.tolist(), alpha.tolist()) == ([[[100.0]]], [[127.5]])


def test_the_number_of_a_missing_pixel_becomes_nan() -> None:
    part = Frame(np.array([[[7], [0]]], np.uint8))
    values = with_nan(part, part.pixels, Options(missing=0.0))
    np.testing.assert_equal(values, [[[7.0], [np.nan]]])


def test_the_middle_and_the_ends_of_diverging_colours_are_colorbrewer_s() -> None:
    shown = palette(Colormap.DIVERGING)[[1, 128, 255]].tolist()
    assert shown == [[5, 48, 97], [247, 247, 247], [103, 0, 31]]


def test_a_gradient_to_the_right_is_red() -> None:
    one = np.ones((1, 1))
    strength = np.full((1, 1), 200, np.uint8)
    assert hue_picture(one, 0 * one, strength).tolist() == [[[200, 0, 0]]]


def test_balanced_pixels_mean_as_much_below_as_above() -> None:
    shown = meanings(Range.BALANCE, ValueStats(-3.0, 9.0))
    assert shown == {1: "-9", 128: "0", 255: "9"}


def test_how_a_result_is_mixed_is_said_in_words() -> None:
    mixing = Options(amount=0.5, channels=LUMA).mixing
    assert mixing == "amount 0.5, channels luma (Y of BT.601)"


def test_a_fifth_of_white_is_a_fifth_of_the_filter() -> None:
    weights = read_mask(np.array([[0, 51, 255]], np.uint8)).weights
    np.testing.assert_allclose(weights, [[0, 0.2, 1]], rtol=1e-6)


def test_the_right_half_of_five_columns_begins_at_the_third() -> None:
    box = region_box("50%,0%,50%x100%", (4, 5))
    assert box == (slice(0, 4), slice(2, 5))


def test_a_recipe_has_its_kernel() -> None:
    assert recipe_from('recipe = 1\nkernel = "sobel-x"').kernel == "sobel-x"


def test_an_alias_is_a_border() -> None:
    assert border_named("edge") is Border.REPLICATE


def test_a_bank_of_tensorflow_is_turned_to_torch_s_order(tmp_path: Path) -> None:
    np.save(tmp_path / "bank.npy", np.zeros((3, 5, 2, 8)))
    bank = kernel_from(str(tmp_path / "bank.npy"), layout=WeightLayout.HWIO)
    assert bank.weights.shape == (8, 2, 3, 5)


def test_uint16_is_16_bits_deep() -> None:
    assert Depth.of(np.dtype(np.uint16)) is Depth.SIXTEEN


def test_an_extra_is_installed_from_a_checkout() -> None:
    assert install("cluster") == "pip install '.[cluster]'"


def test_a_row_may_be_laid_along_y() -> None:
    assert Kernel([[1, 2, 1]]).along("y").size == (3, 1)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("pool:2", Plain("pool", 2)),
        ("maxpool:2", Plain("max", 2)),
        ("relu", Plain("relu")),
        ("box:2", None),
    ],
)
def test_steps_without_weights_are_read(text: str, step: Plain | None) -> None:
    assert plain_from(text) == step


def test_a_step_without_weights_is_written_as_it_is_read() -> None:
    assert Plain("max", 2).name == "max:2"


def test_what_is_no_convolution_is_said() -> None:
    reason = "no convolution: erosion: it takes the smallest of a window: cv2.erode does it"
    assert no_convolution("erosion") == reason


def test_numbers_are_written_as_short_as_they_are_read() -> None:
    assert (plain(2.0), plain(0.1)) == ("2", "0.1")
