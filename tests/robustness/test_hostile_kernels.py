"""Kernels as hostile JSON and as hostile text: one line each, quickly."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convcli.cli.app import main
from convcli.errors import KernelError
from convcli.kernels.spec import kernel_from

DEEP = 10_000


def run(kernel: str) -> Result:
    return CliRunner().invoke(main, ["kernels", "--", kernel])


def refused(done: Result, *said: str) -> None:
    assert done.exit_code in (1, 2), done.output
    assert isinstance(done.exception, SystemExit)
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert len(lines[0]) < 1000
    for part in said:
        assert part in lines[0]


HOSTILE = {
    "deep": (b"[" * DEEP + b"]" * DEEP, "nested"),
    "deep and open": (b"[" * DEEP, ""),
    "deep objects": (b'{"weights":' * DEEP, ""),
    "claimed size": (b'{"weights": [[1]], "shape": [1000000000, 1000000000]}', "'shape'"),
    "huge number": (b"[[1e999]]", "weights[0][0]: expected a number below 1e308"),
    "huge negative": (b"[[-1e999]]", "weights[0][0]"),
    "long number": (b"[[" + b"9" * 100_000 + b"]]", ""),
    "infinity": (b"[[Infinity]]", "expected finite numbers, got Infinity"),
    "not a number": (b"[[NaN]]", "expected finite numbers, got NaN"),
    "duplicate keys": (b'{"weights": [[1]], "weights": [[2]]}', "got it twice"),
    "utf-16": ("\ufeff[[1]]".encode("utf-16-le"), "expected UTF-8 text"),
    "invalid utf-8": (b'{"name": "\xff\xfe", "weights": [[1]]}', "expected UTF-8 text"),
    "overlong utf-8": (b"[[1]]\xc0\xaf", "expected UTF-8 text"),
    "nul": (b"[[1]]\0", "not JSON"),
    "empty": (b"", "not JSON"),
    "tiny divisor": (b'{"weights": [[1e300]], "divisor": 1e-300}', "finite"),
    "huge divisor": (b'{"weights": [[1]], "divisor": 1e999}', "divisor"),
    "huge bias": (b'{"weights": [[1]], "bias": 1e999}', "bias"),
    "wide": (b"[[" + b"1," * 5_000_000 + b"1]]", "4,194,304"),
    "many empty lists": (b"[" + b"[]," * 100_000 + b"[]]", "empty list"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_json_is_one_line(name: str, tmp_path: Path) -> None:
    data, said = HOSTILE[name]
    (tmp_path / "k.json").write_bytes(data)
    refused(run(str(tmp_path / "k.json")), "k.json: ", said)


def test_a_byte_order_mark_is_no_part_of_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "k.json").write_bytes(b"\xef\xbb\xbf[[1, 2]]")
    assert kernel_from(str(tmp_path / "k.json")).weights.tolist() == [[1, 2]]


@pytest.mark.parametrize("name", ["\ud800", "\x1b[2J", "\0", "\u202e"])
@pytest.mark.parametrize("key", ["name", "description"])
def test_text_that_steers_the_terminal_is_refused(key: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text(json.dumps({key: name, "weights": [[1]]}))
    refused(run(str(tmp_path / "k.json")), f"{key}: expected signs that can be printed")


@pytest.mark.parametrize(
    "spec",
    [
        "box:1000000000",
        "gaussian:1e9",
        "gaussian:1e308",
        "gaussian:2,radius=999999999999",
        "binomial:1000000000",
        "box:-1",
        "box:1e3",
        "box:" + "9" * 5000,
        "gaussian:nan",
        "gaussian:inf",
        "gaussian:" + "1," * 1000,
        "a" * 100_000,
        ":",
        "=",
        "\0",
        "\0.json",
        "\ud800",
        "sobel-x:\x1b[2J",
    ],
)
def test_hostile_names_are_one_line(spec: str) -> None:
    refused(run(spec))
    with pytest.raises(KernelError):
        kernel_from(spec)


def test_inline_text_that_is_no_kernel_is_wrong_usage() -> None:
    for text in ("[[1,2],[3]]", "[[1", "[]", '{"weights": 1}'):
        done = run(text)
        refused(done, "inline kernel: ")
        assert done.exit_code == 2


def test_a_picture_is_no_kernel_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    refused(run(str(path)), f"got a picture: write image:{path} to look for it as a patch")
