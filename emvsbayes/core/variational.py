"""Variational Bayes through the one loop: a distribution q(θ) in the place of the parameters.

    ln p(X) >= ELBO(q(Z), q(θ)) = E_q(Z)q(θ)[ln p(X, Z | θ)] + H(q(Z)) - KL(q(θ) ‖ p(θ))     (Bishop 2006, section 10.1)

    E half-step   q(Z) ∝ exp E_q(θ)[ln p(X, Z | θ)]
    M half-step   q(θ) ∝ p(θ) exp E_q(Z)[ln p(X, Z | θ)]

For a conjugate family q(θ) is of the prior's own kind: a prior record, its hyperparameters moved by the expected
statistics, with component axes. So a prior record takes the place of the parameters, and the loop of `core.em` runs as
it stands once the words are read as

    expected_log_joint(q(θ), S)   the ELBO but for the entropy of q(Z)
    log_likelihood(q(θ))          the ELBO at the best q(Z): ln ∫ exp E_q(θ)[ln p(X, Z | θ)] dZ - KL(q(θ) ‖ p(θ))
    kl                            what q(Z) falls short of that: KL(q(Z) ‖ the best q(Z))

The three come from three code paths, as they do in EM, and their residual is a check. Both half-steps maximise the ELBO
over one factor, so that it never falls. Nothing is left out of a constant: ELBOs of different priors may be compared,
and each lies below the log evidence ln p(X).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.protocol import Family
from emvsbayes.core.trace import Event


class Conjugate(Protocol):
    """What a family adds for variational Bayes: a frozen dataclass (family, prior, held), its methods pure.

    Where it has one, `accumulate(posterior, data, about)` is the statistics of `e_step` about the parameters `about`,
    and `log_normaliser`, in one pass; None for data that are not of its kind.

    `prior` is proper, its hyperparameters as the family checked them; `held` are the values of the fields that are
    held, which are no part of q(θ). A posterior is a record of the prior's type; the groups of held fields are None.
    """

    def posterior(self, stats: Any) -> Any:
        """q(θ): the prior updated by expected statistics."""
        ...

    def e_step(self, posterior: Any, data: Any) -> Any:
        """q(Z) ∝ exp E_q(θ)[ln p(X, Z | θ)]."""
        ...

    def log_normaliser(self, posterior: Any, data: Any) -> float:
        """ln ∫ exp E_q(θ)[ln p(X, Z | θ)] dZ, the integral a sum where Z is discrete."""
        ...

    def expected_log_joint(self, posterior: Any, stats: Any) -> float:
        """E_q(Z)q(θ)[ln p(X, Z | θ)], linear in the statistics."""
        ...

    def kl(self, posterior: Any) -> float:
        """KL(q(θ) ‖ p(θ))."""
        ...

    def means(self, posterior: Any) -> Any:
        """E_q[θ] as a parameter record; infinite where it does not exist."""
        ...

    def sds(self, posterior: Any) -> Any:
        """Standard deviations of q(θ), entry by entry, as a parameter record; 0 where held, infinite where none."""
        ...

    def draw(self, posterior: Any, rng: np.random.Generator) -> Any:
        """One θ ~ q(θ), a parameter record; held fields at their values."""
        ...


@dataclass(frozen=True, slots=True)
class VariationalFamily:
    """A family whose parameters are a distribution over those of `family`: what `run_em` needs to climb the ELBO."""

    family: Family
    conjugate: Conjugate
    hold: Callable[[Any], Any]  # puts held values into drawn parameters

    @property
    def name(self) -> str:
        return self.family.name

    @property
    def n_components(self) -> int:
        return self.family.n_components

    @property
    def fixed(self) -> frozenset[str]:
        return self.family.fixed

    def e_step(self, params: Any, data: Any) -> Any:
        """The best q(Z) at this q(θ)."""
        return self.conjugate.e_step(params, data)

    def expect(self, q: Any, data: Any, about: Any) -> Any:
        """The family's own statistics, measured from the posterior means."""
        return self.family.expect(q, data, self.conjugate.means(about))

    def accumulate(self, params: Any, data: Any, about: Any = None) -> Any:
        """`expect` of the best q(Z), and `log_likelihood`, in one pass that stores no q; None where there is none."""
        if not hasattr(self.conjugate, "accumulate"):
            return None
        origin = self.conjugate.means(params if about is None else about)
        found = self.conjugate.accumulate(params, data, origin)  # pyright: ignore[reportAttributeAccessIssue]
        return None if found is None else (found[0], found[1] - self.conjugate.kl(params))

    def m_step(self, stats: Any, params: Any) -> Any:
        """The best q(θ) at this q(Z)."""
        return self.conjugate.posterior(stats)

    def expected_log_joint(self, params: Any, stats: Any) -> float:
        """The ELBO but for the entropy of q(Z)."""
        return self.conjugate.expected_log_joint(params, stats) - self.conjugate.kl(params)

    def log_likelihood(self, params: Any, data: Any) -> float:
        """The ELBO at the best q(Z)."""
        return self.conjugate.log_normaliser(params, data) - self.conjugate.kl(params)

    def inspect(self, params: Any, stats: Any, data: Any, previous: Any) -> tuple[Event, ...]:
        """Nothing: the prior keeps every component from collapsing, and an empty one is back at its prior."""
        return ()

    def init(self, data: Any, rng: np.random.Generator, how: str) -> Any:
        """The q(θ) that one exact E-step at the family's own starting values leads to."""
        return self.started(self.hold(self.family.init(data, rng, how)), data)

    def started(self, params: Any, data: Any) -> Any:
        """The q(θ) that one exact E-step at given parameters leads to."""
        if not np.isfinite(self.family.log_likelihood(params, data)):
            raise InputError("a row has probability zero under the starting values; start elsewhere.")
        return self.conjugate.posterior(self.family.expect(self.family.e_step(params, data), data, params))

    def to_vector(self, params: Any) -> Array:
        """Every hyperparameter of q(θ), (P,): what may still change from pass to pass."""
        return np.concatenate([np.ravel(leaf) for leaf in _leaves(params)])


def _leaves(record: Any) -> list[Any]:
    """The arrays of a nested record, groups that are None left out."""
    if is_dataclass(record):
        return [leaf for f in fields(record) for leaf in _leaves(getattr(record, f.name))]
    return [] if record is None else [record]
