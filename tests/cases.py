"""The cases that drive the contract tests: family x settings x prior x data, and what tests do to them.

A case is what a user would pass to `emvsbayes.fit`. A new family adds its cases to `CASES`; the registry test fails for
a family that has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import emvsbayes
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.latents.categorical import Categorical
from emvsbayes.core.latents.gaussian import Gaussian
from emvsbayes.core.trace import Run
from emvsbayes.families import FAMILIES
from emvsbayes.problem import Problem, pose

OLD_FAITHFUL = Path(emvsbayes.__file__).parent / "studies" / "data" / "old_faithful.csv"
FIVE_TRIALS = {"heads": [5, 9, 8, 4, 7], "tosses": [10, 10, 10, 10, 10]}
COVARIANCES = ("full", "tied", "diag", "spherical")
MCLUST = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")
CONJUGATE = {"EII": 1.5, "VII": 1.5, "EEI": [2.0, 1.0], "VVI": [2.0, 1.0]}  # and the scale of a prior in two columns
CONJUGATE |= {name: [[2.0, 0.4], [0.4, 1.0]] for name in ("EEE", "VVV")}
PASSES = 30


@dataclass(frozen=True)
class Case:
    """One problem of one family."""

    name: str
    family: str
    X: Any
    k: int = 2
    prior: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    labels: Any = None
    sample_weight: Any = None
    fixed: Mapping[str, Any] | None = None

    @property
    def posed(self) -> dict[str, Any]:
        """The arguments that `pose` and `fit` share."""
        return {
            "n_components": self.k,
            "settings": self.settings,
            "labels": self.labels,
            "sample_weight": self.sample_weight,
            "fixed": self.fixed,
        }


def blobs(n: int = 60, d: int = 2, k: int = 2, seed: int = 1) -> np.ndarray:
    """Rows (n, d) around k centres, so that components overlap."""
    rng = np.random.default_rng(seed)
    centers = 2.2 * rng.permuted(np.tile(np.arange(k), (d, 1)), axis=1).T
    return centers[np.arange(n) % k] + rng.normal(size=(n, d)) @ (np.eye(d) + 0.3 * rng.normal(size=(d, d)))


def thin_cluster() -> np.ndarray:
    """Rows of which one in five has a spread a thousandth of the rest: a relative eigenvalue about 1e-6."""
    rng = np.random.default_rng(8)
    wide = rng.normal(size=(60, 2))
    return np.r_[wide, np.array([2.0, 1.0]) + 1.5e-3 * rng.normal(size=(15, 2))]


def slow_coins() -> tuple[dict[str, Any], np.ndarray]:
    """Heads in 12 tosses of one of two coins much alike, 6000 trials: the table of frequencies, on which EM is slow."""
    rng = np.random.default_rng(0)
    probs = np.where(rng.random(6000) < 0.4, 0.55, 0.42)
    heads, frequencies = np.unique(rng.binomial(12, probs), return_counts=True)
    return {"heads": heads, "tosses": np.full(len(heads), 12)}, frequencies.astype(float)


def _gaussian_cases() -> Iterator[Case]:
    rng = np.random.default_rng(0)
    weights = rng.choice([0.0, 0.5, 1.0, 2.0, 7.0], size=60)
    known = np.where(np.arange(60) % 5 == 0, np.arange(60) % 2, -1)
    held_covariances = {
        "full": [[[1.2, 0.3], [0.3, 0.8]], [[0.9, -0.2], [-0.2, 1.5]]],
        "tied": [[1.2, 0.3], [0.3, 0.8]],
        "diag": [[1.2, 0.8], [0.9, 1.5]],
        "spherical": [1.1, 0.7],
    }
    psi = [[2.0, 0.4], [0.4, 1.0]]
    scale = {"full": psi, "tied": psi, "diag": [2.0, 1.0], "spherical": 1.5}
    for c in COVARIANCES:

        def case(name: str, X: np.ndarray | None = None, c: str = c, **more: Any) -> Case:
            X = blobs() if X is None else X
            return Case(f"gaussian_mixture-{c}-{name}", "gaussian_mixture", X, settings={"covariance": c}, **more)

        means, covariances = {"location": [0.5, -1.0], "strength": 0.7}, {"dof": 6.5, "scale": scale[c]}
        yield case("ml")
        yield case("default", prior="default")
        yield case("informative", prior={"means": means, "covariances": covariances, "weights": {"concentration": 3}})
        yield case(
            "by-component",
            prior={
                "means": {"location": [[0.0, 0.0], [3.0, 2.0]], "strength": 2.0},
                "covariances": covariances,
                "weights": {"concentration": [2.0, 5.0]},
            },
        )
        yield case("only-means", prior={"means": means})
        yield case("only-covariances", prior={"covariances": covariances})
        yield case("only-weights", prior={"weights": {"concentration": 4.0}})
        yield case(
            "informative-fixed-means",
            prior={"means": means, "covariances": covariances},
            fixed={"means": [[0, 0], [3, 3]]},
        )
        yield case(
            "informative-fixed-covariances",
            prior={"means": means, "covariances": covariances},
            fixed={"covariances": held_covariances[c]},
        )
        for prior in (None, "default"):
            tag = "map" if prior else "ml"
            yield case(f"one-column-{tag}", blobs(d=1), prior=prior)
            yield case(f"five-columns-{tag}", blobs(n=90, d=5), prior=prior)
            yield case(f"three-components-{tag}", blobs(n=90, k=3), k=3, prior=prior)
            yield case(f"one-component-{tag}", k=1, prior=prior)
            yield case(f"offset-{tag}", blobs() + 1e6, prior=prior)
            yield case(f"units-{tag}", blobs() * [1e-6, 1e5], prior=prior)
            yield case(f"tied-rows-{tag}", np.round(blobs()), prior=prior)
            yield case(f"weighted-{tag}", sample_weight=weights, prior=prior)
            yield case(f"extreme-weights-{tag}", sample_weight=10.0 ** rng.uniform(-6, 6, 60), prior=prior)
            yield case(f"labelled-{tag}", labels=known, prior=prior)
            yield case(f"all-labelled-{tag}", labels=np.arange(60) % 2, prior=prior)
            yield case(f"fixed-weights-{tag}", fixed={"weights": [0.3, 0.7]}, prior=prior)
            yield case(f"fixed-means-{tag}", fixed={"means": [[0, 0], [3, 3]]}, prior=prior)
            yield case(f"fixed-covariances-{tag}", fixed={"covariances": held_covariances[c]}, prior=prior)
            yield case(f"thin-{tag}", thin_cluster(), prior=prior)
            yield case(f"thin-offset-{tag}", thin_cluster() + 1e5, prior=prior)
        yield case("as-many-components-as-rows", blobs(n=6), k=6, prior="default")
        yield case("labelled-weighted", labels=known, sample_weight=weights)


def _mclust_cases() -> Iterator[Case]:
    """The fourteen structures, on fewer data: what they share with the plain ones is tested there."""
    rng = np.random.default_rng(12)
    weights = rng.choice([0.0, 0.5, 1.0, 2.0, 7.0], size=60)
    known = np.where(np.arange(60) % 5 == 0, np.arange(60) % 2, -1)
    means = {"location": [0.5, -1.0], "strength": 0.7}
    for c in MCLUST:

        def case(name: str, X: np.ndarray | None = None, c: str = c, **more: Any) -> Case:
            X = blobs() if X is None else X
            settings = {"covariance": c, **more.pop("settings", {})}
            return Case(f"gaussian_mixture-{c}-{name}", "gaussian_mixture", X, settings=settings, **more)

        yield case("ml")
        yield case("three-columns-ml", blobs(n=60, d=3, k=3, seed=4), k=3)
        yield case("labelled-weighted-ml", labels=known, sample_weight=weights)
        yield case("fixed-covariances-ml", fixed={"covariances": [0.8 * np.eye(2)] * 2})
        yield case("only-means", prior={"means": means})
        if c in CONJUGATE:
            covariances = {"dof": 6.5, "scale": CONJUGATE[c]}
            informative = {"means": means, "covariances": covariances, "weights": {"concentration": 3}}
            yield case("default", prior="default")
            yield case("informative", prior=informative)
            yield case("informative-fixed-means", prior=informative, fixed={"means": [[0, 0], [3, 3]]})
            yield case("labelled-map", labels=known, prior="default")
    for c in ("full", "diag", "spherical"):
        settings, X = {"covariance": c, "eigenvalue_ratio": 1e4}, thin_cluster()
        yield Case(f"gaussian_mixture-{c}-bounded-thin-ml", "gaussian_mixture", X, settings=settings)


def _coins_cases() -> Iterator[Case]:
    rng = np.random.default_rng(3)
    tosses = rng.integers(1, 30, size=24)
    heads = rng.binomial(tosses, np.where(np.arange(24) % 2, 0.75, 0.3))
    many = {"heads": heads, "tosses": tosses}
    known = np.where(np.arange(24) % 4 == 0, np.arange(24) % 2, -1)

    def case(name: str, X: Any = many, **more: Any) -> Case:
        return Case(f"coins-{name}", "coins", X, **more)

    informative = {"probs": {"a": 3, "b": 1.5}, "weights": {"concentration": 2.5}}
    by_component = {"probs": {"a": [3, 1], "b": [1.5, 6]}, "weights": {"concentration": [2.0, 4.0]}}
    yield case("five-trials", FIVE_TRIALS, settings={"weights": "fixed"})
    yield case("informative", prior=informative)
    yield case("by-component", prior=by_component)
    yield case("only-probs", prior={"probs": {"a": 2, "b": 5}})
    yield case("only-weights", prior={"weights": {"concentration": 4}})
    for prior in (None, "default"):
        tag = "map" if prior else "ml"
        yield case(f"plain-{tag}", prior=prior)
        yield case(f"three-coins-{tag}", k=3, prior=prior)
        yield case(f"one-coin-{tag}", k=1, prior=prior)
        yield case(f"weighted-{tag}", sample_weight=rng.choice([0.0, 0.5, 1.0, 3.0], size=24), prior=prior)
        yield case(f"extreme-weights-{tag}", sample_weight=10.0 ** rng.uniform(-6, 6, 24), prior=prior)
        yield case(f"labelled-{tag}", labels=known, prior=prior)
        yield case(f"all-labelled-{tag}", labels=np.arange(24) % 2, prior=prior)
        yield case(f"fixed-weights-{tag}", fixed={"weights": [0.2, 0.8]}, prior=prior)
        yield case(f"fixed-probs-{tag}", fixed={"probs": [0.4, 0.7]}, prior=prior)
        yield case(f"many-tosses-{tag}", {"heads": heads * 10**7, "tosses": tosses * 10**7}, prior=prior)
    yield case("as-many-coins-as-trials", FIVE_TRIALS, k=5, prior="default")


def _bernoulli_cases() -> Iterator[Case]:
    rng = np.random.default_rng(5)
    truth = np.array([[0.9, 0.8, 0.7, 0.2, 0.1], [0.2, 0.3, 0.4, 0.9, 0.8]])
    bits = (rng.random((40, 5)) < truth[np.arange(40) % 2]).astype(float)
    known = np.where(np.arange(40) % 5 == 0, np.arange(40) % 2, -1)
    gaps = np.where(rng.random(bits.shape) < 0.3, np.nan, bits)
    gaps[np.isnan(gaps).all(axis=1), 0] = 1.0

    def case(name: str, X: Any = bits, **more: Any) -> Case:
        return Case(f"bernoulli_mixture-{name}", "bernoulli_mixture", X, **more)

    by_component = {"probs": {"a": [3, 1], "b": [1.5, 6]}, "weights": {"concentration": [2.0, 4.0]}}
    yield case("informative", prior={"probs": {"a": 3, "b": 1.5}, "weights": {"concentration": 2.5}})
    yield case("by-component", prior=by_component)
    yield case("by-entry", prior={"probs": {"a": 1 + rng.random((2, 5)), "b": 2}})
    yield case("only-weights", prior={"weights": {"concentration": 4}})
    for prior in (None, "default"):
        tag = "map" if prior else "ml"
        yield case(f"plain-{tag}", prior=prior)
        yield case(f"missing-{tag}", gaps, prior=prior)
        yield case(f"grey-{tag}", np.round(0.1 + 0.8 * bits, 2), prior=prior)
        yield case(f"one-column-{tag}", bits[:, :1], prior=prior)
        yield case(f"three-components-{tag}", k=3, prior=prior)
        yield case(f"one-component-{tag}", k=1, prior=prior)
        yield case(f"weighted-{tag}", sample_weight=rng.choice([0.0, 0.5, 1.0, 3.0], size=40), prior=prior)
        yield case(f"extreme-weights-{tag}", sample_weight=10.0 ** rng.uniform(-6, 6, 40), prior=prior)
        yield case(f"labelled-{tag}", labels=known, prior=prior)
        yield case(f"all-labelled-missing-{tag}", gaps, labels=rng.integers(2, size=40), prior=prior)
        yield case(f"fixed-weights-{tag}", fixed={"weights": [0.2, 0.8]}, prior=prior)
        yield case(f"fixed-probs-{tag}", fixed={"probs": truth}, prior=prior)


def _linear_cases() -> Iterator[Case]:
    rng = np.random.default_rng(7)
    x = np.sort(rng.uniform(-1, 1, size=30))
    t = np.sin(3 * x) + 0.3 * rng.normal(size=30)
    wide = rng.normal(size=(25, 3))
    target = wide @ [1.0, -0.5, 0.0] + 0.4 * rng.normal(size=25)

    def case(name: str, basis: str = "gaussian", X: Any = (x, t), **more: Any) -> Case:
        settings = {"basis": basis, **more.pop("settings", {})}
        source = {"X": X[0], "t": X[1]}
        return Case(f"linear_evidence-{name}", "linear_evidence", source, k=1, settings=settings, **more)

    sigmoid = {"n_basis": 5, "width": 0.2, "intercept": True, "range": ((-1.2, 1.1),)}
    yield case("informative", prior={"alpha": {"shape": 2, "rate": 0.7}, "beta": {"shape": 3, "rate": 0.2}})
    yield case("shapes-below-one", prior={"alpha": {"shape": 0.3, "rate": 0.2}, "beta": {"shape": 0.1, "rate": 0.1}})
    yield case("only-alpha", prior={"alpha": {"shape": 2, "rate": 0.7}})
    yield case("only-beta", prior={"beta": {"shape": 2, "rate": 0.7}})
    for prior in (None, "default"):
        tag = "map" if prior else "ml"
        yield case(f"gaussian-{tag}", prior=prior)
        yield case(f"identity-{tag}", "identity", (wide, target), prior=prior)
        yield case(f"polynomial-{tag}", "polynomial", settings={"degree": 4, "intercept": False}, prior=prior)
        yield case(f"sigmoid-{tag}", "sigmoid", settings=sigmoid, prior=prior)
        yield case(f"several-columns-{tag}", X=(wide, target), settings={"n_basis": 3}, prior=prior)
        yield case(f"more-functions-than-rows-{tag}", X=(x[::3], t[::3]), settings={"n_basis": 14}, prior=prior)
        collinear = np.column_stack([wide, wide[:, :1] * 2, wide.sum(axis=1), np.zeros(25)])
        yield case(f"collinear-{tag}", "identity", (collinear, target), prior=prior)
        yield case(f"units-{tag}", "identity", (wide * [1e-6, 1.0, 1e5], 1e4 * target), prior=prior)
        yield case(f"offset-{tag}", "identity", (wide, target + 1e6), prior=prior)
        yield case(f"weighted-{tag}", sample_weight=rng.choice([0.0, 0.5, 1.0, 3.0], size=30), prior=prior)
        yield case(f"extreme-weights-{tag}", sample_weight=10.0 ** rng.uniform(-6, 6, 30), prior=prior)
        yield case(f"fixed-alpha-{tag}", fixed={"alpha": 1.5}, prior=prior)
        yield case(f"fixed-beta-{tag}", fixed={"beta": 8.0}, prior=prior)


def _kmeans_cases() -> Iterator[Case]:
    """With an exact E-step, soft K-means; the variance is given, for until it is found rows are not independent."""
    rng = np.random.default_rng(9)
    known = np.where(np.arange(60) % 5 == 0, np.arange(60) % 2, -1)

    def case(name: str, X: np.ndarray | None = None, variance: float = 1.3, **more: Any) -> Case:
        settings = {"method": "batch", "dissimilarity": "euclidean", "variance": variance}
        return Case(f"kmeans-{name}", "kmeans", blobs() if X is None else X, settings=settings, **more)

    yield case("informative", prior={"centers": {"location": [0.5, -1.0], "scale": [0.7, 3.0]}})
    yield case("by-component", prior={"centers": {"location": [[0.0, 0.0], [3.0, 2.0]], "scale": 0.5}})
    for prior in (None, "default"):
        tag = "map" if prior else "ml"
        yield case(f"plain-{tag}", prior=prior)
        yield case(f"nearly-hard-{tag}", variance=0.02, prior=prior)
        yield case(f"one-column-{tag}", blobs(d=1), prior=prior)
        yield case(f"constant-column-{tag}", blobs() * [1, 0], prior=prior)
        yield case(f"five-columns-{tag}", blobs(n=90, d=5), prior=prior)
        yield case(f"three-components-{tag}", blobs(n=90, k=3), k=3, prior=prior)
        yield case(f"one-component-{tag}", k=1, prior=prior)
        yield case(f"offset-{tag}", blobs() + 1e6, prior=prior)
        yield case(f"units-{tag}", blobs() * [1e-6, 1e5], variance=1e10, prior=prior)
        yield case(f"tied-rows-{tag}", np.round(blobs()), prior=prior)
        yield case(f"weighted-{tag}", sample_weight=rng.choice([0.0, 0.5, 1.0, 3.0], size=60), prior=prior)
        yield case(f"extreme-weights-{tag}", sample_weight=10.0 ** rng.uniform(-6, 6, 60), prior=prior)
        yield case(f"labelled-{tag}", labels=known, prior=prior)
        yield case(f"all-labelled-{tag}", labels=np.arange(60) % 2, prior=prior)
        yield case(f"fixed-centers-{tag}", fixed={"centers": [[0, 0], [3, 3]]}, prior=prior)


def _hard_only_cases() -> Iterator[Case]:
    def case(name: str, X: Any = None, method: str = "medoids", dissimilarity: str = "euclidean", **more: Any) -> Case:
        settings = {"method": method, "dissimilarity": dissimilarity}
        return Case(f"kmeans-{name}", "kmeans", blobs() if X is None else X, settings=settings, **more)

    rng = np.random.default_rng(10)
    given = rng.integers(1, 9, size=(40, 40)) * (1 - np.eye(40))  # neither symmetric nor a metric, and full of ties
    known = np.where(np.arange(60) % 5 == 0, np.arange(60) % 2, -1)
    weights = rng.choice([0.0, 0.5, 1.0, 3.0], size=60)
    yield case("online", method="online")
    for kind in ("euclidean", "manhattan", "cosine"):
        yield case(f"medoids-{kind}", dissimilarity=kind)
    yield case("medoids-precomputed", {"dissimilarity": given}, dissimilarity="precomputed", k=3)
    for method in ("online", "medoids"):
        yield case(f"{method}-labelled", method=method, labels=known)
        yield case(f"{method}-weighted", method=method, sample_weight=weights)
        yield case(f"{method}-tied-rows", np.round(blobs()), method=method, k=4)
    yield case("online-fixed-centers", method="online", fixed={"centers": [[0, 0], [3, 3]]})
    yield case("medoids-fixed-medoids", fixed={"medoids": [3, 4]})


CASES = {
    case.name: case
    for case in (
        *_coins_cases(),
        *_gaussian_cases(),
        *_mclust_cases(),
        *_bernoulli_cases(),
        *_linear_cases(),
        *_kmeans_cases(),
    )
}
HARD_ONLY = {case.name: case for case in _hard_only_cases()}  # no exact E-step: tests/families/test_kmeans.py


def those_that(capability: str) -> list[str]:
    """Names of the cases whose family has a capability: what a model cannot do by nature is no test of it."""
    able = {
        name: capability in twin.family(n_components=1 if not twin.components else 2).capabilities
        for name, twin in FAMILIES.items()
    }
    return [name for name, case in CASES.items() if able[case.family]]


WITH_PRIOR = [name for name, case in CASES.items() if case.prior is not None]


@cache
def posed(name: str) -> tuple[Problem, Any]:
    """The problem of a case, and its prior record or None."""
    case = CASES[name]
    problem = pose(case.family, case.X, **case.posed)
    return problem, problem.prior(case.prior)


@cache
def starting(name: str) -> Any:
    """Fixed starting values of a case, held fields in place."""
    problem, _ = posed(name)
    return problem.hold(problem.family.init(problem.data, np.random.default_rng(11), "k-means++"))


@cache
def run(name: str, record: bool = True) -> Run:
    """Thirty passes of EM on a case, however little they gain."""
    problem, prior = posed(name)
    stop = Stop(tol=1e-300, max_passes=PASSES)
    return run_em(problem.family, problem.data, starting(name), prior=prior, stop=stop, record=record)


def random_params(name: str, rng: np.random.Generator) -> Any:
    """Parameters at standard normal free coordinates; held fields at their held values."""
    like, family = starting(name), posed(name)[0].family
    return family.from_vector(rng.normal(size=len(family.to_vector(like))), like)


def random_q(exact: Any, rng: np.random.Generator) -> Any:
    """A q unrelated to the posterior: responsibilities with no mass where it is exactly 0, or another Gaussian."""
    if isinstance(exact, Gaussian):
        size = len(exact.center)
        root = np.tril(rng.normal(scale=0.5, size=(size, size)), -1) + np.diag(np.exp(rng.normal(size=size)))
        return replace(exact, center=exact.center + exact.root @ rng.normal(size=size), root=exact.root @ root)
    logits = np.where(np.isneginf(exact.log_r), -np.inf, rng.normal(scale=3.0, size=exact.log_r.shape))
    return Categorical(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))


def rows(data: Any, index: Any, **changes: Any) -> Any:
    """The data record restricted to (or repeated at) some rows."""
    taken = {
        f.name: value[index]
        for f in fields(data)
        if isinstance(value := getattr(data, f.name), np.ndarray) and len(value) == data.n_rows
    }
    return replace(data, **{**taken, **changes})


def leaves(record: Any, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Every array of a nested record, with its dotted name."""
    for f in fields(record):
        value = getattr(record, f.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{f.name}.")
        elif value is not None:
            yield prefix + f.name, np.asarray(value)


def assert_close(ours: Any, theirs: Any, rtol: float = 1e-10, atol: float = 1e-12) -> None:
    """Two records agree in every array; `atol` is relative to the largest entry of the array."""
    for (name, a), (_, b) in zip(leaves(ours), leaves(theirs), strict=True):
        scale = max(float(np.abs(b).max(initial=0.0)), np.finfo(float).tiny)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol * scale, err_msg=name)


def assert_identical(ours: Any, theirs: Any) -> None:
    """Two records agree to the bit."""
    for (name, a), (_, b) in zip(leaves(ours), leaves(theirs), strict=True):
        assert a.tobytes() == b.tobytes(), name
