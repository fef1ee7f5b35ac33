"""A twin compiled once, and given new data: a study of many data sets pays for one compilation.

A twin reads its data through `pm.Data`, so that what is compiled is a function of parameters and data,

    f(θ; X) = ln p(X | θ) + ln p(θ),        X put in later

The new values are those that the family's own builder hands to `pm.Data` (linear evidence rotates its targets first):
building a model compiles nothing and takes a hundredth of a second. The number of rows may change. What makes another
graph may not: the family's settings, K, the prior, held fields, the number of columns, known labels where there were
none.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm

from emvsbayes.bayes.chains import chain_starts, run_chains
from emvsbayes.bayes.likelihoods import chosen_likelihood, nutpie_model, sampled_likelihood
from emvsbayes.bayes.targets import TargetModel
from emvsbayes.bayes.twins import Unconstrained
from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.problem import Problem, require_twin


@dataclass(frozen=True)
class CompiledTwin:
    """A family with its prior as compiled code, waiting for data.

    Attributes
    ----------
    problem : Problem
        That it was compiled for.
    prior : prior record
        A constant of the graph.
    about : parameter record
        Gives shapes, and the values of held fields.
    variables : names of the free variables
    inputs : shapes of what `pm.Data` holds, by name
    code : nutpie's compiled model, or a compiled posterior (`targets`)
    unconstrained : parameter records as flat vectors, for starts
    """

    problem: Problem
    prior: Any
    about: Any
    variables: tuple[str, ...]
    inputs: dict[str, tuple[int, ...]]
    code: Any
    unconstrained: Unconstrained

    def with_data(self, data: Any) -> Any:
        """The compiled code for another data record of the same kind.

        Raises
        ------
        InputError
            For data that would need another graph.
        """
        self.problem.family.check(data)
        values = _inputs(self.problem.twin.build(self.problem.family, data, self.prior, self.about))
        if values.keys() != self.inputs.keys():
            odd = ", ".join(sorted(values.keys() ^ self.inputs.keys()))
            raise InputError(
                f"the model was compiled for data of another kind: {odd} stands on one side only; compile it again."
            )
        for name, value in values.items():
            if value.ndim != len(self.inputs[name]) or value.shape[1:] != self.inputs[name][1:]:
                raise InputError(
                    f"the model was compiled for {name} of shape {self.inputs[name]}, only the rows of which may be "
                    f"more or fewer; it has shape {value.shape}: compile it again."
                )
        if not isinstance(self.code, TargetModel):
            return self.code.with_data(**values)
        found = self.problem.twin.compiled_target(self.problem.family, data, self.prior, self.about)
        assert found is not None, "rows of the same kind"
        return replace(self.code, target=found)

    def starts(self, data: Any, chains: int, seed: int) -> list[Any]:
        """Parameters at which the chains start, as `sample` chooses them (`bayes.chains`)."""
        return chain_starts(replace(self.problem, data=data), self.prior, chains, seed)

    def sample(
        self, data: Any, *, draws: int, tune: int, chains: int, seed: int, starts: Sequence[Any] | None = None
    ) -> tuple[dict[str, Array], Any]:
        """Draws for these data with NUTS, and the sampler's statistics.

        Returns
        -------
        mapping of arrays (chains, draws, …), dataset
        """
        starts = self.starts(data, chains, seed) if starts is None else starts
        points = [self.unconstrained(params) for params in starts]
        posterior, stats = run_chains(self.with_data(data), points, seed, draws=draws, tune=tune, show=False)
        found = {name: posterior[name].transpose("chain", "draw", ...).values for name in self.variables}
        return found, stats


def compile_twin(problem: Problem, prior: Any, likelihood: str = "auto") -> CompiledTwin:
    """Compile the twin of a problem under a proper prior record; the data stand for their shape.

    Parameters
    ----------
    likelihood : "auto", "fused" or "plain"
        As in `sample`. The plain model takes seconds to a minute; a compiled posterior is there at once, whatever its
        shape.

    Raises
    ------
    InputError
        Where the family with these settings has no twin, or the posterior would be improper.
    """
    require_twin(problem)
    prior = problem.family.proper_prior(prior)
    about = problem.hold(problem.family.init(problem.data, np.random.default_rng(0), "random_rows"))
    model = problem.twin.build(problem.family, problem.data, prior, about)
    inputs = {name: value.shape for name, value in _inputs(model).items()}
    variables = tuple(rv.name for rv in model.free_RVs)
    chosen = chosen_likelihood(problem, prior, likelihood, 0)
    sampled = sampled_likelihood(chosen, likelihood, lambda line: print(line, file=sys.stderr))
    code = nutpie_model(problem, prior, about, model, sampled)
    return CompiledTwin(problem, prior, about, variables, inputs, code, Unconstrained(model))


def _inputs(model: pm.Model) -> dict[str, Array]:
    """The values of every `pm.Data` of a model, by name."""
    return {variable.name: np.asarray(variable.get_value()) for variable in model.data_vars}
