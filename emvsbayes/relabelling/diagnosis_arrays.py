"""`diagnose_draws`: plain arrays of draws in, a `LabelDiagnosis` out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Array, Integers, whole_number
from emvsbayes.core.checks import row_weights as checked_weights
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling import arguments
from emvsbayes.relabelling.assignments import assignments, n_permutations
from emvsbayes.relabelling.chain_modes import chain_gaps, grouped, separations
from emvsbayes.relabelling.diagnosis import LabelDiagnosis
from emvsbayes.relabelling.disagreement import disagreement
from emvsbayes.relabelling.draws import relabel_draws
from emvsbayes.relabelling.margins import TIE, margins
from emvsbayes.relabelling.moves import along
from emvsbayes.relabelling.pra import gains_towards
from emvsbayes.relabelling.rows import Rows, logarithm

LISTED = 24  # labellings that are listed
DRAWS_FOR_MODES = 10  # a chain of fewer says nothing of where it would go


def diagnose_draws(
    draws: Mapping[str, ArrayLike],
    *,
    chains: int = 1,
    method: str | None = None,
    beside: Sequence[str] | None = None,
    probabilities: ArrayLike | None = None,
    allocations: ArrayLike | None = None,
    data: ArrayLike | None = None,
    log_posterior: ArrayLike | None = None,
    pivot: ArrayLike | Mapping[str, ArrayLike] | None = None,
    pra_pivot: Mapping[str, ArrayLike] | None = None,
    row_weights: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    probabilities_at: Callable[[Mapping[str, Array]], Array] | None = None,
    mode_log_posterior: Sequence[float | None] | None = None,
    seed: int = 0,
) -> LabelDiagnosis:
    """Switches, modes and overlap of some draws, before any cure.

    Parameters
    ----------
    draws : mapping of arrays (S, K, …)
    chains : int
        S is that many chains of equal length, one after another.
    method : str
        The algorithm whose permutations are described; by default ecr where there is a pivot, stephens where there are
        probabilities, ecr-iterative-1 where there are only allocations, else pra.
    beside : several
        Algorithms to set beside it; by default pra and stephens or ecr-iterative-1. Without allocations, pra is set
        beside pra towards the mean of what it relabelled.
    probabilities, allocations, data, log_posterior, pivot, row_weights, classes, probabilities_at, seed
        As in `relabel_draws`; pra_pivot is the pivot of pra.
    mode_log_posterior : by chain
        Where EM ends from the last draw of each chain, if it was tried: kept in the record.

    Raises
    ------
    InputError
        As `relabel_draws`; and where S is no multiple of the number of chains.
    """
    fields = arguments.checked_draws(draws)
    s, k = next(iter(fields.values())).shape[:2]
    groups = arguments.checked_classes(classes, k)
    if s % whole_number(chains, 1, "chains"):
        raise InputError(f"{s} draws are not {chains} chains of equal length; give the number of chains.")
    rows = _rows(probabilities, allocations, row_weights, s, k)
    first, others = _methods(method, beside, rows is not None, probabilities is not None, pivot is not None)

    def permutations(name: str, target: ArrayLike | Mapping[str, ArrayLike] | None = None) -> Integers:
        plain = name.partition(":")[0] == "pra"
        return relabel_draws(
            fields,
            method=name,
            probabilities=probabilities,
            allocations=allocations,
            data=data,
            log_posterior=log_posterior,
            pivot=target if target is not None else pra_pivot if plain else pivot,
            row_weights=row_weights,
            classes=groups,
            probabilities_at=probabilities_at,
            seed=seed,
        ).permutations

    found = permutations(first) if k > 1 else np.zeros((s, 1), dtype=np.int64)
    relabelled = {name: along(value, found) for name, value in fields.items()}
    compared: dict[str, tuple[float, Array]] = {}
    if n_permutations(groups) > 1:
        for other in others:
            compared[f"{first} / {other}"] = disagreement(found, permutations(other))
        if rows is None and first == "pra":
            mean = {name: value.mean(axis=0) for name, value in relabelled.items()}
            compared["pra / pra to the mean"] = disagreement(found, permutations("pra", mean))
    gains = _gains(rows, relabelled, fields, found)
    best = assignments(gains, groups)  # towards the final target; `found` where the algorithm ended there
    close = margins(gains, best, groups)
    moves = found.reshape(chains, -1, k)
    visited = Counter(map(tuple, found.tolist()))
    raw_chains, new_chains = _by_chain(fields, chains), _by_chain(relabelled, chains)
    enough = chains > 1 and s // chains >= DRAWS_FOR_MODES
    far = np.zeros((chains, chains))
    if enough:
        far = np.maximum(chain_gaps(raw_chains, groups), chain_gaps(new_chains, groups))
    height = None if log_posterior is None else np.reshape(np.asarray(log_posterior, dtype=np.float64), (chains, -1))
    return LabelDiagnosis(
        method=first,
        chains=chains,
        draws=s // chains,
        components=k,
        switches=[int(n) for n in (moves[:, 1:] != moves[:, :-1]).any(axis=2).sum(axis=1)],
        labellings_visited=len(visited),
        labellings_possible=n_permutations(groups),
        labelling_shares={" ".join(map(str, move)): n / s for move, n in visited.most_common(LISTED)},
        modes=grouped(far),
        gaps=[[float(min(gap, 1e6)) for gap in row] for row in far],
        log_posterior=None if height is None else height.mean(axis=1).tolist(),
        mode_log_posterior=None if mode_log_posterior is None else list(mode_log_posterior),
        disagreements={pair: share for pair, (share, _) in compared.items()},
        slot_disagreements=np.max([np.zeros(k), *(by_slot for _, by_slot in compared.values())], axis=0).tolist(),
        doubt=float(close.doubt.mean()),
        slot_doubts=close.slot_doubts.mean(axis=0).tolist(),
        ties=float((close.doubt > TIE).mean()),
        raw_separations=separations(raw_chains).tolist(),
        separations=separations(new_chains).tolist(),
    )


def _methods(
    method: str | None, beside: Sequence[str] | None, allocated: bool, soft: bool, pivoted: bool
) -> tuple[str, list[str]]:
    """The algorithm that is described, and those that are set beside it."""
    by_rows = "stephens" if soft else "ecr-iterative-1"
    chosen = method or (("ecr" if pivoted else by_rows) if allocated else "pra")
    usual = ["pra", by_rows] if allocated else ["pra"]
    return chosen, [name for name in (usual if beside is None else beside) if name != chosen]


def _rows(
    probabilities: ArrayLike | None, allocations: ArrayLike | None, row_weights: ArrayLike | None, s: int, k: int
) -> Rows | None:
    if probabilities is not None:
        values = arguments.checked_probabilities(probabilities, s, k)
    elif allocations is not None:
        values = arguments.checked_allocations(allocations, s, k)
    else:
        return None
    return Rows(values, checked_weights(row_weights, values.shape[2]))


def _gains(rows: Rows | None, relabelled: Mapping[str, Array], fields: Mapping[str, Array], found: Integers) -> Array:
    """What every raw component gains in every slot: Σ r ln q of the rows, or the inner products of pra, at the mean."""
    if rows is not None:
        s = len(found)
        mean = rows.mean(found)
        return rows.gains(logarithm((mean * s + 1 / mean.shape[1]) / (s + 1)))  # one draw's worth of ignorance: no ln 0
    s, k = found.shape
    columns = np.concatenate([v.reshape(s, k, -1) for v in fields.values()], axis=2)
    target = np.concatenate([v.mean(axis=0).reshape(k, -1) for v in relabelled.values()], axis=1)
    return gains_towards(columns, target)


def _by_chain(fields: Mapping[str, Array], chains: int) -> dict[str, Array]:
    return {name: v.reshape(chains, -1, *v.shape[1:]) for name, v in fields.items()}
