"""Sentences that depend on how a comparison went."""

from dataclasses import replace

import pytest

import emvsbayes as eb
from emvsbayes.comparison.record import Score
from emvsbayes.report import remarks


@pytest.fixture(scope="module")
def record():
    return eb.run("two-coins", sampling=False).record


@pytest.mark.parametrize(("lower", "words"), [
    (0.0, "It repeats MAP"), (880.0, "880 nats lower"), (-0.5, "ended higher than MAP"), (None, "density is 0"),
])  # fmt: skip
def test_find_map_is_said_to_have_ended_where_it_did(record, lower, words):
    assert remarks.find_map(record.points) == ""
    top = next(s for s in record.points.scores if s.name == "MAP (EM)").log_posterior
    mode = Score("pm.find_MAP", -1.0, None, None if lower is None else top - lower, "CONVERGED")
    assert words in remarks.find_map(replace(record.points, scores=[*record.points.scores, mode]))


def test_a_climb_that_ended_in_a_lower_optimum_is_named(record):
    assert remarks.lower_climbs(record) == []
    ml, *rest = record.points.scores
    higher = replace(record.points, scores=[replace(ml, log_likelihood=ml.log_likelihood + 1), *rest])
    (sentence,) = remarks.lower_climbs(replace(record, points=higher))
    assert "ended in a lower optimum" in sentence
    assert "ML (EM)" in sentence
