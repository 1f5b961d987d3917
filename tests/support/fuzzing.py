"""What hypothesis makes hostile: files of every format, kernels, options. And the judge."""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from hypothesis import strategies as st
from PIL import Image

from convcli.cli.app import main

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
    data = bytearray(SAMPLES[kind])
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
                other = SAMPLES[draw(st.sampled_from(sorted(SAMPLES)))]
                data[place:] = other[draw(st.integers(0, len(other))) :]
            case _:
                del data[place : place + draw(st.integers(1, 16))]
    return bytes(data)


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
        done = CliRunner().invoke(main, arguments)
        left = {path.name for path in folder.iterdir()} - {"in"}
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    errors = [line for line in done.stderr.splitlines() if not line.startswith("Warning: ")]
    assert done.exit_code in (0, 1, 2), done.exit_code
    assert len(errors) == (done.exit_code != 0), done.stderr
    assert left == ({"out.tif"} if done.exit_code == 0 else set()), left
    return ("filtered", "refused", "wrong usage")[done.exit_code]
