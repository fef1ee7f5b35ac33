"""The verdict: three sentences that a reader may quote, and the checks behind them."""

from __future__ import annotations

import numpy as np

from emvsbayes.compare.record import Check, Decomposition, Points, Published, Singularity, Switching
from emvsbayes.compare.switching import RHAT

RESIDUAL = 1e-10
CERTIFICATE = 1e-8
SAME_MODE = 1e-3  # nats


def checks(
    points: Points,
    switching: Switching | None,
    decomposition: Decomposition,
    certificate: float | None,
    published: list[Published],
) -> list[Check]:
    """Every number that has a bound, beside it."""
    found = [
        _check(
            "residual of the decomposition",
            max(climb.largest_residual for climb in decomposition.climbs),
            RESIDUAL,
            "largest |ELBO + KL - log-likelihood| over all half-steps, relative to max(1, |log-likelihood|)",
        ),
        _check(
            "falls of the objective",
            sum(score.status == "DECREASED" for score in points.scores),
            0,
            "EM never lowers its objective",
        ),
    ]
    if certificate is not None:
        found.append(
            _check(
                "certificate of the twin",
                certificate,
                CERTIFICATE,
                "largest relative difference of PyMC's log-density and ours at random parameters, constants included",
            )
        )
    by_name = {score.name: score for score in points.scores}
    if "MAP (EM)" in by_name and "pm.find_MAP" in by_name:
        theirs, ours = by_name["pm.find_MAP"].log_posterior, by_name["MAP (EM)"].log_posterior
        gap = (-np.inf if theirs is None else theirs) - (-np.inf if ours is None else ours)
        found.append(
            _check(
                "a mode that EM missed",
                max(gap, 0.0),
                SAME_MODE,
                "nats by which pm.find_MAP is above the MAP fit of EM",
            )
        )
    if switching is not None:
        worst = max((c.rhat_after for c in switching.convergence if c.rhat_after is not None), default=1.0)
        found.append(_check("R-hat after relabelling", worst, RHAT, "largest over all parameters"))
        found.append(_check("divergences", switching.divergences, 0, "transitions NUTS could not follow"))
    if published:
        wrong = sum(not entry.passed for entry in published)
        found.append(_check("published numbers missed", wrong, 0, f"of {len(published)} in print"))
    return found


def _check(name: str, value: float, bound: float, sentence: str) -> Check:
    return Check(name, float(value), float(bound), bool(value <= bound), sentence)


def verdict(
    points: Points, switching: Switching | None, singularity: Singularity, decomposition: Decomposition
) -> list[str]:
    """Three sentences: do the answers agree, what of the labels, and can the EM fit be trusted."""
    return [_agreement(points), _labels(switching, points), _trust(singularity, decomposition)]


def _agreement(points: Points) -> str:
    far = [p for p in points.parameters if p.z_map is not None]
    by_name = {score.name: score for score in points.scores}
    ml = by_name["ML (EM)"]
    if ml.status == "SINGULAR":
        start = "Maximum likelihood has no answer here: every start collapsed on a singularity; "
    else:
        start = ""
    if not far:
        alone = (
            "nothing was sampled to set it against"
            if "pm.find_MAP" not in by_name
            else "the posterior has no single mode, up to labels, that it could be compared with component by component"
        )
        return f"{start}EM found a MAP estimate, but {alone}."
    worst = max(far, key=lambda p: abs(p.z_map or 0.0))
    worst_ml = max(far, key=lambda p: abs(p.z_ml or 0.0))
    agree = abs(worst.z_map or 0.0) < 1
    word = "agree" if agree else "differ"
    sentence = (
        f"EM and the posterior {word}: "
        f"{'every' if agree else 'not every'} MAP estimate lies within one posterior sd of the posterior mean "
        f"(largest difference {abs(worst.z_map or 0):.2f} sd, {worst.name})"
    )
    if not start:
        sentence += f"; maximum likelihood differs by at most {abs(worst_ml.z_ml or 0):.2f} sd ({worst_ml.name})"
    return start + sentence + "."


def _labels(switching: Switching | None, points: Points) -> str:
    if switching is None:
        return "Nothing was sampled, so that labels and convergence of a posterior are not in question."
    rhats = [(c.rhat_before or 1.0, c.rhat_after or 1.0) for c in switching.convergence]
    before, after = (max(column, default=1.0) for column in zip(*rhats, strict=True)) if rhats else (1.0, 1.0)
    seen = (
        f"The chains visited {switching.labellings_visited} of {switching.labellings_possible} labellings, "
        f"with {sum(switching.switches)} switches within chains"
    )
    if not switching.exchangeable and points.labels_resolved:
        return f"Labels, held fields or the prior tell the components apart; the largest R-hat is {after:.3f}."
    if points.labels_resolved:
        share = sum(switching.agreement) / len(switching.agreement)
        where = "" if share > 0.9 else f", and the average draw puts only {share:.0%} of the rows where EM puts them"
        return f"{seen}; relabelled to the EM fit, the largest R-hat goes from {before:.2f} to {after:.3f}{where}."
    return f"{seen}; {points.unresolved_because}."


def _trust(singularity: Singularity, decomposition: Decomposition) -> str:
    residual = max(climb.largest_residual for climb in decomposition.climbs)
    half_steps = sum(climb.n_half_steps for climb in decomposition.climbs)
    ml, map_ = singularity.ml.n_singular, singularity.map.n_singular
    if singularity.bounded:
        best = sum(o.count for o in singularity.ml.optima if o.number == 0)
        collapse = f"{best} of {singularity.n_starts} random starts reached the same best optimum of the likelihood"
        return f"ln p(X|θ) = ELBO + KL holds to {residual:.0e} at each of {half_steps} half-steps, and {collapse}."
    collapse = (
        f"{ml or 'none'} of {singularity.n_starts} random starts collapsed on a singularity of the likelihood, "
        f"{map_ or 'none'} under the prior"
    )
    return f"ln p(X|θ) = ELBO + KL holds to {residual:.0e} at each of {half_steps} half-steps, and {collapse}."
