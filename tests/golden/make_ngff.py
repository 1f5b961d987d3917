"""Write small OME-Zarr images with ome-zarr-py, as ``ngff.zip``, which the tests read.

Run it where ome-zarr is installed, which the tests do not need::

    python -m venv omev && omev/bin/pip install ome-zarr==0.18.0 && omev/bin/python make_ngff.py
"""

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import zarr

HERE = Path(__file__).parent
COLOURS = {"DAPI": "0000FF", "GFP": "00FF00", "RFP": "FF0000"}
CHANNELS = [
    {"label": label, "color": color, "window": {"start": at, "end": 900, "min": 0, "max": 4095}}
    for at, (label, color) in enumerate(COLOURS.items())
]
OMERO = {"channels": CHANNELS, "rdefs": {"defaultT": 0, "defaultZ": 1, "model": "color"}}
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}


def noise(shape: tuple[int, ...], dtype: str = "uint16", step: int = 250) -> Any:
    values = np.random.default_rng(len(shape)).integers(0, 16, shape) * step
    return values.astype(dtype)


def write_all(folder: Path) -> None:
    """Write images of both versions, a plate and labels below a folder."""
    from ome_zarr import writer
    from ome_zarr.format import FormatV04, FormatV05
    from ome_zarr.scale import Methods

    common = {"method": Methods.LOCAL_MEAN, "axes_units": UNITS, "omero": OMERO}
    common["scale"] = {"y": 0.5, "x": 0.25, "z": 2.0}
    writer.write_image(
        noise((2, 3, 2, 19, 26)),
        str(folder / "five-04.zarr"),
        scale_factors=[2, 4],
        axes="tczyx",
        fmt=FormatV04(),
        storage_options={"chunks": (1, 1, 2, 8, 16)},
        **common,
    )
    writer.write_image(
        noise((3, 4, 20, 32)),
        str(folder / "four-05.zarr"),
        scale_factors=[{"z": 2, "y": 2, "x": 2}],
        axes="czyx",
        fmt=FormatV05(),
        storage_options={"chunks": (1, 2, 4, 8), "shards": (1, 4, 8, 16)},
        **common,
    )
    flat = {"axes": "yx", "fmt": FormatV05(), "scale_factors": []}
    labels = str(folder / "labelled-05.zarr")
    writer.write_image(noise((12, 16), "uint8", 15), labels, **flat)
    writer.write_labels(noise((12, 16), "uint8", 1), labels, name="cells", **flat)
    plate = zarr.open_group(str(folder / "plate-05.zarr"), mode="w")
    writer.write_plate_metadata(plate, ["A"], ["1"], ["A/1"], fmt=FormatV05())
    well = plate.require_group("A").require_group("1")
    writer.write_well_metadata(well, ["0"], fmt=FormatV05())
    writer.write_image(noise((12, 16)), well.require_group("0"), **flat)


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as made,
        zipfile.ZipFile(HERE / "ngff.zip", "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        write_all(Path(made))
        for path in sorted(Path(made).rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(made).as_posix())
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
