"""A photograph as rows: pixels by colour, or blocks of grey pixels; and rows as a photograph again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emvsbayes.core.checks import Array

if TYPE_CHECKING:
    from emvsbayes.studies.spec import Photograph

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: how bright red, green and blue look


def read_photograph(photograph: Photograph) -> Array:
    """(H, W, 3) in [0, 1], or grey (H, W) where rows are blocks; cut to whole blocks."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with Image.open(get_sample_data(photograph.file, asfileobj=False)) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.float64) / 255
    pixels = pixels[:: photograph.shrink, :: photograph.shrink]
    if photograph.block == 1:
        return pixels
    height, width = (size - size % photograph.block for size in pixels.shape[:2])
    return pixels[:height, :width] @ LUMA


def to_rows(pixels: Array, block: int) -> Array:
    """(N, 3) colours, or (N, block²) grey blocks, read from left to right and from top to bottom."""
    if block == 1:
        return pixels.reshape(-1, 3)
    height, width = pixels.shape
    blocks = pixels.reshape(height // block, block, width // block, block).swapaxes(1, 2)
    return blocks.reshape(-1, block * block)


def to_picture(rows: Array, shape: tuple[int, ...], block: int) -> Array:
    """The inverse of `to_rows`, for a picture of `shape`."""
    if block == 1:
        return rows.reshape(shape)
    height, width = shape
    blocks = rows.reshape(height // block, width // block, block, block).swapaxes(1, 2)
    return blocks.reshape(height, width)


def column_names(block: int) -> tuple[str, ...]:
    """Names of the columns of `to_rows`."""
    if block == 1:
        return ("red", "green", "blue")
    return tuple(f"r{i}c{j}" for i in range(block) for j in range(block))


def sampled_rows(photograph: Photograph, seed: int) -> dict[str, Array]:
    """The rows that are compared: `photograph.rows` of them, drawn without replacement, in the order of the picture."""
    rows = to_rows(read_photograph(photograph), photograph.block)
    if photograph.rows < len(rows):
        chosen = np.random.default_rng(seed).choice(len(rows), size=photograph.rows, replace=False)
        rows = rows[np.sort(chosen)]
    return dict(zip(column_names(photograph.block), rows.T, strict=True))
