"""The vocabulary of the package: what a family and a schedule must be able to do.

Families and schedules are frozen dataclasses that hold settings only, with pure methods, matched structurally: nobody
inherits from these protocols. Records (data, parameters, prior, statistics) are opaque to everything in `core/`, hence
typed `Any` here; each family types its own.

What only some families have is looked up by name, and its absence is an answer (`views`, `profile` and `discrepancies`
are what every family with a density has):

    unsettled, settled(params, data)   a setting that is learned once and then held (σ² of K-means)
    resolved(data)                     settings that the training data complete (the range of basis functions)
    schedule                           a schedule of the family's own, with a hard E-step (online K-means), or None
    more_starts                        starting methods beyond those that every family knows
    starts_alike(how, data)            whether a starting method draws nothing
    log_jacobian(params)               ln |∂ natural scale / ∂ free coordinates|, where the family can be sampled
    component_of(field, index)         the component of an entry, -1 of all, None of one that repeats another
    constrained(params)                why parameters are no free maximum of the likelihood, or an empty text
    described()                        the settings in words, where some are not in use
    log_predictive(q, params, data)    score of new rows, where they share a latent with the training rows
    views(data, n), profile(params, data, view, rng)   what is predicted and where to look (`core.views`), and p(x | θ)
                                       or E[x | θ] there; with `rng` a latent that rows share is drawn
    discrepancies(params, data, shared)   statistics by name, to hold data against replicated data
    replicate(params, data, rng)       data as the model would produce them again, and the latent that rows share; where
                                       it is absent, `simulate` does
    status_sentences                   sentences in the place of those of `Status`, where these speak of components
    remarks(run, total_weight, e_step) what a summary adds
    accumulate(params, data, about)    `expect` of an exact `e_step`, and `log_likelihood`, in one pass that stores no q
    accumulate_hard(…)                 the same of the hard one, None for the log-likelihood; each is None where the
                                       data are not of its kind
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.trace import Event


class Family(Protocol):
    """A latent-variable model whose complete-data likelihood is an exponential family."""

    @property
    def name(self) -> str:
        """The key of the family in `emvsbayes.FAMILIES`."""
        ...

    @property
    def n_components(self) -> int: ...

    @property
    def fixed(self) -> frozenset[str]:
        """Fields of the parameters that the M-step leaves alone."""
        ...

    @property
    def component_axes(self) -> Mapping[str, tuple[int, ...]]:
        """For each parameter field that has them, the axes that run over components."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """What this model can do by nature; see `CAPABILITIES`."""
        ...

    def e_step(self, params: Any, data: Any) -> Any:
        """q(Z) = p(Z | X, θ)."""
        ...

    def expect(self, q: Any, data: Any, about: Any) -> Any:
        """E_q of the sufficient statistics; `about` are parameters to measure moments from (rounding, not meaning)."""
        ...

    def m_step(self, stats: Any, params: Any) -> Any:
        """argmax_θ of `expected_log_joint(θ, stats)`; `params` serve held fields and empty components."""
        ...

    def expected_log_joint(self, params: Any, stats: Any) -> float:
        """E_q ln p(X, Z | θ), linear in the statistics."""
        ...

    def log_likelihood(self, params: Any, data: Any) -> float:
        """ln p(X | θ), marginal over Z."""
        ...

    def pseudo_stats(self, prior: Any, about: Any) -> Any:
        """The statistics S0 for which `expected_log_joint(θ, S0)` is ln p(θ) up to a constant."""
        ...

    def log_prior(self, params: Any, prior: Any) -> float:
        """ln p(θ), with every constant; held fields contribute nothing."""
        ...

    def default_prior(self, data: Any) -> Any: ...

    def describe_prior(self, prior: Any) -> list[str]:
        """The prior in words, one sentence a field."""
        ...

    @property
    def default_prior_note(self) -> str:
        """Whether the default prior looks at the data, in a sentence."""
        ...

    @property
    def scattered_note(self) -> str:
        """What the starts of the method `random_scales` are, in a sentence."""
        ...

    def check_prior(self, prior: Any, data: Any) -> Any:
        """The prior with its hyperparameters in full shape; raises where a shape or bound is wrong."""
        ...

    def proper_prior(self, prior: Any) -> Any:
        """The prior with bounded flat groups written out; raises where a flat group leaves the posterior improper."""
        ...

    def check(self, data: Any) -> None:
        """Raise where these data cannot be fitted with these settings."""
        ...

    def complete_start(self, given: Mapping[str, Any], data: Any) -> Any:
        """Checked starting values from some of the fields; the others take neutral values."""
        ...

    def check_params(self, params: Any) -> None:
        """Raise where these parameters, read from a file, are not possible ones of this family."""
        ...

    def init(self, data: Any, rng: np.random.Generator, how: str) -> Any:
        """Starting values by one of the methods of `core.starts`."""
        ...

    def simulate(self, params: Any, like: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        """Ancestral sampling: data of the size of `like`, and the latents that produced them."""
        ...

    def points(self, data: Any) -> tuple[Array, tuple[str, ...]]:
        """The data as points (N, D) to draw, and the names of the axes."""
        ...

    def component_moments(self, params: Any, data: Any) -> tuple[Array, Array]:
        """Mean (K, D) and covariance (K, D, D) of p(x | z = k), in the space of `points`."""
        ...

    def inspect(self, params: Any, stats: Any, data: Any, previous: Any) -> tuple[Event, ...]:
        """Singular, empty and boundary components of `params`; `previous` are the parameters before the M-step."""
        ...

    def to_vector(self, params: Any) -> Array:
        """Free coordinates (P,), unconstrained; held fields have none."""
        ...

    def from_vector(self, vector: Array, like: Any) -> Any:
        """The inverse of `to_vector`; held fields are taken from `like`."""
        ...


@dataclass(frozen=True, slots=True)
class Expectation:
    """The outcome of an E half-step at some θ.

    Attributes
    ----------
    q : the distribution over latents, or None where it was never stored
    stats : expected sufficient statistics under q
    log_likelihood : ln p(X | θ), from its own code path; None where this sweep is not scored
    about : the parameters that `stats` are measured from (see `Family.expect`)
    exact : p(Z | X, θ) where q is restricted and another; None where q is the posterior
    entropy : H(q) of a restricted q that was never stored; None for any other
    total : what the M-step is given where it is not `stats`, as in an online pass; None where it is
    whole : whether a pass over the data ends here
    final : whether a run may end here; not while q is still annealed
    """

    q: Any
    stats: Any
    log_likelihood: float | None
    about: Any
    exact: Any = None
    total: Any = None
    whole: bool = True
    final: bool = True
    entropy: float | None = None

    @property
    def posterior(self) -> Any:
        """p(Z | X, θ)."""
        return self.q if self.exact is None else self.exact

    @property
    def restricted(self) -> bool:
        """Whether q is not the posterior, so that the bound stays below the log-likelihood."""
        return self.exact is not None or self.entropy is not None


class Schedule(Protocol):
    """How expectations are gathered: a memory, and a sweep that returns the next expectation."""

    @property
    def monotone(self) -> bool:
        """Whether the objective can never fall."""
        ...

    @property
    def sweeps_a_pass(self) -> int:
        """Sweeps that make a pass over the data."""
        ...

    def start(self, family: Family, data: Any) -> Any: ...

    def afresh(self, memory: Any) -> Any:
        """The memory before a sweep that renews q in every row; asked for under acceleration only."""
        ...

    def sweep(self, family: Family, params: Any, memory: Any) -> tuple[Expectation, Any]: ...


CAPABILITIES = {
    "rowwise": "latents are independent over rows given θ, so that statistics add over rows",
    "density": "the model has a normalised density",
    "conjugate": "the default prior is conjugate, so that MAP is a sum of statistics",
    "components": "the model has exchangeable components",
    "twin": "the same model is written for PyMC",
    "bounded": "the likelihood is bounded, so that maximum likelihood cannot collapse",
}
"""What the members of `Family.capabilities` mean."""
