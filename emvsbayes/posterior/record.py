"""What the posterior is asked comes back as plain data: numbers, names and lists of them.

Every record is a frozen dataclass; `core.records.plain` makes JSON-ready values of it. `level` is that of pointwise
intervals, whose ends are quantiles of the draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

LEVEL = 0.95


@dataclass(frozen=True)
class PredictiveView:
    """One view of p(x | X) (see `core.views`) at G places, with the plug-in values of estimates beside it.

    `distance` of an estimate: the total variation ½ ∫ |p(x | θ̂) - p(x | X)| dx where the view is a density or
    probabilities, the largest difference where it is a mean. `outside`: the share of the places at which the plug-in
    value lies outside the band; where the view is a density or probabilities, the share of p(x | X) itself.
    """

    name: str
    kind: Literal["density", "probability", "mean"]
    labels: list[str]
    at: list[list[float]]
    mean: list[float]
    lower: list[float]
    upper: list[float]
    plugged: dict[str, list[float]]
    distance: dict[str, float]
    outside: dict[str, float]
    trials: int = 0


@dataclass(frozen=True)
class PredictiveDensity:
    """p(x | X), averaged over `n_draws` draws, in every view that the family has."""

    views: list[PredictiveView]
    n_draws: int
    level: float = LEVEL


@dataclass(frozen=True)
class Responsibilities:
    """p(z_n = k | X), labels as in the draws, beside p(z_n = k | x_n, θ̂) of an estimate.

    Attributes
    ----------
    mean, sd, lower, upper : (N, K)
        Of p(z_n = k | x_n, θ) over the draws of θ; the mean is the posterior probability of z_n = k.
    plugged : (N, K)
        With θ̂ in the place of θ.
    entropy_plugged, entropy_mean : float
        -Σ_k r ln r in nats, averaged over rows by their weights, of the one and of the other.
    errors_plugged, errors_mean : float
        Expected number of rows (by weight) that are wrong when each is put where θ̂ says: as θ̂ has it, Σ_n w_n
        (1 - max_k r̂_nk), and as the posterior has it, Σ_n w_n (1 - r̄_n,k(n)).
    surer : float
        Share of rows (by weight) of which θ̂ is surer than the posterior: max_k r̂_nk above the posterior probability of
        the same component.
    """

    mean: list[list[float]]
    sd: list[list[float]]
    lower: list[list[float]]
    upper: list[list[float]]
    plugged: list[list[float]]
    entropy_plugged: float
    entropy_mean: float
    errors_plugged: float
    errors_mean: float
    surer: float
    n_draws: int
    level: float = LEVEL


@dataclass(frozen=True)
class Pairs:
    """p(z_n = z_m | X) of pairs of rows beside the plug-in Σ_k r̂_nk r̂_mk: needs no labels.

    Attributes
    ----------
    rows : (M,)
        The rows of which all pairs were taken, evenly spaced where there are many.
    together, plugged : (M, M)
        Symmetric, 1 on the diagonal.
    entropy_plugged, entropy_mean : float
        Of the yes or no of a pair, in nats, averaged over pairs n < m by the product of their weights.
    surer : float
        Share of pairs (by weight) whose plug-in probability is farther from ½, on the same side or not.
    """

    rows: list[int]
    together: list[list[float]]
    plugged: list[list[float]]
    entropy_plugged: float
    entropy_mean: float
    surer: float
    n_draws: int


@dataclass(frozen=True)
class PredictiveCheck:
    """A statistic T of the data held against T of replicated data.

    Attributes
    ----------
    observed : float
        T(X, θ), averaged over the draws where T depends on θ.
    center, lower, upper : float
        Median and interval of T over the replicates.
    p : float
        P(T(X_rep, θ) > T(X, θ) | X), an equal one counted half: near 0 the data have more of T than the model gives,
        near 1 less.
    se : float
        Monte Carlo error of p.
    extreme : bool
        p below 0.025 or above 0.975.
    replicates : at most 500 values of T(X_rep, θ) - T(X, θ), in units of the standard deviation of T(X_rep, θ)
    """

    name: str
    observed: float
    center: float
    lower: float
    upper: float
    p: float
    se: float
    extreme: bool
    replicates: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class PredictiveHistogram:
    """Rows by bin: of the data, and the median and the interval over replicates.

    `centers`, `observed`, `center`, `lower`, `upper` (B,); rows of replicates beyond the bins are in none.
    """

    name: str
    centers: list[float]
    observed: list[int]
    center: list[float]
    lower: list[float]
    upper: list[float]


@dataclass(frozen=True)
class PredictiveChecks:
    """Every check of one posterior, `n_draws` replicates each, and histograms of what was replicated."""

    checks: list[PredictiveCheck]
    histograms: list[PredictiveHistogram]
    n_draws: int
    notes: list[str]
    level: float = LEVEL


@dataclass(frozen=True)
class PriorSensitivity:
    """How much a quantity moves as the prior, or the likelihood, is raised to powers near 1.

    Attributes
    ----------
    name : str
    prior, likelihood : float
        Change of the cumulative distribution (Jensen-Shannon distance) per doubling of the power.
    by_field : mapping
        `prior` for the prior of one field alone.
    diagnosis : str
        ArviZ's word where a value passes 0.05; empty where none does.
    """

    name: str
    prior: float
    likelihood: float
    by_field: dict[str, float]
    diagnosis: str


@dataclass(frozen=True)
class Sensitivity:
    """Power-scaling sensitivity of scalars, of `n_scalars` in all."""

    rows: list[PriorSensitivity]
    threshold: float
    n_scalars: int
    notes: list[str]


@dataclass(frozen=True)
class Rung:
    """The prior at one strength: the mode of EM, and the posterior where it is known.

    Attributes
    ----------
    strength : float
        λ, 1 the prior itself; see `core.priors`.
    prior : sentences, one a field
    status : name of a `core.trace.Status`, of the MAP fit
    log_posterior : float
        At the mode, in nats.
    mode : by scalar
    met : pairs of components that are one at the mode, to a thousandth of the data's standard deviations
    source : str
        NUTS, or "λ = 1 reweighted", or empty where the posterior is not known.
    khat : float or None
        Pareto shape of the importance ratios from the nearest draws, used or not; above 0.7 they are not.
    ess : float or None
        1 / Σ w² of the normalised weights: so many draws they are worth; below 100 they are not used.
    mean, lower, upper : by scalar; empty where the posterior is not known
    """

    strength: float
    prior: list[str]
    status: str
    log_posterior: float
    mode: dict[str, float]
    met: list[list[int]] = field(default_factory=list)
    source: str = ""
    khat: float | None = None
    ess: float | None = None
    mean: dict[str, float] = field(default_factory=dict)
    lower: dict[str, float] = field(default_factory=dict)
    upper: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Faded:
    """A Gaussian mixture with the scale of the prior on its covariances multiplied by `factor`.

    Attributes
    ----------
    factor : float
    status : name of a `core.trace.Status`, of the best of EM's ends
    n_starts, n_singular : int
        Starts of EM under the posterior density, and how many ended singular.
    best, best_width : float
        The highest log posterior density found, in nats, and the smallest eigenvalue of that mode relative to the data.
    spike : (W,)
        The log posterior density along the path into a spike, in nats; see `Weakening`.
    log_evidence, empty : float or None
        ln p(X), and the posterior probability that some component has no row; where the allocations can be summed.
    mass : (T,) or empty
        Posterior probability that some component's smallest relative eigenvalue is below each threshold.
    occupied : (T,) or empty
        The same of components that have a row.
    source : str
        Of `mass`: exact, NUTS, or empty.
    """

    factor: float
    status: str
    n_starts: int
    n_singular: int
    best: float
    best_width: float
    spike: list[float]
    log_evidence: float | None = None
    empty: float | None = None
    mass: list[float] = field(default_factory=list)
    occupied: list[float] = field(default_factory=list)
    source: str = ""


@dataclass(frozen=True)
class Weakening:
    """What becomes of the posterior as the prior on the covariances fades.

    `widths` (W,): the relative variance of a component put onto row `row`, the others at the mode without it;
    `likelihood` (W,): ln p(X | θ) along that path.
    """

    thresholds: list[float]
    widths: list[float]
    likelihood: list[float]
    row: int
    faded: list[Faded]


@dataclass(frozen=True)
class Ladder:
    """A prior at strengths from weak to strong."""

    scalars: list[str]
    rungs: list[Rung]
    level: float = LEVEL
