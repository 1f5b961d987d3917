"""The explorer: one page with a picture, a kernel and its output, which a browser computes."""

import html
import json
import re
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np

from convcli.borders import fill_of
from convcli.choices import RED_BLUE, Depth
from convcli.errors import ImageError, fail
from convcli.images.picture import Frame
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import plan_pipeline
from convcli.pipeline.recipe import option_word
from convcli.pipeline.steps import Operand
from convcli.storage.atomic import replacing
from convcli.values import Record

MOST_PIXELS = 2_100_000  # the largest picture: 1920×1080 and 2048×1024 pixels have fewer
_LARGEST_SIDE, _MOST_WEIGHTS = 63, 20_000
_LARGEST_NAMED = 13  # named kernels with a longer side are left out: they are like gabor

_FRAME_HEIGHT = 900
_FIELDS = ("stride", "padding", "border", "dilation", "range", "flip", "gray")


class Explorer(Record):
    """A page that needs no other file and shows itself in a notebook: see `convcli.explore`."""

    html: str

    def save(self, target: str | Path) -> None:
        """Write the page to a file, completely or not at all; an `ImageError` says why not."""
        with replacing(target) as file:
            file.write(self.html.encode())

    def __repr__(self) -> str:
        return f"Explorer of {len(self.html):,} characters: save(path) writes it"

    def _repr_html_(self) -> str:
        style = "width:100%;border:0"
        return (
            f'<iframe title="convcli explore" style="{style}" height="{_FRAME_HEIGHT}" '
            f'srcdoc="{html.escape(self.html)}"></iframe>'
        )


def explorer_of(operand: Operand, frame: Frame, options: Options, name: str) -> Explorer:
    """Make the page of a kernel and a frame, `name` its path: see `convcli.explore`."""
    source = frame if options.background is None else frame.on(options.background)
    _check(source, operand.kernels)
    # What does not fit is refused here as `apply` refuses it.
    combine = plan_pipeline(source.header, [operand], options).steps[0].combine
    border, word = options.border, combine.value if combine else None
    document = {
        "kernel": _operand(operand) | {"combine": word},
        "catalogue": _catalogue(),
        "picture": _picture(source, name),
        "settings": _settings(options) | {"combine": word},
        "border": {
            "value": border.value,
            "axes": [mode.value for mode in border.axes],
            "fills": fill_of(border, source.channels, source.white),
        },
        "palette": RED_BLUE[1:-1],
    }
    return Explorer(_page(document, f"{operand.name} on {Path(name).name}"))


def _check(frame: Frame, kernels: tuple[Kernel, ...]) -> None:
    if frame.depth is Depth.FLOAT:
        fault = f"expected pixels of 8 or 16 bits, got {frame.pixels.dtype}"
        fail("explore", fault, "convert the picture to uint8 or uint16", ImageError)
    rows, columns = frame.shape
    if rows * columns > MOST_PIXELS:
        fault = f"expected a picture of at most {MOST_PIXELS:,} pixels, got {rows * columns:,}"
        fail("explore", fault, "make it smaller, or cut a part out of it", ImageError)
    weights = sum(kernel.weights.size for kernel in kernels)
    side = max(max(kernel.size) for kernel in kernels)
    if side > _LARGEST_SIDE or weights > _MOST_WEIGHTS:
        most = f"{_LARGEST_SIDE} rows and columns and {_MOST_WEIGHTS:,} weights"
        fault = f"expected at most {most}, got {side} and {weights:,}"
        fail("explore", fault, "use a smaller kernel, or a slice of the bank")


def _operand(operand: Operand) -> dict[str, Any]:
    kernels = operand.name.split("+")
    named = all(name.partition(":")[0] in CATALOGUE | OPERATORS for name in kernels)
    combine = operand.combine.value if isinstance(operand, Operator) else None
    return {
        "name": operand.name,
        "isNamed": named,
        "about": operand.description or "weights of your own",
        "kernels": [_kernel(kernel) for kernel in operand.kernels],
        "combine": combine,
        "usual": combine,
    }


def _kernel(kernel: Kernel) -> dict[str, Any]:
    rows, columns = kernel.size
    return {
        "name": kernel.name,
        "rows": rows,
        "columns": columns,
        "isBank": kernel.is_bank,
        "filters": kernel.filters,
        "inputs": kernel.channels,
        # Whole numbers without a point: the page is shorter.
        "weights": [int(w) if w == int(w) else w for w in kernel.weights.ravel().tolist()],
        "bias": list(kernel.bias),
    }


def _catalogue() -> list[dict[str, Any]]:
    """Return the named kernels that are small enough, and all operators, in their order."""
    entries: list[tuple[str, Operand]] = [
        *((entry.theme, entry.kernel()) for entry in CATALOGUE.values()),
        *(("Operators", entry.operator()) for entry in OPERATORS.values()),
    ]
    small = [entry for entry in entries if max(entry[1].size) <= _LARGEST_NAMED]
    return [{"theme": theme} | _operand(operand) for theme, operand in small]


def _picture(frame: Frame, name: str) -> dict[str, Any]:
    """Return the pixels as base64 of zlib: planes of differences along rows, little-endian."""
    # A browser changes what it reads back from a picture: by a profile, opacity, or its 8 bits.
    planes = frame.pixels.transpose(2, 0, 1)
    differences = np.diff(planes, axis=2, prepend=planes.dtype.type(0))
    packed = zlib.compress(differences.astype(planes.dtype.newbyteorder("<")).tobytes(), 9)
    return {
        "name": Path(name).name,
        "path": name,
        "width": frame.shape[1],
        "height": frame.shape[0],
        "channels": frame.channels,
        "white": frame.white,
        "keep": frame.is_translucent,
        "data": b64encode(packed).decode(),
    }


def _settings(options: Options) -> dict[str, Any]:
    """Return the options as a person writes them: one number for two that are equal."""
    settings: dict[str, Any] = {}
    for name in _FIELDS:
        value = getattr(options, name)
        if isinstance(value, tuple) and isinstance(value[0], int) and len({*value}) == 1:
            value = value[0]
        settings[name] = option_word(name, value)
    return settings | {"bias": options.bias or 0}


def _page(document: dict[str, Any], title: str) -> str:
    """Fill the page: a ``<`` inside of its data could end the script that holds them."""
    folder = Path(__file__).parent
    page = (folder / "page.html").read_text("utf-8")
    # page.js, the last, starts the page.
    scripts = sorted(folder.glob("*.js"), key=lambda path: (path.stem == "page", path.name))
    parts = {
        "title": html.escape(title),
        "style": (folder / "page.css").read_text("utf-8"),
        "script": "\n".join(path.read_text("utf-8") for path in scripts),
        "data": json.dumps(document, separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub("{{(.*?)}}", lambda place: parts[place[1]], page)
