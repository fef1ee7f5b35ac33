"""Sentences that depend on how this comparison went: what its numbers do not say by themselves."""

from __future__ import annotations

from emvsbayes.comparison.record import Climb, Comparison, Points
from emvsbayes.report import format as fmt

SAME_MODE = 1e-3  # nats: nearer than this, two ends are one


def find_map(points: Points) -> str:
    """Where pm.find_MAP ended, beside the MAP fit of EM."""
    by_name = {score.name: score for score in points.scores}
    ours, theirs = (by_name.get(name) for name in ("MAP (EM)", "pm.find_MAP"))
    if ours is None or theirs is None or ours.log_posterior is None:
        return ""
    if theirs.log_posterior is None:
        return "It ended where the posterior density is 0, and is no rival to MAP here."
    gap = ours.log_posterior - theirs.log_posterior
    if abs(gap) <= SAME_MODE:
        return "It repeats MAP here."
    if gap < 0:
        return f"It ended higher than MAP here, by {fmt.number(-gap, 3)} nats."
    lost = _weightless(points)
    emptied = f", with {fmt.plural(lost, 'component')} whose weight went to 0" if lost else ""
    return (
        f"It does not repeat MAP here: it ended {fmt.number(gap, 3)} nats lower{emptied}, and its column is that of "
        "another, lower optimum."
    )


def _weightless(points: Points) -> int:
    weights = [p.pymc_map for p in points.parameters if p.field == "weights" and p.pymc_map is not None]
    return sum(weight < 1e-6 for weight in weights)


def lower_climbs(c: Comparison) -> list[str]:
    """Climbs with an exact E-step that ended below the best fit of their objective, which question 1 prints."""
    by_name = {score.name: score for score in c.points.scores}
    names, found = fmt.climb_names(c.decomposition.climbs), []
    for name, climb in zip(names, c.decomposition.climbs, strict=True):
        kind = "ML" if climb.objective == "ml" else "MAP"
        score = by_name.get(f"{kind} (EM)" if climb.e_step == c.subject.e_step else f"{kind}, {climb.e_step} E-step")
        end = _end(climb)
        if score is None or end is None or climb.e_step != "exact":
            continue
        best = score.log_likelihood if climb.objective == "ml" else score.log_posterior
        if best is not None and best - end > SAME_MODE:
            found.append(
                f"The climb of {name} begins at the start that is drawn, and ended in a lower optimum, at "
                f"{fmt.fixed(end, 2)}; the fit “{score.name}” of question 1 is the best of its starts, at "
                f"{fmt.fixed(best, 2)}."
            )
    return found


def _end(climb: Climb) -> float | None:
    if not climb.steps:
        return None
    last = climb.steps[-1]
    return last.log_likelihood + (last.log_prior if climb.objective == "map" else 0.0)
