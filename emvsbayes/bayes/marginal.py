"""The marginal likelihood as one operation of a PyTensor graph: value and gradient from EM's own pass over the rows.

    ℓ(θ) = ln p(X | θ),        ∇ℓ(θ) = ∇_θ' E[ln p(X, Z | θ') | X, θ] at θ' = θ        (Fisher's identity)

A family's `fused` gives both at once, from the statistics of one E-step, and nothing of size N x K is stored. The Op's
outputs are the value and its derivatives, so that a gradient reads the other outputs of the node that gave the value:
the data are not swept again. Nothing else of the PyMC model changes: priors, transforms, names and `pm.Data` are those
of the family's `bayes`, and only what PyMC takes for the density of the observed variable is replaced.

One evaluation is one thread: a sampler runs its chains side by side and has no processor left over.

`sample` does not use it: it climbs a density compiled without PyTensor (`targets`). The Op is for whatever else PyMC
does with a model, such as its own samplers and optimisers:

    problem = pose("gaussian_mixture", X, n_components=2)
    prior, about = problem.family.proper_prior(problem.prior("default")), problem.random_params(seed=0)
    with fused_model(problem, prior, about):
        mode = pm.find_MAP(initvals={"means": about.means}, jitter=False)  # apart: equal components are a saddle
        draws = pm.sample(nuts_sampler="pymc", chains=4)
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.abstract import _logprob
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from emvsbayes.core.twin import Fused, named
from emvsbayes.densities.kernels.compiling import SOURCES
from emvsbayes.densities.kernels.views import shown
from emvsbayes.problem import Problem


class MarginalLikelihood(Op):
    """(parameters …, data …) -> ln p(X | θ) and its derivative by each parameter.

    Parameters
    ----------
    kernel : str
        "module:function", as in `core.twin.Fused`.
    parameters : int
        How many of the inputs are parameters; there is no derivative by the others.
    """

    __props__ = ("kernel", "parameters")
    default_output: ClassVar[int] = 0

    def __init__(self, kernel: str, parameters: int) -> None:
        self.kernel, self.parameters = kernel, parameters

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor(value) for value in inputs)
        gradients = [pt.TensorType("float64", shape=value.type.shape)() for value in inputs[: self.parameters]]
        return Apply(self, list(inputs), [pt.dscalar(), *gradients])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """By the same compiled function, for PyTensor's other backends."""
        found = named(self.kernel)(*(np.ascontiguousarray(value) for value in inputs))
        for cell, value in zip(output_storage, found, strict=True):
            cell[0] = np.asarray(value, dtype=np.float64)

    def infer_shape(self, node: Apply, shapes: list[Any]) -> list[Any]:
        return [(), *shapes[: self.parameters]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        many = len(node.outputs)
        return [[i < self.parameters, *[False] * (many - 1)] for i in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """The derivatives that the same node has found, times the cotangent of the value."""
        by = [cotangents[0] * gradient for gradient in outputs[1:]]
        return [*by, *(DisconnectedType()() for _ in inputs[self.parameters :])]


@register_funcify_and_cache_key(MarginalLikelihood)
def _compiled(op: MarginalLikelihood, node: Apply, **kwargs: Any) -> tuple[Any, str]:
    """The compiled function itself; what it returns is cached by the text of everything it is compiled from."""
    kernel, many = named(op.kernel), op.parameters
    kinds = ["parameter"] * many + ["data"] * (len(node.inputs) - many)
    names = [f"a{i}" for i in range(len(kinds))]
    given = [f"contiguous({n})" if kind == "parameter" else f"shown({n})" for n, kind in zip(names, kinds, strict=True)]
    results = ", ".join(["value", *(f"g{i}" for i in range(many))])
    source = (
        f"def marginal_likelihood({', '.join(names)}):\n"
        f"    {results} = kernel({', '.join(given)})\n"
        f"    return asarray(value), {results.partition(', ')[2]}\n"
    )
    scope = {"kernel": kernel, "shown": shown, "contiguous": np.ascontiguousarray, "asarray": np.asarray}
    exec(source, scope)
    return numba_njit(scope["marginal_likelihood"]), hashlib.sha256(
        "\n".join((source, op.kernel, _text(op.kernel.split(":")[0]), SOURCES)).encode()
    ).hexdigest()


@cache
def _text(module: str) -> str:
    """The text of a module, without importing it."""
    spec = find_spec(module)
    return Path(spec.origin).read_text(encoding="utf-8") if spec is not None and spec.origin else ""


def fused_model(problem: Problem, prior: Any, held: Any) -> pm.Model | None:
    """The family's PyMC model with its likelihood in one operation; None where these data have no such likelihood.

    Parameters
    ----------
    prior : proper prior record
    held : parameter record
        For shapes and held fields.
    """
    found = problem.twin.fused_likelihood(problem.family, problem.data)
    if found is None:
        return None
    model = problem.twin.build(problem.family, problem.data, prior, held)
    (observed,) = model.observed_RVs
    with model:
        for name, value in found.more.items():
            pm.Data(name, value)
    replace_density(model, observed, found)
    return model


def replace_density(model: pm.Model, observed: Any, found: Fused) -> None:
    """From now on PyMC takes the fused likelihood, all rows together, for the density of `observed`.

    A `pm.CustomDist` is a type of its own, so that nothing but this model is told.
    """
    op = MarginalLikelihood(found.kernel, found.parameters)
    given = [model[name] if name in model.named_vars else pt.constant(np.empty(0, np.int64)) for name in found.inputs]

    def density(rv_op: Any, values: Any, *inputs: Any, **kwargs: Any) -> Any:
        parameters = inputs[2 : 2 + found.parameters]  # after the generator and the size
        return op(*(core(p, n) for p, n in zip(parameters, rv_op.ndims_params, strict=False)), *given)

    _logprob.register(type(observed.owner.op))(density)


def core(parameter: Any, ndim: int) -> Any:
    """Without the row axes of length 1 that PyMC put before a parameter."""
    while parameter.ndim > ndim:
        parameter = parameter[0]
    return parameter
