"""Labels: what can be said without them, what is the matter with them, and every algorithm that mends them.

The order is that of a careful reader: summaries that no renaming of components changes come first, then the diagnosis
of the draws as they came, then the cure. A cure is judged by what it makes of one coordinate of every component: under
random labels (the random permutation sampler) the marginals of the components are one and the same, and an algorithm
has to take that apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.comparison.record import Plot, Raster, Series, Sheet, Supplement
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.scalars import Scalar, scalars
from emvsbayes.relabelling import (
    METHODS,
    allocation_probabilities,
    coclustering,
    diagnose_labels,
    occupied,
    permute_at_random,
    point_partition,
    relabel,
)
from emvsbayes.relabelling.convergence import rhat_ess
from emvsbayes.relabelling.disagreement import disagreement
from emvsbayes.studies.supplements.rasters import raster

DRAWS = 500  # of the partitions, evenly spaced
POINTS = 161  # of a marginal
SHOWN = ("random", "constraint", "ecr", "stephens")  # whose marginals are drawn
WORDS = {
    "random": "any labels at all",
    "constraint": "sorts the components by one coordinate",
    "pra": "the order nearest to EM's parameters",
    "ecr": "the order in which the rows agree best with EM's allocation",
    "ecr-iterative-1": "the same, towards the draws' own most frequent allocation",
    "ecr-iterative-2": "the same, towards the draws' own mean probabilities",
    "stephens": "allocation probabilities nearest to their mean, in KL",
    "data-based": "groups of rows to the slot whose rows look alike",
    "sjw": "the permutation as a missing datum, by EM",
}


def supplements(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """Three sections; none where nothing was sampled, or there is but one component."""
    if posterior is None or problem.family.n_components == 1:
        return []
    probabilities = allocation_probabilities(posterior.raw, problem.family, fits.map.params, problem.data)
    return [
        _without_labels(problem, study, probabilities),
        _diagnosis(study, fits, posterior),
        _cures(problem, study, fits, posterior),
    ]


def _without_labels(problem: Any, study: Any, probabilities: Array) -> Supplement:
    """Occupied components, the co-clustering matrix, and a partition of the rows by two losses."""
    together = coclustering(probabilities=probabilities)
    drawn = _drawn(probabilities, study.seed)
    partitions = [point_partition(drawn, loss=loss, coclustering=together) for loss in ("vi", "binder")]
    shares = occupied(probabilities=probabilities)
    x = problem.data.X[:, 0]
    order = np.argsort(x, kind="stable")
    column = problem.data.columns[0]
    rows: list[list[Any]] = []
    plots = []
    for partition, name in zip(partitions, ("variation of information", "Binder"), strict=True):
        sizes = np.bincount(partition.labels)
        loss = f"{partition.expected_loss:.4g} {'nats' if partition.loss == 'vi' else 'pairs of rows'}"
        rows.append([name, str(len(sizes)), ", ".join(str(n) for n in sorted(sizes)[::-1]), loss])
        plots.append(_partition(partition.labels, together, x, name, column))
    text = [
        "A mixture is a density and a partition of the rows; both are the same whatever its components are called. "
        "What follows needs no labels, and holds whether or not the chains agree about them (the predictive density, "
        "with its band, is in a section of its own).",
        f"Rows are ordered by {column}. A dark point of the matrix says that two rows are of one component in nearly "
        "every draw, a white one in none; grey is the posterior's own doubt, and no labelling takes it away.",
    ]
    return Supplement(
        "Before any labels: what renaming cannot change",
        text,
        [
            Sheet(
                "Components that hold a row",
                [str(j) for j in range(1, len(shares))],
                [[f"{share:.3f}" for share in shares[1:]]],
                "share of the posterior",
            ),
            Sheet(
                "The partition with the smallest expected loss",
                ["loss", "groups", "rows in each", "expected loss"],
                rows,
                f"Of {len(drawn)} drawn partitions; Binder (1978), Wade and Ghahramani (2018).",
            ),
        ],
        plots,
        [[_matrix(together[np.ix_(order, order)], column)]],
    )


def _drawn(probabilities: Array, seed: int) -> Integers:
    """Allocations drawn from the probabilities of evenly spaced draws, (DRAWS, N)."""
    some = probabilities[np.linspace(0, len(probabilities) - 1, DRAWS).astype(int)]
    uniform = np.random.default_rng(seed).random(some.shape[:2])
    return (uniform[..., None] > some.cumsum(axis=2)[..., :-1]).sum(axis=2)


def _partition(labels: Integers, together: Array, x: Array, name: str, column: str) -> Plot:
    """Every row in the colour of its group, at the mean probability of being together with the others of its group."""
    series = []
    for group in range(labels.max() + 1):
        members = np.flatnonzero(labels == group)
        inside = together[np.ix_(members, members)].sum(axis=1) - 1
        certainty = inside / max(len(members) - 1, 1)
        series.append(Series(f"group {group}", "points", x[members].tolist(), certainty.tolist(), component=group))
    return Plot(f"groups by {name}", column, "together with its group", series)


def _matrix(together: Array, column: str) -> Raster:
    return raster(1 - together, f"p(two rows are of one component), rows ordered by {column}", scale=3)


def _diagnosis(study: Any, fits: Any, posterior: Any) -> Supplement:
    """What the draws say of their own labels."""
    found = diagnose_labels(posterior.raw, pivot=fits.map, seed=study.seed)
    heights: list[Any] = found.log_posterior or [None] * found.chains
    ends: list[Any] = found.mode_log_posterior or [None] * found.chains
    by_chain: list[list[Any]] = [
        [str(c), str(found.switches[c]), str(found.modes[c]), heights[c], ends[c]] for c in range(found.chains)
    ]
    shares: list[list[Any]] = [[name, 100 * share] for name, share in found.labelling_shares.items()]
    pairs: list[list[Any]] = [[pair.replace(" / ", " and "), 100 * v] for pair, v in found.disagreements.items()]
    pairs.append(["a draw under a wrong label, expected at the least", 100 * found.doubt])
    pairs.append(["a draw whose second-best labelling is nearly as good (a tie)", 100 * found.ties])
    return Supplement(
        "Diagnosis before cure",
        found.sentences,
        [
            Sheet(
                "Chains",
                ["chain", "switches", "mode", "mean log posterior", "where EM ends from its last draw"],
                by_chain,
                "chains with one number under “mode” are relabellings of one another; nats",
                digits=6,
            ),
            Sheet(
                f"{found.labellings_visited} of {found.labellings_possible} labellings",
                ["labelling", "% of draws"],
                shares,
                "“2 0 1”: slot 0 holds the component that the sampler called 2",
                digits=3,
            ),
            Sheet(
                "Signs of overlap", ["", "% of draws"], pairs, "two algorithms: draws that they label differently", 3
            ),
        ],
    )


def _cures(problem: Any, study: Any, fits: Any, posterior: Any) -> Supplement:
    """Every algorithm, by what it makes of the components."""
    trees = {"random": permute_at_random(posterior.raw, study.seed)}
    for method in METHODS:
        trees[method] = relabel(posterior.raw, method=method, pivot=fits.map, seed=study.seed)
    listed = scalars(fits.map.params, problem.family, problem.data.columns)
    shown = _coordinate(listed)
    permutations = {name: _permutations(tree) for name, tree in trees.items()}
    rows: list[list[Any]] = []
    drawn = posterior.raw["posterior"].to_dataset()
    for name, tree in [("as drawn", posterior.raw), *trees.items()]:
        dataset = tree["posterior"].to_dataset()
        found = [rhat_ess(s.draws(drawn), s.draws(dataset))[1] for s in listed]
        worst = None if None in found else f"{max(value for value in found if value is not None):.2f}"
        apart = 100 * disagreement(permutations["ecr"], permutations[name])[0] if name in METHODS else None
        cells = [f"{s.draws(dataset).mean():.2f} ± {s.draws(dataset).std(ddof=1):.2f}" for s in shown]
        rows.append([name, WORDS.get(name, ""), worst, apart, *cells])
    text = [
        "Under random labels every component has the same marginal: that is the posterior itself, which is symmetric, "
        "and R-hat is perfect. Nothing is wrong with those draws, but they answer no question about a component. An "
        "algorithm chooses, for every draw, one of the copies; where components overlap the choice is not unique, and "
        "what looks like knowledge about a component may be the rule that made it.",
    ]
    head = ["method", "rule", "worst R-hat", "% unlike ecr", *(s.name for s in shown)]
    note = (
        "mean ± sd of the draws; “% unlike ecr”: draws in which the two permutations differ, after one renaming of all"
    )
    plots = [_marginals(name, trees[name], shown) for name in SHOWN]
    return Supplement(
        "Eight cures", text, [Sheet("By every algorithm, towards the MAP fit", head, rows, note, 3)], plots
    )


def _coordinate(listed: list[Scalar]) -> list[Scalar]:
    """One scalar a component: the first coordinate of the first field that is not the weights."""
    first = next((s for s in listed if s.component == 0 and s.field != "weights"), None)
    return [s for s in listed if first and s.field == first.field and s.index[1:] == first.index[1:]]


def _permutations(tree: Any) -> Integers:
    moves = tree["relabelling"]["permutation"].values
    return moves.reshape(-1, moves.shape[-1])


def _marginals(name: str, tree: Any, shown: list[Scalar]) -> Plot:
    """Kernel estimates of the marginals of one coordinate of every component."""
    from scipy.stats import gaussian_kde

    dataset = tree["posterior"].to_dataset()
    draws = [s.draws(dataset).ravel() for s in shown]
    low, high = np.quantile(np.concatenate(draws), [0.002, 0.998])
    x = np.linspace(low, high, POINTS)
    series = [
        Series(f"component {k}", "line", x.tolist(), gaussian_kde(values)(x).tolist(), component=k)
        for k, values in enumerate(draws)
    ]
    label = shown[0].name.replace("[0, ", "[k, ").replace("[0]", "[k]")
    return Plot("random labels" if name == "random" else name, label, "density", series)
