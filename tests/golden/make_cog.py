"""Make `cog.tif`, and `cog.json` with what rasterio says of it: it needs rasterio.

    python tests/golden/make_cog.py

A cloud-optimized GeoTIFF, written by GDAL: ZSTD compression, heights in 16 bits of which 0 is
no data, two overviews, and a coordinate system. Made with rasterio 1.4.4 and GDAL 3.10.3.
"""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROWS, COLUMNS = 300, 420


def described(path: Path) -> dict[str, object]:
    """Return what rasterio says of a file."""
    import rasterio

    with rasterio.open(path) as opened:
        return {
            "crs": opened.crs.to_string(),
            "transform": list(opened.transform)[:6],
            "nodata": opened.nodata,
            "overviews": opened.overviews(1),
            "dtype": opened.dtypes[0],
            "tags": opened.tags(),
            "description": opened.descriptions[0],
        }


def main() -> None:
    """Write the picture and its description."""
    import rasterio
    import rasterio.shutil
    from rasterio.transform import from_origin

    heights = (np.add.outer(np.arange(ROWS) * 3, np.arange(COLUMNS) * 2) // 16 + 100).astype(
        "u2"
    )
    heights[40:90, 60:200] = 0
    profile = {
        "driver": "GTiff", "height": ROWS, "width": COLUMNS, "count": 1, "dtype": "uint16",
        "crs": "EPSG:32631", "transform": from_origin(600_000, 5_700_000, 10, 10), "nodata": 0,
    }  # fmt: skip
    plain = HERE / "plain.tif"
    with rasterio.open(plain, "w", **profile) as file:
        file.write(heights, 1)
        file.update_tags(AREA_OR_POINT="Area", SURVEY="spring")
        file.set_band_description(1, "height")
    rasterio.shutil.copy(
        plain, HERE / "cog.tif", driver="COG", COMPRESS="ZSTD", BLOCKSIZE=128, PREDICTOR="YES"
    )
    plain.unlink()
    text = json.dumps(described(HERE / "cog.tif"), indent=1)
    (HERE / "cog.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
