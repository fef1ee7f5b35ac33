"""Three sentences that a reader may quote: each states what the numbers behind it say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emvsbayes.comparison import record as rec
from emvsbayes.comparison.switching import unresolved
from emvsbayes.comparison.verdict import CAVEATS, checks, verdict
from emvsbayes.core.trace import Status


def parameter(name="means[0]", z_map=0.2, z_ml=0.5):
    return rec.Parameter(name, "means", 0, 1.0, 1.1, z_map=z_map, z_ml=z_ml)


def score(name, height=-100.0, status="CONVERGED"):
    return rec.Score(name, height, 0.0, height, status)


def points(*parameters, resolved=True, reason="", scores=None):
    scores = scores or [score("ML (EM)"), score("MAP (EM)"), score("pm.find_MAP")]
    starts = [rec.FitStarts(o, 20, 0, [-100.0], [20]) for o in ("ml", "map")]
    return rec.Points(list(parameters), scores, starts, [], "95 % interval", resolved, reason)


def switching(after=1.002, before=1.7, visited=2, switches=(0, 3), agreement=(0.99, 0.98), possible=6):
    return rec.Switching(
        method="ECR",
        pivot="the MAP fit of EM",
        chains=2,
        draws=100,
        switches=list(switches),
        labellings_visited=visited,
        labellings_possible=possible,
        labelling_shares={"0 1 2": 1.0},
        convergence=[rec.Convergence("means[0]", before, after, 10.0, 500.0), rec.Convergence("w", 1.0, 1.0, 9.0, 9.0)],
        trace=rec.TraceSeries("", [], [], []),
        divergences=0,
        diagnosis=[],
        agreement=list(agreement),
        log_likelihood=[-100.0, -101.0],
        mode_log_posterior=[-99.0, -99.0],
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
    assert first.startswith("Every start of the ML fit collapsed on a singularity; EM and the posterior agree")
    assert "maximum likelihood differs" not in first
    words = "of 100 random starts collapsed on a singularity of the likelihood"
    assert f"100 {words}, none under the prior" in third
    assert f"16 {words}" in sentences(singular=singularity(16, 0))[2]
    assert f"none {words}" in sentences()[2]
    assert "3 under the prior" in sentences(singular=singularity(16, 3))[2]


STATUSES = [
    ("SINGULAR", "every start of the {} fit collapsed on a singularity"),
    ("MAX_PASSES", "the {} fit had not converged"),
    ("EMPTY_COMPONENT", "the {} fit has an empty component"),
    ("DECREASED", "the objective of the {} fit fell"),
    ("NONFINITE", "the {} fit is not finite"),
]


def test_every_status_but_one_has_a_caveat():
    assert {status for status, _ in STATUSES} == {s.name for s in Status} - {"CONVERGED"} == set(CAVEATS)


@pytest.mark.parametrize("which", ["ML", "MAP"])
@pytest.mark.parametrize(("status", "words"), STATUSES)
def test_a_fit_that_did_not_converge_is_told_first(status, words, which):
    def scores(*names):
        return [score(name, status=status if name == f"{which} (EM)" else "CONVERGED") for name in names]

    caveat = words.format(which)
    caveat = caveat[0].upper() + caveat[1:]
    first = sentences(points(parameter(), scores=scores("ML (EM)", "MAP (EM)", "pm.find_MAP")))[0]
    assert first.startswith(f"{caveat}; EM and the posterior agree")
    assert ("maximum likelihood differs" in first) == ((status, which) != ("SINGULAR", "ML"))
    bare = parameter(z_map=None, z_ml=None)
    alone = points(bare, resolved=False, reason="nothing was sampled", scores=scores("ML (EM)", "MAP (EM)"))
    assert sentences(alone, None)[0].startswith(f"{caveat}; EM ended at a MAP estimate")


def test_both_caveats():
    scores = [score("ML (EM)", status="SINGULAR"), score("MAP (EM)", status="MAX_PASSES"), score("pm.find_MAP")]
    assert sentences(points(parameter(), scores=scores))[0].startswith(
        "Every start of the ML fit collapsed on a singularity and the MAP fit had not converged; EM and the posterior"
    )


def test_a_mode_of_pymc_that_did_not_converge_is_no_caveat_of_em():
    scores = [score("ML (EM)"), score("MAP (EM)"), score("pm.find_MAP", status="MAX_PASSES")]
    assert sentences(points(parameter(), scores=scores))[0].startswith("EM and the posterior agree")


def test_a_bounded_likelihood_cannot_collapse():
    third = sentences(singular=singularity(bounded=True))[2]
    assert "100 of 100 random starts reached the same best optimum" in third
    assert "collapse" not in third


def test_unresolved():
    found = switching(after=1.8)
    reason = unresolved(found)
    bare = parameter(z_map=None, z_ml=None)
    first, second, _ = sentences(points(bare, resolved=False, reason=reason), found)
    assert first.startswith("EM ended at a MAP estimate, but the chains did not agree")
    assert "agree:" not in first
    assert "nothing is compared component by component" in first
    assert second.startswith("The chains visited 2 of 6 labellings")
    assert second.endswith(f"; {reason}")
    assert "R-hat of means[0] is 1.80" in second
    assert "relabelled to the EM fit" not in second


def test_where_chains_ended_says_nothing_where_they_pass_between_modes():
    """Bug: a chain was said to sit at a lower mode where its last draw happened to be, with an R-hat of 1.02."""
    found = replace(switching(after=1.02), mode_log_posterior=[-99.0, -107.4])
    said = unresolved(found)
    assert said == "R-hat of means[0] is 1.020 after relabelling, not far above 1.01: longer chains may do."
    assert "chain 1 ended at a mode" in unresolved(replace(found, convergence=switching(after=1.2).convergence))


def test_one_chain_is_not_said_to_disagree():
    bare = parameter(z_map=None, z_ml=None)
    found = replace(switching(after=None), chains=1)
    first = sentences(points(bare, resolved=False, reason=unresolved(found)), found)[0]
    assert "a single chain cannot show" in first
    assert "did not agree" not in first


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
    found = switching(before=1.002, possible=1, visited=1, switches=(0, 0))
    second = sentences(s=found)[1]
    assert second == "There are no labels to switch; the largest R-hat is 1.002."
    bad = switching(after=1.3, before=1.3, possible=1, visited=1, switches=(0, 0))
    bare = parameter(z_map=None, z_ml=None)
    second = sentences(points(bare, resolved=False, reason=unresolved(bad)), bad)[1]
    assert second.startswith("There are no labels to switch; R-hat of means[0] is 1.30")


def test_labels_that_are_partly_arbitrary():
    second = sentences(s=switching(possible=2))[1]
    assert "visited 2 of 2 labellings" in second


@pytest.mark.parametrize("convergence", [[], [rec.Convergence("means[0]", None, None, None, None)]])
def test_without_any_r_hat(convergence):
    """An R-hat that does not exist makes the labels unresolved, and the second sentence says so."""
    found = replace(switching(), convergence=convergence)
    reason = unresolved(found)
    bare = parameter(z_map=None, z_ml=None)
    second = sentences(points(bare, resolved=False, reason=reason), found)[1]
    assert "does not exist" in second
    assert "relabelled to the EM fit" not in second


# checks

NO_RHAT = rec.Convergence("means[0]", None, None, None, None)


def three(ml, map_, mode, likelihoods=None, heights=None):
    """Scores of ML, MAP and PyMC's mode at these heights; all likelihoods, or all log posteriors, may be one number."""
    names = ("ML (EM)", "MAP (EM)", "pm.find_MAP")
    return [
        rec.Score(
            name,
            height if likelihoods is None else likelihoods,
            0.0,
            height if heights is None else heights,
            "CONVERGED",
        )
        for name, height in zip(names, (ml, map_, mode), strict=True)
    ]


def by_name(p=None, s="default", d=None, certificate=1e-15, published=()):
    s = switching() if s == "default" else s
    found = checks(p or points(parameter()), s, d or decomposition(), certificate, list(published))
    for check in found:
        assert check.passed == (check.value is not None and check.value <= check.bound)
        assert check.sentence
    return {check.name: check for check in found}


def number(passed):
    return rec.Published("one pass", "probs", [0.71], [0.713 if passed else 0.72], 2, passed)


def test_all_checks_pass_where_all_is_well():
    found = by_name(published=[number(True)])
    assert all(check.passed for check in found.values())
    assert len(found) == 8


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("residual of the decomposition", {"d": decomposition(2e-10)}),
        ("certificate of the twin", {"certificate": 2e-8}),
        ("certificate of the twin", {"certificate": float("nan")}),
        ("falls of the objective", {"p": points(parameter(), scores=[score("ML (EM)", status="DECREASED")])}),
        ("R-hat after relabelling", {"s": switching(after=1.02)}),
        ("R-hat after relabelling", {"s": switching(after=None)}),
        ("divergences", {"s": replace(switching(), divergences=1)}),
        ("published numbers missed", {"published": [number(True), number(False)]}),
        ("R-hat after relabelling", {"s": replace(switching(), convergence=[])}),
        (
            "R-hat after relabelling",
            {"s": replace(switching(), convergence=[rec.Convergence("w", 1.0, 1.0, 9.0, 9.0), NO_RHAT])},
        ),
        ("MAP beaten", {"p": points(parameter(), scores=three(-100, -100, -99.9, likelihoods=-100))}),
        ("ML beaten", {"p": points(parameter(), scores=three(-100, -100, -99.99, heights=-100))}),
        ("ML beaten", {"p": points(parameter(), scores=three(-100, -99.9, -100, heights=-100))}),
    ],
)
def test_each_check_fails_alone(name, options):
    found = by_name(**options)
    assert [check.name for check in found.values() if not check.passed] == [name]


def test_what_does_not_exist_has_no_value_and_does_not_pass():
    for s in (replace(switching(), convergence=[]), replace(switching(), convergence=[NO_RHAT])):
        check = by_name(s=s)["R-hat after relabelling"]
        assert (check.value, check.passed) == (None, False)
    assert by_name(certificate=float("nan"))["certificate of the twin"].value is None
    outside = replace(score("MAP (EM)"), log_prior=None, log_posterior=None)
    scores = [score("ML (EM)"), outside, score("pm.find_MAP")]
    check = by_name(points(parameter(), scores=scores))["MAP beaten"]
    assert (check.value, check.passed) == (None, False)


def test_a_worse_mode_of_find_map_is_no_complaint():
    scores = [score("ML (EM)"), score("MAP (EM)", -100), score("pm.find_MAP", -130)]
    assert by_name(points(parameter(), scores=scores))["MAP beaten"].value == 0


def test_a_log_posterior_of_exactly_zero_is_a_number():
    scores = [score("ML (EM)", 0.0), score("MAP (EM)", -1.0), score("pm.find_MAP", 0.0)]
    found = by_name(points(parameter(), scores=scores))["MAP beaten"]
    assert not found.passed
    assert found.value == 1.0


def test_a_mode_where_the_prior_is_zero_beats_nothing():
    nowhere = replace(score("pm.find_MAP"), log_prior=None, log_posterior=None)
    scores = [score("ML (EM)"), score("MAP (EM)"), nowhere]
    assert by_name(points(parameter(), scores=scores))["MAP beaten"].value == 0


@pytest.mark.parametrize(("gap", "passed"), [(0.0009, True), (0.0011, False)])
def test_by_how_much_em_may_be_beaten(gap, passed):
    found = by_name(points(parameter(), scores=three(-100, -101, -100 + gap)))
    assert found["ML beaten"].value == pytest.approx(gap)
    assert found["ML beaten"].passed == passed
    found = by_name(points(parameter(), scores=three(-100, -101, -101 + gap)))
    assert found["MAP beaten"].value == pytest.approx(gap)
    assert found["MAP beaten"].passed == passed


def test_a_singular_fit_is_not_beaten():
    scores = [score("ML (EM)", -500, "SINGULAR"), score("MAP (EM)", -100), score("pm.find_MAP", -100)]
    assert "ML beaten" not in by_name(points(parameter(), scores=scores))


def test_what_was_not_done_is_not_checked():
    bare = points(parameter(z_map=None, z_ml=None), scores=[score("ML (EM)"), score("MAP (EM)")])
    assert set(by_name(bare, None, certificate=None)) == {
        "residual of the decomposition",
        "falls of the objective",
        "ML beaten",
    }
