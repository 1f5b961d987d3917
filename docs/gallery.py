"""The gallery: every kernel and operator on one photograph, made when Sphinx builds."""

import itertools
from pathlib import Path
from typing import Any

from generate import run_in
from PIL import Image

from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS

_ROOT = Path(__file__).parent.parent
_FOLDER = _ROOT / "docs" / "gallery"
_SIZE = (300, 200)
_OPERATORS = "Operators: several kernels, one picture"

_HEAD = """\
# Gallery

Every kernel and operator of the [catalogue](../kernels.md#the-catalogue) with its defaults, on
one photograph: before and after, the weights, and the frequencies that pass. A kernel may be
turned and scaled by [modifiers](../kernels.md), and takes parameters: `gaussian:4`.

What is no convolution is not here: median, bilateral, morphology, Canny.
"""


def make_gallery() -> None:
    """Write the page and its pictures into ``docs/gallery``.

    What is there already stays: remove the folder to make all of it anew.
    """
    _FOLDER.mkdir(exist_ok=True)
    with Image.open(_ROOT / "sample_images" / "chelsea.png") as opened:
        opened.convert("RGB").resize(_SIZE, Image.Resampling.LANCZOS).save(_FOLDER / "cat.png")
    kernels = [(name, one.theme, one.description) for name, one in CATALOGUE.items()]
    operators = [(name, _OPERATORS, one.description) for name, one in OPERATORS.items()]
    parts = [_HEAD]
    for theme, named in itertools.groupby((*kernels, *operators), lambda row: row[1]):
        parts.append(f"## {theme}\n")
        parts.extend(_entry(name, about) for name, _, about in named)
    (_FOLDER / "index.md").write_text("\n".join(parts), "utf-8")


def _entry(name: str, about: str) -> str:
    command = f"convcli apply {name} cat.png out.png --border replicate"
    if not (_FOLDER / f"{name}.jpg").exists():
        run_in(_FOLDER, f"convcli kernels {name} --png {name}.png")
        run_in(_FOLDER, f"{command} --compare out-and-in.png --quiet")
        with Image.open(_FOLDER / "out-and-in.png") as compared:
            compared.convert("RGB").save(_FOLDER / f"{name}.jpg", quality=85)
    return (
        f"### {name}\n\n{about[0].upper()}{about[1:]}.\n\n```console\n$ {command}\n```\n\n"
        f"![The cat before and after {name}]({name}.jpg)\n\n"
        f"![The weights of {name} and the frequencies that pass]({name}.png)\n"
    )


def setup(app: Any) -> dict[str, bool]:
    """Let Sphinx make the gallery before it reads the pages."""
    app.connect("builder-inited", lambda _: make_gallery())
    return {"parallel_read_safe": True}
