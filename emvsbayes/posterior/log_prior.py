"""The log prior of draws, field by field.

    ln p(θ) = ln p(weights) + ln p(covariances) + ln p(means | covariances)        and the like in other families

A group that is left out of a prior is flat and adds 0, so that the prior with one group alone gives the piece of that
field, and the pieces add up to the whole.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.posterior.draws import Draws


def log_prior(draws: Draws, prior: Any) -> Array:
    """ln p(θ_s) of every draw (S,), in nats, with every constant."""
    return np.array([draws.family.log_prior(draws.record(s), prior) for s in range(draws.size)])


def log_prior_by_field(draws: Draws, prior: Any) -> dict[str, Array]:
    """ln p(θ_s) of every field that has a prior and is free, (S,) each, in nats."""
    if not is_dataclass(prior) or isinstance(prior, type):
        raise InputError(f"the prior must be a prior record, such as fit.prior of a MAP fit; it is {prior!r}.")
    groups = [f.name for f in fields(prior)]
    present = [g for g in groups if getattr(prior, g) is not None and g not in draws.family.fixed]
    alone = {g: replace(prior, **{other: None for other in groups if other != g}) for g in present}
    return {g: log_prior(draws, one) for g, one in alone.items()}


def prior_tree(posterior: Any, draws: Draws, prior: Any) -> Any:
    """A copy of the tree with a group `log_prior`, one variable a field, for ArviZ: az.psense and its like.

    (az.psense_summary uses the dimension name component for itself: rename that of the posterior first.)
    """
    import xarray as xr

    if prior is None:
        raise InputError("there is no log prior: prior is None; give the prior under which the draws were made.")
    tree = posterior.copy()
    shape = draws.shape
    tree["log_prior"] = xr.Dataset(
        {name: (("chain", "draw"), v.reshape(shape)) for name, v in log_prior_by_field(draws, prior).items()},
        coords={name: posterior["posterior"][name].values for name in ("chain", "draw")},
    )
    return tree
