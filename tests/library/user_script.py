"""A user's script that touches every door of the library: mypy checks it, a test runs it."""

import sys
from pathlib import Path

import numpy as np

import convcli


def main(photo: Path, target: Path) -> None:
    picture: convcli.Picture = convcli.open(photo)
    result: convcli.Result = convcli.apply(
        "sobel-x", picture, border="replicate", range=convcli.Range.ABS, stride=(2, 1)
    )
    report: convcli.Report = result.save(target, compress_level=6)
    shape: tuple[int, ...] = result.array.shape
    chain = convcli.apply(
        ["gaussian:1", convcli.kernel("laplacian8")], np.asarray(picture), raw=True
    )
    kernel: convcli.Kernel | convcli.Operator = convcli.kernel([[0, 1], [1, 0]])
    names: dict[str, str] = convcli.kernels()
    why: str = convcli.plan("gaussian:2", picture)[0].why
    width: int = convcli.output_size(width=7, kernel_size=3, stride=2, padding=1)
    height_and_width: tuple[int, int] = convcli.output_size(
        width=7, height=9, kernel_size=3, padding="same"
    )
    short: int = convcli.output_size(w=7, k=3, s=2, p=1)
    total: int = convcli.count_parameters(in_channels=3, filters=8, kernel_size=3).total
    value: float = convcli.explain("box", picture, at=(3, 4), channel=0)[0].value
    score: float = convcli.find("log:2", picture, top=1)[0].score
    half: convcli.Result = convcli.pool("max", picture, kernel_size=2)
    learnt: convcli.Kernel = convcli.learn(
        picture, chain.array, kernel_size=3, per_channel=True
    ).kernel
    parameters: int = convcli.stack("conv:8,k3", size="8x8x3").parameters
    ended: int = convcli.apply_files("box", [photo], target.parent / "soft", jobs=1).ended
    maps = convcli.correlate(np.ones((8, 8, 3)), np.ones((4, 3, 3, 3)), stride=2, padding=1)
    assert report.warnings == result.warnings
    assert isinstance(kernel, convcli.Kernel)
    assert "sobel-x" in names
    assert why
    assert short == width
    assert ended == 1
    assert np.isfinite([value, score, learnt.sum, half.array.mean()]).all()
    sys.stdout.write(
        f"{convcli.__version__} {shape} {width} {height_and_width} {total} "
        f"{parameters} {maps.shape}\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
