"""`relabel_draws`: plain arrays of draws in, permutations and permuted draws out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.alignment import assignment
from emvsbayes.core.checks import Array, Integers, whole_number
from emvsbayes.core.checks import row_weights as checked_weights
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.relabelling import arguments
from emvsbayes.relabelling.alternating import Descent
from emvsbayes.relabelling.constraint import constraint, coordinate
from emvsbayes.relabelling.data_based import data_based
from emvsbayes.relabelling.ecr import ecr, ecr_iterative
from emvsbayes.relabelling.moves import along, renamed
from emvsbayes.relabelling.pra import pra
from emvsbayes.relabelling.rows import Rows
from emvsbayes.relabelling.sjw import sjw_by_moments, sjw_by_parameters
from emvsbayes.relabelling.stephens import stephens

METHODS = ("constraint", "pra", "ecr", "ecr-iterative-1", "ecr-iterative-2", "stephens", "data-based", "sjw")


@dataclass(frozen=True)
class Relabelling:
    """Permutations (S, K): slot k of draw s takes raw component permutations[s, k].

    agreement (S,): share of rows that the relabelled draw allocates as the pivot does, or, for an iterative algorithm
    without pivot, as the relabelled draws do on average; None where no allocation was looked at. costs: after each pass
    of the start that was kept; start_costs: where each start ended; both empty where nothing was iterated. certainty
    (S,): the probability of the permutation chosen, for sjw.
    """

    method: str
    permutations: Integers
    agreement: Array | None = None
    costs: Array = field(default_factory=lambda: np.empty(0))
    start_costs: Array = field(default_factory=lambda: np.empty(0))
    certainty: Array | None = None

    def apply(self, values: Array, axis: int = 1) -> Array:
        """Draws (S, …) with their component axis permuted draw by draw."""
        return along(values, self.permutations, axis)

    def rename(self, labels: Integers, first: int = 0) -> Integers:
        """Allocations (S, …), labels that count from `first`, under the names that `apply` gives the components."""
        return renamed(labels, self.permutations, first)


def relabel_draws(
    draws: Mapping[str, ArrayLike],
    *,
    method: str = "ecr",
    probabilities: ArrayLike | None = None,
    allocations: ArrayLike | None = None,
    data: ArrayLike | None = None,
    log_posterior: ArrayLike | None = None,
    pivot: ArrayLike | Mapping[str, ArrayLike] | None = None,
    row_weights: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    probabilities_at: Callable[[Mapping[str, Array]], Array] | None = None,
    n_starts: int = 4,
    seed: int = 0,
) -> Relabelling:
    """Find one permutation of the components for each draw.

    Parameters
    ----------
    draws : mapping of arrays (S, K, …)
        Fields with the component axis second; they fix S and K, and are not changed.
    method : {"constraint", "pra", "ecr", "ecr-iterative-1", "ecr-iterative-2", "stephens", "data-based", "sjw"}
        "constraint:means[0]" names the field and the entry to sort by.
    probabilities : (S, N, K)
        Allocation probabilities of each row under each draw; needed by stephens and ecr-iterative-2.
    allocations : (S, N)
        Component of each row under each draw. The iterative versions of ECR take them where both are given, the other
        methods the probabilities, which say more.
    data : (N,) or (N, D)
        The rows, for data-based, and for sjw without `probabilities_at`.
    log_posterior : (S,)
        Names the pivot draw where no pivot is given: the highest, else the first draw.
    pivot : (N,) or (N, K); for pra a mapping of fields (K, …)
        The allocation to agree with, or its probabilities. Iterative algorithms start there, and name their slots by
        it; without a pivot the pivot draw keeps its names. The constraint names components by order and looks at none.
    row_weights : (N,)
        How often each row counts; ones by default.
    classes : (K,)
        Components are renamed only within their class; one class by default.
    probabilities_at : callable
        For sjw: p(z_n = k | x_n, θ), (N, K), at a mapping of fields (K, …).
    n_starts, seed
        Starts of an iterative algorithm: the pivot, then draws taken at random.

    Raises
    ------
    InputError
        For arrays that do not fit each other, NaN draws, or a missing argument, named.
    """
    name, detail = known_method(method), str(method).partition(":")[2]
    fields = arguments.checked_draws(draws)
    s, k = next(iter(fields.values())).shape[:2]
    groups, seed = arguments.checked_classes(classes, k), whole_number(seed, 0, "seed")
    if name == "constraint":
        return Relabelling(method, constraint(coordinate(fields, detail or None, groups), groups))
    if name == "pra":
        at = arguments.pivot_draw(log_posterior, s)
        target = {f: v[at] for f, v in fields.items()} if pivot is None else arguments.pivot_parameters(pivot, fields)
        return Relabelling(method, pra(_columns(fields, (s, k)), _columns(target, (k,)), groups))

    rows, voters = _rows(name, probabilities, allocations, row_weights, s, k)
    at, given = _pivot(pivot, log_posterior, voters)
    if name == "ecr":
        permutations = ecr(rows, given, groups)
        return Relabelling(method, permutations, rows.agreement(given, permutations))

    references = [given, *_other_draws(voters, at, whole_number(n_starts, 1, "n_starts") - 1, seed)]
    certainty = None
    if name in ("ecr-iterative-1", "ecr-iterative-2"):
        found = ecr_iterative(rows, voters, references, groups)
    elif name == "stephens":
        found = stephens(rows, references, groups)
    elif name == "data-based":
        found = data_based(rows, _data(name, data, rows), references, groups)
    else:
        if probabilities_at is None:
            found, certainty = sjw_by_moments(rows, _data(name, data, rows), references, groups)
        else:
            found, certainty = sjw_by_parameters(rows, fields, probabilities_at, references, groups)
    permutations = _named(found, voters, given, at, groups)
    consensus = given if at is None else voters.mean(permutations)
    agreement = rows.agreement(consensus, permutations)
    return Relabelling(method, permutations, agreement, found.costs, found.start_costs, certainty)


def known_method(method: str) -> str:
    """The name of a method, without what follows the colon of a constraint."""
    name, _, detail = str(method).partition(":")
    if name not in METHODS or (detail and name != "constraint"):
        raise unknown("relabelling method", method, METHODS)
    return name


def _rows(
    method: str,
    probabilities: ArrayLike | None,
    allocations: ArrayLike | None,
    row_weights: ArrayLike | None,
    s: int,
    k: int,
) -> tuple[Rows, Rows]:
    """What is relabelled, and what the iterative algorithms average: the two differ in ecr-iterative-2 alone."""
    if probabilities is None and method in ("stephens", "ecr-iterative-2"):
        raise InputError(f"{method} needs probabilities (S, N, K); with allocations alone take ecr-iterative-1.")
    if probabilities is None and allocations is None:
        raise InputError(f"{method} needs allocations (S, N) or probabilities (S, N, K).")
    soft = None if probabilities is None else arguments.checked_probabilities(probabilities, s, k)
    hard = None
    if allocations is not None and (soft is None or method.startswith("ecr-iterative")):
        hard = arguments.checked_allocations(allocations, s, k)
    if hard is None and soft is not None and method == "ecr-iterative-1":
        hard = arguments.most_probable(soft)
    if hard is not None and soft is not None and hard.shape != soft.shape:
        raise InputError(
            f"allocations have {hard.shape[2]} rows and probabilities {soft.shape[2]}; give the same rows."
        )
    values = soft if hard is None else hard
    assert values is not None
    weights = checked_weights(row_weights, values.shape[2])
    rows = Rows(values, weights)
    return rows, Rows(soft, weights) if soft is not None and method == "ecr-iterative-2" else rows


def _columns(values: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
    """All entries of all fields side by side, (…, J)."""
    return np.concatenate([value.reshape(*shape, -1) for value in values.values()], axis=-1)


def _data(method: str, data: ArrayLike | None, rows: Rows) -> Array:
    if data is None:
        also = ", or probabilities_at" if method == "sjw" else ""
        raise InputError(f"{method} needs data (N, D): the rows that were allocated{also}.")
    return arguments.checked_data(data, rows.values.shape[2])


def _pivot(
    pivot: ArrayLike | Mapping[str, ArrayLike] | None, log_posterior: ArrayLike | None, rows: Rows
) -> tuple[int | None, Array]:
    """The pivot allocation (N, K), and the draw that it was taken from where none was given."""
    if pivot is not None:
        return None, arguments.pivot_allocation(pivot, rows)
    at = arguments.pivot_draw(log_posterior, len(rows.values))
    return at, rows.draw(at)


def _other_draws(rows: Rows, taken: int | None, count: int, seed: int) -> list[Array]:
    """Draws to start from, without the one that is taken."""
    others = np.setdiff1d(np.arange(len(rows.values)), [] if taken is None else [taken])
    chosen = np.random.default_rng(seed).permutation(others)[:count]
    return [rows.draw(int(s)) for s in chosen]


def _named(found: Descent, voters: Rows, pivot: Array, at: int | None, classes: Integers) -> Integers:
    """Slots named by the pivot: what was found is known up to one renaming of all draws together."""
    if at is not None:
        return found.permutations[:, np.argsort(found.permutations[at])]
    mean = voters.mean(found.permutations)
    return found.permutations[:, assignment((mean * voters.row_weights[:, None]).T @ pivot, classes)]
