"""The tables by name, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from bench.records import Table
from bench.tables.climb import climb
from bench.tables.memory import memory
from bench.tables.mixtures import gaussian, structures, variational
from bench.tables.others import bernoulli, evidence, kmeans
from bench.tables.out_of_core import large
from bench.tables.sampling import sampling
from bench.tables.scaling import by_columns, by_components, by_rows
from bench.tables.small import small

TABLES: dict[str, Callable[[bool], Table]] = {
    "gaussian": gaussian,
    "rows": by_rows,
    "columns": by_columns,
    "components": by_components,
    "structures": structures,
    "variational": variational,
    "climb": climb,
    "small": small,
    "bernoulli": bernoulli,
    "kmeans": kmeans,
    "evidence": evidence,
    "memory": memory,
    "large": large,
    "sampling": sampling,
}
