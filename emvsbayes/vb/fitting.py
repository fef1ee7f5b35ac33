"""`variational`: conjugate coordinate ascent on the ELBO from many starts, best first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from emvsbayes.core.alignment import label_classes
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.starts import restarts
from emvsbayes.core.variational import VariationalFamily
from emvsbayes.fitting import as_stop, check_request
from emvsbayes.problem import Problem, pose
from emvsbayes.vb.fits import VariationalFit


def variational(
    family: Any,
    X: Any,
    *,
    n_components: int | None = None,
    settings: Mapping[str, Any] | None = None,
    prior: Any = "default",
    start: Any = None,
    n_starts: int | None = None,
    fixed: Mapping[str, Any] | None = None,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    stop: Mapping[str, Any] | Stop | None = None,
    record: bool = True,
    seed: int = 0,
) -> VariationalFit:
    """Variational Bayes: q(Z) q(θ) nearest to the posterior of latents and parameters, by coordinate ascent.

    Parameters
    ----------
    family, X, n_components, settings, fixed, labels, sample_weight, seed : as in `emvsbayes.fit`
    prior : "default", mapping or prior record
        It must be proper: a flat group is written out where it is a density, and refused where it is none. Dirichlet
        and Beta parameters below 1, which have no MAP, are fine here.
    start : mapping of parameter fields, parameter record, or the name of a starting method
        One exact E-step at these parameters gives the first q(Z).
    n_starts : int
        20 by default, 1 where starting values are given.
    stop : mapping or Stop
        `tol` (change of the ELBO per observation, 1e-8), `max_passes` (1000), `param_tol` (of hyperparameters).
    record : bool
        Keep the half-step trace of the best run. False is for speed: q(Z) is then not stored where the family has a
        compiled pass.

    Returns
    -------
    VariationalFit

    Raises
    ------
    InputError
        For input that cannot be used, and for families without a conjugate posterior.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, sections 10.1 to 10.3; Attias (1999), UAI 15, 21-30.
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
    return variational_problem(
        problem, prior=prior, start=start, n_starts=n_starts, stop=as_stop(stop), record=record, seed=seed
    )


def variational_problem(
    problem: Problem,
    *,
    prior: Any = "default",
    start: Any = None,
    n_starts: int | None = None,
    stop: Stop | None = None,
    record: bool = True,
    seed: int = 0,
) -> VariationalFit:
    """`variational` for a problem that is already posed."""
    stop = stop or Stop()
    adapter: Any = adapt(problem, prior)  # what the loop calls of a Family, and no more
    methods, given, n, keep = check_request(problem, start=start, n_starts=n_starts, seed=seed)
    if keep is not None:
        raise InputError(f"variational Bayes runs every start to its end; give n_starts = {n}, a number.")
    data = problem.data
    found = restarts(
        adapter,
        data,
        n,
        seed,
        given=None if given is None else adapter.started(given, data),
        methods=methods,
        stop=stop,
    )
    best = found[0].run
    if record:  # the same run once more, with its trace
        best = run_em(adapter, data, best.start, stop=stop)
    return VariationalFit(
        problem.family,
        best,
        tuple(found),
        adapter.conjugate.prior,
        problem.held,
        log_symmetry(problem, adapter.conjugate.prior, seed),
        stop,
        seed,
        float(data.row_weights.sum()),
        tuple(data.columns),
    )


def adapt(problem: Problem, prior: Any = "default") -> VariationalFamily:
    """The problem's family with a distribution over its parameters; raises where it has none."""
    family, make = problem.family, problem.twin.conjugate
    sentence = getattr(family, "absent", {}).get("variational")
    if make is None or sentence:
        raise InputError(sentence or f"{family.name} has no variational Bayes.")
    if prior is None:
        raise InputError("variational Bayes needs a prior, and prior is None; leave it at 'default', or give one.")
    return VariationalFamily(family, make(family, _free(family, problem.prior(prior)), problem.held), problem.hold)


def _free(family: Any, prior: Any) -> Any:
    """The proper prior, groups of held fields left out: they have no distribution."""
    proper = family.proper_prior(prior)
    return type(proper)(**{n: None if n in family.fixed else getattr(proper, n) for n in type(proper).__slots__})


def log_symmetry(problem: Problem, prior: Any, seed: int = 0) -> float:
    """ln of the number of relabellings that change neither data nor prior: ln K! where every label is arbitrary.

    Known labels, held fields that differ, and a prior that differs tell components apart; then it is Σ_c ln K_c! over
    the classes of components that are left alike.
    """
    if "components" not in problem.family.capabilities:
        return 0.0
    classes = label_classes(problem.family, problem.data, prior, problem.random_params(seed))
    return float(gammaln(np.unique(classes, return_counts=True)[1] + 1).sum())
