"""The study's prior from weak to strong: EM's mode and the posterior at every strength, parameter by parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from emvsbayes.comparison.record import Plot, Series, Sheet, Supplement
from emvsbayes.posterior.draws import Draws, tree_draws
from emvsbayes.posterior.ladder import ladder_of
from emvsbayes.posterior.record import Ladder, Rung
from emvsbayes.posterior.reweighting import TRUSTED, WORTH

PANELS = 8  # parameters drawn


def supplements(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """One section; without a posterior whose labels are resolved, EM's modes alone."""
    draws = None
    if posterior is not None and posterior.resolved:
        draws = tree_draws(posterior.relabelled, problem.family, problem.data, fits.map.params)
    found = ladder_of(problem, fits.map, draws, draw_at=draws and _sampler(problem, study, fits), seed=study.seed)
    text = [
        "The prior of this study at strengths λ from 0.01 to 100: λ times the pseudo-observations that it adds (of a "
        "covariance, the degrees of freedom beyond the least that make a density). Every rung is a proper prior. The "
        "mode is EM's, from the modes of the neighbouring rung and from other starts.",
        *_sources(found),
    ]
    rows = [
        [f"{r.strength:.3g}", "; ".join(r.prior), r.log_posterior, r.source or None, r.khat, r.ess] for r in found.rungs
    ]
    heads = ["λ", "prior", "log posterior at the mode", "posterior from", "k̂", "worth draws"]
    note = f"k̂ above {TRUSTED:g}, or weights worth less than {WORTH} draws: the draws cannot be reweighted that far"
    sheets = [Sheet("Rungs", heads, rows, note), _sheet(found)]
    return [
        Supplement("The prior from weak to strong", text, sheets, [_plot(found, n) for n in found.scalars[:PANELS]])
    ]


def _sampler(problem: Any, study: Any, fits: Any) -> Callable[[Any], Draws]:
    """NUTS under another prior, relabelled to the MAP fit of the study."""
    from emvsbayes.bayes.sampling import sample_problem
    from emvsbayes.relabelling.trees import relabel, without_labels

    def draw(prior: Any) -> Draws:
        raw = sample_problem(
            problem,
            prior,
            draws=study.draws,
            tune=study.tune,
            chains=study.chains,
            seed=study.seed,
            say=lambda line: None,
        )
        labelled = "components" in problem.family.capabilities
        tree = relabel(raw, method="ecr", pivot=fits.map) if labelled else without_labels(raw)
        return tree_draws(tree, problem.family, problem.data, fits.map.params)

    return draw


def _sources(found: Ladder) -> list[str]:
    """Where the posterior of each rung comes from, in a sentence."""
    drawn = [r for r in found.rungs if r.source == "NUTS"]
    moved = [r for r in found.rungs if r.source and r.source != "NUTS"]
    if not drawn:
        return ["There is no posterior with resolved labels to draw beside it.", *_met(found)]
    at = ", ".join(f"{r.strength:.3g}" for r in drawn)
    said = f"The posterior was drawn by NUTS at λ = {at}"
    if moved:
        said += (
            f"; at the other {len(moved)} rungs draws of the nearest of these were reweighted by the ratio of the "
            f"priors (Pareto-smoothed, largest k̂ {max(r.khat or 0.0 for r in moved):.2f})"
        )
    return [said + ".", *_farthest(found), *_met(found)]


def _met(found: Ladder) -> list[str]:
    """At which strengths components of the mode are one."""
    met = [r.strength for r in found.rungs if r.met]
    if not met:
        return []
    said = f"At λ = {', '.join(f'{strength:.3g}' for strength in met)} the mode has components that are one."
    if any(r.mean for r in found.rungs):
        said += (
            " Under the posterior they still differ, and keep the names of the components of λ = 1 with which they "
            "share most rows."
        )
    return [said]


def _farthest(found: Ladder) -> list[str]:
    """Where mode and mean are farthest apart, in halves of the interval."""
    gaps = []
    for rung in found.rungs:
        for name in rung.mean:
            half = (rung.upper[name] - rung.lower[name]) / 2
            if half > 0:
                gaps.append((abs(rung.mode[name] - rung.mean[name]) / half, name, rung))
    if not gaps:
        return []
    gap, name, rung = max(gaps, key=lambda one: one[0])
    return [
        f"Mode and mean are farthest apart for {name} at λ = {rung.strength:.3g}: {rung.mode[name]:.4g} and "
        f"{rung.mean[name]:.4g}, {gap:.2f} times half the 95 % interval."
    ]


def _sheet(found: Ladder) -> Sheet:
    """Mode, mean and interval of the first parameters, at the ends and at the middle."""
    shown = [found.rungs[i] for i in sorted({0, len(found.rungs) // 2, len(found.rungs) - 1})]
    rows = [
        [name, f"{r.strength:.3g}", r.mode[name], r.mean.get(name), r.lower.get(name), r.upper.get(name)]
        for name in found.scalars[:PANELS]
        for r in shown
    ]
    return Sheet("Weakest, as given, strongest", ["", "λ", "EM's mode", "posterior mean", "2.5 %", "97.5 %"], rows)


def _plot(found: Ladder, name: str) -> Plot:
    """The path of EM's mode with the posterior's mean and interval."""

    def at(rungs: list[Rung]) -> list[float]:
        return [float(np.log10(r.strength)) for r in rungs]

    known = [r for r in found.rungs if r.source]
    drawn = [r for r in known if r.source == "NUTS"]
    series = []
    if known:
        band = [[side[name] for side in (r.lower, r.upper)] for r in known]
        series += [
            Series("95 % of the posterior", "band", at(known), [b[0] for b in band], [b[1] for b in band], 1),
            Series("posterior mean", "line", at(known), [r.mean[name] for r in known], component=1),
            Series("drawn by NUTS", "points", at(drawn), [r.mean[name] for r in drawn]),
        ]
    series.append(Series("EM's mode", "line", at(found.rungs), [r.mode[name] for r in found.rungs], component=0))
    return Plot(name, "log10 of the strength λ", name, series)
