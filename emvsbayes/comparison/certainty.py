"""How sure is EM of the components? Its responsibilities beside the posterior of z, a section of every sampled mixture.

EM's responsibilities take θ̂ for the truth. Averaged over the posterior of θ they are the posterior probabilities of z;
where the labels of the draws are unresolved, pairs of rows are asked whether they share a component.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.comparison.record import MARKS, Plot, Series, Sheet, Supplement
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.records import take_rows
from emvsbayes.core.scalars import thinned
from emvsbayes.posterior.allocations import pairs, responsibilities
from emvsbayes.posterior.draws import Draws
from emvsbayes.posterior.record import Pairs, Responsibilities

SHOWN = 8  # rows where the two differ most
DECADES = 6  # of odds and doubts that are drawn
COLUMNS = 4  # of the data beside them
SLIGHT = 0.01  # expected wrong rows that are next to none
ROWS = 20_000  # of which probabilities are averaged
ENTRIES = 4_000_000  # probabilities held at once


def certainty_section(draws: Draws, map_: Any, *, resolved: bool, caveat: str = "") -> list[Supplement]:
    """One section where rows belong to unknown components; none elsewhere."""
    data = draws.data
    if "components" not in draws.family.capabilities or draws.family.n_components == 1:
        return []
    if data.labels is not None and (data.labels >= 0).all():
        return []
    title = "How sure is EM of the components?"
    if not resolved:
        return [_by_pairs(title, pairs(draws, map_), data, caveat)]
    kept = thinned(data.n_rows, ROWS)
    if len(kept) < data.n_rows:
        draws = replace(draws, data=take_rows(data, kept))
    most = int(np.clip(ENTRIES // (len(kept) * draws.family.n_components), 50, 400))
    return [_by_rows(title, responsibilities(draws, map_, most=most), draws.data, kept, data.n_rows)]


def _by_rows(title: str, found: Responsibilities, data: Any, kept: Integers, n_rows: int) -> Supplement:
    """`data` are the rows `kept` of `n_rows`."""
    mean, plugged, sd = np.array(found.mean), np.array(found.plugged), np.array(found.sd)
    ratio = found.errors_mean / found.errors_plugged if found.errors_plugged > 0 else None
    text = [
        "EM gives each row its responsibilities at the MAP estimate, as if the estimate were known. The posterior "
        f"probability of z averages them over {found.n_draws} draws of θ"
        + ("" if len(kept) == n_rows else f" (here of {len(kept)} rows of {n_rows}, evenly spaced)")
        + ". Put every row where MAP says: MAP expects "
        f"{found.errors_plugged:.3g} of {data.row_weights.sum():g} rows to be wrong, the posterior "
        + f"{found.errors_mean:.3g}"
        + (f", {ratio:.2f} times as many" if ratio is not None else "")
        + f". MAP is the surer of the two in {100 * found.surer:.0f} % of the rows.",
        _conclusion(ratio, found.errors_mean),
    ]
    rows = [
        ["mean entropy of a row, nats", found.entropy_plugged, found.entropy_mean],
        ["expected number of wrong rows", found.errors_plugged, found.errors_mean],
    ]
    sheets = [Sheet("Responsibilities", ["", "MAP plugged in", "posterior"], rows, digits=3)]
    gaps = np.abs(plugged - mean)
    if gaps.max() > 0:
        sheets.append(_rows_sheet(found, data, kept, gaps, mean, plugged, sd))
    return Supplement(title, text, sheets, [_calibration(plugged, mean), _ordered(plugged, mean)])


def _conclusion(ratio: float | None, errors: float) -> str:
    if errors < SLIGHT:
        return "By neither is any row in doubt."
    if ratio is None:
        return "EM is over-confident: at the MAP estimate no row is in doubt at all."
    if ratio > 1.05:
        return "EM is over-confident: what is not known of θ is not in its responsibilities."
    if ratio < 0.95:
        return "Here the estimate is less sure than the posterior: it lies where the components are less apart."
    return "The two agree: the data leave little of θ open."


def _rows_sheet(
    found: Responsibilities, data: Any, kept: Integers, gaps: Array, mean: Array, plugged: Array, sd: Array
) -> Sheet:
    """The rows where the two differ most, each with the component in which they do."""
    component = gaps.argmax(axis=1)
    worst = np.argsort(-gaps.max(axis=1), kind="stable")[:SHOWN]
    values, columns = data.matrix(), list(data.columns)[:COLUMNS]
    rows = []
    for n in sorted(int(n) for n in worst):
        k = int(component[n])
        cells = [None if np.isnan(v) else float(v) for v in values[n, : len(columns)]]
        numbers = (plugged[n, k], mean[n, k], sd[n, k], found.lower[n][k], found.upper[n][k])
        rows.append([f"{kept[n]}", *cells, f"{k}", *(float(v) for v in numbers)])
    heads = ["row", *columns, "component", "MAP plugged in", "posterior", "sd over θ", "2.5 %", "97.5 %"]
    return Sheet("Rows where the two differ most", heads, rows, "rows and components count from 0", digits=3)


def _calibration(plugged: Array, mean: Array) -> Plot:
    """Every plug-in probability against the posterior's, as powers of ten of the odds."""
    kept = thinned(len(plugged), MARKS)
    x, y = _odds(plugged[kept]), _odds(mean[kept])
    series = [
        Series(f"component {j}", "points", x[:, j].tolist(), y[:, j].tolist(), component=j) for j in range(x.shape[1])
    ]
    ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
    equal = Series("equal", "line", ends, ends)
    return Plot("log10 odds of a component", "MAP plugged in", "posterior", [*series, equal])


def _odds(p: Array) -> Array:
    """log10 p/(1-p), no farther from 0 than `DECADES`."""
    least = 10.0**-DECADES
    inside = np.clip(p, least, 1 - least)
    return np.log10(inside / (1 - inside))


def _ordered(plugged: Array, mean: Array) -> Plot:
    """The certainty of the allocation that MAP makes, rows in the order of MAP's."""
    chosen = plugged.argmax(axis=1)[:, None]
    sure, surely = (1 - np.take_along_axis(one, chosen, axis=1)[:, 0] for one in (plugged, mean))
    order = np.argsort(-sure, kind="stable")
    doubtful = max(2, int((np.maximum(sure, surely) > 10.0**-DECADES).sum()))
    order = order[thinned(min(len(order), doubtful), MARKS)]
    x = [float(i) for i in range(len(order))]
    floor = 10.0**-DECADES
    return Plot(
        "Probability that MAP's choice is wrong",
        "rows, most doubtful first",
        "probability",
        [
            Series("by the posterior", "line", x, np.maximum(surely[order], floor).tolist()),
            Series("by MAP", "line", x, np.maximum(sure[order], floor).tolist()),
        ],
        log_y=True,
    )


def _by_pairs(title: str, found: Pairs, data: Any, caveat: str) -> Supplement:
    together, plugged = np.array(found.together), np.array(found.plugged)
    upper = np.triu_indices(len(found.rows), 1)
    ours, theirs = together[upper], plugged[upper]
    text = [
        "The labels of the draws are unresolved, so that no row has a probability for each component. Pairs of rows "
        "need no labels: how probable is it that both belong to one component? Plugged in, Σ r r' at the MAP estimate; "
        f"by the posterior, the mean of the same over {found.n_draws} draws of θ"
        + ("" if len(found.rows) == data.n_rows else f"; of {len(found.rows)} rows, evenly spaced")
        + ".",
        f"MAP is the surer of the two in {100 * found.surer:.0f} % of the pairs.",
        *([caveat] if caveat else []),
    ]
    numbers = [["mean entropy of a pair, nats", found.entropy_plugged, found.entropy_mean]]
    worst = np.argsort(-np.abs(ours - theirs), kind="stable")[:SHOWN]
    rows = [
        [f"{found.rows[upper[0][i]]}, {found.rows[upper[1][i]]}", float(theirs[i]), float(ours[i])]
        for i in sorted(worst)
    ]
    sheets = [
        Sheet("Pairs of rows", ["", "MAP plugged in", "posterior"], numbers, digits=3),
        Sheet("Pairs where the two differ most", ["rows", "MAP plugged in", "posterior"], rows, digits=3),
    ]
    kept = thinned(len(ours), MARKS)
    plot = Plot(
        "Probability that two rows share a component",
        "MAP plugged in",
        "posterior",
        [
            Series("pairs of rows", "points", theirs[kept].tolist(), ours[kept].tolist()),
            Series("equal", "line", [0.0, 1.0], [0.0, 1.0]),
        ],
    )
    return Supplement(title, text, sheets, [plot])
