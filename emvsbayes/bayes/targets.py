"""A compiled posterior as nutpie's model: two addresses, arrays, and nothing for PyTensor or nutpie to compile.

nutpie calls C functions of a point (`entrance`). For a PyMC model it compiles them from PyTensor's graph, the prior's
included, a minute or two for a mixture of Gaussians and a third of that again in every later process; here they are a
family's `target`, compiled once a machine. The coordinates, names and dimensions are the PyMC model's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from emvsbayes.bayes import entrance
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.twin import Target, named
from emvsbayes.densities.kernels.calls import density_by_address, values_by_address, words_of
from emvsbayes.problem import Problem

MOST = 200  # coordinates of which the information is taken, at two passes each


@dataclass(frozen=True)
class TargetModel:
    """What `nutpie.sample` takes, with what it reads of a model.

    Attributes
    ----------
    dims : names of the dimensions of each field
    target : Target
    frame : (P, P) or None
        A: the sampler moves in u, at the point A u. See `in_frame`.
    initial_point_func : seed -> where a chain starts, (P,)
    labels : coordinates of the named dimensions
    """

    dims: dict[str, tuple[str, ...]]
    target: Target
    initial_point_func: Callable[[Any], Array]
    labels: dict[str, Any]
    frame: Array | None = None
    reparameterized_names: None = None

    def in_frame(self, frame: Array) -> TargetModel:
        """The same posterior for a sampler that starts with the mass matrix (A Aᵀ)⁻¹, A lower triangular.

        nutpie takes none from outside; a linear change of coordinates is the same thing.
        """
        return replace(self, frame=np.ascontiguousarray(np.tril(frame)))

    @property
    def words(self) -> Integers:
        """Addresses and shapes of the arrays, made anew: a copy of this record has its arrays elsewhere."""
        return words_of(self.target.arrays, self.frame)

    @property
    def n_dim(self) -> int:
        return self.target.size

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return dict(self.target.fields)

    @property
    def coords(self) -> dict[str, Any]:
        return self.labels

    def _make_sampler(self, settings: Any, init_mean: Any, cores: int, *rest: Any) -> Any:
        density, values = compiled = functions(self.target)
        words = self.words
        model = entrance.model(
            (self, compiled, words),  # everything that has an address
            self.n_dim,
            self.target.fields,
            self.dims,
            self.labels,
            density.address,
            values.address,
            words.ctypes.data,
            self.initial_point_func,
        )
        return entrance.sampler(model, settings, cores, *rest)


@cache
def _by_address(density: str, values: str) -> tuple[Any, Any]:
    return density_by_address(named(density)), values_by_address(named(values))


def functions(target: Target) -> tuple[Any, Any]:
    """The two C functions of a target, compiled or read from numba's cache."""
    return _by_address(target.density, target.values)


def target_model(problem: Problem, prior: Any, held: Any, model: Any) -> TargetModel | None:
    """The compiled posterior of a problem; None where these data have none.

    Parameters
    ----------
    prior : proper prior record
    held : parameter record
        For shapes and held fields.
    model : pm.Model
        The same, plain: for names of dimensions.
    """
    import pandas as pd

    found = problem.twin.compiled_target(problem.family, problem.data, prior, held)
    if found is None:
        return None
    names = [rv.name for rv in model.free_RVs]
    assert list(found.fields) == names, (list(found.fields), names)
    dims = {name: tuple(model.named_vars_to_dims[name]) for name in names}
    used = {dim for many in dims.values() for dim in many}
    labels = {dim: pd.Index(values) for dim, values in model.coords.items() if dim in used}
    labels["unconstrained_parameter"] = pd.RangeIndex(found.size)
    functions(found)
    return TargetModel(dims, found, lambda seed: np.zeros(found.size), labels)


def value_and_gradient(target: Target, point: Array, words: Integers | None = None) -> tuple[float, Array]:
    """The density and its gradient at a point, as the sampler gets them; `words` of a frame, or of none."""
    gradient, value = np.zeros(target.size), np.zeros(1)
    words = words_of(target.arrays) if words is None else words
    point = np.ascontiguousarray(point, dtype=np.float64)
    addresses = (array.ctypes.data for array in (point, gradient, value, words))
    x, g, v, w = addresses
    _call(functions(target)[0])(target.size, x, g, v, w)
    return float(value[0]), gradient


def framed(model: TargetModel, start: Array, stream: np.random.SeedSequence) -> tuple[TargetModel, Array]:
    """The posterior in the frame of its own information at a start near a mode, and a start jittered there.

    With H minus the Hessian and A Aᵀ = H⁻¹ the mode is round in u = A⁻¹ x: correlations, which nutpie's diagonal mass
    matrix cannot follow, are gone. A start is near a mode if H is positive definite and gᵀ H⁻¹ g, the squared length of
    Newton's step, below P, that of a draw on average. Elsewhere, such as at random rows, the sampler begins as it
    stands; and of more than MOST coordinates too, where H would cost more than it saves.

    Returns
    -------
    TargetModel, (P,)
        The start in the coordinates of that model: a normal draw's distance from the mode, or as it was.
    """
    target = model.target
    if target.size > MOST:
        return model, start
    found, (_, slope) = information(target, start), value_and_gradient(target, start)
    try:
        lower = np.linalg.cholesky(found)
        frame = np.linalg.cholesky(np.linalg.inv(found))
    except np.linalg.LinAlgError:
        return model, start
    step = np.linalg.solve(lower, slope)
    if not np.isfinite(frame).all() or not step @ step < target.size:
        return model, start
    jitter = np.random.default_rng(stream).standard_normal(target.size)
    return model.in_frame(frame), np.linalg.solve(frame, start) + jitter


def information(target: Target, at: Array, step: float = 1e-4) -> Array:
    """Minus the Hessian of the log density at a point, (P, P), from central differences of its gradient."""
    columns = []
    for i in range(target.size):
        move = np.zeros(target.size)
        move[i] = step
        ahead, behind = (value_and_gradient(target, at + sign * move)[1] for sign in (1, -1))
        columns.append((behind - ahead) / (2 * step))
    found = np.array(columns)
    return 0.5 * (found + found.T)


def _call(function: Any) -> Any:
    """A C function by its address, with pointers as numbers."""
    import ctypes

    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *(ctypes.c_void_p,) * 4)
    return kind(function.address)
