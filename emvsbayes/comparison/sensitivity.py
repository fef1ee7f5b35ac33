"""What does the prior decide? Power-scaling sensitivity of every parameter, a section of every sampled page."""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.comparison.record import Sheet, Supplement
from emvsbayes.core.errors import InputError
from emvsbayes.posterior.draws import Draws
from emvsbayes.posterior.sensitivity import sensitivity

ENTRIES = 4_000_000  # entries of data that may be scored
SHOWN = 40


def sensitivity_section(
    draws: Draws, prior: Any, *, resolved: bool, unresolved_because: str, log_scale: frozenset[str]
) -> list[Supplement]:
    """One section; a sentence where labels are unresolved or draws are too few."""
    title = "What does the prior decide?"
    if not resolved:
        return [Supplement(title, [f"Not measured parameter by parameter: {unresolved_because}"])]
    each = int(np.clip(ENTRIES // draws.data.matrix().size // draws.chains, 50, draws.shape[1]))
    try:
        found = sensitivity(draws.kept(each), prior, log_scale=log_scale, most=SHOWN)
    except InputError as error:
        return [Supplement(title, [f"Not measured: {error}"])]
    fields = list(found.rows[0].by_field) if found.rows else []
    flagged = [row for row in found.rows if row.diagnosis]
    text = [
        "The prior, and then the likelihood, was raised to powers just below and above 1, by reweighting the draws. A "
        "number says how far the posterior of a parameter moves (in its cumulative distribution) for a doubling of the "
        f"power: above {found.threshold:g} it is worth a look. Power-scaling asks about small changes; it does not say "
        "whether the prior is right.",
        _finding(flagged, len(found.rows), found.threshold),
        *found.notes,
    ]
    rows = [[r.name, r.prior, *(r.by_field[f] for f in fields), r.likelihood, _words(r.diagnosis)] for r in found.rows]
    several = fields if len(fields) > 1 else []
    if not several:
        rows = [[row[0], row[1], *row[2 + len(fields) :]] for row in rows]
    heads = ["", "prior", *(f"prior of {name}" for name in several), "likelihood", ""]
    if not flagged:
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    note = "" if found.n_scalars == len(rows) else f"{len(rows)} of {found.n_scalars} parameters, evenly spaced"
    return [Supplement(title, text, [Sheet("Power-scaling sensitivity", heads, rows, note, digits=2)])]


def _words(diagnosis: str) -> str:
    """ArviZ's diagnosis, in few words."""
    return {
        "potential prior-data conflict": "prior and data both",
        "potential strong prior / weak likelihood": "prior more than data",
    }.get(diagnosis, diagnosis)


def _finding(flagged: list[Any], n: int, threshold: float) -> str:
    if not flagged:
        return f"The prior moves no parameter by {threshold:g} or more: the data decide."
    names = ", ".join(row.name for row in flagged[:6]) + (f" and {len(flagged) - 6} more" if len(flagged) > 6 else "")
    strong = [row for row in flagged if row.likelihood < threshold]
    said = f"The prior informs {len(flagged)} of {n} parameters: {names}."
    if strong:
        return said + " Where the likelihood moves less than that, the prior speaks alone."
    return said + " There the likelihood informs it too; where the two pull in different directions they conflict."
