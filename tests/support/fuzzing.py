"""What hypothesis makes hostile: files of every format, kernels, options. And the judge."""

import contextlib
import io
import json
import signal
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from hypothesis import strategies as st
from PIL import Image

from convcli.cli.app import main
from convcli.kernels.formats.read import FORMATS, export
from convcli.kernels.kernel import Kernel
from support.foreign import random_samples, tiff_bytes_of

KINDS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000", "TGA", "DDS", "SGI",
         "PCX", "QOI", "AVIF", "ICO")  # fmt: skip
ANIMATED = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")
EDGES = (b"\0\0", b"\xff\xff", b"\x7f\xff\xff\xff", b"\xff" * 4, b"\x80\0\0\0", b"\0\0\0\1")


def _samples() -> dict[str, bytes]:
    values = np.random.default_rng(0).integers(0, 256, (3, 18, 22, 4)).astype(np.uint8)
    found = {}
    for kind in KINDS:
        mode = "RGBA" if kind in ("PNG", "WEBP", "TGA", "QOI", "DDS") else "RGB"
        images = [Image.fromarray(frame).convert(mode) for frame in values]
        found[kind] = _bytes(images[0], kind)
        if kind in ANIMATED:
            rest = {"save_all": True, "append_images": images[1:], "duration": 40}
            found[f"{kind} animated"] = _bytes(images[0], kind, **rest)
    deep = Image.fromarray(values[0, ..., :2].copy().view("<u2")[..., 0])
    found |= {"PNG 16": _bytes(deep, "PNG"), "TIFF 16": _bytes(deep, "TIFF")}
    found["TIFF LZW"] = _bytes(images[0], "TIFF", compression="tiff_lzw")
    array = io.BytesIO()
    np.save(array, values[0, ..., :3].astype(np.float32))
    return found | {"NPY": array.getvalue()}


def _bytes(image: Image.Image, kind: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


SAMPLES = _samples()


@st.composite
def hostile_files(draw: st.DrawFn, kind: str) -> bytes:
    """A sample with bits flipped, parts cut, doubled, overwritten, or spliced with another."""
    return _damaged(draw, SAMPLES[kind], SAMPLES)


def _damaged(draw: st.DrawFn, sample: bytes, samples: dict[str, bytes]) -> bytes:
    data = bytearray(sample)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(("flip", "cut", "edge", "double", "splice", "drop"))):
            case "flip" if data:
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[place:]
            case "edge":
                value = draw(st.sampled_from(EDGES))
                data[place : place + len(value)] = value
            case "double":
                data[place:place] = data[place : place + draw(st.integers(1, 64))]
            case "splice":
                other = samples[draw(st.sampled_from(sorted(samples)))]
                data[place:] = other[draw(st.integers(0, len(other))) :]
            case _:
                del data[place : place + draw(st.integers(1, 16))]
    return bytes(data)


TIFFS = tuple(
    data
    for dtype in ("u1", "u2", "i4", "f4", "f8")
    for settings in (
        {"compression": "adobe_deflate", "predictor": True},
        {"compression": "lzw", "tile": (16, 16)},
        {"planarconfig": "separate", "compression": "zstd"},
        {"rowsperstrip": 3},
    )
    if (
        data := tiff_bytes_of(random_samples(dtype, (19, 23, 3)), photometric="rgb", **settings)
    )
)


@st.composite
def tiff_directories(draw: st.DrawFn) -> bytes:
    """A TIFF of tifffile's, with types, counts and values of its directory overwritten."""
    data = bytearray(draw(st.sampled_from(TIFFS)))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for _ in range(draw(st.integers(1, 4))):
        entry = start + 2 + 12 * draw(st.integers(0, count - 1))
        part = draw(st.sampled_from(("tag", "type", "count", "value")))
        number = draw(
            st.one_of(st.integers(0, 9), st.integers(0, 2**16), st.integers(0, 2**32 - 1))
        )
        at, form = {
            "tag": (0, "<H"),
            "type": (2, "<H"),
            "count": (4, "<I"),
            "value": (8, "<I"),
        }[part]
        struct.pack_into(
            form, data, entry + at, number & (2 ** (8 * struct.calcsize(form)) - 1)
        )
    return bytes(data)


def _kernel_files() -> dict[str, bytes]:
    """Return a file of each format of kernels that is written, by its suffix."""
    kernel = Kernel([[1.0, 2.0, 1.0], [0.0, 0.5, 0.0], [-1.0, -2.0, -1.0]])
    files = {}
    for name, form in FORMATS.items():
        if form.write is not None and form.suffixes:
            text = export(kernel, name)
            files[form.suffixes[0]] = text if isinstance(text, bytes) else text.encode()
    return files


KERNEL_FILES = _kernel_files()


@st.composite
def hostile_kernel_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """The suffix of a format of kernels, and a file of it with faults."""
    suffix = draw(st.sampled_from(sorted(KERNEL_FILES)))
    return suffix, _damaged(draw, KERNEL_FILES[suffix], KERNEL_FILES)


LONG_SPECS = st.builds(
    lambda part, joint, count: joint.join([part] * count)[:100_000],
    st.sampled_from(("sobel-x", "@", "1", "box:1", "[", "[[1]]", "٣", " ", "-", "::", '{"')),
    st.sampled_from(("", "+", ",", ":", "@", "\n")),
    st.sampled_from((10, 1_000, 100_000)),
)
"""Specifications of up to 10^5 signs."""

_NUMBERS = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.floats().map(repr),
    st.sampled_from(("", "1e999", "-0", "0x10", "٣", "1_000", "½", "nan", "3x3", "x", "same")),
)
_NAMES = st.sampled_from(
    ("box", "gaussian", "sobel-x", "binomial", "emboss", "laplacian4", "no")
)
_KEYS = st.sampled_from(("bias", "divisor", "name", "weights", "shape", "description"))
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
_JSON = st.recursive(
    _SCALARS.map(json.dumps),
    lambda inner: st.lists(inner, max_size=4).map(lambda parts: f"[{','.join(parts)}]"),
    max_leaves=12,
)
KERNELS = st.one_of(
    st.text(max_size=40),
    st.builds("{}:{}".format, _NAMES, st.lists(_NUMBERS, max_size=3).map(",".join)),
    st.builds("{}:{}={}".format, _NAMES, st.text(max_size=6), _NUMBERS),
    _JSON.map("[{}]".format),
    st.builds('{{"weights": [[1]], "{}": {}}}'.format, _KEYS, _JSON),
)

_OPTIONS = ("--stride", "--padding", "--border", "--dilation", "--bias", "--range", "--depth",
            "--alpha", "--quality", "--compress-level", "--format", "--frame", "--max-pixels",
            "--allow-format")  # fmt: skip
_WORDS = st.sampled_from(
    ("1", "2", "0", "-1", "3x2", "same", "valid", "wrap", "reflect", "auto", "shift", "float",
     "16", "keep", "filter", "npy", "png", "gif", "eps", "1e400", "99999999999999999999")
)  # fmt: skip
OPTIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(_OPTIONS), st.one_of(_WORDS, _NUMBERS, st.text(max_size=8))),
        st.sampled_from((("--gray",), ("--linear",), ("--flip",), ("--strict",), ("--strip",))),
    ),
    max_size=4,
).map(lambda groups: [word for group in groups for word in group])


SECONDS = 20
"""The longest time of a core that one case may take."""


class TooSlowError(BaseException):
    """A case took longer than `SECONDS`; the program cannot catch it."""


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raise `TooSlowError` in the block after `SECONDS`."""

    def late(*_: object) -> None:
        raise TooSlowError(f"more than {SECONDS} seconds")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge_kernel_file(suffix: str, data: bytes) -> str:
    """Filter a sample by a file of a kernel: see `judge`."""
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(data)
        file.flush()
        return judge(SAMPLES["PNG"], file.name)


def judge(data: bytes, kernel: str = "box:3", options: tuple[str, ...] = ()) -> str:
    """Filter a file's bytes, and return what came of it; raise where that is not in order."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_bytes(data)
        arguments = [
            "apply",
            *options,
            "--",
            kernel,
            str(folder / "in"),
            str(folder / "out.tif"),
        ]
        with time_limit():
            done = CliRunner().invoke(main, arguments)
        left = {path.name for path in folder.iterdir()} - {"in"}
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    errors = [line for line in done.stderr.splitlines() if not line.startswith("Warning: ")]
    assert done.exit_code in (0, 1, 2), done.exit_code
    assert len(errors) == (done.exit_code != 0), done.stderr
    assert left == ({"out.tif"} if done.exit_code == 0 else set()), left
    return ("filtered", "refused", "wrong usage")[done.exit_code]
