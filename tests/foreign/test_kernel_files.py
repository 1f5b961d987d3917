"""Kernel files with faults that other programs can make: one line and a status each."""

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from convcli.cli.app import main


def svg_with_a_stray_byte(path: Path) -> None:
    path.write_bytes(b'<feConvolveMatrix order="1" kernelMatrix="1"/>\xff')


def svg_of_an_unknown_encoding(path: Path) -> None:
    path.write_bytes(
        b'<?xml version="1.0" encoding="nix"?><feConvolveMatrix kernelMatrix="1"/>'
    )


def svg_with_nul(path: Path) -> None:
    path.write_bytes(b'<feConvolveMatrix order="1" kernelMatrix="1"/>\0')


def npy_of_truth_values(path: Path) -> None:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (True, 3), }"
    head += b" " * (117 - len(head)) + b"\n"
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + bytes(24))


def npz_that_is_encrypted(path: Path) -> None:
    np.savez(path, weights=np.ones((3, 3)))
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    path.write_bytes(bytes(data))


def npz_of_another_compression(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("weights.npy", b"\x93NUMPY\1\0" + bytes(40))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.svg", svg_with_a_stray_byte),
        ("b.svg", svg_of_an_unknown_encoding),
        ("c.svg", svg_with_nul),
        ("a.npy", npy_of_truth_values),
        ("a.npz", npz_that_is_encrypted),
        ("b.npz", npz_of_another_compression),
    ],
)
def test_one_line_and_a_status(name: str, make: object, tmp_path: Path) -> None:
    make(tmp_path / name)  # type: ignore[operator]
    (tmp_path / "in.pgm").write_bytes(b"P5 4 4 255\n" + bytes(16))
    names = [str(tmp_path / each) for each in (name, "in.pgm", "out.png")]
    done = CliRunner().invoke(main, ["apply", *names])
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code in (1, 2)
    assert done.stderr.count("\n") == 1
    assert name in done.stderr
    assert not (tmp_path / "out.png").exists()
