"""The score of every half-step, each of its numbers by a code path of its own.

    elbo             E_q[ln p(X, Z | θ)] + H(q)        from the statistics of q
    kl               KL(q ‖ p(Z | X, θ))               from log-responsibilities
    log_likelihood   ln p(X | θ)                       from the densities, no q in it

so that elbo + kl = log_likelihood is a check, not a definition.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

from emvsbayes.core.chunked import Choice, Unstored
from emvsbayes.core.esteps import Exact
from emvsbayes.core.gathering import gather
from emvsbayes.core.protocol import Expectation, Family
from emvsbayes.core.sources import ROWS, added, chunks_of, is_source
from emvsbayes.core.trace import HalfStep

FALL = 1e-9  # the objective may fall by rounding only: FALL · (1 + |objective|)


class Scorer:
    """Scores half-steps, each number by its own code path, and keeps them where they are wanted."""

    def __init__(self, family: Family, data: Any, prior: Any, record: bool) -> None:
        self.family, self.data, self.prior, self.record = family, data, prior, record
        self.weights = getattr(data, "row_weights", None)  # a source's q, which is not stored, brings its own
        self.steps: list[HalfStep] = []
        self.seen = 0

    def log_prior(self, params: Any) -> float:
        return 0.0 if self.prior is None else self.family.log_prior(params, self.prior)

    def log_likelihood(self, params: Any, now: Expectation) -> float:
        """ln p(X | θ), scored now where it was not yet, as after hard E-steps whose pass does without it."""
        if now.log_likelihood is None and is_source(self.data):
            return added(self.data, partial(_log_likelihood, self.family, params))
        if now.log_likelihood is None:
            now = gather(Exact(), self.family, params, self.data, params, 0, keep_q=self.record)
        assert now.log_likelihood is not None
        return now.log_likelihood

    def bound(self, params: Any, held: Expectation) -> float:
        """ELBO(q, θ) = E_q ln p(X, Z | θ) + H(q), q and its statistics those of `held`."""
        entropy = held.q.entropy(self.weights) if held.entropy is None else held.entropy
        return self.family.expected_log_joint(params, held.stats) + entropy

    def objective(self, params: Any, now: Expectation) -> float:
        """What is climbed, after an E half-step."""
        climbed = now.log_likelihood if now.log_likelihood is not None and not now.restricted else None
        return (self.bound(params, now) if climbed is None else climbed) + self.log_prior(params)

    def closed(self, passes: float, params: Any, now: Expectation) -> float:
        """After an E half-step: record it; return the objective."""
        if self.record:
            self._keep(passes, "E", params, now, now.posterior, now.log_likelihood)
        return self.objective(params, now)

    def opened(self, passes: float, params: Any, old: Expectation, now: Expectation, half: Any) -> None:
        """After an M half-step: q and its statistics are the old ones, θ and its posterior the new ones.

        Nothing is scored where the M-step was given the statistics of no q, or of one that was not kept.
        """
        if self.record and old.q is not None and old.total is None:
            self._keep(passes, half, params, old, now.posterior, now.log_likelihood)

    def between(self, passes: float, params: Any, old: Expectation) -> None:
        """After one field of a conditional M half-step."""
        if self.record and old.q is not None and old.total is None:
            if is_source(self.data):
                exact = Unstored(Choice(self.family, params, Exact(), 0), chunks_of(self.data, ROWS))
                log_likelihood = added(self.data, partial(self.family.log_likelihood, params))
            else:
                exact = self.family.e_step(params, self.data)
                log_likelihood = self.family.log_likelihood(params, self.data)
            self._keep(passes, "M", params, old, exact, log_likelihood)

    def _keep(
        self, passes: float, half: Any, params: Any, held: Expectation, exact: Any, log_likelihood: float | None
    ) -> None:
        assert log_likelihood is not None
        kl = held.q.kl(exact, self.weights)
        log_prior = self.log_prior(params)
        self.steps.append(HalfStep(passes, half, self.bound(params, held), kl, log_likelihood, log_prior))

    def fell(self) -> bool:
        """Whether the bound fell since this was last asked, beyond rounding; a guess is judged by its E half-step."""
        since = [step.objective for step in self.steps[max(self.seen - 1, 0) :] if step.half != "A"]
        self.seen = len(self.steps)
        return any(b < a - FALL * (1 + abs(a)) for a, b in pairwise(since))


def _log_likelihood(family: Family, params: Any, rows: Any) -> float:
    """ln p(rows | θ), in a compiled pass where the family has one."""
    found = gather(Exact(), family, params, rows, params, 0, keep_q=False)
    assert found.log_likelihood is not None
    return found.log_likelihood
