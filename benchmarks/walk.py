"""How far a picture walks through the house: modules loaded, and changes of module.

    python benchmarks/walk.py [--top N]

runs ``convcli apply sobel-x in.png out.png --jobs 1`` once, on one thread, on a grey picture of
512 × 512 px, in a process of its own where no cache is filled. It prints two figures:

- Modules loaded: the modules of convcli, packages included, that are imported at its end.
- Changes of module: each function of convcli that is called or that returns, between entering
  and leaving `FileFilter.filter_file` of `convcli.pipeline.files`, is an event in the module of
  its code. The figure is how often an event is in another module than the event before. So a
  call into another module, and what follows in the first, are two changes. Functions of other
  packages are no events, and neither is what runs while a module is imported.

With ``--top N`` it also prints the N modules that are entered most often.
"""

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

PACKAGE = "convcli"
USE_CASE = (f"{PACKAGE}.pipeline.files", "filter_file")


class Walk:
    """Counts changes of module, as a profile function."""

    def __init__(self) -> None:
        self.entered: Counter[str] = Counter()
        self._is_inside = False
        self._imports = 0
        self._last = USE_CASE[0]

    @property
    def changes(self) -> int:
        """How often the module was another than before."""
        return self.entered.total()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Look at one event of the interpreter."""
        module = frame.f_globals.get("__name__", "")
        if event not in ("call", "return") or module.partition(".")[0] != PACKAGE:
            return
        if frame.f_code.co_name == "<module>":
            self._imports += 1 if event == "call" else -1
        is_use_case = (module, frame.f_code.co_name) == USE_CASE
        if is_use_case and event == "call":
            self._is_inside = True
        if self._is_inside and not self._imports and module != self._last:
            self.entered[module] += 1
            self._last = module
        if is_use_case and event == "return":
            self._is_inside = False


@contextlib.contextmanager
def profiled(walk: Walk) -> Iterator[None]:
    """Count while the block runs."""
    sys.setprofile(walk)
    try:
        yield
    finally:
        sys.setprofile(None)


def measure(top: int) -> None:
    """Run the command in this process, and print both figures."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.png"), Path(folder, "out.png")
        draw(source)
        from convcli.cli.app import main

        words = ["apply", "sobel-x", str(source), str(target), "--jobs", "1"]
        walk = Walk()
        with contextlib.redirect_stdout(io.StringIO()), profiled(walk):
            main(words, standalone_mode=False)
        loaded = [name for name in sys.modules if name.partition(".")[0] == PACKAGE]
        print(f"modules loaded {len(loaded)}")
        print(f"changes of module {walk.changes}")
        for module, count in walk.entered.most_common(top):
            print(f"  {count:4} into {module}")


def draw(path: Path) -> None:
    """Write a grey picture, without a module of convcli."""
    import numpy as np
    from PIL import Image

    ramp = np.add.outer(np.arange(512), np.arange(512)) % 256
    Image.fromarray(ramp.astype(np.uint8)).save(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count modules, and changes of module.")
    parser.add_argument("--top", type=int, default=0)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        measure(asked.top)
    else:
        # A process of its own: only what the command loads is counted.
        again = [sys.executable, __file__, "--here", "--top", str(asked.top)]
        sys.exit(subprocess.run(again, check=False).returncode)  # noqa: S603 - our own program
