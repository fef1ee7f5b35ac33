"""Every algorithm on draws whose permutations are known, against sums over all K! written out, and against itself."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product

import numpy as np
import pytest
from scipy.special import logsumexp, softmax, xlogy
from scipy.stats import norm

import emvsbayes as eb
from emvsbayes.relabelling import METHODS, relabel_draws
from emvsbayes.relabelling.permanents import weigh

ITERATIVE = ("ecr-iterative-1", "ecr-iterative-2", "stephens", "data-based", "sjw")


def at(fields, x):
    """p(z_n = k | x_n, θ) of a normal mixture with independent coordinates, (N, K)."""
    logs = norm.logpdf(x[:, None], fields["means"], fields["sds"]).sum(axis=2) + np.log(fields["weights"])
    return softmax(logs, axis=1)


@cache
def simulated(k, apart, draws=150, n=120, seed=0):
    """Draws near the truth of a mixture of k normals in the plane, `apart` deviations apart in each coordinate.

    Returns the arguments of every algorithm, the fields as they were, and the permutations that scrambled them.
    """
    rng = np.random.default_rng([k, seed])
    truth = {
        "weights": np.full(k, 1 / k),
        "means": apart * np.column_stack([np.arange(k), rng.permutation(k)]),
        "sds": np.ones((k, 2)),
    }
    x = truth["means"][np.arange(n) % k] + rng.normal(size=(n, 2))
    straight = {
        "weights": rng.dirichlet(np.full(k, n / k), draws),
        "means": truth["means"] + rng.normal(size=(draws, k, 2)) * np.sqrt(k / n),
        "sds": np.exp(rng.normal(size=(draws, k, 2)) * np.sqrt(k / (2 * n))),
    }
    r = np.stack([at({name: v[s] for name, v in straight.items()}, x) for s in range(draws)])
    z = (r.cumsum(axis=2) < rng.random((draws, n, 1))).sum(axis=2).clip(0, k - 1)
    turns = np.stack([rng.permutation(k) for _ in range(draws)])
    return x, straight, r, z, turns


def arguments(case, turns, **more):
    """Arguments of relabel_draws with the draws scrambled by `turns`."""
    x, straight, r, z, _ = case
    fields = {name: np.stack([v[t] for v, t in zip(value, turns, strict=True)]) for name, value in straight.items()}
    return {
        "draws": fields,
        "probabilities": np.take_along_axis(r, turns[:, None, :], axis=2),
        "allocations": np.take_along_axis(np.argsort(turns, axis=1), z, axis=1),
        "data": x,
        **more,
    }


def run(method, options):
    """`sjw` by the draws' parameters goes under a name of its own here."""
    if method == "sjw by parameters":
        return relabel_draws(method="sjw", probabilities_at=lambda f: at(f, options["data"]), **options)
    if method == "ecr-iterative-2, expected":
        return relabel_draws(method="ecr-iterative-2", **{**options, "allocations": None})
    return relabel_draws(method=method, **options)


ALL = (*METHODS, "constraint:means[1]", "sjw by parameters", "ecr-iterative-2, expected")


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_separated_draws_all_come_back(k, method):
    case = simulated(k, 9.0)
    turns = case[-1]
    options = arguments(case, turns)
    found = run(method, options)
    back = np.take_along_axis(turns, found.permutations, axis=1)  # which component each slot holds
    np.testing.assert_array_equal(back, np.broadcast_to(back[0], back.shape))
    if not method.startswith("constraint"):  # the pivot draw is the first, and keeps its names
        np.testing.assert_array_equal(found.permutations[0], np.arange(k))
    for name, value in case[1].items():
        np.testing.assert_array_equal(found.apply(options["draws"][name]), value[:, back[0]], err_msg=name)


LEAST = {"constraint": 0.75, "constraint:means[1]": 0.75, "pra": 0.9}


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_overlapping_draws_come_back_nearly_all(k, method):
    """Neighbours 2 deviations apart in each coordinate: one labelling has to explain nearly all draws."""
    case = simulated(k, 2.0)
    turns = case[-1]
    found = run(method, arguments(case, turns))
    back = np.take_along_axis(turns, found.permutations, axis=1)
    _, counts = np.unique(back, axis=0, return_counts=True)
    assert counts.max() / len(back) >= LEAST.get(method, 0.95)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("given", [False, True])
def test_how_the_input_is_labelled_changes_nothing(k, method, given):
    """Overlapping draws under two labellings end as the same draws; without a pivot, up to one renaming of them all."""
    case = simulated(k, 1.5, seed=1)
    turns = case[-1]
    other = np.stack([np.random.default_rng(9).permutation(k) for _ in turns])
    ends = []
    for turn in (turns, other):
        options = arguments(case, turn)
        if given:
            options["pivot"] = {n: v[3] for n, v in case[1].items()} if method == "pra" else case[3][3]
        found = run(method, options)
        ends.append(np.take_along_axis(turn, found.permutations, axis=1))
    first, second = ends
    if not given:
        second = first[0][np.argsort(second[0])][second]
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("method", [m for m in ALL if m not in ("pra", "constraint", "constraint:means[1]")])
def test_a_pivot_names_the_slots(method):
    case = simulated(4, 9.0)
    names = np.array([2, 0, 3, 1])
    pivot = names[np.arange(120) % 4]
    found = run(method, arguments(case, case[-1], pivot=pivot))
    back = np.take_along_axis(case[-1], found.permutations, axis=1)
    np.testing.assert_array_equal(names[back], np.broadcast_to(np.arange(4), back.shape))
    assert found.agreement is not None
    assert found.agreement.min() > 0.99


# against all K! written out


def slots(case, found, turns):
    """Probabilities and allocations in the slots that were found."""
    order = np.take_along_axis(turns, found.permutations, axis=1)
    return np.take_along_axis(case[2], order[:, None, :], axis=2), np.take_along_axis(
        np.argsort(order, axis=1), case[3], 1
    )


def divergence(r, q):
    return (xlogy(r, r) - xlogy(r, q)).sum()


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_no_permutation_of_any_draw_lowers_the_cost(k):
    """Given the final targets, computed here from their definitions, the permutations are best among all K!."""
    case = simulated(k, 1.5, draws=25, n=60, seed=2)
    turns, x = case[-1], case[0]
    everyone = list(permutations(range(k)))
    options = arguments(case, turns)

    found = run("stephens", options)
    r, _ = slots(case, found, turns)
    q = r.mean(axis=0)
    costs = [min(divergence(one[:, p], q) for p in everyone) for one in r]
    np.testing.assert_allclose(found.costs[-1], sum(costs), rtol=1e-9)
    np.testing.assert_allclose(found.costs[-1], sum(divergence(one, q) for one in r), rtol=1e-9)

    found = run("data-based", options)
    r, _ = slots(case, found, turns)
    x0 = (x - x.mean(axis=0)) / x.std(axis=0)
    n = r.sum(axis=(0, 1))
    mean = np.einsum("snk,nd->kd", r, x0) / n[:, None]
    variance = np.einsum("snk,nd->kd", r, x0**2) / n[:, None] - mean**2
    table = -norm.logpdf(x0[:, None], mean, np.sqrt(variance)).sum(axis=2)  # (N, slot)
    costs = [min((one[:, p] * table).sum() for p in everyone) for one in r]
    np.testing.assert_allclose(found.costs[-1], sum(costs), rtol=1e-9)
    np.testing.assert_allclose(found.costs[-1], (r * table).sum(), rtol=1e-9)

    found = run("ecr-iterative-1", options)
    _, z = slots(case, found, turns)
    pivot = (z[..., None] == np.arange(k)).sum(axis=0).argmax(axis=1)
    costs = [min((np.array(p)[one] != pivot).sum() for p in everyone) for one in z]
    assert found.costs[-1] == sum(costs) == (z != pivot).sum()

    found = run("ecr-iterative-2", options)
    r, z = slots(case, found, turns)
    pivot = r.mean(axis=0).argmax(axis=1)
    costs = [min((np.array(p)[one] != pivot).sum() for p in everyone) for one in z]
    assert found.costs[-1] == sum(costs) == (z != pivot).sum()

    found = run("pra", options)
    order = np.take_along_axis(turns, found.permutations, axis=1)
    straight = np.concatenate([v.reshape(25, k, -1) for v in case[1].values()], axis=2)
    v = np.sort(straight, axis=1).var(axis=0).mean(axis=0)
    pivot = straight[0, turns[0]]
    for s in range(25):
        costs = [(((straight[s, list(p)] - pivot) ** 2) / v).sum() for p in everyone]
        assert (((straight[s, order[s]] - pivot) ** 2) / v).sum() == pytest.approx(min(costs))


@pytest.mark.parametrize("k", [2, 3, 4])
def test_sjw_is_at_a_fixed_point_of_its_definition(k):
    """More E and M, with sums over K! permutations of p(z | x, θ̂) written out, leave cost and certainty as they are."""
    case = simulated(k, 1.5, draws=30, n=40, seed=3)
    turns, x = case[-1], case[0]
    everyone = [list(p) for p in permutations(range(k))]
    options = arguments(case, turns, probabilities=None)
    found = run("sjw by parameters", options)
    order = np.take_along_axis(turns, found.permutations, axis=1)
    straight = {
        n: np.take_along_axis(v, order.reshape(*order.shape, *[1] * (v.ndim - 2)), 1) for n, v in case[1].items()
    }
    z = np.take_along_axis(np.argsort(order, axis=1), case[3], axis=1)
    theta = {n: v.mean(axis=0) for n, v in straight.items()}
    for _ in range(200):
        logs = np.log(at(theta, x))
        score = np.array([[logs[np.arange(40), np.argsort(p)[one]].sum() for p in everyone] for one in z])
        share = softmax(score, axis=1)
        theta = {
            n: sum(np.tensordot(share[:, i], v[:, p], 1) for i, p in enumerate(everyone)) / 30
            for n, v in straight.items()
        }
    assert found.costs[-1] == pytest.approx(
        -np.log(np.exp(score - score.max()).sum(axis=1)).sum() - 30 * score.max(), rel=1e-6
    )
    np.testing.assert_allclose(found.certainty, share.max(axis=1), atol=1e-4)
    assert (share.argmax(axis=1) == 0).all()


@pytest.mark.parametrize(
    "method", [m for m in ALL if m.startswith(ITERATIVE) and m not in ("ecr-iterative-2", "sjw by parameters")]
)
@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_cost_never_rises(k, method):
    for apart in (0.5, 1.0, 3.0):
        case = simulated(k, apart, seed=4)
        found = run(method, arguments(case, case[-1]))
        assert len(found.costs) > 1
        assert (np.diff(found.costs) <= 1e-9 * np.abs(found.costs[0])).all()
        assert found.costs[-1] == pytest.approx(found.start_costs.min(), rel=1e-8)
        assert len(found.start_costs) == 4


@pytest.mark.parametrize(("k", "draws"), [(2, 9), (3, 5)])
def test_several_starts_find_the_cheapest_of_all_labellings(k, draws):
    """Stephens' cost of every joint labelling of all draws, (K!)^(S-1) in number."""
    for seed in range(3):
        case = simulated(k, 1.0, draws=draws, n=20, seed=seed)
        everyone = list(permutations(range(k)))
        costs = []
        for choice in product(everyone, repeat=draws - 1):
            r = np.stack([case[2][0], *(case[2][s + 1][:, p] for s, p in enumerate(choice))])
            costs.append(divergence(r, r.mean(axis=0)))
        found = run("stephens", arguments(case, case[-1], n_starts=draws))
        assert found.costs[-1] == pytest.approx(min(costs))
        assert len(found.start_costs) == draws


# what a method may be asked


@pytest.mark.parametrize("method", ALL)
def test_one_component_or_one_draw_is_left_as_it_is(method):
    for k, draws in ((1, 5), (3, 1)):
        case = simulated(k, 3.0, draws=draws, n=30)
        found = run(method, arguments(case, np.tile(np.arange(k), (draws, 1))))
        if not method.startswith("constraint"):
            np.testing.assert_array_equal(found.permutations, np.tile(np.arange(k), (draws, 1)))
        assert np.sort(found.permutations, axis=1).tolist() == [list(range(k))] * draws


@pytest.mark.parametrize("method", ALL)
def test_classes_are_kept(method):
    case = simulated(4, 1.5)
    classes = np.array([0, 1, 0, 1])
    found = run(method, arguments(case, case[-1], classes=classes))
    assert (classes[found.permutations] == classes).all()
    assert len(np.unique(found.permutations, axis=0)) > 1


@pytest.mark.parametrize("method", [m for m in ALL if m not in ("pra", "constraint", "constraint:means[1]")])
def test_a_weight_is_a_repeated_row(method):
    case = simulated(3, 1.5, draws=40, n=60, seed=5)
    times = np.random.default_rng(0).choice([1, 2, 3], size=60)
    times[:3] = 10
    rows = np.repeat(np.arange(60), times)
    weighted = arguments(case, case[-1], row_weights=times)
    repeated = arguments(case, case[-1])
    repeated |= {"probabilities": repeated["probabilities"][:, rows], "allocations": repeated["allocations"][:, rows]}
    repeated["data"] = weighted["data"][rows]
    one, two = run(method, weighted), run(method, repeated)
    np.testing.assert_array_equal(one.permutations, two.permutations)
    np.testing.assert_allclose(one.agreement, two.agreement)
    np.testing.assert_allclose(one.costs, two.costs)


@pytest.mark.parametrize("method", ["pra", "data-based", "constraint", "sjw"])
def test_units_do_not_matter(method):
    case = simulated(3, 1.5, seed=6)
    options = arguments(case, case[-1])
    plain = run(method, options)
    options["draws"] = {name: 1e5 * v if name == "means" else 1e-3 * v for name, v in options["draws"].items()}
    options["data"] = case[0] * [1e5, 1e-3] + [7.0, -2.0]
    np.testing.assert_array_equal(run(method, options).permutations, plain.permutations)


def test_a_field_that_is_the_same_everywhere_does_not_decide():
    """Weights that are pure noise beside means that are far apart: PRA and the constraint look at the means."""
    rng = np.random.default_rng(0)
    means = np.array([0.0, 5.0, 10.0]) + 0.1 * rng.normal(size=(300, 3))
    turns = np.stack([rng.permutation(3) for _ in range(300)])
    draws = {"weights": rng.dirichlet(np.full(3, 900.0), 300), "means": np.take_along_axis(means, turns, axis=1)}
    for method in ("pra", "constraint"):
        back = np.take_along_axis(turns, relabel_draws(draws, method=method).permutations, axis=1)
        assert (back == back[0]).all(), method
    np.testing.assert_array_equal(back[0], [0, 1, 2])
    by_weights = relabel_draws(draws, method="constraint:weights")
    assert (np.diff(by_weights.apply(draws["weights"]), axis=1) > 0).all()
    assert (np.diff(by_weights.apply(draws["means"]), axis=1) < 0).any()


D = {"means": np.zeros((3, 2, 4)), "weights": np.zeros((3, 2))}
Z, P = np.zeros((3, 5), dtype=int), np.full((3, 5, 2), 0.5)


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("stephens", {"allocations": Z}, ["stephens needs probabilities", "ecr-iterative-1"]),
        ("ecr-iterative-2", {"allocations": Z}, ["ecr-iterative-2 needs probabilities"]),
        ("ecr-iterative-1", {}, ["ecr-iterative-1 needs allocations"]),
        ("ecr-iterative-1", {"probabilities": P, "allocations": Z[:, :4]}, ["4 rows", "5"]),
        ("data-based", {"allocations": Z}, ["data-based needs data"]),
        ("data-based", {"allocations": Z, "data": np.zeros(4)}, ["5", "(4, 1)"]),
        ("data-based", {"allocations": Z, "data": np.full(5, np.nan)}, ["data", "nan"]),
        ("sjw", {"allocations": Z}, ["sjw needs data", "probabilities_at"]),
        ("sjw", {"data": np.arange(5)}, ["sjw needs allocations"]),
        ("pra", {"pivot": np.zeros((2, 4))}, ["means, weights", "mapping"]),
        ("pra", {"pivot": {"means": np.zeros((2, 4))}}, ["no weights"]),
        ("pra", {"pivot": {"means": np.zeros((2, 3)), "weights": np.zeros(2)}}, ["means", "(2, 4)", "(2, 3)"]),
        ("stephens", {"probabilities": P, "pivot": {"means": 1}}, ["only pra"]),
        ("stephens", {"probabilities": P, "n_starts": 0}, ["n_starts", "0"]),
        ("constraint:mean", {}, ["mean", "means"]),
        ("constraint:means[4]", {}, ["(4,)", "[4]"]),
        ("constraint:means[0,1]", {}, ["(4,)", "[0, 1]"]),
        ("constraint:means[", {}, ["constraint:means[0]"]),
        ("ecr:means", {"allocations": Z}, ["ecr:means"]),
    ],
)
def test_bad_input_is_told_in_one_sentence(method, options, words):
    with pytest.raises(eb.InputError) as caught:
        relabel_draws(D, method=method, **options)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize("classes", [[0], [0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 0, 1], [2, 1, 0]])
def test_sums_over_sets_are_sums_over_permutations(classes):
    """Gains of very different sizes: all probabilities against the list of all allowed permutations."""
    k, classes = len(classes), np.array(classes)
    allowed = np.array([p for p in permutations(range(k)) if (classes[list(p)] == classes).all()])
    for scale in (1.0, 30.0, 3000.0):
        gains = scale * np.random.default_rng(k).normal(size=(20, k, k)) - 1e4
        score = gains[:, allowed, np.arange(k)].sum(axis=2)
        share = softmax(score, axis=1)
        found = weigh(gains, classes)
        np.testing.assert_allclose(found.log_total, logsumexp(score, axis=1), rtol=1e-12)
        np.testing.assert_allclose(found.certainty, share.max(axis=1), rtol=1e-8)
        np.testing.assert_array_equal(found.best, allowed[share.argmax(axis=1)])
        marginals = np.einsum("sp,pkj->sjk", share, allowed[..., None] == np.arange(k))
        np.testing.assert_allclose(found.marginals, marginals, atol=1e-8)


def test_sjw_says_when_there_are_too_many_components():
    z, x = np.arange(40).reshape(1, -1) % 13, np.arange(40) % 13
    with pytest.raises(eb.InputError, match="take stephens"):
        relabel_draws({"means": np.zeros((1, 13))}, method="sjw", allocations=z, data=x)
    turns = np.stack([np.arange(9), np.random.default_rng(0).permutation(9)])
    z = np.argsort(turns, axis=1)[:, x % 9]
    found = relabel_draws({"means": np.zeros((2, 9))}, method="sjw", allocations=z, data=x % 9)
    np.testing.assert_array_equal(found.permutations, np.argsort(turns, axis=1))


def test_arguments_that_are_not_needed_are_ignored():
    found = relabel_draws(D, method="constraint:weights", allocations="nonsense", pivot=7, data=[[np.nan]])
    assert found.agreement is None
    assert relabel_draws({"w": np.zeros((3, 2))}, method="pra", allocations=[9]).permutations.tolist() == [[0, 1]] * 3
