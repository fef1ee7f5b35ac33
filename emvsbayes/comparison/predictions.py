"""What does each side predict, and would the model have produced these data? Two sections of every sampled page.

Predictions need no labels: p(x | X) averages p(x | θ) over draws, and the estimates of EM are plugged in beside it.
The posterior predictive checks hold statistics of the data against those of data drawn from the posterior.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.comparison.record import MARKS, Plot, Series, Sheet, Supplement
from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.scalars import thinned
from emvsbayes.posterior.bins import bin_edges
from emvsbayes.posterior.checks import predictive_checks
from emvsbayes.posterior.density import predictive_density
from emvsbayes.posterior.draws import Draws
from emvsbayes.posterior.record import PredictiveCheck, PredictiveHistogram, PredictiveView

ENTRIES = 4_000_000  # entries of replicated data a page may take
PANELS = 4  # histograms of statistics; the most extreme first
POSTERIOR, MAP, ML = 1, 0, 2  # whose marks are whose


def predictive_section(draws: Draws, ml: Any, map_: Any, seed: int, caveat: str = "") -> list[Supplement]:
    """The predictive density with its band, and the plug-in densities of both fits."""
    found = predictive_density(draws, {"ML": ml.params, "MAP": map_.params}, seed=seed)
    view = found.views[0]
    means, labelled = view.kind == "mean", "components" in draws.family.capabilities
    text = [
        f"Averaged over {found.n_draws} posterior draws of θ, with the band in which 95 % of the draws lie, place by "
        "place; beside it the same with the estimates of EM plugged in."
        + (" No labels enter, so that no renaming of components changes it." if labelled else ""),
        _distance_sentence(found.views, means),
        *([caveat] if caveat else []),
    ]
    what = "largest distance" if means else "total variation"
    rows = [[v.name, *(part[name] for part in (v.distance, v.outside) for name in ("ML", "MAP"))] for v in found.views]
    heads = ["", f"{what}, ML", f"{what}, MAP", "outside the band, ML", "outside the band, MAP"]
    note = (
        "outside: the share of the places at which the estimate lies outside the band"
        if means
        else "total variation: the largest difference of the two probabilities of any event; outside: the share of the "
        "predictive probability that lies where the estimate is outside the band"
    )
    sheet = Sheet("Plugged in, and averaged over the posterior", heads, rows, note, digits=3)
    return [Supplement("What is predicted", text, [sheet], [_view_plot(v, draws.data) for v in found.views])]


def _distance_sentence(views: list[PredictiveView], means: bool) -> str:
    distances = [v.distance["MAP"] for v in views]
    low, high = f"{min(distances):.2g}", f"{max(distances):.2g}"
    said = low if low == high else f"{low} to {high}"
    if means:
        return f"MAP plugged in is at most {high} from the posterior mean."
    return (
        f"Plugging in MAP changes no probability of a new value by more than {high}."
        if len(views) == 1
        else f"Plugging in MAP changes no probability of a new value of a column by more than {said}, column by column."
    )


def _view_plot(view: PredictiveView, data: Any) -> Plot:
    """A panel: what was observed, the band, and three lines."""
    at = thinned(len(view.at), MARKS)
    x = [view.at[i][0] for i in at] if len(view.labels) == 1 else [float(i) for i in at]

    def line(name: str, values: list[float], component: int) -> Series:
        return Series(name, "line", x, [values[i] for i in at], component=component)

    series = [
        *_observed(view, data),
        Series("95 % of the draws", "band", x, [view.lower[i] for i in at], [view.upper[i] for i in at], POSTERIOR),
        line("posterior predictive", view.mean, POSTERIOR),
        line("MAP plugged in", view.plugged["MAP"], MAP),
        line("ML plugged in", view.plugged["ML"], ML),
    ]
    y = {"density": "density", "probability": "probability", "mean": view.name}[view.kind]
    return Plot(view.name, view.labels[0] if len(view.labels) == 1 else "row", y, series)


def _observed(view: PredictiveView, data: Any) -> list[Series]:
    """The data as the view shows them: a histogram, shares of every value, or means."""
    weights, values = data.row_weights, data.matrix()
    if view.trials:  # of this size only
        kept = values[:, 1] == view.trials
        weights, values = weights[kept], values[kept]
    if view.kind == "density":
        column = values[:, list(data.columns).index(view.labels[0])]
        edges = bin_edges(column)
        counts = np.histogram(column, edges, weights=weights)[0] / weights.sum() / np.diff(edges)
        return [_bars((edges[1:] + edges[:-1]) / 2, counts)]
    if view.kind == "probability":
        counts = np.bincount(values[:, 0].astype(int), weights, minlength=len(view.at))
        return [_bars(np.arange(float(len(counts))), counts / max(float(counts.sum()), 1.0))]
    if view.name == "probability of a one":
        seen = np.isfinite(values) * weights[:, None]
        total = seen.sum(axis=0)
        means = np.divide((np.nan_to_num(values) * seen).sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)
        at = thinned(len(means), MARKS)
        return [Series("data", "points", [float(i) for i in at], means[at].tolist())]
    if len(view.labels) > 1:
        return []
    at = thinned(len(values), MARKS)
    return [Series("data", "points", values[at, 0].tolist(), values[at, -1].tolist())]


def _bars(x: Array, heights: Array) -> Series:
    return Series("data", "bars", [float(v) for v in x], [0.0] * len(x), [float(h) for h in heights])


def checks_section(draws: Draws, seed: int, caveat: str = "") -> list[Supplement]:
    """Predictive checks as a table, histograms of the data and of the most extreme statistics."""
    most = int(np.clip(ENTRIES // draws.data.matrix().size, 50, 400))
    try:
        found = predictive_checks(draws, most=most, seed=seed)
    except InputError as error:
        return [Supplement("Would the model have produced these data?", [f"Not checked: {error}"])]
    flagged = [check.name for check in found.checks if check.extreme]
    expected, verb = 0.05 * len(found.checks), "is" if len(flagged) == 1 else "are"
    text = [
        f"{found.n_draws} data sets of the size of this one were drawn, each from its own posterior draw of θ, and "
        "held against the data by statistics, of which the model fits few as such. p is the posterior probability that "
        "replicated data have more of a statistic than the data: near 0 or 1 the model gives too little or too much.",
        (
            f"{len(flagged)} of {len(found.checks)} {verb} extreme (p below 0.025 or above 0.975): "
            f"{', '.join(flagged)}. "
            f"By chance alone at most about {expected:.1f} would be."
            if flagged
            else f"None of {len(found.checks)} is extreme (p below 0.025 or above 0.975)."
        )
        + " The data were used to find θ, so that p is drawn towards ½ and passes more than it should.",
        *found.notes,
        *([caveat] if caveat else []),
    ]
    rows = [[c.name, c.observed, c.center, c.lower, c.upper, c.p, c.se] for c in found.checks]
    heads = ["", "data", "replicates, median", "2.5 %", "97.5 %", "p", "Monte Carlo error of p"]
    if flagged:
        heads, rows = [*heads, ""], [[*row, _flag(c)] for row, c in zip(rows, found.checks, strict=True)]
    sheet = Sheet("Statistics of the data and of replicated data", heads, rows, digits=3)
    plots = [_histogram_plot(h) for h in found.histograms]
    worst = sorted(found.checks, key=lambda c: -abs(c.p - 0.5))[:PANELS]
    plots += [_statistic_plot(c) for c in worst if any(c.replicates)]
    return [Supplement("Would the model have produced these data?", text, [sheet], plots)]


def _flag(check: PredictiveCheck) -> str:
    if not check.extreme:
        return ""
    return "larger in the data" if check.p < 0.5 else "smaller in the data"


def _histogram_plot(h: PredictiveHistogram) -> Plot:
    return Plot(
        h.name,
        h.name,
        "rows",
        [
            Series("95 % of the replicates", "band", h.centers, h.lower, h.upper, POSTERIOR),
            Series("median of the replicates", "line", h.centers, h.center, component=POSTERIOR),
            Series("data", "points", h.centers, [float(n) for n in h.observed]),
        ],
    )


def _statistic_plot(check: PredictiveCheck) -> Plot:
    """Replicates less data, in standard deviations of the replicates; the data are at 0."""
    found, edges = np.histogram(check.replicates, bins=20)
    counts = [float(n) for n in found]
    return Plot(
        check.name,
        "replicates − data, in sds",
        "replicates",
        [
            Series(
                "replicates", "bars", ((edges[1:] + edges[:-1]) / 2).tolist(), [0.0] * 20, [float(n) for n in counts]
            ),
            Series("the data", "line", [0.0, 0.0], [0.0, max(counts)]),
        ],
    )
