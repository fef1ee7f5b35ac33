"""`diagnose_labels`: a DataTree in, a `LabelDiagnosis` out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from emvsbayes.relabelling.axes import DIM
from emvsbayes.relabelling.climbs import chain_modes
from emvsbayes.relabelling.diagnosis import LabelDiagnosis
from emvsbayes.relabelling.diagnosis_arrays import diagnose_draws
from emvsbayes.relabelling.given import WITH_DATA, Given
from emvsbayes.relabelling.towards_fit import problem_of, record_of
from emvsbayes.relabelling.trees import read_tree


def diagnose_labels(
    posterior: Any,
    *,
    method: str | None = None,
    beside: Sequence[str] | None = None,
    pivot: Any = None,
    dim: str | Sequence[str] = DIM,
    probabilities: str | None = None,
    allocations: str | Sequence[str] | None = None,
    first_label: int | None = None,
    data: Any = None,
    classes: ArrayLike | None = None,
    climb: bool = True,
    seed: int = 0,
) -> LabelDiagnosis:
    """What is the matter with the labels of a posterior, before any cure.

    Parameters
    ----------
    posterior, method, pivot, dim, probabilities, allocations, first_label, data, classes, seed
        As in `relabel`.
    beside : several
        Algorithms whose agreement with `method` is looked at, as in `diagnose_draws`.
    climb : bool
        With a fit as pivot: let EM climb from the last draw of each chain, to say which mode it belongs to.

    Raises
    ------
    InputError
        As `relabel`.
    """
    given = read_tree(
        posterior,
        pivot=pivot,
        dim=dim,
        probabilities=probabilities,
        allocations=allocations,
        first_label=first_label,
        data=data,
        classes=classes,
    )
    ends = None
    if climb and hasattr(pivot, "family"):
        ends = chain_modes(
            problem_of(pivot, record_of(posterior, pivot.family, data)), pivot.prior, posterior, pivot.params
        )
    return diagnose_given(given, method, beside, mode_log_posterior=ends, seed=seed)


def diagnose_given(
    given: Given,
    method: str | None,
    beside: Sequence[str] | None = None,
    *,
    mode_log_posterior: Sequence[float | None] | None = None,
    seed: int = 0,
) -> LabelDiagnosis:
    """The diagnosis of what was read from a tree."""
    chosen = method or given.default_method()
    options = given.arguments(next((name for name in (chosen, *(beside or ())) if name in WITH_DATA), chosen))
    return diagnose_draws(
        given.fields,
        chains=given.chains,
        method=chosen,
        beside=beside,
        mode_log_posterior=mode_log_posterior,
        seed=seed,
        **{**options, "pivot": given.pivot, "pra_pivot": given.pra_pivot},
    )
