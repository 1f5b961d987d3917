"""size --compare, --transposed and --quiz; and the notes' examples, through the commands."""

from collections.abc import Callable
from typing import Any

import pytest

from convcli.errors import GeometryError
from convcli.geometry.layers import size_rules, transposed_size
from convcli.geometry.window import Axis
from convcli.lessons.quiz import questions
from support.commands import cells

Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "upper"),
    [
        # TensorFlow's well-known example: 13 wide, filter 6, stride 5: 1 left, 2 right
        (13, 6, 5, (1, 2)),
        (224, 3, 2, (0, 1)),
        (5, 3, 1, (1, 1)),
        (8, 1, 2, (0, 0)),
        (7, 2, 1, (0, 1)),
    ],
)
def test_same_of_tensorflow_and_onnx(
    size: int, kernel: int, stride: int, upper: tuple[int, int]
) -> None:
    rules = {each.rule: each.padding for each in size_rules(Axis(kernel, stride), size, "row")}
    assert rules["TensorFlow SAME"] == rules["ONNX SAME_UPPER"] == upper
    assert rules["ONNX SAME_LOWER"] == upper[::-1]
    axis = Axis(kernel, stride, *upper)
    assert axis.output_size(size) == -(-size // stride)


def compared(ask: Ask, words: str) -> dict[str, tuple[str, list[int] | None]]:
    rules = ask("size", *words.split(), "--compare", "--floor")["W"]
    return {rule["rule"]: (rule["output"], rule["padding"]) for rule in rules}


def test_rules_stand_side_by_side(ask: Ask) -> None:
    assert compared(ask, "--w 13 --k 6 --s 5") == {
        "course": ("12/5", [0, 0]),
        "torch": ("2", [0, 0]),
        "TensorFlow SAME": ("3", [1, 2]),
        "ONNX SAME_UPPER": ("3", [1, 2]),
        "ONNX SAME_LOWER": ("3", [2, 1]),
    }


def test_padding_is_told_as_it_is_read(ask: Ask, run: Callable[..., Any]) -> None:
    # The windows of torch start at -1, 1, … 221 and end at 223: no padding on the right.
    assert compared(ask, "--w 224 --k 3 --s 2 --p 1")["torch"] == ("112", [1, 0])
    words = ["size", "--w", "8", "--k", "4", "--s", "2", "--p", "1", "--compare"]
    text = run(*words).stdout
    assert "odd pixel" not in text
    assert text.count("as much on both sides") == 3
    assert "no padding needed" in run(*words[:3], "--k", "2", "--s", "2", "--compare").stdout


def test_torchs_same_is_for_stride_1_only(ask: Ask) -> None:
    # torch.nn.Conv2d(1, 1, 3, stride=2, padding="same") raises ValueError.
    assert compared(ask, "--w 8 --k 3 --s 2 --p same")["torch"] == ("none", None)
    assert compared(ask, "--w 8 --k 4 --p same")["torch"] == ("8", [1, 2])


@pytest.mark.parametrize(
    ("words", "status"), [("", 1), ("--floor", 0), ("--p 1", 1), ("--s 1", 0)]
)
def test_a_comparison_ends_as_size_does(
    run: Callable[..., Any], words: str, status: int
) -> None:
    line = ["size", "--w", "224", "--k", "3", "--s", "2", *words.split()]
    assert run(*line, "--compare").exit_code == status
    assert run(*line).exit_code == status


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--w 8 --k 3 --transposed --compare", "--transposed and --compare exclude each other"),
        ("--quiz --w 5", "--width: --quiz has no use for it"),
        ("--common --k 3", "--kernel-size: --common has no use for it"),
        ("--w 8 --k 3 --compare --quiet", "--quiet: --compare has no use for it"),
        ("--w 8 --k 3 --seed 4", "--seed belongs to --quiz"),
        ("--w 8 --k 3 --output-padding 1", "--output-padding belongs to --transposed"),
    ],
)
def test_no_option_is_ignored(refuse: Callable[..., str], words: str, said: str) -> None:
    assert said in refuse("size", *words.split())


def test_settings_of_the_environment_are_no_options_of_this_line(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVCLI_SIZE_SEED", "4")
    assert run("size", "--w", "8", "--k", "3", "-q").stdout == "6\n"


@pytest.mark.parametrize(
    ("size", "axis", "extra", "result"),
    [
        # what torch.nn.ConvTranspose2d (2.13) gives
        (6, Axis(3, 2, 1, 1), 1, 12),
        (4, Axis(3, 2, 1, 1), 0, 7),
        (4, Axis(4, 2, 1, 1), 0, 8),
        (5, Axis(3, dilation=2), 0, 9),
    ],
)
def test_transposed_sizes_are_torchs(
    ask: Ask, size: int, axis: Axis, extra: int, result: int
) -> None:
    words = f"--w {size} --k {axis.kernel} --s {axis.stride} --p {axis.before}"
    words += f" --d {axis.dilation} --transposed --output-padding {extra}"
    assert ask("size", *words.split())["output"] == {"width": result}
    assert axis.output_size(result) == size


def test_transposed_refuses() -> None:
    with pytest.raises(GeometryError, match="expected 0 to 1"):
        transposed_size(Axis(3, 2), 4, 2)
    with pytest.raises(GeometryError, match="leaves nothing"):
        transposed_size(Axis(1, 1, 3, 3), 4)


def test_transposed_shows_its_formula(run: Callable[..., Any]) -> None:
    text = run("size", *["--w", "4", "--k", "3", "--s", "2", "--p", "1", "--transposed"]).stdout
    formula = "(W - 1)S + K - 2P + A = (4 - 1)·2 + 3 - 2·1 + 0"
    assert ["output", "7 px", formula] in cells(text)
    assert "7 to 8 px   a convolution maps each to 4 px" in text


def test_a_perfect_quiz(run: Callable[..., Any], ask: Ask) -> None:
    answers = "\n".join(str(question.answer) for question in questions(7, 5)) + "\n"
    text = run("size", "--quiz", "--seed", "7", text=answers).stdout
    assert "5 of 5 right." in text
    assert ask("size", "--quiz", "--seed", "7", text=answers)["right"] == 5


def test_wrong_and_missing_answers_are_explained(run: Callable[..., Any]) -> None:
    result = run("size", "--quiz", "--seed", "7", "--count", "3", text="999\n7/3\n")
    assert result.exit_code == 0
    given = questions(7, 3)[:2]
    assert result.stdout.count("No: ") == sum(question.answer != 999 for question in given)
    assert "The quiz ends here" in result.stdout
    assert "0 of 3 right." in result.stdout


def test_what_is_no_number_is_asked_for_again(run: Callable[..., Any], ask: Ask) -> None:
    answers = [str(question.answer) for question in questions(7, 5)]
    text = "\n".join(["seven", answers[0], "", *answers[1:]]) + "\n"
    result = run("size", "--quiz", "--seed", "7", text=text).stdout
    assert result.count("No number: answer again, or q to end.") == 2
    assert "5 of 5 right." in result
    assert ask("size", "--quiz", "--seed", "7", text=text)["right"] == 5


def test_q_ends_the_quiz_with_the_score(run: Callable[..., Any]) -> None:
    text = f"{questions(7, 1)[0].answer}\nq\n1\n"
    result = run("size", "--quiz", "--seed", "7", text=text)
    assert result.exit_code == 0
    assert result.stdout.endswith("\n1 of 5 right.\n")


def test_questions_of_understanding_have_one_right_choice() -> None:
    asked = {question for seed in range(60) for question in questions(seed, 6)}
    found = {question for question in asked if "What does padding 1 mean?" in question.text}
    assert len({question.answer for question in found}) > 1  # the order changes
    for question in found:
        right = question.text.splitlines()[question.answer].split(maxsplit=1)
        assert right[1] == "one pixel is added on each side, so W grows by 2"


@pytest.mark.parametrize("count", [5, 30, 100])
def test_no_question_is_asked_twice_in_a_round(count: int) -> None:
    for seed in range(20):
        first_lines = {each.text.partition("\n")[0] for each in questions(seed, count)}
        assert len(first_lines) == count


def test_questions_count_in_words() -> None:
    texts = [question.text for seed in range(40) for question in questions(seed, 5)]
    assert any("over 1 channel, each" in text for text in texts)
    assert not any("(s)" in text for text in texts)


def test_answers_of_many_quizzes_by_brute_force() -> None:
    """Sizes are counted by sliding a window, not by the formula."""
    for seed in range(40):
        for question in questions(seed, 5):
            words = [
                int(word.strip(".,?"))
                for word in question.text.split()
                if word.strip(".,?").isdigit()
            ]
            if "How wide" in question.text:
                size, kernel, stride, padding = words
                starts = range(-padding, size + padding - kernel + 1, stride)
                assert len(starts) == question.answer
                assert starts[-1] + kernel == size + padding
            elif "never looked at" in question.text:
                size, kernel, stride, _ = words
                last = range(0, size - kernel + 1, stride)[-1] + kernel
                assert size - last == question.answer
                assert ("truncated" in question.explanation) == (size != last)


# ------------------------------------------------------- the notes' own examples


@pytest.mark.parametrize(
    ("words", "result"),
    [
        ("--w 7 --k 3 --s 1 --p 0", "5"),  # a 3×3 kernel on a 7×7 image: 5×5
        ("--w 7 --k 3 --s 1 --p 1", "7"),  # same
        ("--w 32 --k 3 --p 1", "32"),
        ("--w 224 --k 3 --p 1", "224"),
        ("--w 5 --k 3 --p 1", "5"),  # padded to 7, and back to 5
        ("--w 8 --k 5 --p 2", "8"),  # 5×5 and padding 2: same
        ("--w 8 --k 3 --s 2 --p 1 --floor", "4"),  # stride 2 halves
    ],
)
def test_sizes_of_the_notes(run: Callable[..., Any], words: str, result: str) -> None:
    assert run("size", *words.split(), "--quiet").stdout.strip() == result


def test_stride_3_on_7_is_awkward(run: Callable[..., Any]) -> None:
    result = run("size", "--w", "7", "--k", "3", "--s", "3")
    assert result.exit_code == 1
    rows = {row[0]: row[1:] for row in cells(result.stdout)}
    assert rows["exact"] == ["7/3", "(W - K + 2P)/S + 1 = (7 - 3 + 2·0)/3 + 1 = 2.33"]
    assert rows["left over"] == ["1 column", "(W - K + 2P) mod S = 4 mod 3: 1 of the picture"]


def test_sixty_four_kernels_over_rgb(ask: Ask) -> None:
    (layer,) = ask("stack", "--in", "32x32x3", "conv:64,k3,p1")["layers"]
    assert (layer["weights"], layer["biases"], layer["parameters"]) == (1728, 64, 1792)
    assert layer["arithmetic"] == "(3·3·3+1)·64"
    assert layer["output"] == {"height": 32, "width": 32, "channels": 64}


def test_a_fully_connected_layer_takes_three_orders_more(ask: Ask) -> None:
    words = ["--in", "3", "--filters", "64", "--k", "3", "--w", "32", "--p", "1"]
    document = ask("params", *words, "--hidden", "1000")
    hidden = document["compared"][-1]
    assert hidden["weights"] == 3_072_000
    assert 1000 < hidden["ratio"] < 10_000
    wide = ask("stack", "--in", "1000x1000x1", "fc:1000000,nobias")
    assert wide["totals"]["parameters"] == 10**12


def test_common_settings(ask: Ask) -> None:
    rows = {row["setting"]: row["output"] for row in ask("size", "--common", "--w", "32")}
    assert rows == {"same 3×3": 32, "same 5×5": 32, "valid 3×3": 30, "strided 3×3": 16}


@pytest.mark.parametrize(
    ("name", "total", "effect"),
    [
        ("identity", 1, "keeps brightness"),
        ("box", 1, "keeps brightness"),
        ("sobel-x", 0, "answers change"),
        ("sobel-y", 0, "answers change"),
        ("edge", 0, "answers change"),
        ("sharpen", 1, "sharpens"),
    ],
)
def test_reading_a_kernel_from_its_weights(
    ask: Ask, name: str, total: int, effect: str
) -> None:
    document = ask("kernels", name)
    assert (round(document["sum"], 9), document["effect"]) == (total, effect)
