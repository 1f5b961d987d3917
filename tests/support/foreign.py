"""Files that other programs write, for the tests of what is read."""

import io
import struct
from typing import Any

import numpy as np
import tifffile


def random_samples(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray[Any, Any]:
    """Return random samples from the whole range of a type, its ends among them."""
    kind = np.dtype(dtype)
    rng = np.random.default_rng(seed)
    if kind.kind in "ui":
        facts = np.iinfo(kind)
        # No float holds more than 53 bits: a test of its own says that more are refused.
        low, high = max(int(facts.min), -(2**53)), min(int(facts.max), 2**53)
        values = rng.integers(low, high, shape, dtype=kind, endpoint=True)
        values.flat[0], values.flat[1] = low, high
        return values
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    values = rng.normal(0, 1000, shape)
    return (
        (values + 1j * values[::-1]).astype(kind) if kind.kind == "c" else values.astype(kind)
    )


def tiff_bytes_of(samples: np.ndarray[Any, Any], **settings: Any) -> bytes | None:
    """Return a TIFF by tifffile of samples (H, W, S); None where it refuses to write that."""
    separate = settings.pop("planarconfig", None) == "separate"
    if samples.shape[2] == 1:
        samples = samples[..., 0]
    else:
        samples = np.ascontiguousarray(np.moveaxis(samples, 2, 0)) if separate else samples
        settings["planarconfig"] = "separate" if separate else "contig"
    buffer = io.BytesIO()
    try:
        tifffile.imwrite(buffer, samples, metadata=None, **settings)
    except (ValueError, KeyError, TypeError, NotImplementedError, RuntimeError):
        return None
    return buffer.getvalue()


def with_tag(data: bytes, tag: int, value: int) -> bytes:
    """Return a little-endian TIFF whose first directory has another number in a tag."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    changed = bytearray(data)
    for index in range(count):
        at = start + 2 + 12 * index
        if struct.unpack_from("<H", data, at)[0] == tag:
            struct.pack_into("<I", changed, at + 8, value)
            return bytes(changed)
    raise KeyError(tag)
