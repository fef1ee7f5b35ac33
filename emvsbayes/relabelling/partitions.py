"""A point estimate of the partition of the rows: the one with the smallest expected loss under the posterior.

    Binder    B(c, z)  = Σ_{n<m} [ c_n = c_m and z_n ≠ z_m, or the reverse ]
              E B(c)   = Σ_{n<m} | [c_n = c_m] - C_nm |                            C is the co-clustering matrix
    VI        VI(c, z) = H(c) + H(z) - 2 I(c, z)
              N E VI(c) = Σ_g f(n_g) + (1/S) Σ_s [ Σ_k f(n_k(s)) - 2 Σ_gk f(n_gk(s)) ],   f(n) = n ln n

in nats; n_gk(s) counts the rows of group g in component k of draw s. Neither looks at names. The search moves
single rows, to any group or a new one, while a move lowers the loss; it starts from the best of some sampled partitions
and from the average-linkage tree on 1 - C, cut where it is best. A local minimum: nothing better is one row away.

Sources: Binder (1978), Bayesian cluster analysis, Biometrika 65, 31-38; Wade and Ghahramani (2018), Bayesian cluster
analysis: point estimation and credible balls, Bayesian Analysis 13, 559-626.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

from emvsbayes.core.checks import Array, Integers, real_array, shaped, whole_number
from emvsbayes.core.errors import unknown
from emvsbayes.relabelling.arguments import whole
from emvsbayes.relabelling.coclustering import coclustering as counted
from emvsbayes.relabelling.coclustering import component_rows

LOSSES = ("vi", "binder")
CANDIDATES = 50  # sampled partitions that are scored before the search
MAX_SWEEPS = 100


@dataclass(frozen=True)
class Partition:
    """labels (N,), groups numbered by their first row, and the expected loss: VI in nats, Binder in pairs of rows."""

    labels: Integers
    loss: str
    expected_loss: float


class Loss(Protocol):
    """The expected loss of labels (N,), and what it changes by when one row moves to each of `groups` groups."""

    def __call__(self, labels: Integers) -> float: ...

    def changes(self, labels: Integers, row: int, groups: int) -> Array: ...


def point_partition(
    allocations: ArrayLike, *, loss: str = "vi", coclustering: ArrayLike | None = None, max_groups: int | None = None
) -> Partition:
    """The partition with the smallest expected loss that the search finds.

    Parameters
    ----------
    allocations : (S, N)
        Components of the rows in every draw, under any names.
    loss : {"vi", "binder"}
    coclustering : (N, N)
        For Binder: the matrix from probabilities, which is less noisy than counting; counted where it is not given.
    max_groups : int
        At most that many groups; the number of components by default.

    Raises
    ------
    InputError
        For an unknown loss, or arrays that are no allocations or do not fit.
    """
    if loss not in LOSSES:
        raise unknown("loss of a partition", loss, LOSSES)
    z = whole(real_array(allocations, "allocations", ndim=2), "allocations")
    if z.size and z.min() >= 0:  # names that do not occur, such as 0 in labels of Stan, are no components
        z = np.unique(z, return_inverse=True)[1].reshape(z.shape)
    values = component_rows(None, z)
    s, k, n = values.shape
    together = counted(allocations=z)
    if coclustering is not None and loss == "binder":
        together = shaped(real_array(coclustering, "coclustering"), (n, n), "coclustering")
    groups = min(n, k if max_groups is None else whole_number(max_groups, 1, "max_groups"))
    expected: Loss = Binder(together) if loss == "binder" else VariationOfInformation(values, z)
    sampled = [_numbered(z[i]) for i in np.unique(np.linspace(0, s - 1, CANDIDATES).astype(int))]
    starts = [min(sampled, key=expected)] if any(c.max() < groups for c in sampled) else []
    starts = [c for c in starts if c.max() < groups]
    if n > 1:
        tree = linkage(squareform(np.clip(1 - together, 0.0, None), checks=False), method="average")
        cuts = cut_tree(tree, n_clusters=np.arange(1, groups + 1))
        starts.append(min((_numbered(cuts[:, g]) for g in range(groups)), key=expected))
    else:
        starts.append(np.zeros(n, dtype=np.int64))
    best = min((_descend(start, expected, groups) for start in starts), key=expected)
    return Partition(best, loss, expected(best))


class Binder:
    """Expected Binder loss from the co-clustering matrix (N, N)."""

    def __init__(self, together: Array) -> None:
        self.apart = 1 - 2 * together  # what a pair adds when it is put together
        np.fill_diagonal(self.apart, 0.0)
        self.none = float((together.sum() - np.trace(together)) / 2)  # the loss of all rows alone

    def __call__(self, labels: Integers) -> float:
        one = (labels[:, None] == np.arange(labels.max() + 1)).astype(np.float64)
        return self.none + float((one * (self.apart @ one)).sum()) / 2

    def changes(self, labels: Integers, row: int, groups: int) -> Array:
        joined = np.bincount(labels, weights=self.apart[row], minlength=groups)
        return joined - joined[labels[row]]


class VariationOfInformation:
    """Expected variation of information from allocations: values (S, K, N) of zeros and ones, and z (S, N)."""

    def __init__(self, values: Array, z: Integers) -> None:
        self.values, self.z = values, z
        s, _, n = values.shape
        counts = np.arange(n + 2, dtype=np.float64)
        self.f = np.concatenate([[0.0], counts[1:] * np.log(counts[1:])])
        self.of_draws = self.f[values.sum(axis=2).astype(np.int64)].sum() / s
        self._labels: Integers | None = None

    def __call__(self, labels: Integers) -> float:
        sizes, tables = self._counts(labels, int(labels.max()) + 1)
        return float(self.f[sizes].sum() + self.of_draws - 2 * self.f[tables].sum() / len(self.z)) / len(labels)

    def changes(self, labels: Integers, row: int, groups: int) -> Array:
        self._follow(labels, groups)
        f, here = self.f, labels[row]
        at = self.tables[:, np.arange(len(self.z)), self.z[:, row]]  # (groups, S): rows of the same component
        sizes = self.sizes
        joined = f[sizes + 1] - f[sizes] - 2 * (f[at + 1] - f[at]).mean(axis=1)
        left = f[sizes[here] - 1] - f[sizes[here]] - 2 * (f[at[here] - 1] - f[at[here]]).mean()
        joined[here] = -left
        return (joined + left) / len(labels)

    def _counts(self, labels: Integers, groups: int) -> tuple[Integers, Integers]:
        """Sizes (groups,) and contingency tables (groups, S, K)."""
        s, k, n = self.values.shape
        one = (labels[:, None] == np.arange(groups)).astype(np.float64)
        tables = np.rint(self.values.reshape(s * k, n) @ one).astype(np.int64).T.reshape(groups, s, k)
        return one.sum(axis=0).astype(np.int64), np.ascontiguousarray(tables)

    def _follow(self, labels: Integers, groups: int) -> None:
        """Bring the tables up to date: recounted at first, and changed in two places where one row has moved."""
        known = self._labels
        if known is None or len(self.sizes) != groups or (known != labels).sum() > 1:
            self.sizes, self.tables = self._counts(labels, groups)
        else:
            draws = np.arange(len(self.z))
            for row in np.flatnonzero(known != labels):
                for group, step in ((known[row], -1), (labels[row], 1)):
                    self.sizes[group] += step
                    self.tables[group, draws, self.z[:, row]] += step
        self._labels = labels.copy()


def _descend(labels: Integers, expected: Loss, groups: int) -> Integers:
    """Moves of single rows while one lowers the loss."""
    labels = labels.copy()
    for _ in range(MAX_SWEEPS):
        moved = False
        for row in range(len(labels)):
            changes = expected.changes(labels, row, groups)
            to = int(changes.argmin())
            if changes[to] < -1e-12:
                labels[row], moved = to, True
        if not moved:
            break
    return _numbered(labels)


def _numbered(labels: Integers) -> Integers:
    """Groups numbered by their first row."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
