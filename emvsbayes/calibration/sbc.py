"""`sbc`: simulation-based calibration of what `sample` draws, resumable, with the time left.

    p(θ) = ∫ p(θ | X) p(X | θ*) p(θ*) dX dθ*

averaging the posterior over data drawn from the prior gives back the prior, whatever the model, and draws from the
posterior rank the truth uniformly. Draws from anything else do not: a wrong density, a wrong Jacobian, a wrong prior
scale or chains that do not mix show up in the ranks, if they move the posterior far enough. One quantity in 200
simulations is rejected at 0.001 nearly always where its posterior is shifted by half its standard deviation, in about
a third of runs where by a quarter, and hardly ever where by a tenth: a forgotten Jacobian among many rows is less than
that. So ranks stand beside the tests that hold densities and Jacobians to rounding, and not in their place.

Source: Talts, Betancourt, Simpson, Vehtari and Gelman (2018), arXiv:1804.06788. Test quantities: every free parameter,
and the log-likelihood, which sees what the parameters one by one do not (Modrák et al. 2023, doi 10.1214/23-BA1404).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from emvsbayes.calibration.models import MODELS, Model, find_model
from emvsbayes.calibration.record import Calibration, Histogram, ModelResult
from emvsbayes.calibration.simulation import (
    CHAINS,
    CONTROL,
    DRAWS,
    ENOUGH,
    LOG_LIKELIHOOD,
    LONGEST,
    TUNE,
    Simulation,
    Simulator,
    ranked,
)
from emvsbayes.calibration.store import Store, code_of, versions
from emvsbayes.calibration.uniformity import (
    bins_for,
    chi_square,
    count_band,
    ecdf_band,
    ecdf_difference,
    ecdf_test,
    histogram,
)
from emvsbayes.core.checks import whole_number
from emvsbayes.core.records import record_fields

HERE = Path(__file__).parent
SIMULATIONS = 200
EVERY = 10  # simulations between two lines of progress
MIXED = 1.05  # an R-hat above this says that chains disagree


def sbc(
    models: str | Sequence[str] | None = None,
    *,
    simulations: int = SIMULATIONS,
    seed: int = 0,
    fresh: bool = False,
    say: Callable[[str], object] | None = None,
) -> Calibration:
    """Simulation-based calibration: are the ranks of the truth among posterior draws uniform?

    Parameters
    ----------
    models : names among coins, gaussian-1d, gaussian-2d, bernoulli, linear-evidence
        All of them by default.
    simulations : int
        Of each model, at least 20: with fewer a histogram says nothing.
    seed : int
        The same seed gives the same ranks; more simulations go on where fewer stopped.
    fresh : bool
        Simulate again even what is kept from an earlier run.
    say : callable, optional
        Given a line of progress now and then.

    Returns
    -------
    Calibration

    References
    ----------
    Talts et al. (2018), arXiv:1804.06788. Säilynoja, Bürkner and Vehtari (2022), Statistics and Computing 32, 32.
    """
    whole_number(simulations, 20, "simulations")
    whole_number(seed, 0, "seed")
    chosen = [find_model(name) for name in ([models] if isinstance(models, str) else models or MODELS)]
    say = say or (lambda line: None)
    results = [_run(model, simulations, seed, fresh, say) for model in chosen]
    return Calibration(
        results,
        seed,
        {"chains": CHAINS, "tune": TUNE, "draws": DRAWS, "enough": ENOUGH, "longest": LONGEST},
        CONTROL,
        versions(),
    )


def _run(model: Model, simulations: int, seed: int, fresh: bool, say: Callable[[str], object]) -> ModelResult:
    """The first `simulations` simulations of a model, those that are missing done now."""
    from emvsbayes.bayes.compiled import compile_twin
    from emvsbayes.bayes.likelihoods import available_likelihood

    problem = model.pose()
    prior = problem.prior(model.prior)
    likelihood = available_likelihood(problem, prior, say)
    store = Store(Simulation, f"sbc-{model.name}", specification(model, seed, likelihood))
    if fresh:
        store.clear()
    done = store.load()
    missing = [index for index in range(simulations) if index not in done]
    if done and missing:
        say(f"{model.name}: {simulations - len(missing)} of {simulations} simulations are kept from an earlier run")
    if missing:
        say(f"{model.name}: compiling")
        began = perf_counter()
        engine = Simulator(model, compile_twin(problem, prior, likelihood), seed)
        say(f"{model.name}: compiled in {perf_counter() - began:.0f} s")
        began = perf_counter()
        for number, index in enumerate(missing, 1):
            store.append(found := engine.simulate(index))
            done[index] = found
            if number % EVERY == 0 or number == len(missing):
                left = (perf_counter() - began) / number * (len(missing) - number)
                say(f"{model.name}: {len(done)} of {simulations} simulations, {clock(left)} left")
    names = [*(s.name for s in ranked(problem)), LOG_LIKELIHOOD]
    return result_of(model, likelihood, names, [done[index] for index in range(simulations)])


def specification(model: Model, seed: int, likelihood: str) -> dict[str, Any]:
    """Everything that the ranks of a model depend on."""
    own = [HERE / f"{name}.py" for name in ("ordering", "ranks", "simulation", "truths")]
    own.append(HERE.parent / "core" / "scalars.py")
    what = {name: value for name, value in record_fields(model).items() if name not in ("title", "statement")}
    code = code_of(model.family, model.pose().twin, likelihood, *own)
    return {"model": what, "seed": seed, "versions": versions(), "code": code}


def result_of(model: Model, likelihood: str, names: list[str], done: list[Simulation]) -> ModelResult:
    """The tests of every quantity, and what the sampler went through."""
    table, control = np.array([s.ranks for s in done]), np.array([s.control for s in done])
    bins = bins_for(len(done))
    histograms = [
        Histogram(
            name=name,
            ranks=table[:, q].tolist(),
            counts=histogram(table[:, q], bins).tolist(),
            difference=[round(float(d), 6) for d in ecdf_difference(table[:, q])],
            chi_square=chi_square(table[:, q], bins),
            ecdf=ecdf_test(table[:, q]),
            control_chi_square=chi_square(control[:, q], bins),
            control_ecdf=ecdf_test(control[:, q]),
        )
        for q, name in enumerate(names)
    ]
    lower, upper = ecdf_band(len(done))
    return ModelResult(
        name=model.name,
        title=model.title,
        statement=model.statement,
        order=model.order,
        likelihood=likelihood,
        simulations=len(done),
        histograms=histograms,
        count_band=count_band(len(done), bins),
        lower=[round(float(d), 6) for d in lower],
        upper=[round(float(d), 6) for d in upper],
        ess=min(s.ess for s in done),
        r_hat=max(s.r_hat for s in done),
        short=sum(s.ess < ENOUGH for s in done),
        unmixed=sum(s.r_hat > MIXED for s in done),
        diverged=sum(s.divergences > 0 for s in done),
        longest=max(s.draws for s in done),
        seconds=round(sum(s.seconds for s in done), 1),
    )


def clock(seconds: float) -> str:
    """A time to wait: 40 s, 12 min."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
