"""The verdict: three sentences that a reader may quote, and the checks behind them."""

from __future__ import annotations

import numpy as np

from emvsbayes.comparison.record import Check, Decomposition, Points, Published, Score, Singularity, Switching
from emvsbayes.comparison.switching import RHAT, worst_rhat

RESIDUAL = 1e-10
CERTIFICATE = 1e-8
SAME_MODE = 1e-3  # nats
SOFT_MAP = "MAP, exact E-step"  # of a family whose own E-step is hard
PLACED = 0.9  # share of rows below which the reader is told that components overlap
CAVEATS = {
    "SINGULAR": "every start of the {} fit collapsed on a singularity",
    "MAX_PASSES": "the {} fit had not converged",
    "EMPTY_COMPONENT": "the {} fit has an empty component",
    "DECREASED": "the objective of the {} fit fell",
    "NONFINITE": "the {} fit is not finite",
}


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
    found += _rivals({score.name: score for score in points.scores})
    if switching is not None:
        found.append(_check("R-hat after relabelling", worst_rhat(switching)[0], RHAT, "largest over all parameters"))
        found.append(_check("divergences", switching.divergences, 0, "transitions NUTS could not follow"))
    if published:
        wrong = sum(not entry.passed for entry in published)
        found.append(_check("published numbers missed", wrong, 0, f"of {len(published)} in print"))
    return found


def _rivals(by_name: dict[str, Score]) -> list[Check]:
    """No other estimate may beat EM at its own objective."""
    ml, map_, mode = (by_name.get(name) for name in ("ML (EM)", "MAP (EM)", "pm.find_MAP"))
    found = []
    if SOFT_MAP in by_name:  # a hard E-step climbs another objective; its rival is the same model with an exact one
        ml, map_ = None, by_name[SOFT_MAP]
    if ml is not None and ml.status != "SINGULAR":
        best = max(score.log_likelihood for score in by_name.values())
        found.append(
            _check("ML beaten", best - ml.log_likelihood, SAME_MODE, "nats by which another estimate is more likely")
        )
    if map_ is not None and mode is not None:
        above = None
        if map_.log_posterior is not None:
            height = -np.inf if mode.log_posterior is None else mode.log_posterior
            above = max(height - map_.log_posterior, 0.0)
        found.append(_check("MAP beaten", above, SAME_MODE, "nats by which pm.find_MAP is above the MAP fit of EM"))
    return found


def _check(name: str, value: float | None, bound: float, sentence: str) -> Check:
    if value is None or not np.isfinite(value):
        return Check(name, None, float(bound), False, sentence)
    return Check(name, float(value), float(bound), bool(value <= bound), sentence)


def verdict(
    points: Points, switching: Switching | None, singularity: Singularity, decomposition: Decomposition
) -> list[str]:
    """Three sentences: do the answers agree, what of the labels, and can the EM fit be trusted."""
    return [_agreement(points, switching), _labels(switching, points), _trust(singularity, decomposition)]


def _agreement(points: Points, switching: Switching | None) -> str:
    by_name = {score.name: score for score in points.scores}
    ml, map_ = by_name["ML (EM)"], by_name["MAP (EM)"]
    caveats = [CAVEATS[s.status].format(name) for name, s in (("ML", ml), ("MAP", map_)) if s.status in CAVEATS]
    caveat = f"{' and '.join(caveats)}; " if caveats else ""
    far = [p for p in points.parameters if p.z_map is not None]
    if not far:
        if "pm.find_MAP" not in by_name:
            alone = "there is no posterior to set it against: nothing was sampled"
        elif switching is not None and switching.chains == 1:
            alone = "a single chain cannot show that chains agree, so that nothing is compared component by component"
        else:
            alone = "the chains did not agree, so that nothing is compared component by component"
        return _capital(f"{caveat}EM ended at a MAP estimate, but {alone}.")
    worst = max(far, key=lambda p: abs(p.z_map or 0.0))
    worst_ml = max(far, key=lambda p: abs(p.z_ml or 0.0))
    agree = abs(worst.z_map or 0.0) < 1
    sentence = (
        f"EM and the posterior {'agree' if agree else 'differ'}: "
        f"{'every' if agree else 'not every'} MAP estimate lies within one posterior sd of the posterior mean "
        f"(largest difference {abs(worst.z_map or 0):.2f} sd, {worst.name})"
    )
    if ml.status != "SINGULAR":
        sentence += f"; maximum likelihood differs by at most {abs(worst_ml.z_ml or 0):.2f} sd ({worst_ml.name})"
    return _capital(f"{caveat}{sentence}.")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _labels(switching: Switching | None, points: Points) -> str:
    if switching is None:
        return "Nothing was sampled, so that labels and convergence of a posterior are not in question."
    before, after = worst_rhat(switching, after=False)[0], worst_rhat(switching)[0]
    if switching.labellings_possible == 1:
        seen = "There are no labels to switch"
    else:
        seen = (
            f"The chains visited {switching.labellings_visited} of {switching.labellings_possible} labellings, "
            f"with {sum(switching.switches)} switches within chains"
        )
    if not points.labels_resolved:
        return f"{seen}; {points.unresolved_because}"
    if switching.labellings_possible == 1:
        return f"{seen}; the largest R-hat is {after:.3f}."
    share = sum(switching.agreement) / len(switching.agreement)
    where = "" if share > PLACED else f", and the average draw puts only {share:.0%} of the rows where EM puts them"
    return (
        f"{seen}; relabelled to the EM fit, the largest R-hat goes from {before or np.nan:.2f} to {after:.3f}{where}."
    )


def _trust(singularity: Singularity, decomposition: Decomposition) -> str:
    residual = max(climb.largest_residual for climb in decomposition.climbs)
    half_steps = sum(climb.n_half_steps for climb in decomposition.climbs)
    ml, map_ = singularity.ml.n_singular, singularity.map.n_singular
    if singularity.bounded:
        best = sum(o.count for o in singularity.ml.optima if o.number == 0)
        collapse = f"{best} of {singularity.n_starts} random starts reached the same best optimum of the likelihood"
        return f"ln p(X|θ) = ELBO + KL holds to {residual:.0e} at each of {half_steps} half-steps, and {collapse}."
    collapse = (
        f"{ml or 'none'} of {singularity.n_starts} random starts collapsed on a singularity of the "
        f"likelihood, {map_ or 'none'} under the prior"
    )
    return f"ln p(X|θ) = ELBO + KL holds to {residual:.0e} at each of {half_steps} half-steps, and {collapse}."
