"""The tables of the page: sub-records in, headers and printed cells out.

Estimates of one parameter share their decimals, so that they can be compared digit by digit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from markupsafe import Markup

from emvsbayes.comparison.record import (
    Check,
    Climb,
    Parameter,
    Points,
    Provenance,
    Published,
    Restarts,
    Sheet,
    Singularity,
    Step,
    Switching,
)
from emvsbayes.report import format as fmt
from emvsbayes.report.palette import component

OPTIMA = 6  # most optima, collapsed starts and labellings printed; result.json has them all
FIRST, LAST = 9, 3  # half-steps printed


@dataclass(frozen=True)
class Table:
    """Cells as text; the first cell of a row is its header. `words` are the columns that hold text, not numbers."""

    caption: str
    headers: list[str]
    rows: list[list[str]]
    words: frozenset[int] = field(default_factory=frozenset)
    note: str = ""


def checks(found: list[Check]) -> Table:
    """Every check with its bound and the sentence that says what it is."""
    rows = [[c.name, fmt.number(c.value), fmt.number(c.bound), _verdict(c.passed), c.sentence] for c in found]
    return Table(
        "Numbers held against their bounds",
        ["check", "value", "bound", "passed", "what it says"],
        rows,
        frozenset({3, 4}),
    )


def sheet(found: Sheet) -> Table:
    """A table of a supplement; a column is one of words if nothing in it is a number."""
    rows = [[cell if isinstance(cell, str) else _number(cell, found) for cell in row] for row in found.rows]
    numbers = {j for row in found.rows for j, cell in enumerate(row) if isinstance(cell, int | float)}
    words = frozenset(range(len(found.headers))) - numbers
    return Table(found.caption, found.headers, rows, words, found.note)


def _number(value: float | None, within: Sheet) -> str:
    if value is None or within.decimals is None or float(value).is_integer():
        return fmt.number(value, within.digits)
    return fmt.fixed(value, within.decimals)


def published(found: list[Published]) -> Table:
    """Numbers in print beside ours; a print from another sample with the sds by which samples differ."""
    sampled = any(p.sampling_sds is not None for p in found)
    rows = [
        [
            p.what,
            p.name,
            ", ".join(fmt.fixed(value, p.digits) for value in p.printed),
            ", ".join(fmt.fixed(value, p.digits + (1 if p.sampling_sds else 2)) for value in p.ours),
            *([_sds(p)] if sampled else []),
            _verdict(p.passed),
        ]
        for p in found
    ]
    if not sampled:
        headers = ["what", "field", "in print", "here", "same as printed"]
        return Table("Numbers in print beside ours", headers, rows, frozenset({1, 4}))
    headers = ["what", "field", "in print", "here", "sampling sd", "agrees"]
    note = (
        "A row with sampling sds was printed for another sample of the same model: it agrees where every number in "
        "print lies within 4 sampling sds of ours, measured on data sets of the same size drawn from our fit and "
        "fitted from the same start. Any other row agrees where ours rounds to what is printed."
    )
    return Table("Numbers in print beside ours", headers, rows, frozenset({1, 2, 3, 4, 5}), note)


def parameters(points: Points) -> Table:
    """Question 1: one row a parameter; columns that nobody has a number for are left out."""
    items = points.parameters
    sampled = any(p.mean is not None for p in items)
    optimised = any(p.pymc_map is not None for p in items)
    headers = ["parameter", "ML", "MAP"] + ["pm.find_MAP"] * optimised
    if sampled:
        headers += [
            "mean",
            "median",
            "sd",
            points.interval,
            "MCSE",
            "ML: sds from\u00a0mean",
            "MAP: sds from\u00a0mean",
        ]
    alike: dict[str, int] = {}  # the same entry of every component has the same decimals
    for p in items:
        alike[_entry(p)] = max(alike.get(_entry(p), 0), _decimals(p))
    rows = []
    for p in items:
        places = alike[_entry(p)]
        row = [_name(p.name, p.component), fmt.fixed(p.ml, places), fmt.fixed(p.map, places)]
        if optimised:
            row.append(fmt.fixed(p.pymc_map, places))
        if sampled:
            interval = fmt.NONE
            if p.lower is not None and p.upper is not None:
                interval = f"{fmt.fixed(p.lower, places)} to {fmt.fixed(p.upper, places)}"
            row += [fmt.fixed(p.mean, places), fmt.fixed(p.median, places), fmt.fixed(p.sd, places), interval]
            row += [fmt.number(p.mcse, 2), fmt.fixed(p.z_ml, 2), fmt.fixed(p.z_map, 2)]
        rows.append(row)
    return Table("Estimates of every parameter", headers, rows)


def scores(points: Points) -> Table:
    """The log-density at each estimate."""
    rows = [
        [
            s.name,
            fmt.fixed(s.log_likelihood, 4),
            fmt.fixed(s.log_prior, 4),
            fmt.fixed(s.log_posterior, 4),
            fmt.count(s.passes),
            fmt.fixed(s.bic, 2),
            fmt.fixed(s.icl, 2),
            fmt.status(s.status),
        ]
        for s in points.scores
    ]
    headers = ["estimate", "log-likelihood", "log prior", "log posterior", "passes", "BIC", "ICL", "status"]
    note = "In nats; the log posterior is unnormalised: log-likelihood plus log prior."
    given = [
        name
        for name, values in (("BIC", [s.bic for s in points.scores]), ("ICL", [s.icl for s in points.scores]))
        if any(value is not None for value in values)
    ]
    if given:
        note += f" Smaller {' and '.join(given)} {'are' if len(given) > 1 else 'is'} better."
    return Table("Scores of the estimates", headers, rows, frozenset({7}), note)


def fit_starts(points: Points) -> Table:
    """Where the starts of the two fits went."""
    names = {"ml": "maximum likelihood", "map": "MAP"}
    rows = []
    for side in points.starts:
        reached = [f"{fmt.fixed(o, 3)} ({n})" for o, n in zip(side.optima, side.counts, strict=True)]
        left = len(reached) - OPTIMA
        shown = ", ".join(reached[:OPTIMA]) + (f" and {left} more" if left > 0 else "")
        rows.append([names[side.objective], fmt.count(side.n_starts), fmt.count(side.n_singular), shown or fmt.NONE])
    headers = ["fit", "starts", "collapsed", "optima, and how many starts reached them"]
    note = "As far as the tolerance of a start goes; the estimates above come from the best one, run to its end."
    return Table("Starts of the two fits", headers, rows, frozenset({3}), note)


def labellings(switching: Switching) -> Table:
    """How the draws divide over labellings, most frequent first."""
    shares = sorted(switching.labelling_shares.items(), key=lambda item: -item[1])
    rows = [[name, fmt.percent(share)] for name, share in shares[: 2 * OPTIMA]]
    left = len(shares) - len(rows)
    note = f"and {left} more" if left else ""
    return Table("Labellings visited", ["labelling", "share of the draws"], rows, note=note)


def switches(switching: Switching, *, labels: bool = True) -> Table:
    """What each chain did; without `labels` there are none to switch."""
    columns = (switching.switches, switching.agreement, switching.log_likelihood, switching.mode_log_posterior)
    rows = [
        [f"chain {i}", fmt.count(n), fmt.percent(agreement), fmt.fixed(log_likelihood, 2), fmt.fixed(mode, 2)]
        for i, (n, agreement, log_likelihood, mode) in enumerate(zip(*columns, strict=True))
    ]
    headers = ["chain", "switches", "rows as the pivot", "mean log-likelihood", "log posterior of its mode"]
    if not labels:
        rows, headers = [[row[0], *row[3:]] for row in rows], [headers[0], *headers[3:]]
    return Table("Chain by chain", headers, rows)


def convergence(switching: Switching, *, labels: bool = True) -> Table:
    """R-hat and bulk ESS, before and after; without `labels` there is no before."""
    rows = [
        [
            c.name,
            fmt.fixed(c.rhat_before, 3),
            fmt.fixed(c.rhat_after, 3),
            fmt.count(c.ess_before),
            fmt.count(c.ess_after),
        ]
        for c in switching.convergence
    ]
    headers = ["parameter", "R-hat before", "R-hat after", "bulk ESS before", "bulk ESS after"]
    note = "R-hat compares the chains with each other; above 1.01 they do not agree yet."
    if not labels:
        rows = [[row[0], row[2], row[4]] for row in rows]
        return Table("Convergence", ["parameter", "R-hat", "bulk ESS"], rows, note=note)
    return Table("Convergence before and after relabelling", headers, rows, note=note)


def outcomes(singularity: Singularity) -> Table:
    """Where the starts went, ML beside MAP."""
    sides = [singularity.ml, singularity.map]
    counts = [
        ["starts", *(fmt.count(len(s.starts)) for s in sides)],
        ["collapsed", *(fmt.count(s.n_singular) for s in sides)],
        ["reached the best optimum", *(fmt.count(sum(o.count for o in s.optima if o.number == 0)) for s in sides)],
        ["distinct optima", *(fmt.count(len(s.optima)) for s in sides)],
    ]
    return Table("What became of the starts", ["", "maximum likelihood", "MAP"], counts)


def optima(restarts: Restarts, e_step: str = "exact") -> Table:
    """Distinct optima with their parameters, best first; under a hard E-step they are those of the bound."""
    rows = [
        [
            fmt.count(o.number),
            fmt.fixed(o.objective, 4),
            fmt.count(o.count),
            "; ".join(f"{name} {fmt.values(value)}" for name, value in o.params.items()),
        ]
        for o in restarts.optima[:OPTIMA]
    ]
    left = len(restarts.optima) - len(rows)
    name = {"ml": "maximum likelihood", "map": "MAP"}[restarts.objective]
    heights = {"ml": "log-likelihood", "map": "log posterior"}
    if e_step == "hard":
        heights = {"ml": "bound", "map": "bound + log prior"}
    objective = heights[restarts.objective]
    note = f"{left} more, all lower, are in result.json." if left else ""
    return Table(f"Optima of {name}", ["optimum", objective, "starts", "parameters"], rows, frozenset({3}), note)


def collapsed(restarts: Restarts) -> Table:
    """Which component collapsed on which rows, start by start."""
    found = [s for s in restarts.starts if fmt.is_collapsed(s.status)]
    rows = [
        [
            f"start {s.index}",
            fmt.NONE if s.component is None else fmt.count(s.component),
            fmt.count(s.n_collapsed_rows),
            fmt.listed(s.rows),
            fmt.count(s.passes),
            fmt.fixed(s.log_likelihood, 3),
        ]
        for s in found[: 2 * OPTIMA]
    ]
    left = len(found) - len(rows)
    name = {"ml": "maximum likelihood", "map": "MAP"}[restarts.objective]
    headers = ["start", "component", "rows", "which rows", "passes", "last log-likelihood"]
    note = f"{left} more are in result.json." if left else ""
    return Table(f"Collapsed starts under {name}", headers, rows, frozenset({3}), note)


def half_steps(climb: Climb, name: str = "", *, alone: bool = False) -> Table:
    """The first half-steps and the last; `name` as in `format.climb_names`, `alone` where no fit is counted in."""
    steps = climb.steps
    shown: list[Step | None] = list(steps)
    if len(steps) > FIRST + LAST:
        shown = [*steps[:FIRST], None, *steps[-LAST:]]
    places = fmt.decimals([s.log_likelihood for s in steps], 10)
    rows = []
    for step in shown:
        if step is None:
            rows.append(["⋮"] * 7)
            continue
        gap = "0" if step.kl == 0 else fmt.number(step.kl, 4)
        numbers = [fmt.fixed(step.elbo, places), gap, fmt.fixed(step.log_likelihood, places)]
        check = [fmt.fixed(step.log_prior, 4), "0" if step.residual == 0 else fmt.number(step.residual, 1)]
        rows.append([f"{step.passes:g}", step.half, *numbers, *check])
    name = name or fmt.climb_names([climb])[0]
    headers = ["pass", "half-step", "ELBO", "KL", "log-likelihood", "log prior", "residual"]
    rate = "" if climb.rate is None else f" Observed rate of convergence: {fmt.number(climb.rate, 3)}."
    whose = "" if alone else " and of the best fit"
    note = (
        "The residual is ELBO + KL − log-likelihood, relative to max(1, |log-likelihood|); "
        f"the largest is over {fmt.count(climb.n_half_steps)} half-steps, of this climb{whose}.{rate}"
    )
    return Table(f"Half-steps of {name}", headers, rows, frozenset({1}), note)


def provenance(found: Provenance) -> Table:
    """What is needed to do it again."""
    rows = [["command", found.command], ["seed", str(found.seed)], ["data, SHA-256", found.data_sha256]]
    rows += [["sampler", found.sampler or "nothing was sampled"]]
    rows += [["versions", ", ".join(f"{name} {version}" for name, version in found.versions.items())]]
    rows += [["seconds", ", ".join(f"{name} {fmt.number(s, 3)}" for name, s in found.seconds.items())]]
    return Table("Provenance", ["", ""], rows, frozenset({1}))


def _name(name: str, k: int) -> str:
    """The parameter's name behind the mark of its component."""
    if k < 0:
        return name
    style = component(k)
    return Markup('<span class="mark" style="color:{}" aria-hidden="true">{}</span> {}').format(
        style.color, style.glyph, name
    )


def _sds(p: Published) -> str:
    if p.sampling_sds is None:
        return fmt.NONE
    return ", ".join(fmt.fixed(value, p.digits + 1) for value in p.sampling_sds)


def _verdict(passed: bool) -> str:
    word, kind = ("yes", "good") if passed else ("no", "bad")
    return Markup('<span class="{}">{}</span>').format(kind, word)


def _entry(p: Parameter) -> str:
    """The parameter's name without its component."""
    return p.name.replace(f"[{p.component}", "[", 1)


def _decimals(p: Parameter) -> int:
    """Two significant digits of the posterior sd where there is one, plus one; else four of the estimates."""
    if p.sd:
        return fmt.decimals([p.sd], 3)
    return fmt.decimals([p.ml, p.map], 4)
