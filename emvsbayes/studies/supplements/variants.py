"""Every variant of EM from one start, on the data of the study and on a problem on which EM is slow.

What is relaxed, what it costs in passes, and what stays open between the bound and the log-likelihood; the bound as it
touches; bound and divergence stacked half-step by half-step; the gap to the optimum against passes; and the rate of EM,
the largest eigenvalue of the Jacobian of a pass, against the ratio of its successive steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from emvsbayes.comparison.record import MARKS, Plot, Series, Sheet, Supplement
from emvsbayes.comparison.tangency import tangency
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.scalars import thinned
from emvsbayes.core.trace import Run
from emvsbayes.information.observed import rate_matrix
from emvsbayes.information.optimum import settled
from emvsbayes.plan import Plan, read_plan
from emvsbayes.problem import Problem, pose
from emvsbayes.studies.spec import STUDIES

TIGHT = Stop(tol=1e-12, max_passes=2000)
LONG = Stop(tol=1e-15, max_passes=20_000)
RANDOM = Stop(max_passes=200)  # a path that is averaged has no end of its own
NEAR = 1e-8  # nats
STARTS = 10
TRIALS = 2000  # of the slow coins
BARS = 12  # half-steps of a stack


@dataclass(frozen=True)
class Variant:
    """A plan by its axes, and what it relaxes, in words."""

    name: str
    axes: dict[str, str]
    relaxes: str


VARIANTS = (
    Variant("plain EM", {}, "nothing: every row, the posterior as q, the top of the bound"),
    Variant("hard EM", {"e_step": "hard"}, "q one-hot: it climbs the classification likelihood"),
    Variant("truncated EM", {"e_step": "truncated:1"}, "q on one component a row; with K = 2 this is hard EM"),
    Variant("mean-field EM", {"e_step": "mean-field"}, "q a product over the coefficients of a regression"),
    Variant("generalized EM", {"m_step": "gradient"}, "the M half-step: one gradient step that raises the bound"),
    Variant("ECM", {"m_step": "conditional"}, "the M half-step: a field at a time, the others held"),
    Variant("incremental EM", {"schedule": "incremental:10"}, "a tenth of the rows has its q renewed at a time"),
    Variant("stepwise EM", {"schedule": "stepwise:10"}, "q forgotten: a running mean of statistics"),
    Variant("stochastic EM", {"e_step": "stochastic"}, "z drawn; the mean of the second half of the path"),
    Variant("Monte-Carlo EM", {"e_step": "monte-carlo:20"}, "q from 20 draws a row; the mean of the path"),
    Variant("annealed EM", {"e_step": "annealed"}, "q flattened at first, p(X, Z | θ)^β with β from 0.5 to 1"),
    Variant("SQUAREM", {"accelerate": "squarem"}, "every third pass a guess, kept where it is no worse"),
    Variant("Anderson", {"accelerate": "anderson"}, "every pass a guess from the last ten, kept where it is no worse"),
    Variant(
        "Anderson, incremental",
        {"accelerate": "anderson", "schedule": "incremental:10"},
        "every second pass a guess, between passes by blocks",
    ),
)
RACE = ("plain EM", "incremental EM", "stepwise EM", "SQUAREM", "Anderson")
STACKED = ("plain EM", "hard EM", "incremental EM")


def supplements(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """Five sections, each on both problems; the first on a regression too, whose latent all rows share."""
    ours = (study.title.split(":")[0], problem, fits.ml.start)
    slow = slow_coins()
    theirs = ("slow coins", slow, _start(slow, 0))
    problems = [(name, posed, start, _best(posed, start)) for name, posed, start in (ours, theirs)]
    return [
        _settings([*problems, regression()], study.seed),
        _touching(problems),
        _stacks(problems[0]),
        _race(problems, study.seed),
        _rates(problems),
    ]


def slow_coins() -> Problem:
    """Heads in 12 tosses of one of two coins much alike, 2000 trials, on which EM is slow.

    One row a trial, not a table of frequencies: a drawn z and a block of rows need the trials themselves.
    """
    rng = np.random.default_rng(0)
    probs = np.where(rng.random(TRIALS) < 0.4, 0.57, 0.42)
    data = {"heads": rng.binomial(12, probs), "tosses": np.full(TRIALS, 12)}
    return pose("coins", data, n_components=2, settings={"weights": "free"})


def regression() -> tuple[str, Problem, Any, Run]:
    """The sinusoid of its own study: evidence EM, with a Gaussian q that variants may factorise."""
    study = STUDIES["evidence-sinusoid"]
    problem = pose(study.family, study.table(), settings=study.settings)
    start = _start(problem, 0)
    return "sinusoid, linear_evidence", problem, start, _best(problem, start)


def plan_of(problem: Problem, axes: dict[str, str], seed: int = 0) -> Plan:
    """The plan with these axes; those left out are plain EM's."""
    names = ("e_step", "m_step", "schedule", "accelerate")
    e_step, m_step, schedule, accelerate = (axes.get(name) for name in names)
    return read_plan(problem, e_step=e_step, m_step=m_step, schedule=schedule, accelerate=accelerate, seed=seed)


def climb(
    problem: Problem,
    start: Any,
    axes: dict[str, str],
    *,
    seed: int = 0,
    stop: Stop = TIGHT,
    record: bool | str = True,
) -> Run:
    """A run of one variant; where z is drawn it ends after a number of passes."""
    plan = plan_of(problem, axes, seed)
    options = plan.options(problem.family)
    stop = RANDOM if getattr(options["schedule"], "random", False) else stop
    return run_em(problem.family, problem.data, start, stop=stop, record=record, **options)


def _start(problem: Problem, index: int) -> Any:
    child = np.random.SeedSequence(index)
    return problem.hold(problem.family.init(problem.data, np.random.default_rng(child), "k-means++"))


def _best(problem: Problem, start: Any) -> Run:
    """The optimum that plain EM nears from this start, reached by Anderson's guesses to rounding."""
    return run_em(problem.family, problem.data, start, accelerate="anderson", stop=LONG, record=False)


def _settings(problems: Sequence[Any], seed: int) -> Supplement:
    """A table a problem: what became of every variant."""
    sheets = []
    for name, problem, start, best in problems:
        rows: list[list[str | float | None]] = []
        for variant in VARIANTS:
            try:
                schedule = plan_of(problem, variant.axes).gather(problem.family)
            except InputError as error:
                rows.append([variant.name, f"refused: {error}", None, None, None, None, None])
                continue
            run = climb(problem, start, variant.axes, seed=seed)
            rows.append(
                [
                    variant.name,
                    variant.relaxes,
                    "yes" if schedule.monotone else "no",
                    float(run.passes),
                    run.log_likelihood - best.log_likelihood,
                    run.trace[-1].kl,
                    run.trace.largest_residual,
                ]
            )
        headers = ["variant", "what it relaxes", "monotone", "passes", "ln p less the optimum", "KL at the end"]
        sheets.append(Sheet(f"{name}: every variant from one start", [*headers, "largest residual"], rows))
    return Supplement(
        "One loop, every variant",
        [
            "EM climbs F(q, θ) = E_q[ln p(X, Z | θ)] + H(q), which is ln p(X | θ) - KL(q ‖ p(Z | X, θ)), one argument "
            "at a time. A variant allows fewer q, renews q for fewer rows, goes less far in θ, or guesses further "
            "ahead. The split of the log-likelihood holds under each of them, and the residual is what rounding leaves "
            "of it.",
            "Passes count every visit to the data, that of a guess that was dropped too. A run ends where a pass gains "
            f"less than {TIGHT.tol:g} nats an observation, after {TIGHT.max_passes} passes, or, where z is drawn, "
            f"after {RANDOM.max_passes}.",
        ],
        sheets=sheets,
    )


def _touching(problems: Sequence[Any]) -> Supplement:
    """Three bounds under the log-likelihood, and how exactly they touch it."""
    plots, rows = [], []
    for name, problem, _, best in problems:
        found = tangency(problem.family, problem.data, best.params)
        series = [Series("log-likelihood", "line", found.grid, found.log_likelihood)]
        low = min(found.log_likelihood)
        for i, touch in enumerate(found.touches):
            near = [j for j, height in enumerate(touch.bound) if height > low - 5]
            x, y = ([values[j] for j in near] for values in (found.grid, touch.bound))
            series.append(Series(f"bound of E half-step {i + 1}", "line", x, y, component=i))
            series.append(Series("", "centers", [touch.at], [touch.value[0]], component=i))
            gap, slopes = touch.value[1] - touch.value[0], touch.slope
            rows.append([name, f"{i + 1}", touch.at, gap, slopes[0], slopes[1] - slopes[0], touch.top])
        plots.append(Plot(name, found.name, "nats", series))
    headers = ["problem", "E half-step", "touches at", "bound less ln p", "slope of ln p", "slope of the bound less it"]
    return Supplement(
        "The bound touches, and is tangent",
        [
            "All free coordinates but one are held at the optimum. Each E half-step makes a bound that touches the "
            "log-likelihood where it was made (the mark) and has its slope there; the M half-step goes to the top of "
            "the bound, and the next bound is made from there. Where a bound bends much more sharply than the "
            "log-likelihood, its top is near, and EM is slow; where little is missing the bound hugs the "
            "log-likelihood, and one step does.",
        ],
        sheets=[Sheet("Values and slopes where the bounds touch", [*headers, "top of the bound"], rows)],
        plots=plots,
    )


def _stacks(given: Any) -> Supplement:
    """ELBO and KL on top of each other, for three variants from one start."""
    name, problem, start, _ = given
    plots = []
    chosen = {variant.name: variant for variant in VARIANTS if variant.name in STACKED}
    for title in STACKED:
        axes = dict(chosen[title].axes)
        if "schedule" in axes:
            axes["schedule"] = "incremental:5"
        run = climb(problem, start, axes, record="blocks")
        steps = list(run.trace)[2 : 2 + BARS]
        x = [float(i) for i in range(len(steps))]
        top, bound = [s.log_likelihood for s in steps], [s.elbo for s in steps]
        foot = min(bound) - 0.35 * (max(top) - min(bound))
        plots.append(
            Plot(
                title,
                f"half-steps M, E, M, … from pass {steps[0].passes:g} to {steps[-1].passes:g}",
                "nats",
                [
                    Series("bound: ELBO", "bars", x, [foot] * len(x), bound),
                    Series("gap: KL", "bars", x, bound, top),
                ],
            )
        )
    return Supplement(
        "Bound and divergence under three kinds of E half-step",
        [
            f"{name}, from the same start; each panel has an axis of its own, which does not begin at zero, and the "
            "top of a bar is the log-likelihood. An exact E half-step (every second bar) closes the gap. A hard one "
            "leaves it open. An incremental one renews q for a fifth of the rows, so that the gap closes block by "
            "block, while θ already moves.",
        ],
        plots=plots,
    )


def _race(problems: Sequence[Any], seed: int) -> Supplement:
    """The gap to the optimum against passes, and passes to within 1e-8 nats over ten starts."""
    plots = []
    by_name = {variant.name: variant for variant in VARIANTS}
    for name, problem, start, best in problems:
        series = []
        shown = 1.5 * climb(problem, start, {}, record=False).passes
        for index, title in enumerate(RACE):
            run = climb(problem, start, by_name[title].axes, seed=seed)
            gaps = [(s.passes, best.log_likelihood - s.log_likelihood) for s in run.trace if s.half == "E"]
            gaps = [(x, y) for x, y in gaps if y > NEAR / 10 and x <= shown]
            kept = thinned(len(gaps), MARKS)
            x, y = ([gaps[i][axis] for i in kept] for axis in (0, 1))
            series.append(Series(title, "line", x, y, component=index))
        plots.append(Plot(name, "passes", "nats below the optimum", series, log_y=True))
    name, problem, _, _ = problems[-1]
    return Supplement(
        "Log-likelihood against passes",
        [
            "A straight line is linear convergence, and its slope the logarithm of the rate. On a problem with little "
            "missing information there is nothing to gain; where much is missing, guesses save most of the passes. "
            "Stepwise EM has a step that shrinks, and so no rate: its first passes are its best.",
        ],
        sheets=[_passes(name, problem)],
        plots=plots,
    )


def _passes(name: str, problem: Problem) -> Sheet:
    """Over ten starts that end in the best optimum any of them reaches."""
    counts: dict[str, list[float]] = {"plain EM": [], "SQUAREM": [], "Anderson": []}
    starts = [_start(problem, index) for index in range(1, STARTS + 1)]
    tops = [_best(problem, start).log_likelihood for start in starts]
    axes = {variant.name: variant.axes for variant in VARIANTS}
    for start, top in zip(starts, tops, strict=True):
        if top < max(tops) - 1e-4:
            continue
        for title, found in counts.items():
            run = climb(problem, start, axes[title], stop=LONG)
            heights = [(s.passes, s.log_likelihood) for s in run.trace if s.half == "E"]
            found.append(next((p for p, height in heights if height >= max(tops) - NEAR), np.inf))
    medians = {title: float(np.median(found)) for title, found in counts.items()}
    rows: list[list[str | float | None]] = [
        [title, min(found), medians[title], max(found), medians["plain EM"] / medians[title]]
        for title, found in counts.items()
    ]
    n = len(counts["plain EM"])
    headers = ["variant", "fewest", "median", "most", "plain EM takes so many times as many"]
    return Sheet(f"{name}: passes to within {NEAR:g} nats of the optimum, {n} starts that end there", headers, rows)


def _rates(problems: Sequence[Any]) -> Supplement:
    """The ratio of successive steps of EM, and the eigenvalue that it tends to."""
    rows: list[list[str | float | None]] = []
    plots = []
    for name, problem, start, best in problems:
        family = problem.family
        rate = float(np.abs(np.linalg.eigvals(rate_matrix(settled(family, problem.data, best.params)))).max())
        ratios = _step_ratios(problem, start)
        rows.append([name, rate, ratios[-1], float(np.log(10) / -np.log(rate))])
        x = [float(i + 2) for i in range(len(ratios))]
        kept = thinned(len(x), MARKS)
        measured = Series("ratio of successive steps", "line", [x[i] for i in kept], [ratios[i] for i in kept])
        plots.append(Plot(name, "pass", "ratio", [measured, Series("largest eigenvalue", "line", x, [rate] * len(x))]))
    return Supplement(
        "The rate of EM",
        [
            "Near its limit every pass multiplies the error by the rate matrix, the Jacobian of a pass on free "
            "coordinates (here by differences), which is the share of the information that is missing. Its largest "
            "eigenvalue is the rate; the lengths of successive steps of plain EM have the same ratio in the end.",
        ],
        sheets=[
            Sheet("The rate, twice", ["problem", "largest eigenvalue", "last ratio of steps", "passes a digit"], rows)
        ],
        plots=plots,
    )


def _step_ratios(problem: Problem, start: Any) -> list[float]:
    """|v_(t+1) - v_t| / |v_t - v_(t-1)| of plain EM on free coordinates, while steps are above rounding."""
    family, data, params = problem.family, problem.data, start
    lengths: list[float] = []
    vector = family.to_vector(params)
    for _ in range(TIGHT.max_passes):
        params = family.m_step(family.expect(family.e_step(params, data), data, params), params)
        moved = family.to_vector(params)
        lengths.append(float(np.linalg.norm(moved - vector)))
        vector = moved
        if lengths[-1] < 1e-8 * (1 + np.linalg.norm(vector)):
            break
    return [b / a for a, b in pairwise(lengths)]
