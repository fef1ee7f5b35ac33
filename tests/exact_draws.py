"""Independent draws from the exact posterior: an allocation by its weight, then each conjugate density."""

from __future__ import annotations

import numpy as np
from scipy import stats

from emvsbayes.core.records import record_fields


def exact_draws(problem, exact, n, rng):
    """n parameter records."""
    picked = rng.choice(len(exact.parts), size=n, p=np.exp(exact.log_weights))
    return [drawn(problem, exact.parts[i], rng) for i in picked]


def drawn(problem, part, rng):
    """One draw from a product of conjugate densities."""
    found = dict(problem.held)
    if (weights := part.weights) is not None:
        found["weights"] = rng.dirichlet(weights.concentration)
    if problem.family.name in ("coins", "bernoulli_mixture"):
        found["probs"] = rng.beta(part.probs.a, part.probs.b)
    else:
        dof, scale = part.covariances.dof, part.covariances.scale
        k, d = part.means.location.shape
        if problem.family.covariance == "diag":
            found["covariances"] = scale / 2 / rng.gamma(dof[:, None] / 2, size=(k, d))
            whole = [np.diag(v) for v in found["covariances"]]
        elif d == 1:
            found["covariances"] = whole = scale / 2 / rng.gamma(dof[:, None, None] / 2)
        else:
            drawn = [stats.invwishart(dof[i], scale[i]).rvs(random_state=rng) for i in range(k)]
            whole = found["covariances"] = np.reshape(drawn, (k, d, d))
        roots = np.linalg.cholesky(np.array(whole)) / np.sqrt(part.means.strength)[:, None, None]
        found["means"] = part.means.location + (roots @ rng.normal(size=(k, d, 1)))[..., 0]
    record = problem.twin.record(problem.family)
    return record(**{name: found[name] for name in record.__dataclass_fields__})


def sds_agree(values, sd, scores=4.5):
    """Whether the sample sd of draws (S, …) is sd: its standard error is sd √{(κ - 1) / 4S}, κ the kurtosis."""
    centred = values - values.mean(axis=0)
    kurtosis = (centred**4).mean(axis=0) / np.maximum((centred**2).mean(axis=0) ** 2, 1e-300)
    error = sd * np.sqrt(np.maximum(kurtosis - 1, 0) / (4 * len(values)))
    return bool((np.abs(values.std(axis=0) - sd) <= scores * error + 1e-12).all())


def stacked(records):
    """Draws by field, (S, …)."""
    fields = [record_fields(record) for record in records]
    return {name: np.array([record[name] for record in fields]) for name in fields[0]}
