"""K-means, Bernoulli mixtures and the evidence of a linear regression, each beside its peers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bench import peers
from bench.harness import PROCESSORS, Entrant, contest, seconds
from bench.machine import per_element
from bench.records import Table, Value
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.esteps import Hard
from emvsbayes.core.schedules import Batch
from emvsbayes.densities.kernels import tallies
from emvsbayes.problem import pose
from emvsbayes.report import format as fmt

BITS = 8  # entries that one look-up stands for


def bernoulli(quick: bool) -> Table:
    """One pass beside two products in float64 and beside its floor; whole fits beside StepMix."""
    n, d, k, passes = (6_000 if quick else 60_000), 784, 10, 3
    rng = np.random.default_rng(0)
    probs = 0.05 + 0.9 * rng.beta(0.3, 1.2, size=(k, d))  # away from 0, where StepMix clips and we do not
    X = np.asarray(rng.random((n, d)) < probs[rng.integers(0, k, n)], dtype=float)
    problem = pose("bernoulli_mixture", X, n_components=k)
    family: Any = problem.family
    params = family.complete_start({"probs": peers.stepmix_start(X, k, seed=0)}, problem.data)
    slopes, base = np.log(params.probs) - np.log1p(-params.probs), np.sum(np.log1p(-params.probs), axis=1) - math.log(k)
    sizes = {"N": n, "D": d, "K": k}
    entrants = [
        Entrant(peers.OURS, lambda: family.accumulate(params, problem.data), lambda found: found[1]),
        Entrant(
            "two float64 products in NumPy",
            lambda: products(X, slopes),
            lambda found: height(found[0] + base),
        ),
    ]
    a_pass = contest("one pass", sizes, entrants, 1, repeats=7)
    fits = contest(
        f"{passes} passes",
        sizes,
        [peers.ours(problem, params, passes), peers.stepmix_bernoulli(X, k, passes, seed=0)],
        passes,
    )
    text = [
        f"{fmt.count(n)} rows of {d} bits, K = {k}. The two products, X times the logits and responsibilities times X, "
        "are all that a pass has to compute for real pixels; the exponentials between them are not even counted.",
        "StepMix starts from responsibilities drawn from a seed; ours starts from the M-step at the same ones.",
    ]
    return Table("bernoulli", "Bernoulli mixtures: pictures in black and white", text, [a_pass, fits], floors(n, d, k))


def height(logits: np.ndarray) -> float:
    """The log-likelihood, from the log joint density of every row and component."""
    top = logits.max(axis=1)
    return float((top + np.log(np.exp(logits - top[:, None]).sum(axis=1))).sum())


def products(X: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logits of every row and component, and a product of their shape with X."""
    logits = X @ slopes.T
    return logits, logits.T @ X


def floors(n: int, d: int, k: int) -> list[Value]:
    """Seconds below which no pass of a kind can fall on this machine, from rates measured here and now.

    Logits by look-up: a byte stands for eight entries; N · D/8 · K additions at the rate of np.add in the first cache.
    Statistics: with the byte's halves apart, N · D/4 · K more of them; or N · D · K additions under masks, at the rate
    of sums in registers. By products: 4 N D K operations at the rate of a large float32 product, with which they are
    compared on the page. Reading: N · D/8 bytes.
    """
    add = per_element(lambda near, out: np.add(near, near, out=out)) / PROCESSORS
    exp = per_element(lambda near, out: np.exp(near, out=out)) / PROCESSORS
    masked, entries = per_masked_addition() / PROCESSORS, n * d * k
    return [
        Value("logits by look-up", entries / BITS * add, "s", f"{fmt.number(entries / BITS, 3)} additions"),
        Value("statistics by look-up", 2 * entries / BITS * add, "s", f"{fmt.number(2 * entries / BITS, 3)} additions"),
        Value("statistics under masks", entries * masked, "s", f"{fmt.number(entries, 3)} additions"),
        Value("operations of two products", 4.0 * entries, "operations"),
        Value("exponentials", n * k * exp, "s", f"{fmt.count(n * k)} of them, beside every floor"),
        Value("bytes read", n * d / BITS, "bytes", "one bit an entry"),
    ]


def per_masked_addition() -> float:
    """Seconds an addition of a mass to the sum of one entry, under masks of bits, all in the first cache.

    Of our own innermost loop, for there is no other: a large float64 product is no measure, as OpenBLAS may well use
    registers half as long. As in `per_element`, what more columns take more than few.
    """
    rows, taken, columns = 256, [], (8, 64)
    masses, here = np.ones((tallies.TOGETHER, rows)), np.full(tallies.TOGETHER, float(rows))
    for many in columns:
        bits, counts = np.full((many, rows), 0x55, dtype=np.uint8), tallies.opened_masked(many, tallies.TOGETHER)
        call = (bits, 0, rows, masses, here, False, counts)
        tallies.tally_masked(*call)  # compiles
        taken.append(min(seconds(lambda c=call: [tallies.tally_masked(*c) for _ in range(50)]) for _ in range(30)) / 50)
    additions = rows * tallies.TOGETHER * BITS * (columns[1] - columns[0])
    return (taken[1] - taken[0]) / additions


def kmeans(quick: bool) -> Table:
    """Lloyd's iterations from the same centres, before bounds pay (5) and until shortly before no row moves (15)."""
    n, d, k = (20_000 if quick else 200_000), 16, 20
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) + 1.2 * rng.normal(size=(k, d))[rng.integers(0, k, n)]
    problem = pose("kmeans", X, n_components=k, settings={"variance": 1.0})
    family: Any = problem.family
    start = family.complete_start({"centers": X[:k]}, problem.data)
    rows = []
    for passes in (5, 15):
        stop = Stop(tol=0, max_passes=passes)

        def work(stop: Stop = stop) -> Any:
            return run_em(family, problem.data, start, schedule=Batch(Hard()), stop=stop, record=False)

        entrants = [
            Entrant(peers.OURS, work, lambda run: family.distortion(run.params, problem.data)),
            *(peers.sklearn_kmeans(X, X[:k], passes, algorithm) for algorithm in ("lloyd", "elkan")),
        ]
        rows.append(contest(f"{passes} passes", {"N": n, "D": d, "K": k}, entrants, passes))
    text = [
        f"{fmt.count(n)} rows, D = {d}, K = {k}; the objective is the sum of squared distances. scikit-learn chooses "
        "Lloyd unless it is told otherwise; Elkan's bounds save distances in later passes, as ours do."
    ]
    return Table("kmeans", "K-means", text, rows)


def evidence(quick: bool) -> Table:
    """Type-II maximum likelihood of the two precisions, from the same start to the same optimum."""
    n, d = (2_000 if quick else 20_000), 50
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    t = X @ rng.normal(size=d) + rng.normal(size=n)
    data = {"X": X, "t": t}
    settings = {"basis": "identity", "intercept": False}
    once = pose("linear_evidence", data, settings=settings)
    stop = Stop(tol=1e-14, max_passes=10_000)

    def work() -> Any:
        """Reading the data and the decomposition of X included, as in their fit."""
        problem = pose("linear_evidence", data, settings=settings)
        start = problem.family.complete_start({"alpha": 1.0, "beta": 1 / t.var()}, problem.data)
        return run_em(problem.family, problem.data, start, stop=stop, record=False)

    def build() -> Entrant:
        from sklearn.linear_model import BayesianRidge

        flat: dict[str, Any] = {"alpha_1": 0.0, "alpha_2": 0.0, "lambda_1": 0.0, "lambda_2": 0.0}
        model = BayesianRidge(
            max_iter=10_000, tol=1e-9, fit_intercept=False, alpha_init=1 / t.var(), lambda_init=1.0, **flat
        )

        def log_evidence(m: Any) -> float:
            found = once.family.complete_start({"alpha": m.lambda_, "beta": m.alpha_}, once.data)
            return once.family.log_likelihood(found, once.data)

        return Entrant(f"{peers.SKLEARN} BayesianRidge", lambda: model.fit(X, t), log_evidence)

    theirs = peers.present(peers.SKLEARN, build)
    ours = Entrant(peers.OURS, work, lambda run: run.log_likelihood)
    row = contest("to the optimum", {"N": n, "D": d}, [ours, theirs], 1, unit="a fit")
    text = [
        f"{fmt.count(n)} rows, {d} inputs, no intercept, no prior on the precisions, both to the optimum of the log "
        "evidence: the updates are EM's here and MacKay's there, so passes are not counted. Nearly all of the time is "
        "the decomposition of X."
    ]
    return Table("evidence", "Bayesian linear regression", text, [row])
