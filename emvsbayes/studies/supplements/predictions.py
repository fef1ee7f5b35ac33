"""What a regression adds to its page: predictions with (α, β) plugged in, beside predictions that integrate over them.

    plugging in    Var[wᵀφ | t, α̂, β̂]                            = φᵀ S(α̂, β̂) φ
    Bayes          Var[wᵀφ | t] = E{φᵀ S(α, β) φ | t} + Var{φᵀ m(α, β) | t}      over the posterior of (α, β)

The second term is what plugging in leaves out: the estimate is treated as known. Draws of w from its conditional, one
for each draw of (α, β), have the variance on the left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.comparison.record import MARKS, Plot, Series, Sheet, Supplement
from emvsbayes.core.checks import Array
from emvsbayes.core.scalars import thinned

GRID = 100
NORMAL_95 = 1.959963984540054


def supplements(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """One section: what the data determine, and how sure plugging in is of itself."""
    family, data = problem.family, problem.data
    sides = {"ML (EM)": fits.ml.params, "MAP (EM)": fits.map.params}
    rows = [_estimates(name, family, data, params) for name, params in sides.items()]
    text = [
        "The latent w is shared by all rows: its data moments add over rows, but the posterior of w does not split "
        "over them, so that the E half-step is one Gaussian and there are no incremental schedules. γ counts the "
        "weights that the data determine; the others stay at their prior.",
    ]
    sheets = [_sheet("Precisions, and the effective number of parameters", rows)]
    plots = []
    if posterior is not None:
        draws = posterior.relabelled["posterior"]
        alphas, betas = (_values(draws, fits.map.params, name) for name in ("alpha", "beta"))
        rows += _posterior_rows(family, data, alphas, betas)
        W = family.draw_weights(alphas, betas, data, np.random.default_rng(study.seed))
        spread = _spread(family, data, W, alphas, betas, sides)
        sheets = [_sheet("Precisions, and the effective number of parameters", rows), spread]
        ratio = [float(row[-1]) for row in spread.rows if isinstance(row[-1], float)]
        text.append(
            "Plugging in one (α, β) treats it as known. Below, w was drawn from its conditional once for each "
            "posterior draw of (α, β), and so has both parts of the variance: the mean over (α, β) of the variance "
            "of the curve, and the variance of its mean, which plugging in leaves out. Where it is left out, the "
            "plug-in band is too narrow, under-dispersed, unless the estimate happens to lie where the first part is "
            f"larger than on average: here MAP has {min(ratio):.2f} to {max(ratio):.2f} times the standard deviation "
            "of the posterior."
        )
        plots = [_precisions(alphas, betas, sides)]
        if data.X.shape[1] == 1:
            plots.insert(0, _bands(family, data, W, betas, fits.map.params))
    return [Supplement("Weights, noise, and what plugging in leaves out", text, sheets, plots)]


def _values(draws: Any, like: Any, name: str) -> Array:
    """The draws of a precision, flat; a held one repeated."""
    if name in draws:
        return draws[name].values.ravel()
    n = next(iter(draws.data_vars.values())).values.size
    return np.full(n, float(getattr(like, name)))


def _estimates(name: str, family: Any, data: Any, params: Any) -> list[Any]:
    alpha, beta = float(params.alpha), float(params.beta)
    return [name, alpha, beta, beta**-0.5, family.effective_parameters(params, data), None]


def _posterior_rows(family: Any, data: Any, alphas: Array, betas: Array) -> list[list[Any]]:
    """Posterior mean and median of every quantity, each over its own draws; γ with its standard deviation."""
    scales = family.spectrum(data).scales ** 2 * betas[:, None]
    gamma = (scales / (alphas[:, None] + scales)).sum(axis=1)
    draws = (alphas, betas, betas**-0.5, gamma)
    means, medians = ([float(middle(d)) for d in draws] for middle in (np.mean, np.median))
    return [["posterior mean", *means, float(gamma.std(ddof=1))], ["posterior median", *medians, None]]


def _sheet(caption: str, rows: list[list[Any]]) -> Sheet:
    headers = ["", "α", "β", "noise sd, β^(-1/2)", "γ", "posterior sd of γ"]
    if len(rows) == 2:  # estimates alone
        return Sheet(caption, headers, rows)
    note = (
        "Mean and median are those of each column's own draws: the noise sd in the row of means is the mean of "
        "β^(-1/2), and not the mean of β to the power -1/2. Where the posterior of α spreads over powers of ten, its "
        "mean lies far out in the tail, and the median is the better middle; above, ln α and ln β are compared."
    )
    return Sheet(caption, headers, rows, note)


def _inputs(data: Any, n: int) -> Array:
    """Inputs (n, D) to predict at: a grid over the range of one column, rows of the data where there are several."""
    seen = data.X[data.row_weights > 0]
    if seen.shape[1] == 1:
        return np.linspace(seen.min(), seen.max(), n)[:, None]
    return seen[thinned(len(seen), n)]


def _spread(family: Any, data: Any, W: Array, alphas: Array, betas: Array, sides: dict[str, Any]) -> Sheet:
    """Standard deviations of the curve wᵀφ(x), noise left out, at five inputs: plugged in, and of the posterior."""
    X = _inputs(data, 5)
    curve = W @ family.basis_functions(data).design(X).T
    some = thinned(len(alphas), MARKS)
    given = [replace(sides["MAP (EM)"], alpha=alphas[i], beta=betas[i]) for i in some]
    centre = np.array([family.predictive(params, data, X, noise=False)[0] for params in given]).std(axis=0, ddof=1)
    plugged = [np.sqrt(family.predictive(params, data, X, noise=False)[1]) for params in sides.values()]
    rows = []
    for i, x in enumerate(X):
        sd = float(curve[:, i].std(ddof=1))
        at = ", ".join(f"{value:.4g}" for value in x)
        rows.append([at, *(float(p[i]) for p in plugged), sd, float(centre[i]), float(plugged[-1][i]) / sd])
    headers = ["at x =", "ML plugged in", "MAP plugged in", "posterior", "of its mean given (α, β)", "MAP / posterior"]
    return Sheet("Standard deviation of the curve at five inputs", headers, rows)


def _bands(family: Any, data: Any, W: Array, betas: Array, params: Any) -> Plot:
    """The data, and two 95 % predictive bands: MAP plugged in, and the posterior's."""
    X = _inputs(data, GRID)
    x, curve = X[:, 0], W @ family.basis_functions(data).design(X).T
    mean, half = curve.mean(axis=0), NORMAL_95 * np.sqrt(curve.var(axis=0) + (1 / betas).mean())
    plugged, variance = family.predictive(params, data, X)
    kept, sd = thinned(len(data.X), MARKS), np.sqrt(variance)
    at = x.tolist()
    return Plot(
        "95 % predictive bands",
        data.columns[0],
        data.columns[-1],
        [
            Series("posterior", "band", at, (mean - half).tolist(), (mean + half).tolist(), component=1),
            Series("posterior mean", "line", at, mean.tolist(), component=1),
            *(
                Series("MAP plugged in" if z == 0 else "", "line", at, (plugged + z * sd).tolist(), component=0)
                for z in (0, -NORMAL_95, NORMAL_95)
            ),
            Series("data", "points", data.X[kept, 0].tolist(), data.t[kept].tolist()),
        ],
    )


def _precisions(alphas: Array, betas: Array, sides: dict[str, Any]) -> Plot:
    """Posterior draws of (ln α, ln β) with the estimates of EM."""
    kept = thinned(len(alphas), MARKS)
    series = [Series("posterior draws", "points", np.log(alphas[kept]).tolist(), np.log(betas[kept]).tolist())]
    for i, (name, params) in enumerate(sides.items()):
        series.append(Series(name, "centers", [float(np.log(params.alpha))], [float(np.log(params.beta))], component=i))
    return Plot("Posterior of the precisions", "ln α", "ln β", series)
