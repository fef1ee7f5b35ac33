"""Stepwise EM on a stream: chunks come one after another, are used once and forgotten.

    s ← (1 - η_t) s + η_t S_t / N_t,   η_t = (t + 2)^-κ        after chunk t, from its statistics S_t and weight N_t
    θ ← argmax E[ln p(X, Z | θ)] from n s, plus ln p(θ)         n the weight of rows seen so far

(Cappé and Moulines 2009; Liang and Klein 2009 for κ.) The running mean s is the statistics of no q, so there is no
bound to climb and no half-step trace. What can be said honestly is how well each chunk was predicted before it was
used: its mean log-density under the parameters of the moment, the prequential score (Dawid 1984).

Sources: Cappé and Moulines (2009), JRSS B 71, 593-613; Liang and Klein (2009), NAACL, 611-619; Dawid (1984), JRSS A
147, 278-292.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

from numpy.typing import ArrayLike

from emvsbayes.core.checks import labels_below, whole_number
from emvsbayes.core.em import Stop
from emvsbayes.core.errors import InputError
from emvsbayes.core.esteps import Exact
from emvsbayes.core.gathering import gather
from emvsbayes.core.schedules import mixed, step_size
from emvsbayes.core.starts import restarts
from emvsbayes.fitting import check_request
from emvsbayes.plan import read_plan
from emvsbayes.problem import Problem, pose

FIRST_STARTS, FIRST_PASSES = 5, 20  # of plain EM on the first chunk, where no starting values are given


@dataclass(frozen=True, slots=True)
class ChunkScore:
    """A chunk: its weight, its step η, and its mean log-density in nats before it was used (None for the first)."""

    weight: float
    step: float
    log_score: float | None


class Stream:
    """A model that learns from chunks, by `partial_fit`.

    Parameters
    ----------
    family, n_components, settings, prior, fixed : as of `emvsbayes.fit`
    start : mapping of parameter fields, a parameter record, a Fit, or the name of a starting method
        Without values the first chunk is fitted by plain EM from five starts, 20 passes each: make it large enough.
    exponent : float
        κ in (½, 1]. The smaller, the sooner early chunks are forgotten and the noisier the estimates.
    seed : int
        Of those starts.

    Attributes
    ----------
    params : the parameters after the last chunk
    weight : float
        Total weight of the rows seen.
    scores : list of ChunkScore
    """

    def __init__(
        self,
        family: Any,
        *,
        n_components: int | None = None,
        settings: Mapping[str, Any] | None = None,
        prior: Any = None,
        start: Any = None,
        fixed: Mapping[str, Any] | None = None,
        exponent: float = 0.6,
        seed: int = 0,
    ) -> None:
        if not (isinstance(exponent, Real) and 0.5 < exponent <= 1):
            raise InputError(f"exponent must lie in (0.5, 1], or the estimates need not settle; it is {exponent!r}.")
        whole_number(seed, 0, "seed")
        self._family, self._start, self._prior, self.exponent, self.seed = family, start, prior, exponent, seed
        self._asked = {"n_components": n_components, "settings": settings, "fixed": fixed}
        self._problem: Problem | None = None
        self._record: Any = None
        self._mean: Any = None
        self._about: Any = None
        self.params: Any = None
        self.weight = 0.0
        self.scores: list[ChunkScore] = []

    def partial_fit(self, X: Any, *, labels: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from a chunk; returns the stream itself."""
        if self._problem is None:
            begun = self._begin(pose(self._family, X, labels=labels, sample_weight=sample_weight, **self._asked))
            data = begun.data
        else:
            begun = self._problem
            data = self._read(begun, X, labels, sample_weight)
        family = begun.family
        chunk_weight = float(data.row_weights.sum())
        turn = len(self.scores)
        now = gather(Exact(), family, self.params, data, self._about, turn, keep_q=False)
        score = now.log_likelihood / chunk_weight if turn and now.log_likelihood is not None else None
        stats = now.stats * (1 / chunk_weight)
        step = 1.0 if turn == 0 else step_size(turn - 1, self.exponent)
        mean = stats if turn == 0 else mixed(self._mean, stats, step)
        total = mean * (self.weight + chunk_weight)
        if self._record is not None:
            total = total + family.pseudo_stats(self._record, self._about)
        moved = family.m_step(total, self.params)
        found = family.inspect(moved, mean, begun.data, self.params)  # thin against the spread of the first chunk
        collapsed = [event for event in found if event.kind == "singular"]
        if collapsed:
            raise InputError(f"{collapsed[0]} Use a prior, larger chunks, or other starting values.")
        self._mean, self.params = mean, moved
        self.weight += chunk_weight
        self.scores.append(ChunkScore(chunk_weight, step, score))
        return self

    def log_score(self, X: Any, *, sample_weight: ArrayLike | None = None) -> float:
        """Mean log-density of the rows of X under the parameters of the moment, in nats."""
        if self._problem is None:
            raise InputError("the stream has seen no data; call partial_fit first.")
        data = self._read(self._problem, X, None, sample_weight)
        return self._problem.family.log_likelihood(self.params, data) / float(data.row_weights.sum())

    def _begin(self, problem: Problem) -> Problem:
        """The problem of the first chunk, with starting values from the user or from that chunk."""
        plan = read_plan(problem, schedule="stepwise")
        if plan.e_step != "exact" or getattr(problem.family, "unsettled", False):
            raise InputError(f"{problem.family.name} learns a setting from all data at once; use fit.")
        self._problem, self._record = problem, problem.prior(self._prior)
        family = problem.family
        methods, given, n, _ = check_request(problem, prior=self._record, start=self._start, seed=self.seed)
        if given is not None:
            self.params = given
        else:
            stop = Stop(max_passes=FIRST_PASSES)
            found = restarts(
                family,
                problem.data,
                min(n, FIRST_STARTS),
                self.seed,
                methods=methods,
                complete=problem.hold,
                prior=self._record,
                stop=stop,
            )
            self.params = found[0].run.params
        self._about = self.params  # moments are measured about these, whatever the parameters become
        return problem

    @staticmethod
    def _read(begun: Problem, X: Any, labels: ArrayLike | None, sample_weight: ArrayLike | None) -> Any:
        """Rows with the columns of the first chunk; there may be fewer of them than components."""
        data = begun.twin.data.read(X, labels, sample_weight)
        first, now = getattr(begun.data, "columns", ()), getattr(data, "columns", ())
        if len(first) != len(now):
            raise InputError(f"the first chunk had {len(first)} columns; this one has {len(now)}.")
        labels_below(data.labels, begun.family.n_components)
        return data
