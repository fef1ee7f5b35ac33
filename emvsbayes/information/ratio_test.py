"""Is one component more than chance? The bootstrap likelihood-ratio test of K against K + 1 components.

    Λ = 2 {ln p(X | θ̂_{K+1}) - ln p(X | θ̂_K)}

has no χ² distribution: K components lie where a weight of the K + 1 is 0, or two of them are equal, on a boundary and
not identified. Its distribution under K is therefore simulated: data from the fit with K, both fits made anew.

    p = (1 + #{Λ_b ≥ Λ}) / (1 + B)

Sources: McLachlan (1987), Applied Statistics 36, 318-324; Davison and Hinkley (1997), section 4.2, for the count.
Left out: a correction for starts that found less than the best optimum. Every data set gets the same starts, so that Λ
and Λ_b fall short alike; a Λ_b below 0, where the fit with K + 1 was not the best one, is counted. Collapsed fits of an
unbounded likelihood rank last, and spurious maxima beside them do not: prefer a shared covariance.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emvsbayes.core.checks import whole_number
from emvsbayes.core.em import Stop
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import plain
from emvsbayes.core.trace import Status
from emvsbayes.fitting import as_stop, fit_problem
from emvsbayes.information.bootstrap import simulated, unrolled
from emvsbayes.plan import Plan
from emvsbayes.problem import Problem, pose

SAID = 10  # replicates between two lines of progress
REPLICATE_STARTS = 5
SHORT = 0.01  # nats below 0 that EM's tolerance may leave


@dataclass(frozen=True)
class RatioTest:
    """The test of K against K + 1 components.

    Attributes
    ----------
    n_components : int
        K, the null hypothesis.
    statistic, p_value : float
    log_likelihoods : of K and of K + 1
    replicates : list of float
        Λ_b, in the order drawn; those that failed are left out.
    tried : int
    failures : mapping
        By status, the replicates of which one of the two fits was not to be had.
    negative : int
        Replicates in which the starts of K + 1 found less than the fit with K.
    """

    n_components: int
    statistic: float
    p_value: float
    log_likelihoods: list[float]
    replicates: list[float]
    tried: int
    failures: dict[str, int]
    negative: int

    def summary(self) -> str:
        """The test in two lines."""
        lost = ", ".join(f"{count} {status}" for status, count in self.failures.items())
        below = f"; in {self.negative} the fit with more components was not the best one" if self.negative else ""
        return (
            f"{self.n_components} against {self.n_components + 1} components: 2 ln ratio {self.statistic:.4g}, "
            f"p = {self.p_value:.3g}\n{len(self.replicates)} of {self.tried} replicates"
            f"{f' ({lost} left out)' if lost else ''}{below}"
        )

    def to_json(self) -> str:
        """The record as JSON."""
        return json.dumps(plain(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        try:
            return cls(**json.loads(text))
        except (json.JSONDecodeError, TypeError):
            raise InputError("this is not the JSON of a ratio test; write one with test.to_json().") from None


def ratio_test(
    family: Any,
    X: Any,
    *,
    n_components: int,
    settings: Mapping[str, Any] | None = None,
    sample_weight: Any = None,
    n_starts: int = 20,
    n_replicates: int = 99,
    stop: Mapping[str, Any] | Stop | None = None,
    seed: int = 0,
    say: Callable[[str], object] | None = None,
) -> RatioTest:
    """The bootstrap likelihood-ratio test of K against K + 1 components, by maximum likelihood.

    Parameters
    ----------
    family, X, settings, sample_weight : as of `fit`; weights must be whole numbers, since rows are simulated
    n_components : int
        K, the number under the null hypothesis.
    n_starts : int
        Of the fits to the data; a replicate has at most five, and the fit with K starts from the truth besides.
    n_replicates : int
        B: the smallest p-value is 1 / (B + 1).
    stop : as of `fit`
    seed : int
        Of the starts; its children draw the replicates.
    say : callable, optional
        Given a line of progress now and then.

    Raises
    ------
    InputError
        For a family without components, and where a fit to the data is singular or has an empty component.

    References
    ----------
    McLachlan (1987), Applied Statistics 36, 318-324.
    """
    whole_number(n_replicates, 1, "n_replicates")
    whole_number(n_components, 1, "n_components")
    options = {"settings": settings, "sample_weight": sample_weight}
    fewer = pose(family, X, n_components=n_components, **options)
    more = pose(family, X, n_components=n_components + 1, **options)
    if not {"components", "density"} <= fewer.family.capabilities or getattr(fewer.family, "unsettled", False):
        raise InputError(f"{fewer.family.name} has no likelihood by number of components; use a mixture.")
    rule = as_stop(stop)
    whole_number(n_starts, 1, "n_starts")
    fits = [fit_problem(p, n_starts=n_starts, plan=Plan(), stop=rule, record=False, seed=seed) for p in (fewer, more)]
    for k, fit in zip((n_components, n_components + 1), fits, strict=True):
        if fit.status not in (Status.CONVERGED, Status.MAX_PASSES):
            raise InputError(
                f"the fit with {k} components has no maximum to compare ({fit.status.name.lower()}); "
                "use a shared covariance, fewer components or more starts."
            )
    statistic = 2 * (fits[1].log_likelihood - fits[0].log_likelihood)
    found, failures = [], Counter()
    like = unrolled(fewer.data)
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(n_replicates)):
        if say is not None and i and i % SAID == 0:
            say(f"ratio test: {i} of {n_replicates} replicates")
        drawn = simulated(fewer.family, like, fits[0].params, np.random.default_rng(child))
        starts = min(n_starts, REPLICATE_STARTS)
        log_likelihoods = [
            _refit(problem, drawn, start, starts, rule, seed + i)
            for problem, start in ((fewer, fits[0].params), (more, None))
        ]
        bad = next((name for name in log_likelihoods if isinstance(name, str)), None)
        if bad is not None:
            failures[bad] += 1
            continue
        found.append(2 * (float(log_likelihoods[1]) - float(log_likelihoods[0])))
    if not found:
        raise InputError("no replicate could be fitted; use a shared covariance, or fewer components.")
    above = sum(value >= statistic for value in found)
    return RatioTest(
        n_components=n_components,
        statistic=statistic,
        p_value=(1 + above) / (1 + len(found)),
        log_likelihoods=[fit.log_likelihood for fit in fits],
        replicates=found,
        tried=n_replicates,
        failures=dict(sorted(failures.items())),
        negative=sum(value < -SHORT for value in found),
    )


def _refit(problem: Problem, data: Any, start: Any, n_starts: int, stop: Stop, seed: int) -> float | str:
    """The log-likelihood of the best fit to a replicate, or the name of what went wrong."""
    problem = replace(problem, data=data)
    try:
        problem.family.check(data)
    except InputError:
        return "UNFIT"
    count = 1 if problem.family.n_components == 1 else n_starts + (start is not None)
    fit = fit_problem(
        problem, start=start, n_starts=count, plan=Plan(accelerate="squarem"), stop=stop, record=False, seed=seed
    )
    return fit.log_likelihood if fit.status in (Status.CONVERGED, Status.MAX_PASSES) else fit.status.name
