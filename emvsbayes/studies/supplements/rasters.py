"""Arrays as pictures: PNG in base64, the same bytes for the same array."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np

from emvsbayes.comparison.record import Raster
from emvsbayes.core.checks import Array

GAP = 1.0  # white, between the tiles of a strip


def raster(pixels: Any, caption: str, scale: int = 1) -> Raster:
    """A picture of (H, W) grey levels or (H, W, 3) colours in [0, 1], to be shown `scale` times as large."""
    from PIL import Image

    pixels = np.asarray(pixels, dtype=np.float64)
    levels = np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(levels).save(file, format="PNG", compress_level=9)  # no time, no text: equal bytes
    height, width = levels.shape[:2]
    return Raster(caption, b64encode(file.getvalue()).decode("ascii"), width, height, scale)


def strip(tiles: Array, gap: int = 1) -> Array:
    """Pictures (M, H, W) or (M, H, W, 3) side by side, `gap` white pixels between them."""
    white = np.full((tiles.shape[1], gap, *tiles.shape[3:]), GAP)
    parts = [part for tile in tiles for part in (white, tile)][1:]
    return np.concatenate(parts, axis=1)
