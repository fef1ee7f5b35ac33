"""Draws without a sampler: from the exact posterior, or all at one point, as a DataTree of four chains."""

from __future__ import annotations

import numpy as np
import xarray as xr
from exact_draws import exact_draws, stacked

import emvsbayes as eb
from emvsbayes.core.records import record_fields
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.posterior.draws import Draws, tree_draws
from emvsbayes.problem import pose

CHAINS = 4
APART = {"probs": {"a": [4, 1.5], "b": [1.5, 3]}, "weights": {"concentration": [3.0, 2.0]}}  # labels mean something


def tree_of(values, family, chains=CHAINS):
    """A DataTree with the group posterior from draws by field, (S, …) each; held fields are left out."""
    dims = {"weights": ["component"], "probs": ["component"], "means": ["component"], "covariances": ["component"]}
    found = {}
    for name, v in values.items():
        if name not in family.fixed:
            split = np.reshape(v, (chains, -1, *np.shape(v)[1:]))
            extra = [*dims.get(name, [])][: split.ndim - 2]
            extra += [f"{name}_{i}" for i in range(split.ndim - 2 - len(extra))]
            found[name] = (("chain", "draw", *extra), split)
    n = next(iter(found.values()))[1].shape[1]
    return xr.DataTree.from_dict(
        {"posterior": xr.Dataset(found, coords={"chain": np.arange(chains), "draw": np.arange(n)})}
    )


def exact_setting(family, X, prior, n=4000, seed=0, **posed):
    """Problem, exact posterior, and n independent draws from it as `Draws`."""
    problem = pose(family, X, **posed)
    exact = exact_posterior(problem, prior)
    values = stacked(exact_draws(problem, exact, n, np.random.default_rng(seed)))
    like = problem.random_params(0)
    return problem, exact, tree_draws(tree_of(values, problem.family), problem.family, problem.data, like)


def still(problem, params, n=400):
    """`Draws` that are all at one point."""
    fields = {name: v for name, v in record_fields(params).items() if name not in problem.family.fixed}
    values = {name: np.repeat(np.asarray(v)[None], n, axis=0) for name, v in fields.items()}
    return Draws(problem.family, problem.data, values, params, CHAINS)


def allocations(problem):
    """Every allocation z (A, N) in the order of `exact.parts`."""
    k, n = problem.family.n_components, problem.data.n_rows
    return np.stack(np.unravel_index(np.arange(k**n), (k,) * n), axis=1)


def fitted(family, X, prior="default", **given):
    return eb.fit(family, X, prior=prior, **given)
