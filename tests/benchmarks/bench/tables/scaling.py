"""Time per pass as the data grow: against N, against D, against K, a curve for each side."""

from __future__ import annotations

from bench.records import Table
from bench.tables.mixtures import race_em
from emvsbayes.report import format as fmt

PASSES = 3


def by_rows(quick: bool) -> Table:
    """N from a thousand to a million."""
    sizes = (1_000, 10_000, 100_000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    rows = [race_em(n, 2, 3, passes=PASSES, single=False) for n in sizes]
    return Table("rows", "Against the number of rows", ["D = 2, K = 3."], rows, x="N")


def by_columns(quick: bool) -> Table:
    """D from 1 to 64."""
    n, sizes = (5_000, (1, 4, 16)) if quick else (50_000, (1, 2, 4, 8, 16, 32, 64))
    rows = [race_em(n, d, 5, passes=PASSES, single=False) for d in sizes]
    return Table("columns", "Against the number of columns", [f"N = {fmt.count(n)}, K = 5."], rows, x="D")


def by_components(quick: bool) -> Table:
    """K from 2 to 64."""
    n, sizes = (5_000, (2, 8, 32)) if quick else (50_000, (2, 4, 8, 16, 32, 64))
    rows = [race_em(n, 4, k, passes=PASSES, single=False) for k in sizes]
    return Table("components", "Against the number of components", [f"N = {fmt.count(n)}, D = 4."], rows, x="K")
