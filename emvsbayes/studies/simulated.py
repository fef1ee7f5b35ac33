"""The simulated data of the studies. `python -m emvsbayes.studies.simulated` writes the files in studies/data again.

Values are rounded, so that the files say everything there is to know.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emvsbayes.core.checks import Array

Matrix = list[list[float]]


@dataclass(frozen=True)
class Mixture:
    """A mixture to draw from: a row draws its component z by the weights and then x ~ N(μ_z, L_z L_zᵀ).

    The components are not written: the data are unlabelled.
    """

    columns: tuple[str, ...]
    n: int
    seed: int
    digits: int
    weights: list[float]
    means: Matrix
    covariances: list[Matrix]

    def draw(self) -> Array:
        """The rows (n, D)."""
        rng = np.random.default_rng(self.seed)
        z = np.searchsorted(np.cumsum(self.weights)[:-1], rng.random(self.n), side="right")
        noise = rng.standard_normal((self.n, len(self.columns)))
        roots = np.linalg.cholesky(np.array(self.covariances))
        return np.round(np.array(self.means)[z] + np.einsum("nij,nj->ni", roots[z], noise), self.digits)


@dataclass(frozen=True)
class Sinusoid:
    """t = sin(2πx) + noise of standard deviation `sd`, at n sorted uniform x (Bishop 2006, appendix A)."""

    columns: tuple[str, ...]
    n: int
    seed: int
    digits: int
    sd: float

    def draw(self) -> Array:
        """The rows (n, 2)."""
        rng = np.random.default_rng(self.seed)
        x = np.sort(rng.uniform(0, 1, self.n))
        t = np.sin(2 * np.pi * x) + self.sd * rng.standard_normal(self.n)
        return np.round(np.column_stack([x, t]), self.digits)


def text(recipe: Mixture | Sinusoid) -> str:
    """The file of a recipe."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(recipe.columns)
    writer.writerows([[f"{value:.{recipe.digits}f}" for value in row] for row in recipe.draw()])
    return lines.getvalue()


UNIT = [[1.0, 0.0], [0.0, 1.0]]
RECIPES: dict[str, Mixture | Sinusoid] = {
    "heights": Mixture(("height",), 1000, 2, 1, [0.75, 0.25], [[164], [183]], [[[7.5**2]]] * 2),
    "two_blobs": Mixture(("x1", "x2"), 300, 2, 2, [0.7, 0.3], [[5, 7], [1, 2]], [[[2, 1], [1, 2]], [[2, 0], [0, 1]]]),
    "three_clusters": Mixture(
        ("x1", "x2"),
        300,
        0,
        2,
        [0.5, 0.3, 0.2],
        [[0, 0], [4, 1], [1, 4]],
        [[[1.0, 0.6], [0.6, 1.0]], [[0.6, -0.3], [-0.3, 1.2]], [[1.5, 0.0], [0.0, 0.3]]],
    ),
    "shared_variance": Mixture(("x1", "x2"), 240, 3, 2, [0.4, 0.35, 0.25], [[0, 0], [3, 0], [1.5, 3]], [UNIT] * 3),
    "unit_covariances": Mixture(("x1", "x2"), 200, 4, 2, [0.6, 0.4], [[0, 0], [2.5, 1]], [UNIT] * 2),
    "labels": Mixture(("x",), 150, 4, 2, [0.35, 0.3, 0.35], [[0], [2], [4.5]], [[[1.0]]] * 3),
    "sinusoid": Sinusoid(("x", "t"), 12, 26, 4, 0.3),
}

if __name__ == "__main__":
    for name, recipe in RECIPES.items():
        (Path(__file__).parent / "data" / f"{name}.csv").write_text(text(recipe), encoding="utf-8")
