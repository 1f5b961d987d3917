"""`convcli apply`: what it says it did, for people and for programs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from convcli.choices import Range
from convcli.images.picture import Frame
from convcli.kernels.spec import kernel_from
from convcli.pipeline.options import Options
from convcli.pipeline.run import filter_frame
from support.commands import cells, done, gradient, load, run, save


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(tmp_path / "in.png", [[10, 200, 100, 58]])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.png"


def document(*words: str | Path) -> dict[str, Any]:
    text = done("apply", *words, "--json")
    assert text.count("\n") == 1
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_the_report_has_a_line_for_each_fact(source: Path, out: Path) -> None:
    text = done("apply", "[[-1,1]]", source, out, "-p", "valid", "--range", "clip")
    rows = [row for row in cells(text) if len(row) > 1]
    facts = {name: (value, how) for name, value, how in rows}
    assert text.splitlines()[0] == f"{source} → {out}"
    assert facts["quantity"] == ("value", "how")
    assert facts["input"] == ("4 × 1 px", "1 channel")
    assert facts["output"] == ("3 × 1 px", "1 channel")
    assert facts["kernel"][0] == "inline kernel"
    assert facts["kernel"][1].startswith("1×2, method ")
    assert facts["window"] == ("stride 1", "padding 0, border zero")
    assert facts["raw values"] == ("-100 to 190", "become pixels by range clip")
    assert facts["clipped"] == ("66.67 %", "of the values")
    assert facts["time"][0].endswith(" ms")


def test_the_report_tells_of_opacity_stride_and_dilation(tmp_path: Path, out: Path) -> None:
    pixels = save(tmp_path / "rgba.png", [[[1, 2, 3, 4]] * 5] * 5)
    options = ("-s", "2x4", "-d", "1x2", "-p", "1x0", "--border", "edge", "--alpha", "keep")
    text = done("apply", "box", pixels, out, *options)
    rows = cells(text)
    assert ["input", "5 × 5 px", "3 channels"] in rows
    assert ["output", "1 × 3 px", "3 channels + alpha (keep)"] in rows
    edges = "padding 1+1 rows, 0+0 columns, dilation 1×2, border replicate"
    assert ["window", "stride 2×4", edges] in rows


def test_the_report_names_each_step_of_a_chain(source: Path, out: Path) -> None:
    text = done("apply", "[[1]]", source, out, "--then", "box", "--then", "sobel-x")
    assert [row[1] for row in cells(text) if row[0] == "kernel"] == [
        "inline kernel",
        "box",
        "sobel-x",
    ]


def test_kernels_of_equal_weights_keep_their_names(source: Path, out: Path) -> None:
    one, two = ('{"name": "one", "weights": [[3]]}', '{"name": "two", "weights": [[3]]}')
    steps = document("box", source, out, "--then", one, "--then", two)["steps"]
    assert [step["kernel"] for step in steps] == ["box", "one", "two"]


def test_the_report_on_raw_floats_speaks_of_no_pixels(source: Path, tmp_path: Path) -> None:
    text = done("apply", "[[-2]]", source, tmp_path / "out.npy")
    assert ["raw values", "-400 to -20", "as they are"] in cells(text)
    assert "%" not in text


@pytest.mark.parametrize("option", ["--quiet", "-q"])
def test_quiet_prints_no_report(source: Path, out: Path, option: str) -> None:
    assert done("apply", "[[2]]", source, out, option) == ""
    assert load(out) == [[20, 255, 200, 116]]


def test_json_holds_all_that_the_report_says(tmp_path: Path, out: Path) -> None:
    source = save(tmp_path / "in.png", gradient(9, 8))
    options = ("-s", "2", "-d", "2x1", "-p", "2x1", "--border", "replicate")
    report = document("sobel-y", source, out, *options)
    (step,) = report.pop("steps")
    expected = {
        "kernel": "sobel-y",
        "weights_shape": [3, 3],
        "stride": [2, 2],
        "padding": [[2, 2], [1, 1]],
        "dilation": [2, 1],
    }
    assert {key: step[key] for key in expected} == expected
    assert step["method"]
    assert report.pop("milliseconds") > 0
    assert report == {
        "source": str(source),
        "target": str(out),
        "input": {"width": 8, "height": 9, "channels": 1},
        # (9 - 5 + 4)/2 + 1 rows; (8 - 3 + 2)/2 + 1 = 4.5 columns.
        "output": {"width": 4, "height": 5, "channels": 1},
        "receptive_field": {"height": 5, "width": 3},
        "border": "replicate",
        "rim_shows": False,
        "range": "abs",
        # A row is 8 brighter than the one above: 4 · 16 at the edge, 4 · 32 elsewhere.
        "raw": {"min": 64, "max": 128},
        "clipped_percent": 0,
        "alpha": False,
        "alpha_way": None,
        "depth": "8",
        "frames": 1,
        "legend": [],
        "mode": "L",
        "warnings": [],
    }


def test_json_tells_the_receptive_field_of_a_chain(source: Path, out: Path) -> None:
    # 3, then 2 more jumps of 2 px: 7. Down: the same, all padding but one row.
    report = document("box", source, out, "--then", "box", "-s", "2")
    assert report["receptive_field"] == {"height": 7, "width": 7}


def test_json_on_raw_floats_has_no_range(source: Path, tmp_path: Path) -> None:
    report = document("[[-2]]", source, tmp_path / "out.npy")
    assert report["range"] is None
    assert report["raw"] == {"min": -400, "max": -20}


def test_json_and_quiet_together_print_the_json(source: Path, out: Path) -> None:
    assert json.loads(done("apply", "box", source, out, "--json", "-q"))["range"] == "clip"


def test_json_stays_pure_where_there_is_a_warning(source: Path, out: Path) -> None:
    result = run("apply", "[[1]]", source, out, "-s", "2", "--json")
    text = "stride 2 leaves the last column of the picture (x = 3) unseen"
    assert json.loads(result.stdout)["warnings"] == [text]
    assert result.stderr == f"Warning: {text}\n"


def test_json_prints_nothing_but_the_error_where_it_fails(source: Path, out: Path) -> None:
    result = run("apply", "box:9", source, out, "-p", "valid", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BORDER", "replicate", [[40, 60, 80]]),
        ("STRIDE", "1x2", [[30, 50]]),
        ("PADDING", "valid", [[60]]),
        ("BIAS", "5", [[35, 65, 55]]),
        ("FLIP", "1", [[30, 60, 50]]),
        ("RANGE", "stretch", [[0, 255, 170]]),
        ("THEN", "[[2]]", [[60, 120, 100]]),
    ],
)
def test_each_option_may_be_set_by_environment(
    tmp_path: Path, out: Path, name: str, value: str, expected: list[list[int]]
) -> None:
    source = save(tmp_path / "row.png", [[10, 20, 30]])
    # Sums of three neighbours: 30, 60, 50.
    done("apply", "[[1,1,1]]", source, out, env={f"CONVCLI_APPLY_{name}": value})
    assert load(out) == expected


def test_the_report_may_be_asked_for_by_environment(source: Path, out: Path) -> None:
    assert done("apply", "box", source, out, env={"CONVCLI_APPLY_QUIET": "1"}) == ""
    text = done("apply", "box", source, out, env={"CONVCLI_APPLY_JSON": "1"})
    assert json.loads(text)["border"] == "zero"


def test_the_command_line_is_stronger_than_the_environment(tmp_path: Path, out: Path) -> None:
    source = save(tmp_path / "row.png", [[10, 20, 30]])
    words = ("apply", "[[1,1,1]]", source, out, "--border", "wrap")
    done(*words, env={"CONVCLI_APPLY_BORDER": "replicate"})
    assert load(out) == [[60, 60, 60]]


def test_a_bad_value_in_the_environment_is_one_line(source: Path, out: Path) -> None:
    result = run("apply", "box", source, out, env={"CONVCLI_APPLY_BORDER": "mirrored"})
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "'mirrored'" in result.stderr
    assert "'--border' (from the environment)" in result.stderr


def test_a_kernels_own_name_cannot_write_to_the_terminal(source: Path, out: Path) -> None:
    kernel = json.dumps({"name": "a\nb\x1b[31mred\x07", "weights": [[0.9375]]})
    result = run("apply", kernel, source, out)
    assert result.exit_code == 2
    assert "\x1b" not in result.output
    assert "\x07" not in result.output


@pytest.mark.parametrize(
    "option",
    [
        "-s, --stride",
        "-p, --padding",
        "--border",
        "-d, --dilation",
        "--strict",
        "--then",
        "--bias",
        "--flip",
        "--gray",
        "--range",
        "-q, --quiet",
        "--json",
    ],
)
def test_help_has_each_option_once_and_fits_80_columns(option: str) -> None:
    lines = done("apply", "--help").splitlines()
    assert len([line for line in lines if line.startswith(f"  {option} ")]) == 1
    assert max(len(line) for line in lines) <= 80


@pytest.mark.parametrize(("rows", "threads"), [(30, "1 thread"), (3000, "2 threads")])
def test_the_plan_counts_the_threads_that_have_work(
    rows: int, threads: str, tmp_path: Path, out: Path
) -> None:
    """A second thread takes longer to wake than a small picture takes one."""
    picture = save(tmp_path / "in.png", gradient(rows, 1500))
    text = done("apply", "sobel-x", picture, out, "--plan", "--jobs", "2")
    (memory,) = [row for row in cells(text) if row[0] == "memory"]
    assert memory[2] == f"on {threads}"
    plans = json.loads(
        done("apply", "sobel-x", picture, out, "--plan", "--jobs", "2", "--json")
    )
    assert [plan["strategy"] for plan in plans] == ["passes"]
    assert memory[1] == f"{plans[0]['memory_bytes'] / 2**20:.1f} MiB"
    assert not out.exists()


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("out.xyz", "expected a picture format that can be written"),
        ("nowhere/out.npy", "does not exist: make it first"),
        ("out.png", "PNG cannot hold floats"),
    ],
)
def test_a_plan_refuses_an_output_that_cannot_be_written(
    target: str, fault: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "in.npy", np.zeros((4, 4), np.float32))
    ended = run("apply", "box", tmp_path / "in.npy", tmp_path / target, "--plan")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert fault in ended.stderr


_KERNELS = ("sobel-x", "sharpen", "box:3", "box:5", "binomial:2", "box:6", "[[1,2],[3,-4]]")
"""Divisors 1, 9, 25, 256 and 36."""


@pytest.mark.parametrize("mapping", [Range.CLIP, Range.ABS, Range.SHIFT])
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("kernel", _KERNELS)
def test_nobody_looks_at_values_that_nobody_reads_of(
    kernel: str, depth: str, mapping: Range
) -> None:
    """The pixels are the same; SciPy's sums, rounded half to even, are the third opinion."""
    white = int(np.iinfo(depth).max)
    values = np.random.default_rng(4).integers(0, white + 1, (83, 91, 1), depth)
    picture, operand = Frame(values), kernel_from(kernel)
    quiet, told = (
        filter_frame(picture, [operand], Options(collect_stats=collect_stats, range=mapping))
        for collect_stats in (False, True)
    )
    weights = np.asarray(operand.weights, np.float64)
    origin = [-1 if size % 2 == 0 else 0 for size in weights.shape]
    sums = ndimage.correlate(
        values[..., 0].astype(np.float64), weights, mode="constant", origin=origin
    )
    raw = np.rint(np.round(sums, 6))
    mapped = {Range.CLIP: raw, Range.ABS: abs(raw), Range.SHIFT: raw + (white + 1) // 2}
    expected = np.clip(mapped[mapping], 0, white)
    np.testing.assert_array_equal(quiet.values[..., 0], expected)
    np.testing.assert_array_equal(told.values, quiet.values)
    assert np.isnan([quiet.report.low, quiet.report.high, quiet.report.clipped]).all()
    assert quiet.report.as_dict()["clipped_percent"] is None
