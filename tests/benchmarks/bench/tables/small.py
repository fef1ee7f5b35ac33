"""Data of Old Faithful's size: what a pass costs when there is next to nothing to compute."""

from __future__ import annotations

from typing import Any

import numpy as np

import emvsbayes as eb
from bench import peers
from bench.harness import Entrant, contest, quartiles, seconds
from bench.records import Table, Value
from bench.tables.mixtures import posed
from bench.words import duration

TRIES = 40


def small(quick: bool) -> Table:
    """200 passes from one start, and a fit of 20 starts, as a user would call it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(272, 2)) + np.where(np.arange(272) < 100, 0.0, 3.5)[:, None]
    sizes = {"N": 272, "D": 2, "K": 2}
    passes, overlapping = 200, 0.45 * X  # the same shape
    problem, start = posed(overlapping, overlapping[:2] + np.array([[0.0, 0.0], [0.3, 0.5]]))
    a_pass = contest(
        f"{passes} passes from one start",
        sizes,
        [
            peers.ours(problem, start, passes),
            peers.sklearn_mixture(overlapping, start, "full", passes),
            peers.mixle_mixture(overlapping, start, passes),
        ],
        passes,
        single=False,
    )
    fits = contest(
        "a fit of 20 starts", sizes, [restarts(X), sklearn_restarts(X)], 1, unit="a fit", agree=1e-6, single=False
    )
    text = [
        "Here the price is the number of calls, not arithmetic. The fits choose their own starts (both begin with "
        "k-means), with the same tolerance of 1e-8 nats per observation: they agree on the optimum to what such a "
        "tolerance leaves open, so that 1e-6 is the limit in that row, and their numbers of passes differ."
    ]
    return Table("small", "Small data", text, [a_pass, fits], [alone(problem, start)])


def restarts(X: np.ndarray) -> Entrant:
    """eb.fit as a user calls it, the record of half-steps left out."""

    def work() -> Any:
        return eb.fit("gaussian_mixture", X, n_components=2, record=False)

    return Entrant(peers.OURS, work, lambda fit: fit.log_likelihood)


def sklearn_restarts(X: np.ndarray) -> Any:
    """The same of theirs."""

    def build() -> Entrant:
        from sklearn.mixture import GaussianMixture

        model = GaussianMixture(2, n_init=20, reg_covar=0.0, tol=1e-8, max_iter=1000, random_state=0)
        return Entrant(peers.SKLEARN, peers.quietly(lambda: model.fit(X)), lambda m: len(X) * m.score(X))

    return peers.present(peers.SKLEARN, build)


def alone(problem: Any, start: Any) -> Value:
    """Seconds a pass of the loop without what a run costs once: the slope between 10 passes and 210."""
    few, many = peers.ours(problem, start, 10).work, peers.ours(problem, start, 210).work
    found = quartiles([(seconds(many) - seconds(few)) / 200 for _ in range(TRIES)])
    note = f"median of {TRIES} slopes; quartiles {duration(found.low)} and {duration(found.high)}"
    return Value("a pass of a long run", found.median, "s", note)
