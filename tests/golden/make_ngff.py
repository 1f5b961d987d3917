"""Write small OME-Zarr images with ome-zarr-py, as ``ngff.zip``, which the tests read.

Run it where ome-zarr is installed, which the tests do not need:
``python -m venv omev && omev/bin/pip install ome-zarr==0.18.0 && omev/bin/python make_ngff.py``
"""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import zarr
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.scale import Methods
from ome_zarr.writer import write_image, write_labels, write_plate_metadata, write_well_metadata

HERE = Path(__file__).parent
OMERO = {
    "channels": [
        {"label": "DAPI", "color": "0000FF", "window": {"start": 0, "end": 900, "min": 0, "max": 4095}},
        {"label": "GFP", "color": "00FF00", "window": {"start": 9, "end": 800, "min": 0, "max": 4095}},
        {"label": "RFP", "color": "FF0000", "window": {"start": 7, "end": 700, "min": 0, "max": 4095}},
    ],
    "rdefs": {"defaultT": 0, "defaultZ": 1, "model": "color"},
}


def noise(shape: tuple[int, ...], dtype: str = "uint16", most: int = 4096) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, most, shape).astype(dtype)


def write_all(folder: Path) -> None:
    """Write the images, a plate and labels below a folder."""
    physical = {"y": 0.5, "x": 0.25, "z": 2.0}
    units = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
    common = {"method": Methods.LOCAL_MEAN, "axes_units": units, "scale": physical}
    write_image(
        noise((2, 3, 2, 37, 50)),
        str(folder / "five-04.zarr"),
        scale_factors=[2, 4],
        axes="tczyx",
        fmt=FormatV04(),
        storage_options={"chunks": (1, 1, 1, 16, 16)},
        omero=OMERO,
        **common,
    )
    write_image(
        noise((3, 4, 40, 64)),
        str(folder / "four-05.zarr"),
        scale_factors=[{"z": 2, "y": 2, "x": 2}],
        axes="czyx",
        fmt=FormatV05(),
        storage_options={"chunks": (1, 2, 8, 16), "shards": (1, 4, 16, 32)},
        omero=OMERO,
        **common,
    )
    labels = folder / "labelled-05.zarr"
    write_image(noise((24, 32), "uint8", 256), str(labels), scale_factors=[], axes="yx", fmt=FormatV05())
    write_labels(noise((24, 32), "uint8", 3), str(labels), name="cells", scale_factors=[], axes="yx", fmt=FormatV05())
    plate = zarr.open_group(str(folder / "plate-05.zarr"), mode="w")
    write_plate_metadata(plate, ["A"], ["1"], ["A/1"], fmt=FormatV05())
    well = plate.require_group("A").require_group("1")
    write_well_metadata(well, ["0"], fmt=FormatV05())
    write_image(noise((20, 30)), well.require_group("0"), scale_factors=[], axes="yx", fmt=FormatV05())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made, zipfile.ZipFile(HERE / "ngff.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        write_all(Path(made))
        for path in sorted(Path(made).rglob("*")):
            if path.is_file():
                name = path.relative_to(made).as_posix()
                archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
