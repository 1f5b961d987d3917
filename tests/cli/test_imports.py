"""Commands start fast because they import only what they need."""

from pathlib import Path

import pytest

from support.commands import save, script

IMPORTED = """\
import sys
from convcli.cli.app import main
for line in sys.argv[1:]:
    assert not main(line.split(), prog_name="convcli", standalone_mode=False)
print()
print(*sys.modules)
"""

SLOW = {"rich", "dataclasses", "fractions", "decimal", "json", "shutil", "pathlib", "tempfile"}
"""What takes a millisecond or more, and is for options that few use."""


RICH = {"rich", "dataclasses", "fractions", "decimal"}
"""What a table of rich needs of that."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "forbidden"),
    [
        (
            (
                "--help",
                "apply --help",
                "size --w 7 --k 3 --json",
                "params --in 3 --filters 4 --k 3 --json",
            ),
            {"numpy", "PIL", "rich"},
        ),
        (
            ("size --w 7 --k 3 --quiet", "size --w 7 --k 3 --s 2 --p 1 --quiet"),
            {*SLOW, "numpy", "PIL", "convcli.geometry.layers", "click.shell_completion"},
        ),
        (
            ("size --w 7 --k 3", "size --w 7 --k 3 --s 2 --p 1"),
            {
                *(SLOW - RICH),
                *("numpy", "PIL", "rich.progress", "rich.markdown", "logging"),
                *("convcli.geometry.layers", "convcli.lessons", "click.shell_completion"),
            },
        ),
        (("size --common", "params --in 3 --filters 4 --k 3"), {"numpy", "PIL"}),
        (("kernels", "kernels box"), {"PIL"}),
        (("kernels --json", "kernels box --json"), {"PIL", "rich"}),
        (
            ("apply box in.png out.png --json",),
            {"rich", "fsspec", "dask", "distributed", "convcli.batch", "convcli.scale"},
        ),
        (
            ("apply box . --out-dir out --quiet",),
            {"PIL.JpegImagePlugin", "PIL.PdfParser", "convcli.scale", "rich", "numpy.ma"},
        ),
        (
            ("apply sobel-x in.png out.png --quiet",),
            {
                *(SLOW - {"fractions", "decimal"}),
                "numpy.ma",
                "PIL.GifImagePlugin",
                "PIL.JpegImagePlugin",
                "PIL.TiffImagePlugin",
                "multiprocessing",
                "subprocess",
                "concurrent.futures",
                "convcli.batch",
                "convcli.scale",
                "convcli.kernels.formats",
            },
        ),
    ],
)
@pytest.mark.slow
def test_a_command_imports_only_what_it_needs(
    tmp_path: Path, lines: tuple[str, ...], forbidden: set[str]
) -> None:
    save(tmp_path / "in.png", [[10, 20, 30]])
    ended = script(IMPORTED, *lines, folder=tmp_path, anew=True)
    ended.check_returncode()
    assert forbidden & set(ended.stdout.splitlines()[-1].split()) == set()


@pytest.mark.slow
def test_a_named_kernel_loads_at_most_eighty_modules(tmp_path: Path) -> None:
    save(tmp_path / "in.png", [[10, 20, 30]])
    ended = script(IMPORTED, "apply sobel-x in.png out.png --quiet", folder=tmp_path, anew=True)
    ended.check_returncode()
    loaded = [name.partition(".")[0] for name in ended.stdout.splitlines()[-1].split()]
    assert loaded.count("convcli") <= 80
