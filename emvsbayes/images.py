"""Small images as rows of pixels: IDX files (the format of MNIST), and bits packed eight to a byte.

IDX (LeCun, Cortes and Burges, The MNIST database): big-endian, two bytes 0, a byte for the type (0x08: unsigned bytes),
a byte for the number of axes, one 32-bit size an axis, then the values. Images have three axes (N, height, width),
labels one (N,). Plain or gzipped, told apart by their first bytes and not by their names.

A pixel is a column named `r<row>c<column>`, so that the shape of the image can be read from the columns. Grey levels
0..255 become numbers in [0, 1], which the Bernoulli mixture takes as expected bits; `binarised` makes bits of them.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError

UNSIGNED_BYTES = 0x08
GZIP = b"\x1f\x8b"
IDX_NAME = re.compile(r"idx[0-9]+-ubyte(\.gz)?$|\.idx[0-9]*(\.gz)?$")
PIXEL = re.compile(r"r([0-9]+)c([0-9]+)")


def is_idx(path: Path) -> bool:
    """Whether a file is IDX by its name, such as t10k-images-idx3-ubyte.gz or mine.idx."""
    return IDX_NAME.search(path.name.lower()) is not None


def read_idx(path: Path) -> np.ndarray:
    """The unsigned bytes of an IDX file, (N,) or (N, height, width)."""
    raw = path.read_bytes()
    try:
        raw = gzip.decompress(raw) if raw.startswith(GZIP) else raw
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path} is a broken gzip file ({error}); fetch it again.") from None
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[3] not in (1, 3):
        raise InputError(
            f"{path} is not an IDX file of images or labels: its magic number is 0x{raw[:4].hex()}, "
            "where 0x00000803 (images) or 0x00000801 (labels) was expected."
        )
    if raw[2] != UNSIGNED_BYTES:
        raise InputError(f"{path} is an IDX file of type 0x{raw[2]:02x}; only unsigned bytes (0x08) are read.")
    axes, start = raw[3], 4 + 4 * raw[3]
    if len(raw) < start:
        raise InputError(f"{path} is truncated: it ends within the header.")
    shape = struct.unpack(f">{axes}I", raw[4:start])
    expected, found = int(np.prod(shape, dtype=np.int64)), len(raw) - start
    if found != expected:
        sizes = " x ".join(map(str, shape))
        what = "truncated" if found < expected else "too long"
        raise InputError(f"{path} is {what}: {sizes} needs {expected} bytes after the header, and {found} are there.")
    if expected == 0:
        raise InputError(f"{path} holds no images or labels; its sizes are {' x '.join(map(str, shape))}.")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def idx_columns(path: Path) -> dict[str, np.ndarray]:
    """The columns of an IDX file: one a pixel, in [0, 1], or the column `label`."""
    values = read_idx(path)
    if values.ndim == 1:
        return {"label": values.astype(np.int64)}
    return pixel_columns(values.reshape(len(values), -1) / 255.0, values.shape[1:])


def pixel_columns(pixels: Array, shape: Sequence[int]) -> dict[str, np.ndarray]:
    """Rows of pixels (N, height · width) as named columns."""
    height, width = shape
    names = [f"r{row}c{column}" for row in range(height) for column in range(width)]
    return dict(zip(names, pixels.T, strict=True))


def image_shape(columns: Sequence[str]) -> tuple[int, int]:
    """(height, width) from the names of the pixels, or of a square where columns have other names."""
    places = [PIXEL.fullmatch(name) for name in columns]
    if all(places):
        found = [(int(m[1]), int(m[2])) for m in places if m is not None]
        height, width = (1 + max(axis) for axis in zip(*found, strict=True))
        if found == [(row, column) for row in range(height) for column in range(width)]:
            return height, width
    side = round(len(columns) ** 0.5)
    if side * side != len(columns):
        raise InputError(
            f"the {len(columns)} columns are not the pixels of an image: name them r0c0, r0c1, … row by row."
        )
    return side, side


def binarised(pixels: Array, threshold: float = 0.5) -> Array:
    """1 where a grey level in [0, 1] is at the threshold or above it, and 0 below."""
    return (np.asarray(pixels) >= threshold).astype(np.float64)


def read_labels(path: str | Path) -> Integers:
    """The labels of an IDX file of labels, (N,)."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file; check the path.")
    values = read_idx(path)
    if values.ndim != 1:
        raise InputError(f"{path} holds images; give the IDX file of their labels (magic number 0x00000801).")
    return values.astype(np.int64)


def pack(bits: np.ndarray, shape: Sequence[int], labels: np.ndarray, source: str) -> dict[str, np.ndarray]:
    """The arrays of a packed file: `bits` (N, ⌈height · width / 8⌉) of bytes, `shape`, `labels`, `source`."""
    return {
        "bits": np.packbits(bits.astype(bool), axis=1),
        "shape": np.array(shape, dtype=np.uint8),
        "labels": labels.astype(np.uint8),
        "source": np.array(source),
    }


def unpack(packed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The columns of a packed file, one a pixel, of zeros and ones."""
    height, width = (int(size) for size in packed["shape"])
    bits = np.unpackbits(packed["bits"], axis=1, count=height * width)
    return pixel_columns(bits.astype(np.float64), (height, width))


def packed_labels(path: Path) -> Integers | None:
    """The labels that a packed file holds beside its bits; None for any other file."""
    if path.suffix.lower() != ".npz":
        return None
    with path.open("rb") as file, np.load(file, allow_pickle=False) as loaded:
        return loaded["labels"].astype(np.int64) if {"bits", "labels"} <= set(loaded.files) else None
