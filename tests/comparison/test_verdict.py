"""Three sentences that a reader may quote: each states what the numbers behind it say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emvsbayes.comparison import record as rec
from emvsbayes.comparison.verdict import checks, verdict


def parameter(name="means[0]", z_map=0.2, z_ml=0.5):
    return rec.Parameter(name, "means", 0, 1.0, 1.1, z_map=z_map, z_ml=z_ml)


def score(name, height=-100.0, status="CONVERGED"):
    return rec.Score(name, height, 0.0, height, status)


def points(*parameters, resolved=True, reason="", scores=None):
    scores = scores or [score("ML (EM)"), score("MAP (EM)"), score("pm.find_MAP")]
    return rec.Points(list(parameters), scores, [], "95 % interval", resolved, reason)


def switching(after=1.002, before=1.7, visited=2, switches=(0, 3), agreement=(0.99, 0.98), exchangeable=True):
    return rec.Switching(
        exchangeable=exchangeable,
        method="ECR",
        pivot="the MAP fit of EM",
        chains=2,
        draws=100,
        switches=list(switches),
        labellings_visited=visited,
        labellings_possible=6,
        labelling_shares={"0 1 2": 1.0},
        convergence=[rec.Convergence("means[0]", before, after, 10.0, 500.0), rec.Convergence("w", 1.0, 1.0, 9.0, 9.0)],
        trace=rec.TraceSeries("", [], [], []),
        divergences=0,
        diagnosis=[],
        agreement=list(agreement),
        log_likelihood=[-100.0, -101.0],
    )


def restarts(objective, n_singular, n=100):
    return rec.Restarts(objective, [], [rec.Optimum(0, -100.0, n - n_singular, {})], n_singular, [])


def singularity(ml=0, map_=0, bounded=False):
    return rec.Singularity("random", bounded, 100, restarts("ml", ml), restarts("map", map_))


def decomposition(residual=3e-15, falls=False):
    step = rec.Step(0, "E", -100.0, 0.0, -100.0, 0.0, residual)
    return rec.Decomposition([rec.Climb(o, [step], 41, residual, 0.5) for o in ("ml", "map")])


def sentences(p=None, s="default", singular=None):
    s = switching() if s == "default" else s
    found = verdict(points(parameter()) if p is None else p, s, singular or singularity(), decomposition())
    assert len(found) == 3
    for sentence in found:
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert "None" not in sentence
        assert "nan" not in sentence.lower()
        assert ".." not in sentence
    return found


def test_they_agree():
    first, second, third = sentences(points(parameter(z_map=-0.42), parameter("w", 0.1, -2.5)))
    assert first.startswith("EM and the posterior agree: every MAP estimate lies within one posterior sd")
    assert "0.42 sd, means[0]" in first
    assert "maximum likelihood differs by at most 2.50 sd (w)" in first
    assert "visited 2 of 6 labellings, with 3 switches within chains" in second
    assert "R-hat goes from 1.70 to 1.002" in second
    assert "3e-15 at each of 82 half-steps" in third


def test_they_differ():
    first, _, _ = sentences(points(parameter(z_map=0.1), parameter("covariances[1]", -1.7, -3.0)))
    assert first.startswith("EM and the posterior differ: not every MAP estimate lies within one posterior sd")
    assert "1.70 sd, covariances[1]" in first


def test_exactly_one_sd_is_not_within_one():
    assert sentences(points(parameter(z_map=1.0)))[0].startswith("EM and the posterior differ")


def test_singular():
    scores = [score("ML (EM)", status="SINGULAR"), score("MAP (EM)"), score("pm.find_MAP")]
    first, _, third = sentences(points(parameter(), scores=scores), singular=singularity(100, 0))
    assert first.startswith("Maximum likelihood has no answer here")
    assert "maximum likelihood differs" not in first
    assert "100 of 100 random starts collapsed on a singularity of the likelihood, none under the prior" in third
    assert "16 of 100 random starts collapsed" in sentences(singular=singularity(16, 0))[2]
    assert "none of 100 random starts collapsed" in sentences()[2]
    assert "3 under the prior" in sentences(singular=singularity(16, 3))[2]


def test_a_bounded_likelihood_cannot_collapse():
    third = sentences(singular=singularity(bounded=True))[2]
    assert "100 of 100 random starts reached the same best optimum" in third
    assert "collapse" not in third


def test_unresolved():
    reason = "labels are unresolved: R-hat of means[0] is 1.80 after relabelling"
    bare = parameter(z_map=None, z_ml=None)
    first, second, _ = sentences(points(bare, resolved=False, reason=reason), switching(after=1.8))
    assert "no single mode, up to labels" in first
    assert "agree" not in first
    assert reason in second
    assert "relabelled to the EM fit" not in second


def test_not_sampled():
    bare = parameter(z_map=None, z_ml=None)
    scores = [score("ML (EM)"), score("MAP (EM)")]
    first, second, _ = sentences(points(bare, resolved=False, reason="nothing was sampled", scores=scores), None)
    assert "nothing was sampled" in first
    assert second.startswith("Nothing was sampled")


def test_rows_that_the_draws_place_elsewhere_are_told():
    assert "puts only 62% of the rows where EM puts them" in sentences(s=switching(agreement=(0.6, 0.64)))[1]
    assert "puts only" not in sentences()[1]


def test_labels_that_are_not_arbitrary():
    second = sentences(s=switching(exchangeable=False, visited=1, switches=(0, 0)))[1]
    assert "tell the components apart" in second
    assert "1.002" in second


def test_without_any_r_hat():
    bare = switching(after=None, before=None)
    assert "R-hat" in sentences(s=replace(bare, convergence=[]))[1]


# checks


def by_name(p=None, s="default", d=None, certificate=1e-15, published=()):
    s = switching() if s == "default" else s
    found = checks(p or points(parameter()), s, d or decomposition(), certificate, list(published))
    for check in found:
        assert check.passed == (check.value <= check.bound)
        assert check.sentence
    return {check.name: check for check in found}


def number(passed):
    return rec.Published("one pass", "probs", [0.71], [0.713 if passed else 0.72], 2, passed)


def test_all_checks_pass_where_all_is_well():
    found = by_name(published=[number(True)])
    assert all(check.passed for check in found.values())
    assert len(found) == 7


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("residual of the decomposition", {"d": decomposition(2e-10)}),
        ("certificate of the twin", {"certificate": 2e-8}),
        ("certificate of the twin", {"certificate": float("nan")}),
        ("falls of the objective", {"p": points(parameter(), scores=[score("ML (EM)", status="DECREASED")])}),
        ("R-hat after relabelling", {"s": switching(after=1.02)}),
        ("divergences", {"s": replace(switching(), divergences=1)}),
        ("published numbers missed", {"published": [number(True), number(False)]}),
        (
            "a mode that EM missed",
            {"p": points(parameter(), scores=[score("ML (EM)"), score("MAP (EM)", -100), score("pm.find_MAP", -99)])},
        ),
    ],
)
def test_each_check_fails_alone(name, options):
    found = by_name(**options)
    assert [check.name for check in found.values() if not check.passed] == [name]


def test_a_worse_mode_of_find_map_is_no_complaint():
    scores = [score("ML (EM)"), score("MAP (EM)", -100), score("pm.find_MAP", -130)]
    assert by_name(points(parameter(), scores=scores))["a mode that EM missed"].value == 0


def test_what_was_not_done_is_not_checked():
    bare = points(parameter(z_map=None, z_ml=None), scores=[score("ML (EM)"), score("MAP (EM)")])
    assert set(by_name(bare, None, certificate=None)) == {"residual of the decomposition", "falls of the objective"}
