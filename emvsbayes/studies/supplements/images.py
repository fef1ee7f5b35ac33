"""K-means on a photograph: segmentation by colour, and vector quantisation of grey blocks.

A code of K words names each row in log2 K bits, and puts the nearest centre in the place of the row. What is lost is

    J / N            the mean squared error of a row
    PSNR             -10 log10(mean squared error of a value), in decibels, for values in [0, 1]

Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, section 14.3.9, for the quantisation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.comparison.record import Raster, Sheet, Supplement
from emvsbayes.core.checks import Array
from emvsbayes.fits import Fit
from emvsbayes.fitting import fit
from emvsbayes.studies.photographs import read_photograph, to_picture, to_rows
from emvsbayes.studies.supplements.rasters import raster

SEGMENTS = (2, 3, 10)
CODES = (4, 200)
STARTS = {2: 5, 3: 5, 4: 5, 10: 5, 200: 1}
ANY_VARIANCE = {"variance": 1.0}  # J is wanted, and no likelihood: no half-step of K-means depends on σ²
HEADERS = ["K", "bits a pixel", "J / N", "PSNR in dB", "passes", "clusters never used", "status"]


def segmentation(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """Every pixel in the colour of its cluster, for K = 2, 3, 10."""
    pixels = read_photograph(study.photograph)
    shown, rows = _coded(study, pixels, SEGMENTS)
    height, width = pixels.shape[:2]
    return [
        Supplement(
            "Image segmentation",
            [
                f"Each of the {height * width} pixels is a row of three numbers, its red, green and blue; K-means "
                "groups them, and every pixel is painted in the colour of its centre. Where a pixel lies plays no "
                "part, so that the segments are those of colour alone.",
                f"The comparison on this page is that of {problem.data.n_rows} pixels drawn from the picture, with "
                f"K = {problem.family.n_components}; the pictures and the table below use every pixel.",
            ],
            sheets=[_sheet("K-means on every pixel", rows, "A pixel of the original takes 24 bits.")],
            rasters=[[raster(pixels, "original"), *shown]],
        )
    ]


def quantisation(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """The picture before and after coding its 2 x 2 blocks with K = 4 and K = 200 words."""
    pixels = read_photograph(study.photograph)
    shown, rows = _coded(study, pixels, CODES)
    block = study.photograph.block
    return [
        Supplement(
            "Vector quantisation",
            [
                f"The grey picture is cut into {pixels.size // block**2} blocks of {block} x {block} pixels, each a "
                f"row of {block**2} numbers. A code book of K centres is learned; a block is then sent as the number "
                f"of its nearest centre, log2 K bits for {block**2} pixels, and the picture is put together from the "
                "centres.",
                f"The comparison on this page is that of {problem.data.n_rows} blocks drawn from the picture, with "
                f"K = {problem.family.n_components}; the pictures and the table below use every block.",
            ],
            sheets=[
                _sheet(
                    "The code books",
                    rows,
                    "A pixel of the original takes 8 bits. The code book itself, K blocks of "
                    f"{block**2} bytes, has to be sent once and is not counted.",
                )
            ],
            rasters=[[raster(pixels, "original"), *shown]],
        )
    ]


def _coded(study: Any, pixels: Array, sizes: tuple[int, ...]) -> tuple[list[Raster], list[list[Any]]]:
    """The picture coded with each K, and a line of the table for each."""
    block = study.photograph.block
    rows = to_rows(pixels, block)
    shown, lines = [], []
    for k in sizes:
        given = {"n_components": k, "n_starts": STARTS[k], "seed": study.seed}
        found = fit("kmeans", rows, **given, settings=ANY_VARIANCE, record=False)
        coded = found.params.centers[found.predict(rows).argmax(axis=1)]
        shown.append(raster(to_picture(coded, pixels.shape, block), f"K = {k}"))
        lines.append(_line(found, rows, coded, k, block))
    return shown, lines


def _line(found: Fit, rows: Array, coded: Array, k: int, block: int) -> list[Any]:
    squared = (rows - coded) ** 2
    empty = sum(event.kind == "empty" for event in found.events)
    psnr = float(-10 * np.log10(squared.mean()))
    bits = float(np.log2(k) / block**2)
    status = "converged" if found.status.name == "CONVERGED" else found.status.name.lower().replace("_", " ")
    return [str(k), bits, float(squared.sum() / len(rows)), psnr, str(found.passes), str(empty), status]


def _sheet(caption: str, rows: list[list[Any]], note: str) -> Sheet:
    return Sheet(caption, HEADERS, rows, note)
