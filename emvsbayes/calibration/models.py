"""The models that are calibrated: small ones, each under a proper prior that is written down before any data.

Four rules make the check valid (Talts et al. 2018):

    the prior is proper, and stands here: it never looks at data
    it is exchangeable over components, so that the names of the truth's components say nothing
    inputs that are not modelled (numbers of tosses, x of a regression) are the same in every simulation
    an ordering is named, a function of the parameters alone (`calibration.ordering`)

And one makes it fair: at these sizes the sampler can move between all parts of the posterior. With vaguer priors or
fewer rows a mixture has modes that are no relabellings of one another, and a failure would be that of the sampler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.errors import unknown
from emvsbayes.problem import Problem, pose


@dataclass(frozen=True)
class Model:
    """A family with settings and prior, and the shape of its data.

    Attributes
    ----------
    name, title : str
    family : str
    n_components : K, None where the family has no components
    settings : mapping
        Of the family.
    prior : nested mapping of hyperparameters
    like : mapping of the family's data fields
        The number of rows, and what is not modelled; the rest is replaced by simulated values.
    order : str
        The scalar by which components are sorted, such as "means[0]"; empty where there is nothing to sort.
    statement : str
        Model and prior in one line.
    """

    name: str
    title: str
    family: str
    n_components: int | None
    settings: Mapping[str, Any]
    prior: Mapping[str, Any]
    like: Mapping[str, Any]
    order: str
    statement: str

    def pose(self) -> Problem:
        """The problem whose data stand for their shape."""
        return pose(self.family, self.like, n_components=self.n_components, settings=self.settings)


def _scattered(n: int, d: int) -> np.ndarray:
    """Any (n, d) numbers in general position: they give the shape, and are never looked at."""
    return np.random.default_rng(0).standard_normal((n, d))


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="coins",
            title="Two coins",
            family="coins",
            n_components=2,
            settings={},
            prior={"probs": {"a": 2.0, "b": 2.0}, "weights": {"concentration": 5.0}},
            like={"heads": np.zeros(30), "tosses": 5.0 + np.arange(30) % 11},
            order="probs",
            statement="30 trials of 5 to 15 tosses; p ~ Beta(2, 2) for each coin, π ~ Dirichlet(5, 5)",
        ),
        Model(
            name="gaussian-1d",
            title="Two Gaussians in one dimension",
            family="gaussian_mixture",
            n_components=2,
            settings={"covariance": "full"},
            prior={
                "means": {"location": [0.0], "strength": 0.1},
                "covariances": {"dof": 10.0, "scale": [[8.0]]},
                "weights": {"concentration": 5.0},
            },
            like={"X": _scattered(50, 1)},
            order="means[0]",
            statement="50 rows; σ² ~ IW(10, 8), which is IG(5, 4), μ | σ² ~ N(0, σ² / 0.1), π ~ Dirichlet(5, 5)",
        ),
        Model(
            name="gaussian-2d",
            title="Two Gaussians in two dimensions, full covariances",
            family="gaussian_mixture",
            n_components=2,
            settings={"covariance": "full"},
            prior={
                "means": {"location": [0.0, 1.0], "strength": 0.1},
                "covariances": {"dof": 10.0, "scale": [[7.0, 2.5], [2.5, 5.0]]},
                "weights": {"concentration": 5.0},
            },
            like={"X": _scattered(60, 2)},
            order="means[0]",
            statement=(
                "60 rows; Σ ~ IW(10, [[7, 2.5], [2.5, 5]]), μ | Σ ~ N((0, 1), Σ / 0.1), π ~ Dirichlet(5, 5): the "
                "normal-inverse-Wishart prior"
            ),
        ),
        Model(
            name="bernoulli",
            title="Two Bernoulli prototypes of four bits",
            family="bernoulli_mixture",
            n_components=2,
            settings={},
            prior={"probs": {"a": 1.5, "b": 1.0}, "weights": {"concentration": 5.0}},
            like={"X": (_scattered(60, 4) > 0).astype(float)},
            order="probs[0]",
            statement="60 rows of 4 bits; μ ~ Beta(1.5, 1) for each entry, π ~ Dirichlet(5, 5)",
        ),
        Model(
            name="linear-evidence",
            title="Bayesian regression: the two precisions",
            family="linear_evidence",
            n_components=None,
            settings={"basis": "polynomial", "degree": 3, "intercept": True},
            prior={"alpha": {"shape": 2.0, "rate": 2.0}, "beta": {"shape": 3.0, "rate": 1.0}},
            like={"X": np.linspace(-1.0, 1.0, 20), "t": np.linspace(0.0, 1.0, 20)},
            order="",
            statement="20 rows, a cubic with intercept in x from -1 to 1; α ~ Gamma(2, 2), β ~ Gamma(3, 1)",
        ),
    )
}


def find_model(name: str) -> Model:
    """The model of this name."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]
