"""Near a singularity: a Gaussian mixture as the prior on its covariances fades, on all rows and, exactly, on a few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.comparison.record import Plot, Series, Sheet, Supplement
from emvsbayes.core.records import take_rows
from emvsbayes.posterior.draws import Draws, tree_draws
from emvsbayes.posterior.record import Weakening
from emvsbayes.posterior.weakening import FACTORS, THRESHOLDS, weakening_of

SAMPLED = (1.0, 1e-2, 1e-4)  # factors at which NUTS draws
FEW = 10  # rows of the exact part, with two components: 1024 allocations
BELOW = 250.0  # nats under the highest point, beyond which a path is not drawn


def supplements(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """One section: modes and spikes of all rows, draws where there are any, and exact masses of a few rows."""
    prior = fits.map.prior
    draw_at = None if posterior is None else _sampler(problem, study, fits, posterior)
    whole = weakening_of(problem, prior, factors=FACTORS, draw_at=draw_at, seed=study.seed)
    rows = _around(problem.data, whole.row)
    small = replace(problem, data=take_rows(problem.data, rows), family=replace(problem.family, n_components=2))
    given = study.prior == "default"  # then the few rows have a default prior of their own, in their own units
    their_prior = small.family.default_prior(small.data) if given else prior
    exact = weakening_of(small, their_prior, factors=FACTORS, seed=study.seed)
    text = [
        "A component on a single row makes the likelihood infinite. Here the scale of the prior on the covariances is "
        "multiplied by smaller and smaller factors. The posterior density stays bounded at each of them: along the "
        f"path into a spike on row {whole.row} the likelihood rises without end, and the prior takes it down again, "
        "later the smaller its scale. (The prior of a mean is as narrow as its covariance, so that a spike far from "
        "the prior's location costs more.)",
        _modes(whole),
        f"How much mass is there? For {FEW} rows around the two nearest to each other, and two components, all "
        f"{2**FEW} allocations can be summed, and the answer is exact. {_masses(exact)} A scale near 0 is no weak "
        "prior: it says that components are narrow, and one that is empty complies at no cost.",
    ]
    return [
        Supplement(
            "As the prior on the covariances fades",
            text,
            [_whole_sheet(whole), _exact_sheet(exact)],
            [_paths(whole), _mass_plot(exact)],
        )
    ]


def _around(data: Any, row: int) -> Any:
    """The rows about one row in the order of the first column."""
    order = np.argsort(data.X[:, 0], kind="stable")
    at = int(np.flatnonzero(order == row)[0])
    first = int(np.clip(at - FEW // 2 + 1, 0, max(len(order) - FEW, 0)))
    return np.sort(order[first : first + FEW])


def _sampler(problem: Any, study: Any, fits: Any, posterior: Any) -> Callable[[Any], Draws | None]:
    """Draws at the factors of SAMPLED: those at hand at 1, NUTS elsewhere; labels do not matter here."""
    from emvsbayes.bayes.sampling import sample_problem

    base = float(np.max(fits.map.prior.covariances.scale))

    def draw(prior: Any) -> Draws | None:
        factor = float(np.max(prior.covariances.scale)) / base
        if not any(np.isclose(factor, one, rtol=1e-6) for one in SAMPLED):
            return None
        tree = posterior.raw
        if not np.isclose(factor, 1.0):
            tree = sample_problem(
                problem,
                prior,
                draws=study.draws,
                tune=study.tune,
                chains=study.chains,
                seed=study.seed,
                say=lambda line: None,
            )
        return tree_draws(tree, problem.family, problem.data, fits.map.params)

    return draw


def _modes(found: Weakening) -> str:
    first, last = found.faded[0], found.faded[-1]
    narrow = [f for f in found.faded if f.best_width < THRESHOLDS[1]]
    said = (
        f"The smallest eigenvalue of EM's best mode, relative to the data, goes from {first.best_width:.2g} to "
        f"{last.best_width:.2g}"
    )
    if narrow:
        said += f"; from a factor of {narrow[0].factor:g} on, a component of the highest mode has all but vanished"
    return said + (". No start ends singular." if not any(f.n_singular for f in found.faded) else ".")


def _masses(found: Weakening) -> str:
    last = found.faded[-1]
    held = max(found.faded, key=lambda f: f.occupied[0] if f.occupied else 0.0)
    return (
        f"Components that hold rows and are narrower than {found.thresholds[0]:g} of the data's variance have a "
        f"probability of at most {held.occupied[0] if held.occupied else 0.0:.2g} (at a factor of {held.factor:g}); "
        f"at {last.factor:g} some component is empty with probability {last.empty or 0.0:.3f}."
    )


def _whole_sheet(found: Weakening) -> Sheet:
    rows = [
        [
            f"{f.factor:g}",
            f.best,
            f.best_width,
            max(f.spike),
            float(f.n_singular),
            *(f.mass or [None] * len(found.thresholds)),
        ]
        for f in found.faded
    ]
    heads = [
        "factor of the scale",
        "EM's best mode",
        "its smallest eigenvalue",
        "highest point of the path",
        f"singular of {found.faded[0].n_starts}",
        *(f"share of draws below {t:g}" for t in found.thresholds),
    ]
    note = "log posterior densities in nats; eigenvalues relative to the data's covariance; draws by NUTS, chains alike"
    return Sheet("All rows", heads, rows, note)


def _exact_sheet(found: Weakening) -> Sheet:
    blank: list[Any] = [None] * len(found.thresholds)
    rows = [[f"{f.factor:g}", f.log_evidence, f.empty, *(f.mass or blank), *(f.occupied or blank)] for f in found.faded]
    heads = [
        "factor of the scale",
        "log evidence",
        "some component empty",
        *(f"some narrower than {t:g}" for t in found.thresholds),
        *(f"… and holding rows, {t:g}" for t in found.thresholds),
    ]
    return Sheet(f"{FEW} rows and two components: exact probabilities", heads, rows)


def _paths(found: Weakening) -> Plot:
    """The log-likelihood and the log posteriors along the path, each less its first value."""
    x = np.log10(found.widths)

    def line(name: str, values: list[float], component: int) -> Series:
        heights = np.array(values) - values[0]
        kept = heights > -BELOW
        return Series(name, "line", x[kept].tolist(), heights[kept].tolist(), component=component)

    series = [line("likelihood", found.likelihood, -1)]
    series += [line(f"× {f.factor:g}", f.spike, i) for i, f in enumerate(found.faded)]
    return Plot(
        f"Into a spike on row {found.row}",
        "log10 of the relative variance",
        "log posterior, nats above its start",
        series,
    )


def _mass_plot(found: Weakening) -> Plot:
    known = [f for f in found.faded if f.mass]
    x = [float(np.log10(f.factor)) for f in known]
    series = [
        Series(f"some < {t:g}", "line", x, [f.mass[i] for f in known], component=i)
        for i, t in enumerate(found.thresholds)
    ]
    series.append(Series("some empty", "line", x, [f.empty or 0.0 for f in known]))
    return Plot(f"Exact probabilities, {FEW} rows", "log10 of the factor", "probability", series)
