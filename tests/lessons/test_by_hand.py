"""What the parts of the lessons return, for values that were worked out by hand."""

from fractions import Fraction

import numpy as np

from convcli.choices import Border
from convcli.geometry.layers import Volume
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import kernel_from
from convcli.lessons import sequences
from convcli.lessons.animate import animation_of
from convcli.lessons.borders import drawn
from convcli.lessons.explain import meaning_of
from convcli.lessons.find import Match, find_matches
from convcli.lessons.kernels import cell_colors, kernel_facts, response_pixels, without_dust
from convcli.lessons.learning.learn import nearest_named
from convcli.lessons.matrix import convolution_matrix, matrix_size
from convcli.lessons.pictures import differences, diverging_colors
from convcli.lessons.quiz import Question, number_in, questions
from convcli.lessons.stacks.spec import layer_from, layers_of, volume_from
from convcli.pipeline.options import Options


def test_words_and_letters() -> None:
    assert drawn(Border.SYMMETRIC, 3) == "cba|abcd|dcb"
    assert meaning_of(-0.9) == "opposite: the patch looks like the negative of the kernel"
    assert meaning_of(0.2) == "somewhat similar: the patch looks a little like the kernel"
    assert dict(kernel_facts(Kernel([[1, 2, 1]])))["factors"] == "[1] ⊗ [1 2 1]"
    row = convolution_matrix(Kernel([[1, 2]]), (1, 3), Options(padding="valid"))
    assert matrix_size(row) == "2 outputs × 3 inputs (1×2 from 1×3)"
    assert sequences.polynomial([1, -2, 0, 3]) == "1 - 2x + 3x³"


def test_colours_of_cells() -> None:
    coloured = cell_colors(np.array([[-1.0, 0.0, 1.0]])).tolist()
    assert coloured == [[[5, 48, 97], [247, 247, 247], [103, 0, 31]]]
    assert diverging_colors(np.zeros(1)).tolist() == [[247, 247, 247]]
    assert without_dust(np.array([1.0, 5e-17, -0.5])).tolist() == [1.0, 0.0, -0.5]
    assert response_pixels(Kernel([[0.25, 0.5, 0.25]]), 3)[1].tolist() == [0, 255, 0]


def test_differences_of_what_is_no_number() -> None:
    nan, inf = float("nan"), float("inf")
    apart = differences(np.array([1, nan, inf, 3]), np.array([4, nan, inf, nan]))
    np.testing.assert_array_equal(apart, [3.0, 0.0, 0.0, nan])


def test_where_a_pattern_is_and_what_is_nearest() -> None:
    pixels = np.zeros((5, 9, 1), np.uint8)
    pixels[2, 6] = 200
    found = find_matches(Frame(pixels), Kernel([[0, 1, 0]]), top=1)
    assert found == [Match(left=5, top=2, width=3, height=1, score=200.0)]
    nearest = nearest_named(np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1.01]]))
    assert nearest is not None
    assert nearest.kernel == "sobel-x"


def test_an_animation_has_as_many_frames_as_it_may() -> None:
    black = Frame(np.zeros((9, 9, 1), np.uint8))
    made = animation_of(black, kernel_from("[[1]]"), Options(), cells=3, frames=4)
    assert len(made.drawings) == 4


def test_answers_of_the_quiz() -> None:
    assert Question("1,000 + 792?", 1792, "").is_right(" 1,792 ")
    assert number_in("1,792") == 1792
    assert number_in("7/3") == Fraction(7, 3)
    assert number_in("seven") is None
    assert questions(1, 2) == questions(1, 2)


def test_sequences() -> None:
    parsed = sequences.parse_sequence("1, 1/3, 0.25")
    assert parsed == [1, Fraction(1, 3), Fraction(1, 4)]
    big = sequences.convolve_exactly([10**30, -1], [10**30, 1], fft=True)
    assert big[1:] == [0, -1]
    assert sequences.carried([15, 22, 13, 4]) == ([5, 3, 5, 5], [0, 1, 2, 1])


def test_layers_as_they_are_written() -> None:
    assert layer_from("pool:3,s2").stride == (2, 2)
    assert not layer_from("conv:64,k3,p1,nobias").bias
    assert volume_from("224x224x3") == Volume(channels=3, height=224, width=224)
    size, layers = layers_of(["lenet"])
    assert size == Volume(channels=1, height=32, width=32)
    assert layers[0].text == "conv:6,k5"
