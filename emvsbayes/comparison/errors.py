"""How sure is each side? Standard errors of EM, the bootstrap, the Laplace approximation and the posterior, in a table.

    EM          √ diag G I⁻¹ Gᵀ at the maximum of the likelihood, I the observed information
    bootstrap   sd of refits to rows drawn with replacement
    Laplace     √ diag G H⁻¹ Gᵀ at the mode of the posterior, H the curvature of -ln p(θ | X) on free coordinates
    posterior   sd of the draws

all on the natural scale, so that they may be compared. EM and Laplace differ by the prior; Laplace and the posterior by
what is not normal about the posterior; EM and the bootstrap by what the model does not account for. Where two differ by
more than a fifth, the table says which of these it may be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from emvsbayes.comparison.record import Parameter, Plot, Points, Series, Sheet, Supplement
from emvsbayes.core.errors import InputError
from emvsbayes.information.errors import errors_at
from emvsbayes.information.optimum import LARGEST, require_regular, settled
from emvsbayes.information.record import StandardErrors

APART = 1.2  # ratio of two standard deviations beyond which they differ
LOPSIDED = 1.5  # ratio of the two halves of the 95 % interval about the median beyond which a posterior is skewed
NEAR = 3.0  # nats below the mode at which another one still has weight
SHOWN = 60  # rows of the table at most
WORDS = {
    "boundary": "the estimate of EM lies on the boundary of what is possible, where no standard error applies",
    "prior": "EM and Laplace differ, by the prior and the distance between ML and MAP",
    "skewness": "the posterior is skewed, and its curvature at the mode does not tell its width",
    "multimodality": f"another mode lies within {NEAR:g} nats of the one EM found, and the posterior may visit it",
    "tails": "the posterior is symmetric, but wider or narrower than its curvature at the mode says",
    "model": "the bootstrap does not trust the model, and EM does; or the rows are few",
}


def compare_errors(
    problem: Any, ml: Any, map_: Any, points: Points, n_replicates: int, seed: int, say: Callable[[str], object]
) -> list[Supplement]:
    """One section; none for a model of so many parameters that its information is not computed."""
    if not 0 < len(problem.family.to_vector(map_.params)) <= LARGEST:
        return []
    found: dict[str, StandardErrors] = {}
    text = []
    for name, fit in (("ML", ml), ("MAP", map_)):
        methods = ("louis",) if "rowwise" in problem.family.capabilities else ("hessian",)
        if name == "ML" and n_replicates:
            methods += ("bootstrap",)
        try:
            require_regular(fit)
            optimum = settled(problem.family, problem.data, fit.params, fit.prior)
            found[name] = errors_at(optimum, methods, n_replicates=n_replicates or 2, seed=seed, say=say)
        except InputError as error:
            text.append(f"{name}: {error}")
            continue
        text += [f"{name}: {sentence}" for sentence in (*found[name].refused.values(), *found[name].notes)]
    if not found:
        return [Supplement("Standard errors", text)]
    rows = [_row(parameter, i, found, _rivals(map_)) for i, parameter in enumerate(points.parameters)]
    if not points.labels_resolved:
        text.append(f"There is no posterior sd: {points.unresolved_because}.")
    used = sorted({word for row in rows for word in str(row[-1]).split(", ")} & set(WORDS), key=list(WORDS).index)
    text += [f"{word.capitalize()}: {WORDS[word]}." for word in used]
    text = [_opening(found), *text]
    head = ["parameter", "EM (ML) ± se", "bootstrap sd", "Laplace sd (MAP)", "posterior sd", "missing", "differs by"]
    note = "missing: the share of EM's variance that is there because Z is not known"
    if len(rows) > SHOWN:
        note += f"; the first {SHOWN} of {len(rows)} parameters"
    sheet = Sheet("One scale for every side", head, rows[:SHOWN], note)
    return [Supplement("Standard errors", text, [sheet], _plots(rows[:SHOWN]))]


def _row(parameter: Parameter, i: int, found: dict[str, StandardErrors], rivals: bool) -> list[str | float | None]:
    ml, map_ = found.get("ML"), found.get("MAP")
    logarithm = parameter.name.startswith("ln ")  # sd of ln α, by the delta method: sd of α, divided by α
    em, boot, laplace = (
        sd / float(np.exp(at)) if logarithm and sd is not None else sd
        for sd, at in (
            (_analytic(ml, i), parameter.ml),
            (_of(ml, "bootstrap", i), parameter.ml),
            (_analytic(map_, i), parameter.map),
        )
    )
    missing = None if ml is None else ml.missing[i]
    because = reasons(parameter, em, boot, laplace, boundary=ml is not None and em is None, rivals=rivals)
    return [parameter.name, em, boot, laplace, parameter.sd, missing, ", ".join(because)]


def reasons(
    parameter: Parameter,
    em: float | None,
    boot: float | None,
    laplace: float | None,
    *,
    boundary: bool,
    rivals: bool,
) -> list[str]:
    """Why the standard deviations of a parameter differ, in the words of WORDS; none where they do not."""
    found = ["boundary"] if boundary else []
    if _apart(em, laplace):
        found.append("prior")
    if _apart(laplace, parameter.sd):
        lower, median, upper = parameter.lower, parameter.median, parameter.upper
        halves = None if lower is None or median is None or upper is None else (upper - median, median - lower)
        if halves is not None and _apart(*halves, by=LOPSIDED):
            found.append("skewness")
        if rivals:
            found.append("multimodality")
        if found in ([], ["prior"], ["boundary"]):
            found.append("tails")
    if _apart(em, boot):
        found.append("model")
    return found


def _rivals(fit: Any) -> bool:
    """Whether another optimum of the log posterior is near the best."""
    heights = [objective for objective, _ in fit.optima]
    return len(heights) > 1 and heights[0] - heights[1] < NEAR


def _apart(a: float | None, b: float | None, by: float = APART) -> bool:
    return a is not None and b is not None and not (a > 0 and 1 / by <= b / a <= by)


def _analytic(errors: StandardErrors | None, i: int) -> float | None:
    """The first of the methods by information."""
    return next((_of(errors, name, i) for name in ("louis", "hessian") if errors and name in errors.methods), None)


def _of(errors: StandardErrors | None, method: str, i: int) -> float | None:
    return errors.methods[method].se[i] if errors is not None and method in errors.methods else None


def _opening(found: dict[str, StandardErrors]) -> str:
    rates = [f"{errors.rate:.3f} at {name}" for name, errors in found.items() if errors.rate is not None]
    said = (
        "The standard errors of EM come from the observed information, which is that of the complete data less what "
        "is missing because Z is not known."
    )
    if rates:
        said += (
            f" The largest fraction missing is {' and '.join(rates)}: this is also the factor by which EM's distance "
            "to its limit shrinks in a pass."
        )
    boot = found["ML"].methods.get("bootstrap") if "ML" in found else None
    if boot is not None:
        lost = ", ".join(f"{count} {status}" for status, count in boot.failures.items())
        said += f" The bootstrap has {boot.replicates} replicates{f', {lost} left out' if lost else ''}."
    return said


def _plots(rows: list[list[Any]]) -> list[Plot]:
    """Every sd divided by Laplace's (by EM's where there is none), parameter by parameter."""
    series = []
    sides = (("EM (ML) se", 1), ("bootstrap sd", 2), ("Laplace sd", 3), ("posterior sd", 4))
    for style, (name, column) in enumerate(sides):
        pairs = [
            (float(i), row[column] / unit)
            for i, row in enumerate(rows)
            if row[column] is not None and (unit := row[3] or row[1])
        ]
        if pairs:
            series.append(Series(name, "points", [x for x, _ in pairs], [y for _, y in pairs], component=style))
    if len(series) < 2:
        return []
    return [Plot("Standard deviations, Laplace's = 1", "row of the table", "relative to Laplace", series)]
