"""Image completion with a mixture of Bernoullis: the upper half is observed, the lower half predicted.

    p(z | x_obs) ∝ π_z ∏_{d observed} μ_zd^x_d (1 - μ_zd)^(1 - x_d),      E[x_d | x_obs] = Σ_k p(z = k | x_obs) μ_kd

Score of a prediction, with z summed out of both terms: ln p(x_mis | x_obs, θ) = ln p(x | θ) - ln p(x_obs | θ). Draws
are averaged before the logarithm. Nothing here depends on how the components are labelled, so that EM and chains that
sit in different modes can be compared.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emvsbayes.comparison.record import Raster, Sheet, Supplement
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.records import record_fields
from emvsbayes.images import image_shape, packed_labels
from emvsbayes.problem import Problem
from emvsbayes.studies.supplements.completion_scores import Predictions, count_hidden, scores_of, upper_half
from emvsbayes.studies.supplements.rasters import raster, strip

SHOWN = 10  # images in a strip
PER_CHAIN = 100  # draws
WIDE = 720  # screen pixels of a strip, about
HIDDEN = np.array([0.62, 0.74, 0.86])  # the colour of a pixel that is not observed


def completion(problem: Problem, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """Pictures and scores of completed images, and what EM and the posterior say without reference to labels."""
    seen = upper_half(problem.data)
    digits = problem.data.labels if problem.data.labels is not None else _digits(study, problem)
    chains = None if posterior is None else _chains(posterior.relabelled, fits.map.params)
    predicted = None if chains is None else Predictions(problem, seen, chains)
    found = [
        _pictures(problem, fits, seen, digits, predicted),
        scores_of(problem, study, fits, seen, digits, predicted),
    ]
    if predicted is not None:
        found.append(_without_labels(problem, fits, seen, predicted))
    return found


def _chains(tree: Any, like: Any) -> list[list[Any]]:
    """At most `PER_CHAIN` draws of every chain as parameter records."""
    draws = tree["posterior"].sizes["draw"]
    kept = np.unique(np.linspace(0, draws - 1, min(draws, PER_CHAIN)).round().astype(int))
    values = {
        name: tree["posterior"][name].transpose("chain", "draw", ...).values
        for name in record_fields(like)
        if name in tree["posterior"]
    }
    n_chains = tree["posterior"].sizes["chain"]
    return [[replace(like, **{n: v[c, s] for n, v in values.items()}) for s in kept] for c in range(n_chains)]


def _digits(study: Any, problem: Problem) -> Integers | None:
    """What the images show, where the study's own file says so."""
    source = study.table()
    digits = packed_labels(source) if isinstance(source, Path) else None
    return digits if digits is not None and len(digits) == problem.data.n_rows else None


def _pictures(
    problem: Problem, fits: Any, seen: Any, digits: Integers | None, predicted: Predictions | None
) -> Supplement:
    data, family, map_ = problem.data, problem.family, fits.map.params
    height, width = image_shape(data.columns)
    rows = _shown(data.n_rows, digits)
    scale = max(1, WIDE // (SHOWN * (width + 1)))
    hidden = seen.observed[rows] == 0

    def picture(pixels: Array, caption: str) -> list[Raster]:
        return [raster(strip(pixels.reshape(-1, height, width, *pixels.shape[2:])), caption, scale)]

    def completed(mean: Array) -> Array:
        return 1 - np.where(hidden, mean, data.X[rows])  # ink is dark

    colours = np.where(hidden[..., None], HIDDEN, 1 - data.X[rows][..., None])
    by_map = family.predict_entries(map_, seen)[rows]
    found = [
        picture(1 - data.X[rows], "The images"),
        picture(colours, "What is observed: the upper half; blue is hidden"),
        picture(completed(by_map), "Completed by EM-MAP: the probability of ink in each hidden pixel"),
    ]
    if predicted is not None:
        by_draws = predicted.mean.mean(axis=0)[rows]
        difference = np.where(hidden, np.abs(by_map - by_draws), 0.0)
        found.append(picture(completed(by_draws), "Completed by NUTS: posterior predictive mean over all chains"))
        found.append(picture(1 - difference, "Where the two differ: black is a difference of 1 in probability"))
    found.append(picture(1 - map_.probs, f"The {family.n_components} components of EM-MAP, probability of ink"))
    for c, chain in enumerate([] if predicted is None else predicted.chains):
        means = np.mean([params.probs for params in chain], axis=0)
        found.append(picture(1 - means, f"The components of chain {c}: means of its draws after relabelling"))
    text = [
        "The upper half of an image says which components it may come from, p(z | x_obs); the lower half is the mean "
        "of their pixels under these probabilities. Pixels are independent within a component, so that a "
        "completion is a blend of prototypes and has no strokes of its own.",
        "The images shown are among those that the model was fitted to; scores on images that it has not seen are in "
        "the next section.",
    ]
    return Supplement("Completion of images", text, rasters=found)


def _shown(n_rows: int, digits: Integers | None) -> Integers:
    """The first image of each digit, or images at equal distances."""
    if digits is not None and (digits >= 0).any():
        return np.array([np.flatnonzero(digits == digit)[0] for digit in np.unique(digits[digits >= 0])[:SHOWN]])
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, SHOWN)).round().astype(int))


def _without_labels(problem: Problem, fits: Any, seen: Any, predicted: Predictions) -> Supplement:
    """Quantities that no relabelling changes, of EM-MAP and of every chain, with their R-hat."""
    from arviz_stats.base.array import array_stats

    family, data, map_ = problem.family, problem.data, fits.map.params
    hidden = seen.observed == 0
    n_hidden = count_hidden(data, seen)
    by_map = family.predict_entries(map_, seen)
    grouping = fits.map.responsibilities.argmax(axis=1)

    def by_draw(quantity: Any) -> Array:
        return np.array([[quantity(params) for params in chain] for chain in predicted.chains])

    def together(params: Any) -> float:
        return pair_agreement(family.e_step(params, data).responsibilities.argmax(axis=1), grouping)

    quantities = [
        ("log-likelihood", fits.map.log_likelihood, by_draw(lambda params: family.log_likelihood(params, data))),
        (
            "log score of a hidden pixel (in-sample)",
            float((family.completion_score(map_, data, seen) / n_hidden).mean()),
            (predicted.score / n_hidden).mean(axis=2),
        ),
        (
            "share of ink predicted in hidden pixels",
            float(by_map[hidden].mean()),
            by_draw(lambda params: family.predict_entries(params, seen)[hidden].mean()),
        ),
        ("pairs of images grouped as by EM-MAP", 1.0, by_draw(together)),
        ("largest weight of a component", float(map_.weights.max()), by_draw(lambda params: params.weights.max())),
    ]
    rows: list[list[Any]] = []
    for name, estimate, draws in quantities:
        rhat = float(np.squeeze(array_stats.rhat(draws, chain_axis=0, draw_axis=1))) if len(draws) > 1 else None
        rows.append([name, estimate, *draws.mean(axis=1).tolist(), rhat])
    gaps = np.abs(predicted.mean - by_map)[:, hidden]
    rows.append(["hidden pixels, mean |difference| from EM-MAP", 0.0, *gaps.mean(axis=1).tolist(), None])
    rows.append(["hidden pixels, largest |difference| from EM-MAP", 0.0, *gaps.max(axis=1).tolist(), None])
    chains = [f"chain {c}" for c in range(len(predicted.chains))]
    text = [
        "Renaming the components changes none of these numbers, and neither need chains agree on components for them "
        "to be compared. An R-hat above 1.01 says that the chains have different answers even so: they sit in "
        "different modes, and their mixture is weighted by where the chains started, not by the posterior.",
    ]
    note = (
        "Chains: means over draws. Pairs: the share of all pairs of images that two groupings, each by the most "
        "probable component, agree to put together or apart (Rand 1971)."
    )
    sheet = Sheet("EM-MAP beside the chains, free of labels", ["", "EM-MAP", *chains, "R-hat"], rows, note)
    return Supplement("What does not depend on labels", text, sheets=[sheet])


def pair_agreement(one: Integers, other: Integers) -> float:
    """The share of pairs of rows that two groupings agree to put together or apart (Rand 1971, JASA 66, 846-850)."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    pairs = len(one) * (len(one) - 1) / 2

    def within(counts: Array) -> float:
        return float((counts * (counts - 1) / 2).sum())

    return 1 - (within(table.sum(axis=1)) + within(table.sum(axis=0)) - 2 * within(table)) / pairs
