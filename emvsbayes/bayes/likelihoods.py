"""Which of two equal densities is sampled: the family's compiled posterior ("fused"), or the PyMC model ("plain").

Asked for "auto", it is the compiled one wherever there is one, for these data, with the nutpie that is installed. The
two are held equal by a test; which one it was stands in the draws and on the page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config

from emvsbayes.core.errors import InputError, unknown
from emvsbayes.problem import Problem

LIKELIHOODS = ("auto", "fused", "plain")
COMPILE_SECONDS = 60  # of a first compilation on two cores, for the message only
FIRST_SECONDS = 20  # of the first compilation of a family's posterior, for the message only


def starting_point(problem: Problem, seed: int) -> Any:
    """Parameters at random rows: for shapes, held fields, and the points of the certificate."""
    return problem.hold(problem.family.init(problem.data, np.random.default_rng(seed), "random_rows"))


def chosen_likelihood(problem: Problem, prior: Any, likelihood: str, seed: int) -> str:
    """ "fused" or "plain", by what the family has for these data; raises where what is asked for does not exist."""
    if likelihood not in LIKELIHOODS:
        raise unknown("likelihood", likelihood, LIKELIHOODS)
    if likelihood == "plain":
        return likelihood
    about = starting_point(problem, seed)
    if problem.twin.compiled_target(problem.family, problem.data, prior, about) is not None:
        return "fused"
    if likelihood == "fused":
        raise InputError(
            f"{problem.family.name} has no fused likelihood for these data; use likelihood='plain' or 'auto'."
        )
    return "plain"


def sampled_likelihood(chosen: str, asked: str, say: Callable[[str], object]) -> str:
    """What is `chosen`, or "plain" where the installed nutpie does not take compiled posteriors, and says so.

    A question apart from `chosen_likelihood`, for it imports nutpie: draws on disk are found without.

    Raises
    ------
    InputError
        Where "fused" itself was `asked` for; and where numba is told not to compile, as nutpie samples nothing else.
    """
    if config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]
        raise InputError("sampling needs numba's compiler, and NUMBA_DISABLE_JIT turns it off; unset that variable.")
    if chosen == "plain":
        return chosen
    from emvsbayes.bayes.entrance import TRIED, closed

    if (why := closed()) is None:
        return chosen
    major, minor = TRIED[-1]
    remedy = f"pip install 'nutpie>={major}.{minor},<{major}.{minor + 1}'"
    if asked == "fused":
        raise InputError(f"no fused likelihood can be sampled, for {why}; {remedy}, or use likelihood='plain'.")
    say(f"NUTS: the PyMC model is sampled, more slowly, for {why}; {remedy} brings the compiled posterior back")
    return "plain"


def available_likelihood(problem: Problem, prior: Any, say: Callable[[str], object]) -> str:
    """What "auto" comes to for these data, here and now."""
    return sampled_likelihood(chosen_likelihood(problem, prior, "auto", 0), "auto", say)


def nutpie_model(
    problem: Problem,
    prior: Any,
    about: Any,
    model: Any,
    likelihood: str,
    say: Callable[[str], object] = lambda line: None,
) -> Any:
    """What nutpie samples: the compiled posterior, or the PyMC model compiled."""
    if likelihood == "fused":
        from emvsbayes.bayes.targets import target_model

        say(f"NUTS: the compiled posterior, ready at once but for the first time on a machine ({FIRST_SECONDS} s)")
        return target_model(problem, prior, about, model)
    import nutpie

    say(f"PyMC: compiling the model, about {COMPILE_SECONDS} s the first time, ten later")
    return nutpie.compile_pymc_model(model)
