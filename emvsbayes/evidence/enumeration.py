"""The exact posterior of a mixture of few rows: a finite mixture of conjugate posteriors, one for every allocation.

    p(θ | X) = Σ_z w_z p(θ | X, z),    w_z = p(X, z) / p(X)

    E[θ] = Σ_z w_z m_z,    Var[θ] = Σ_z w_z {s_z² + m_z²} - E[θ]²

with m_z, s_z the mean and standard deviation of each conjugate posterior. Under a prior that is the same for every
component so are the moments: of K components that cannot be told apart each has the same posterior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import record_fields
from emvsbayes.problem import Problem
from emvsbayes.vb.enumeration import MOST, allocations
from emvsbayes.vb.fitting import adapt


@dataclass(frozen=True)
class ExactPosterior:
    """The posterior by enumeration.

    Attributes
    ----------
    log_evidence : ln p(X), in nats
    means, sds : the family's parameter record
        Moments of every entry; infinite where they do not exist, sds 0 where a field is held.
    log_weights : (A,)
        ln p(z | X) of every allocation that the known labels allow.
    parts : A prior records
        p(θ | X, z), the groups of held fields None.
    """

    log_evidence: float
    means: Any
    sds: Any
    log_weights: Array
    parts: tuple[Any, ...]


def exact_posterior(problem: Problem, prior: Any = "default") -> ExactPosterior:
    """Log evidence and posterior moments by a sum over every allocation.

    Raises
    ------
    InputError
        Where there is no such sum: more than 4096 allocations, sample weights, no components, no conjugate posterior.
    """
    adapter = adapt(problem, prior)
    found = allocations(adapter, problem.data)
    if "components" not in problem.family.capabilities:
        raise InputError(
            f"{problem.family.name} has no components, and so no allocations to sum over; use bridge sampling here."
        )
    if found is None:
        raise InputError(
            f"the exact posterior is a sum over all K^N allocations of rows to components, taken for at most {MOST} of "
            "them and rows without sample weights; use bridge sampling here."
        )
    log_joint = np.array([log for log, _ in found])
    total = float(np.logaddexp.reduce(log_joint))
    parts, weights = tuple(part for _, part in found), np.exp(log_joint - total)
    means = [record_fields(adapter.conjugate.means(part)) for part in parts]
    sds = [record_fields(adapter.conjugate.sds(part)) for part in parts]
    record, first, second = type(adapter.conjugate.means(parts[0])), {}, {}
    for name in means[0]:
        m, s = np.array([part[name] for part in means]), np.array([part[name] for part in sds])
        first[name] = np.tensordot(weights, m, axes=1)
        with np.errstate(invalid="ignore"):
            variance = np.tensordot(weights, s**2 + (m - first[name]) ** 2, axes=1)
        exists = np.isfinite(m).all(axis=0) & np.isfinite(s).all(axis=0)
        second[name] = np.sqrt(np.where(exists, variance, np.inf))
    return ExactPosterior(total, record(**first), record(**second), log_joint - total, parts)
