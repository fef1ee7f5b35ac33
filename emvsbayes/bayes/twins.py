"""A twin as a function: its unconstrained coordinates, its mode, and the certificate that it is the same model.

certificate:  PyMC's log-density, no Jacobians  =  log_likelihood + log_prior      at random parameters
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np
import pymc as pm
import pytensor
from pytensor.compile.mode import Mode

from emvsbayes.core.checks import Array
from emvsbayes.core.records import record_fields
from emvsbayes.problem import Problem

INTERPRETED = Mode("py", "fast_compile")  # nothing is compiled: a function is there in a tenth of a second
LITTLE = 20_000  # N K D up to which that is faster than compiling, for thousands of evaluations
SPREAD = 0.3  # of the random parameters about a start, in free coordinates


@contextmanager
def evaluation(problem: Problem) -> Iterator[dict[str, Any]]:
    """`compile_kwargs` for functions of the whole model: NumPy, step by step, where data are few; else PyTensor's own.

    PyTensor's default compiles with numba, a quarter of a minute a function the first time. The functions are made, and
    called first, within: without a C compiler, for what PyTensor calls from Python it compiles with one too.
    """
    columns = max(
        (np.shape(value)[1] for value in record_fields(problem.data).values() if np.ndim(value) == 2), default=1
    )
    little = problem.data.n_rows * columns * problem.family.n_components <= LITTLE
    if little:
        with pytensor.config.change_flags(cxx=""):
            yield {"mode": INTERPRETED}
    else:
        yield {}


class Unconstrained:
    """Parameter records as flat vectors in the order of the model's free variables; safe to call from threads."""

    def __init__(self, model: pm.Model) -> None:
        self.names = [rv.name for rv in model.free_RVs]
        inputs, outputs = [], []
        for rv in model.free_RVs:
            transform, constrained = model.rvs_to_transforms[rv], rv.type()
            inputs.append(constrained)
            outputs.append(constrained if transform is None else transform.forward(constrained, *rv.owner.inputs))
        self._convert = pytensor.function(inputs, outputs, mode=INTERPRETED, on_unused_input="ignore")
        self._lock = Lock()

    def __call__(self, params: Any) -> Array:
        return np.concatenate([np.ravel(value) for value in self.values(params)])

    def values(self, params: Any) -> list[Array]:
        """One array a free variable, in its unconstrained shape."""
        with self._lock:
            return self._convert(*(getattr(params, name) for name in self.names))


MODE_TOLERANCE = 1e-14  # of the optimiser; its default stops nats short where columns are in large units
FLAT = (
    1e-6  # of the log-density: where its gradient is below that, a line search that finds nothing higher is at the end
)


def find_mode(model: pm.Model, start: Any, how: Mapping[str, Any] | None = None) -> tuple[dict[str, Array], bool]:
    """pm.find_MAP from `start`: the mode of the density of the parameters themselves (no Jacobians).

    Returns the mode by field, and whether it is one: the optimiser says so, or it stopped, "abnormally" in its words,
    because nothing near is higher by more than rounding.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The optimizer did not converge")  # it is returned
        found = pm.find_MAP(
            model=model,
            initvals={rv.name: getattr(start, rv.name) for rv in model.free_RVs},
            progressbar=False,
            jitter=False,
            return_inferencedata=True,
            idata_kwargs={"log_likelihood": False},
            compile_kwargs=dict(how or {}),
            tol=MODE_TOLERANCE,
        )
    mode = {rv.name: found["posterior"][rv.name].values[0, 0] for rv in model.free_RVs}
    result = found["optimizer_result"]
    slope = float(np.abs(result["jac"].values).max())
    return mode, bool(result["success"]) or slope <= FLAT * max(1.0, abs(float(result["fun"])))


def certify(
    model: pm.Model,
    problem: Problem,
    prior: Any,
    about: Any,
    seed: int,
    unconstrained: Unconstrained | None = None,
    *,
    points: int = 5,
    how: Mapping[str, Any] | None = None,
) -> dict[str, Array]:
    """Both log-densities at random parameters: {"pymc": (points,), "emvsbayes": (points,)}, in nats."""
    family, rng = problem.family, np.random.default_rng(seed)
    log_density, unconstrained = (
        model.compile_logp(jacobian=False, **(how or {})),
        unconstrained or Unconstrained(model),
    )
    names = [model.rvs_to_values[rv].name for rv in model.free_RVs]
    centre = family.to_vector(about)
    theirs, ours = [], []
    for _ in range(points):
        params = family.from_vector(centre + SPREAD * rng.normal(size=centre.size), about)
        theirs.append(float(log_density(dict(zip(names, unconstrained.values(params), strict=True)))))
        ours.append(family.log_likelihood(params, problem.data) + family.log_prior(params, prior))
    return {"pymc": np.array(theirs), "emvsbayes": np.array(ours)}
