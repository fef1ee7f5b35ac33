"""The log evidence on a page: every estimate and bound on one axis, the second decomposition, and several K."""

from __future__ import annotations

import sys
from typing import Any

from emvsbayes.comparison.record import Plot, Series, Sheet, Supplement
from emvsbayes.evidence.record import APART, OVER, Evidence, Kind
from emvsbayes.evidence.table import evidence_problem
from emvsbayes.selection.models import compare_models
from emvsbayes.selection.models_record import ASKS, ModelChoice

SMALL = 500  # rows times components up to which particles and noisy gradients are cheap
ERRORS = 2.0  # standard errors to each side in a picture
KINDS: dict[Kind, str] = {
    "exact": "exact",
    "estimate": "estimates",
    "bound": "bounds",
    "approximation": "approximations",
}


def supplements(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """The evidence of the study's own model from its draws; and of other K, where the study names them."""
    drawn = posterior is not None
    small = problem.data.n_rows * problem.family.n_components <= SMALL
    found = evidence_problem(
        problem,
        prior=fits.map.prior,
        posterior=posterior.raw if drawn else None,
        smc=drawn and small,
        advi=drawn and small,
        seed=study.seed,
        say=_tell,
    )
    sections = [evidence_section(found)]
    if study.models and drawn:  # without draws half of the criteria would be missing
        own = {f"K = {study.n_components}": posterior.raw}
        choice = compare_models(
            study.family,
            study.table(),
            study.models,
            settings=study.settings,
            prior=study.prior,
            draws=study.draws,
            tune=study.tune,
            chains=study.chains,
            posteriors=own,
            seed=study.seed,
            say=_tell,
        )
        sections.append(choice_section(choice))
    return sections


def _tell(line: str) -> None:
    """Progress, where the sampler has its own: on standard error."""
    print(f"evidence: {line}", file=sys.stderr)


def evidence_section(found: Evidence) -> Supplement:
    """The table, the picture, and the second decomposition."""
    reference = found.reference
    text = [
        "The log evidence ln p(X) is the log-likelihood with the parameters integrated out over their prior: one "
        "number, and many ways to it. It is the third log-likelihood of a model, after ln p(X, Z | θ) of the complete "
        "data and ln p(X | θ), where latents are summed out. All rows are in nats, every constant included."
    ]
    if found.decomposition:
        text.append(f"A bound is one half of a second decomposition, ln p(X) = ELBO(q) + KL(q ‖ posterior). {APART}")
    text += found.notes
    headers = ["method", "ln p(X)", "± se", "short by", "what it is", "in words"]
    rows: list[list[str | float | None]] = []
    for row in found.rows:
        if row.value is not None:
            gap = None if row == reference or row.kind == "bound" else found.gap(row.method)
            rows.append([row.words, _nats(row.value), _nats(row.se), _nats(gap), row.kind, row.meaning])
    remarks = [f"{row.words}: {row.remark}" for row in found.rows if row.remark]
    measured = "" if reference is None else f"Others are measured from {reference.words}. "
    sheets = [Sheet("The log evidence, in nats", headers, rows, measured + " ".join(remarks), decimals=4)]
    second: list[list[str | float | None]] = [
        [row.words, OVER[row.method], *map(_nats, (row.value, row.kl, row.kl_se))]
        for row in found.bounds
        if row.kl is not None
    ]
    if second:
        heads = ["q", "over", "ELBO", "KL(q ‖ posterior)", "± se"]
        note = (
            "ELBO + KL is the log evidence in every row. Mean field and variational Bayes cover one labelling, but for "
        )
        note += "the row that says otherwise: ln of the labellings is then part of their KL."
        sheets.append(
            Sheet("The second decomposition: ln p(X) = ELBO(q) + KL(q ‖ posterior)", heads, second, note, decimals=4)
        )
    return Supplement("The log evidence", text, sheets, [_axis(found)])


def _nats(value: float | None, decimals: int = 4) -> float | None:
    """Rounded for print."""
    return None if value is None else round(value, decimals)


def _axis(found: Evidence) -> Plot:
    """Every row on one axis, errors of two standard errors, and the reference as a line."""
    rows = [row for row in found.rows if row.value is not None]
    series = []
    if found.reference is not None:
        at = found.log_evidence
        series.append(Series(found.reference.words, "line", [at, at], [-0.5, len(rows) - 0.5]))
    for number, (kind, words) in enumerate(KINDS.items()):
        mine = [(float(i), row.value or 0.0, row.se or 0.0) for i, row in enumerate(rows) if row.kind == kind]
        if mine:
            heights, values, errors = (list(column) for column in zip(*mine, strict=True))
            low, high = ([v + side * ERRORS * e for v, e in zip(values, errors, strict=True)] for side in (-1, 1))
            series.append(Series("", "spans", low, heights, high, component=number))
            series.append(Series(words, "points", values, heights, component=number))
    return Plot("", "ln p(X), nats", "", series, y_names=[row.words for row in rows])


def choice_section(choice: ModelChoice) -> Supplement:
    """Models by four criteria: table, picture, and what each of them asks."""
    remarks = [f"{model.words}: {remark}" for model in choice.models for remark in model.remarks]
    headers = [
        "model",
        "log evidence",
        "± se",
        "by",
        "share",
        "elpd",
        "behind",
        "± se",
        "bad k",
        "-BIC/2",
        "-ICL/2",
        "p",
    ]
    rows: list[list[str | float | None]] = [
        [
            m.words,
            _nats(m.log_evidence, 2),
            _nats(m.evidence_se, 2),
            m.evidence_by or None,
            None if share is None else round(share, 3),
            _nats(m.elpd, 2),
            _nats(m.elpd_behind, 2),
            _nats(m.elpd_behind_se, 2),
            None if m.elpd is None else m.pareto_k,
            _nats(m.half_bic, 2),
            _nats(m.half_icl, 2),
            m.n_parameters,
        ]
        for m, share in zip(choice.models, choice.shares, strict=True)
    ]
    note = "In nats; larger is better. share: posterior probability of the model if all were equally probable before. "
    note += "behind: elpd below the best, with the standard error of that difference. bad k: rows whose elpd cannot be "
    note += "trusted."
    sheet = Sheet("Models side by side", headers, rows, note, decimals=2)
    several = len(choice.models) > 1 and len({m.n_components for m in choice.models}) == len(choice.models)
    plots = [_curves(choice)] if several else []
    return Supplement("How many components?", [*choice.verdict, *choice.notes, *remarks], [sheet], plots)


def _curves(choice: ModelChoice) -> Plot:
    """Each criterion against K, less its largest value."""
    series = []
    for number, (criterion, (words, _)) in enumerate(ASKS.items()):
        best = choice.best(criterion)
        if best is None:
            continue
        top = getattr(best, criterion)
        able = [m for m in choice.models if getattr(m, criterion) is not None]
        x = [m.n_components + 0.04 * (number - 1.5) for m in able]  # apart, so that none hides another
        y = [getattr(m, criterion) - top for m in able]
        errors = {"log_evidence": "evidence_se", "elpd": "elpd_behind_se"}.get(criterion)
        if errors is not None:
            e = [ERRORS * (getattr(m, errors) or 0.0) for m in able]
            low, high = ([v + side * w for v, w in zip(y, e, strict=True)] for side in (-1, 1))
            series.append(Series("", "intervals", x, low, high, component=number))
        series.append(Series("", "line", x, y, component=number))
        series.append(Series(words, "points", x, y, component=number))
    return Plot("", "number of components K", "nats below the best", series, whole_x=True)
