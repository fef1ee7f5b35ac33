"""`sample`: the same model with the same prior, drawn with NUTS.

The sampler is nutpie, always by name; `bayes.chains` says where chains start. It climbs the family's compiled posterior
where there is one, else the PyMC model (`bayes.likelihoods`); the two are one density, and everything that is read off
the draws is the PyMC model's. What comes back is an ArviZ DataTree with the groups

    posterior, sample_stats, log_likelihood, observed_data, constant_data     as ArviZ names them
    map_estimate                                                             pm.find_MAP: the mode, a third witness
    certificate                                                              PyMC's log-density beside ours

so that a cached tree answers every later question without PyMC.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.bayes import cache
from emvsbayes.bayes.likelihoods import chosen_likelihood, nutpie_model, sampled_likelihood, starting_point
from emvsbayes.core.checks import whole_number
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import record_fields
from emvsbayes.fitting import settle
from emvsbayes.problem import Problem, pose, require_twin

SAMPLER = "nutpie"
SAMPLE_STATS = {
    "diverging": "diverging",
    "energy": "energy",
    "logp": "lp",
    "n_steps": "n_steps",
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "step_size": "step_size",
    "mean_tree_accept": "acceptance_rate",
}  # nutpie's name: the name in the ArviZ schema


def sample(
    family: Any,
    X: Any,
    *,
    n_components: int | None = None,
    settings: Mapping[str, Any] | None = None,
    prior: Any = "default",
    fixed: Mapping[str, Any] | None = None,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 0,
    fresh: bool = False,
    likelihood: str = "auto",
) -> Any:
    """Draw from the posterior of a latent-variable model with NUTS, every latent summed out.

    Parameters
    ----------
    family, X, n_components, settings, fixed, labels, sample_weight
        As in `fit`.
    prior : "default", mapping or prior record
        Flat groups are refused where they leave the posterior improper.
    draws, tune, chains : int
        Kept draws and warm-up steps of each chain, and the number of chains.
    seed : int
    fresh : bool
        Draw again even where the same draws are cached.
    likelihood : "auto", "fused" or "plain"
        What the sampler evaluates: the compiled posterior, whose gradient comes from EM's own pass over the rows, or
        the PyMC model as printed. They are the same density, to rounding. "auto" is fused wherever there is one: for
        all models but `linear_evidence` and grey levels.

    Returns
    -------
    xarray.DataTree
        With the components labelled as each chain happened to find them; see `relabel`.

    References
    ----------
    Hoffman and Gelman (2014), The No-U-Turn Sampler, JMLR 15, 1593-1623.
    """
    problem = pose(
        family,
        X,
        n_components=n_components,
        settings=settings,
        fixed=fixed,
        labels=labels,
        sample_weight=sample_weight,
    )
    require_twin(problem)
    record = problem.prior(prior)
    if record is None:
        raise InputError("sampling needs a prior: 'default', a mapping, or a prior record.")
    problem = settle(problem, seed=seed)  # a setting that EM learns and then holds, such as the variance of K-means
    return sample_problem(
        problem, record, draws=draws, tune=tune, chains=chains, seed=seed, fresh=fresh, likelihood=likelihood
    )


def sample_problem(
    problem: Problem,
    prior: Any,
    *,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 0,
    fresh: bool = False,
    map_start: Any = None,
    say: Callable[[str], None] | None = None,
    likelihood: str = "auto",
) -> Any:
    """`sample` for a problem already posed; `map_start` are starting values (never an optimum) for pm.find_MAP."""
    check_request(problem, draws=draws, tune=tune, chains=chains, seed=seed)
    prior = problem.family.proper_prior(prior)
    say = say or (lambda line: print(line, file=sys.stderr))
    settings = {"draws": int(draws), "tune": int(tune), "chains": int(chains), "seed": int(seed), "sampler": SAMPLER}
    settings["likelihood"] = chosen = chosen_likelihood(problem, prior, likelihood, seed)
    if map_start is not None:
        settings["map_start"] = [np.asarray(v).tolist() for v in record_fields(map_start).values()]
    name = cache.key(problem, prior, settings)
    tree = None if fresh else cache.load(name)
    if tree is None and chosen != (sampled := sampled_likelihood(chosen, likelihood, say)):
        settings["likelihood"] = sampled
        name = cache.key(problem, prior, settings)
        tree = None if fresh else cache.load(name)
    if tree is not None:
        say("posterior: the same draws are cached")
        return tree
    request = {k: settings[k] for k in ("draws", "tune", "chains", "seed", "likelihood")}
    tree = _draw(problem, prior, map_start, say, **request)
    cache.save(name, tree)
    for sentence in tree.attrs["diagnosis"].splitlines():
        say(f"PyMC: before relabelling, {sentence}")
    return tree


def check_request(problem: Problem, *, draws: int, tune: int, chains: int, seed: int) -> None:
    """Raise for a request that cannot be sampled, before anything is done."""
    for name, value, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1), ("seed", seed, 0)):
        whole_number(value, least, name)
    if len(problem.family.fixed) == len(problem.fields):
        raise InputError("every field is held fixed; nothing is left to sample.")
    if problem.family.to_vector(starting_point(problem, int(seed))).size == 0:
        raise InputError(
            "the weight of a single component is 1, and every other field is held fixed; nothing is left to sample: "
            "leave another field free, or use more components."
        )


def _draw(
    problem: Problem,
    prior: Any,
    map_start: Any,
    say: Callable[[str], None],
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    likelihood: str,
) -> Any:
    import arviz as az
    import pymc as pm
    import xarray as xr
    from pymc.backends.arviz import find_constants, find_observations

    from emvsbayes.bayes.chains import chain_starts, run_chains
    from emvsbayes.bayes.diagnosis import diagnose
    from emvsbayes.bayes.twins import Unconstrained, certify, evaluation, find_mode

    about = starting_point(problem, seed)
    model = problem.twin.build(problem.family, problem.data, prior, about)

    began = perf_counter()
    compiled = nutpie_model(problem, prior, about, model, likelihood, say)
    compile_seconds = perf_counter() - began
    say(f"NUTS: compiled in {compile_seconds:.1f} s; {chains} chains of {tune} + {draws} steps")
    unconstrained = Unconstrained(model)
    starts = [unconstrained(params) for params in chain_starts(problem, prior, chains, seed)]
    began = perf_counter()
    posterior, stats = run_chains(compiled, starts, seed, draws=draws, tune=tune, show=sys.stderr.isatty())
    sampling_seconds = perf_counter() - began
    say(f"NUTS: sampled in {sampling_seconds:.1f} s; PyMC: log-likelihood, mode and certificate")

    tree = xr.DataTree.from_dict(
        {"posterior": posterior[[rv.name for rv in model.free_RVs]], "sample_stats": _tidy(stats)}
    )
    with evaluation(problem) as how:
        pm.compute_log_likelihood(tree, model=model, progressbar=False, compile_kwargs=how)
        mode, converged = find_mode(model, map_start if map_start is not None else about, how)
        certificate = certify(model, problem, prior, about, seed, unconstrained, how=how)
    observed = find_observations(model)
    constant = {name: value for name, value in find_constants(model).items() if not name.endswith("_data")}
    coords: dict[Any, Any] = {name: np.asarray(values) for name, values in model.coords.items()}
    dims: dict[Any, Any] = {name: list(dims) for name, dims in model.named_vars_to_dims.items()}
    tree["observed_data"] = az.dict_to_dataset(observed, sample_dims=[], coords=coords, dims=dims)
    tree["constant_data"] = az.dict_to_dataset(constant, sample_dims=[], coords=coords, dims=dims)
    tree["map_estimate"] = az.dict_to_dataset(mode, sample_dims=[], coords=coords, dims=dims)
    tree["map_estimate"].attrs["converged"] = int(converged)
    tree["certificate"] = az.dict_to_dataset(certificate, sample_dims=[], dims={k: ["point"] for k in certificate})
    tree.attrs = {
        "inference_library": "pymc",
        "sampler": SAMPLER,
        "seed": seed,
        "tuning_steps": tune,
        "diagnosis": "\n".join(diagnose(tree)),
        "likelihood": likelihood,
        "compile_seconds": round(compile_seconds, 3),
        "sampling_seconds": round(sampling_seconds, 3),
        **{f"version_{k}": v for k, v in cache.versions().items()},
    }
    return tree


def _tidy(stats: Any) -> Any:
    """nutpie's statistics in the words of the ArviZ schema: what it names otherwise, `az.diagnose` silently skips."""
    names = {name: new for name, new in SAMPLE_STATS.items() if name in stats}
    return stats[list(names)].rename(names)
