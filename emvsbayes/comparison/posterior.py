"""More questions to the posterior: predictions, predictive checks, the posterior of z, and the prior's part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emvsbayes.comparison.certainty import certainty_section
from emvsbayes.comparison.predictions import checks_section, predictive_section
from emvsbayes.comparison.record import Points, Supplement
from emvsbayes.comparison.sensitivity import sensitivity_section
from emvsbayes.posterior.draws import tree_draws

CAVEAT = (
    "That the chains sample one and the same posterior is not shown (question 2). Every draw counts alike here: where "
    "chains ended in different modes, the share of a mode is that of its chains, which says nothing of its probability."
)


def compare_posterior(
    problem: Any, ml: Any, map_: Any, relabelled: Any, points: Points, seed: int, say: Callable[[str], object]
) -> list[Supplement]:
    """The sections of a sampled comparison; `relabelled` is the tree under the labels of the MAP fit."""
    say("predictions, predictive checks, sensitivity")
    draws = tree_draws(relabelled, problem.family, problem.data, map_.params)
    caveat = "" if points.labels_resolved else CAVEAT
    return [
        *predictive_section(draws, ml, map_, seed, caveat),
        *checks_section(draws, seed, caveat),
        *certainty_section(draws, map_, resolved=points.labels_resolved, caveat=caveat),
        *sensitivity_section(
            draws,
            map_.prior,
            resolved=points.labels_resolved,
            unresolved_because=points.unresolved_because,
            log_scale=problem.twin.log_scale,
        ),
    ]
