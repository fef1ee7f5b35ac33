"""Scores of completed images: on the images of the fit, and on images kept out of fits made for the purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import logsumexp

from emvsbayes.comparison.record import Sheet, Supplement
from emvsbayes.core.checks import Array, Integers
from emvsbayes.fitting import fit_problem
from emvsbayes.images import image_shape
from emvsbayes.problem import Problem

HELD_OUT = 6  # one image of six is kept out of the fits that are scored on new images
STARTS = 5  # of those fits
MINUS_INFINITY = "−∞"


def upper_half(data: Any) -> Any:
    """The data with the lower half of every image unobserved."""
    height, width = image_shape(data.columns)
    mask = np.repeat([1.0, 0.0], [height // 2 * width, (height - height // 2) * width])
    observed = np.tile(mask, (data.n_rows, 1))
    return replace(data, observed=observed if data.observed is None else observed * data.observed)


class Predictions:
    """What the draws of each chain predict: `mean` (C, N, D) of every entry, `score` (C, S, N) of the hidden half."""

    def __init__(self, problem: Problem, seen: Any, chains: list[list[Any]]) -> None:
        family, data = problem.family, problem.data
        means, scores = [], []
        for chain in chains:
            means.append(sum(family.predict_entries(params, seen) for params in chain) / len(chain))
            scores.append([family.completion_score(params, data, seen) for params in chain])
        self.chains, self.mean, self.score = chains, np.array(means), np.array(scores)

    def log_score(self) -> Array:
        """ln of the mean over draws of p(x_mis | x_obs, θ), (N,)."""
        scores = self.score.reshape(-1, self.score.shape[-1])
        return logsumexp(scores, axis=0) - np.log(len(scores))


def scores_of(
    problem: Problem, study: Any, fits: Any, seen: Any, digits: Integers | None, predicted: Predictions | None
) -> Supplement:
    data, family = problem.data, problem.family
    n_hidden = count_hidden(data, seen)
    own = []
    for name, params in (("ML (EM)", fits.ml.params), ("MAP (EM)", fits.map.params)):
        completed = family.completion_score(params, data, seen) / n_hidden
        own.append(_own_row(name, data, seen, family.predict_entries(params, seen), completed))
    if predicted is not None:
        mean = predicted.mean.mean(axis=0)
        own.append(_own_row("posterior (NUTS)", data, seen, mean, predicted.log_score() / n_hidden))

    rng = np.random.default_rng(study.seed)
    shuffled = rng.permutation(data.n_rows)
    test, train = np.sort(shuffled[: data.n_rows // HELD_OUT]), np.sort(shuffled[data.n_rows // HELD_OUT :])
    held = _subset(data, test, None)
    held_seen = upper_half(held)
    new = []
    for name, params in _held_out_fits(problem, study, fits, train, digits):
        density = family.log_density(params, held)
        completed = family.completion_score(params, held, held_seen) / count_hidden(held, held_seen)
        error = _squared_error(held, held_seen, family.predict_entries(params, held_seen))
        new.append([name, _mean(density), int(np.isneginf(density).sum()), _mean(completed), error])
    text = [
        f"Scores are logarithms of probabilities in nats, closer to 0 is better. New images: EM was fitted again to "
        f"{len(train)} of the {data.n_rows} images, drawn at random, and scored on the other {len(test)}.",
        "Maximum likelihood gives probability 0 to ink where a component never had any, and a new image that no "
        f"component allows makes its mean {MINUS_INFINITY}; under Beta(2, 2), which adds one ink and one blank to "
        "every count, no image is impossible.",
    ]
    if not np.isin(data.X, (0.0, 1.0)).all():
        text.append("Grey levels enter as expected bits: these scores are then no logarithms of probabilities.")
    score = "log score of a hidden pixel"
    sheets = [
        Sheet(
            f"New images: {len(test)} that were not fitted",
            ["fitted by", "log score of an image", "images of probability 0", score, "squared error of a hidden pixel"],
            new,
            "“digits known”: the M-step with the digit of every training image as its component. “one component”: "
            "every pixel at its own frequency, whatever the upper half shows.",
        ),
        Sheet(
            f"The {data.n_rows} images of the fit (in-sample)",
            ["predicted by", score, "squared error of a hidden pixel"],
            own,
            "The posterior averages p(hidden | observed, θ) over its draws before the logarithm.",
        ),
    ]
    return Supplement("Scores of the completion", text, sheets=sheets)


def _held_out_fits(
    problem: Problem, study: Any, fits: Any, train: Integers, digits: Integers | None
) -> Iterator[tuple[str, Any]]:
    """Names and parameters of the fits to the training images."""
    data, k, prior = problem.data, problem.family.n_components, fits.map.prior
    given = {"seed": study.seed, "record": False}
    n_starts = min(STARTS, len(fits.map.restarts))
    part = replace(problem, data=_subset(data, train, None))
    ones = part.data.row_weights @ part.data.X  # an unobserved entry is held as 0
    seen = part.data.row_weights @ (np.ones_like(part.data.X) if part.data.observed is None else part.data.observed)
    mean = (ones + 1) / (seen + 2)
    yield "one component", type(fits.map.params)(np.ones(1), mean[None])
    yield "ML (EM)", fit_problem(part, n_starts=n_starts, **given).params
    yield "MAP (EM)", fit_problem(part, prior=prior, n_starts=n_starts, **given).params
    if digits is not None and digits.min() >= 0 and digits.max() < k:
        known = replace(problem, data=_subset(data, train, digits))
        yield "ML, digits known", fit_problem(known, n_starts=1, **given).params
        yield "MAP, digits known", fit_problem(known, prior=prior, n_starts=1, **given).params


def _subset(data: Any, rows: Integers, labels: Integers | None) -> Any:
    """Some rows of the data, with these labels (of all rows) or none."""
    return replace(
        data,
        X=data.X[rows],
        observed=None if data.observed is None else data.observed[rows],
        row_weights=data.row_weights[rows],
        labels=None if labels is None else labels[rows],
    )


def _hidden(data: Any, seen: Any) -> Array:
    """1 where an entry is there to be predicted, (N, D)."""
    whole = np.ones_like(data.X) if data.observed is None else data.observed
    return whole * (1 - seen.observed)


def count_hidden(data: Any, seen: Any) -> Array:
    return np.maximum(_hidden(data, seen).sum(axis=1), 1)


def _squared_error(data: Any, seen: Any, mean: Array) -> float:
    return float(np.mean((data.X - mean)[_hidden(data, seen) > 0] ** 2))


def _own_row(name: str, data: Any, seen: Any, mean: Array, scores: Array) -> list[Any]:
    return [name, _mean(scores), _squared_error(data, seen, mean)]


def _mean(scores: Array) -> float | str:
    return float(scores.mean()) if np.isfinite(scores).all() else MINUS_INFINITY
