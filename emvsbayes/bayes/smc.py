"""Sequential Monte Carlo: the evidence as a product of mean weights, from the prior to the posterior in stages.

    p(X) = Π_t p_t / p_t-1 ≈ Π_t mean_i p(X | θ_i)^(β_t - β_t-1),    θ_i ~ p(X | θ)^β_t-1 p(θ),  0 = β_0 < … < β_T = 1

PyMC's `sample_smc` with the moves of `particles`. How many moves and stages was chosen on three data sets of 7 to 10
rows whose evidence is known: more moves gained nothing, more and shorter stages did. On another one, and on two coins,
errors were as large as their standard errors say; on two coins at most 0.005 nats.

Particles come from the prior, and so from every labelling alike: nothing is added for copies. Each run is an estimate
of p(X) without bias, but for the stages that it chooses itself; the runs are averaged on that scale, and their spread
is the standard error.

Source: Del Moral, Doucet and Jasra (2006), JRSS B 68, 411-436.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from emvsbayes.bayes.quiet import quiet
from emvsbayes.core.checks import whole_number
from emvsbayes.problem import Problem

THRESHOLD = 0.95  # the share of particles that a stage leaves effective
RUNS = 8  # their spread has seven degrees of freedom
SMALL, MANY, FEW = 500, 4000, 1000  # rows times components up to which there are many particles, else few
MOVES, MOST = 5.0, 200  # accepted moves of a particle in a stage, and sweeps at most


@dataclass(frozen=True)
class SMC:
    """Estimates of ln p(X), one a run.

    Attributes
    ----------
    runs : ln p(X) of each run, in nats
    posterior : xarray.DataTree
        The particles of the last stage, a chain a run.
    """

    runs: tuple[float, ...]
    posterior: Any

    @property
    def log_evidence(self) -> float:
        """ln of the mean over runs of p(X)."""
        return float(np.logaddexp.reduce(self.runs) - np.log(len(self.runs)))

    @property
    def spread(self) -> float:
        """How far the runs are apart, in nats; where it is large the estimate tends to fall short of the evidence."""
        return max(self.runs) - min(self.runs)

    @property
    def se(self) -> float:
        """The relative standard error of that mean, from the spread of the runs."""
        relative = np.exp(np.array(self.runs) - self.log_evidence)
        return float(relative.std(ddof=1) / np.sqrt(len(self.runs)))


def smc_evidence(problem: Problem, prior: Any, *, draws: int | None = None, runs: int = RUNS, seed: int = 0) -> SMC:
    """The evidence of a problem with a proper prior record, by several independent runs.

    Parameters
    ----------
    draws : int, optional
        Particles of a run; 4000 by default, 1000 where rows times components are more than 500.
    runs : int
        At least 2: one has no spread.
    """
    import pymc as pm

    from emvsbayes.bayes import particles

    size = problem.data.n_rows * problem.family.n_components
    draws = (MANY if size <= SMALL else FEW) if draws is None else draws
    for name, value, least in (("draws", draws, 100), ("runs", runs, 2), ("seed", seed, 0)):
        whole_number(value, least, name)
    about = problem.hold(problem.family.init(problem.data, np.random.default_rng(seed), "random_rows"))
    model = problem.twin.build(problem.family, problem.data, problem.family.proper_prior(prior), about)
    kernel: Any = particles.Differences
    with model, quiet():
        tree: Any = pm.sample_smc(
            draws=draws,
            kernel=kernel,
            start=prior_draws(model, draws, runs, seed),
            threshold=THRESHOLD,
            moves=MOVES,
            most=MOST,
            rows=size,
            model=model,
            chains=runs,
            cores=1,
            random_seed=seed,
            progressbar=False,
            compute_convergence_checks=False,
            idata_kwargs={"log_likelihood": False},
        )
    stages = tree["sample_stats"]["log_marginal_likelihood"].values
    return SMC(tuple(_last(run) for run in stages), tree)


def prior_draws(model: Any, draws: int, runs: int, seed: int) -> list[dict[str, Any]]:
    """Particles to start from, of the twin's own prior: one mapping a run, of its unconstrained values (draws, …).

    Drawn at once, and without compiling: PyMC would compile the same function for every run.
    """
    import pymc as pm

    from emvsbayes.bayes.twins import Unconstrained

    free = pm.draw(model.free_RVs, draws=draws * runs, random_seed=seed, mode="FAST_COMPILE")
    free, convert = (free if isinstance(free, list) else [free]), Unconstrained(model)
    fields = [rv.name for rv in model.free_RVs]
    values = [
        convert.values(SimpleNamespace(**{name: value[i] for name, value in zip(fields, free, strict=True)}))
        for i in range(draws * runs)
    ]
    names = [model.rvs_to_values[rv].name for rv in model.free_RVs]
    columns = [np.array([row[j] for row in values]) for j in range(len(names))]
    return [
        {name: column[run * draws : (run + 1) * draws] for name, column in zip(names, columns, strict=True)}
        for run in range(runs)
    ]


def _last(stages: Any) -> float:
    """ln p(X) at β = 1; PyMC gives NaN for the stages before it."""
    values = np.asarray(stages.tolist() if hasattr(stages, "tolist") else stages, dtype=np.float64).ravel()
    return float(values[np.isfinite(values)][-1])
