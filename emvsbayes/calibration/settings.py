"""The settings of the coverage study: true parameters that stay fixed, and one prior for every data set.

The prior is weak, proper, and looks at no data, so that one compiled model serves all replicates; it is not the law
that the truth was drawn from. Coverage at a fixed truth is then a frequentist's question about three answers: the ML
estimate with its standard error, the MAP estimate with its own, and the posterior.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.errors import unknown
from emvsbayes.problem import Problem, pose

SIZES = (50, 200, 1000)  # rows
TOSSES = 10

_NORMAL = {
    "means": {"location": [0.0], "strength": 0.02},
    "covariances": {"dof": 3.0, "scale": [1.0]},
    "weights": {"concentration": 2.0},
}
_NORMAL_WORDS = "prior: π ~ Dirichlet(2, 2), σ² ~ IG(1.5, 0.5), μ | σ² ~ N(0, 50 σ²)"


@dataclass(frozen=True)
class Setting:
    """A family at a known truth.

    Attributes
    ----------
    name, title : str
    family, n_components, settings, prior : of the model
    truth : mapping of parameter fields
    sizes : numbers of rows
    statement : truth and prior in one line
    """

    name: str
    title: str
    family: str
    n_components: int
    settings: Mapping[str, Any]
    prior: Mapping[str, Any]
    truth: Mapping[str, Any]
    statement: str
    sizes: tuple[int, ...] = SIZES

    def pose(self, n: int) -> Problem:
        """The problem of n rows, which stand for their shape."""
        like = np.random.default_rng(0).standard_normal((n, 1))
        X = {"heads": np.zeros(n), "tosses": np.full(n, TOSSES)} if self.family == "coins" else like
        return pose(self.family, X, n_components=self.n_components, settings=self.settings)

    def params(self, problem: Problem) -> Any:
        """The truth as a record."""
        return problem.start(self.truth)


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            name="separated",
            title="Two Gaussians, 4 standard deviations apart",
            family="gaussian_mixture",
            n_components=2,
            settings={"covariance": "diag"},
            prior=_NORMAL,
            truth={"weights": [0.4, 0.6], "means": [[-2.0], [2.0]], "covariances": [[1.0], [1.0]]},
            statement=f"truth: 0.4 N(-2, 1) + 0.6 N(2, 1); {_NORMAL_WORDS}",
        ),
        Setting(
            name="overlapping",
            title="Two Gaussians, 2.4 standard deviations apart",
            family="gaussian_mixture",
            n_components=2,
            settings={"covariance": "diag"},
            prior=_NORMAL,
            truth={"weights": [0.4, 0.6], "means": [[-1.2], [1.2]], "covariances": [[1.0], [1.0]]},
            statement=f"truth: 0.4 N(-1.2, 1) + 0.6 N(1.2, 1); {_NORMAL_WORDS}",
        ),
        Setting(
            name="coins",
            title="Two coins, ten tosses a trial",
            family="coins",
            n_components=2,
            settings={},
            prior={"probs": {"a": 2.0, "b": 2.0}, "weights": {"concentration": 2.0}},
            truth={"weights": [0.4, 0.6], "probs": [0.35, 0.65]},
            statement=(
                "truth: 0.4 Binomial(10, 0.35) + 0.6 Binomial(10, 0.65); prior: π ~ Dirichlet(2, 2), p ~ Beta(2, 2)"
            ),
        ),
    )
}


def find_setting(name: str) -> Setting:
    """The setting of this name."""
    if name not in SETTINGS:
        raise unknown("setting", name, SETTINGS)
    return SETTINGS[name]
