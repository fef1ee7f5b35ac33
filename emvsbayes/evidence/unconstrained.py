"""The log posterior on free coordinates, unnormalised: a density on all of ℝᴾ, whose integral is the evidence.

    ln f(v) = ln p(X | θ(v)) + ln p(θ(v)) + ln |∂θ/∂v|,    ∫ f(v) dv = p(X)

θ(v) is `from_vector`, and |∂θ/∂v| is taken of what the prior is a density on: the first K-1 weights, the lower triangle
of a covariance. Components whose labels are arbitrary may be renamed without changing f. On free coordinates a renaming
is a linear map with determinant ±1,

    f(A v) = f(v)

for means and covariances change places, and of the log-ratios η_k = ln π_k/π_K some are subtracted from the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from math import factorial, prod
from typing import Any

import numpy as np

from emvsbayes.core.alignment import label_classes, permute
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError
from emvsbayes.problem import Problem

MOST = 5040  # renamings in a proposal: all of K = 7


@dataclass(frozen=True)
class Unconstrained:
    """A problem and a proper prior as a density on free coordinates.

    Attributes
    ----------
    problem, prior : the model; `prior` a record of `proper_prior`
    like : parameters that give shapes, and the values of held fields
    classes : (K,)
        Components of one class may be renamed; see `core.alignment.label_classes`.
    """

    problem: Problem
    prior: Any
    like: Any
    classes: Integers

    def __call__(self, vector: Array) -> float:
        """ln f(v); -inf where θ(v) is beyond floating point."""
        family = self.problem.family
        with np.errstate(all="ignore"):
            try:
                params = family.from_vector(vector, self.like)
                found = family.log_likelihood(params, self.problem.data) + family.log_prior(params, self.prior)
                found += family.log_jacobian(params)
            except np.linalg.LinAlgError:
                return -np.inf
        return found if np.isfinite(found) else -np.inf

    def many(self, vectors: Array) -> Array:
        """ln f of every row, (S,)."""
        return np.array([self(vector) for vector in vectors])

    @property
    def size(self) -> int:
        """P, the number of free coordinates."""
        return len(self.problem.family.to_vector(self.like))

    @cached_property
    def copies(self) -> int:
        """How many renamings leave f as it is: K! where every label is arbitrary, 1 where none is."""
        return prod(factorial(int(n)) for n in np.unique(self.classes, return_counts=True)[1])

    def renamings(self, rng: np.random.Generator, most: int = MOST) -> Array:
        """The matrices A (R, P, P), the identity first: all of them, or a random `most` where there are more."""
        return np.array([self._matrix(p) for p in self.permutations(rng, most)])

    def permutations(self, rng: np.random.Generator, most: int = MOST) -> Iterable[Integers]:
        """The renamings (K,), the identity first: all of them, or a random `most` where there are more."""
        members = [np.flatnonzero(self.classes == label) for label in np.unique(self.classes)]
        if self.copies <= most:
            for orders in product(*(permutations(group) for group in members)):
                yield _joined(members, orders)
            return
        seen = {}
        seen[tuple(range(len(self.classes)))] = None
        while len(seen) < most:
            seen[tuple(_joined(members, [rng.permutation(group) for group in members]))] = None
        yield from (np.array(p) for p in seen)

    def _matrix(self, permutation: Integers) -> Array:
        """A of one renaming, column by column: the map is linear, and 0 (components all alike) stays where it is."""
        return np.array([self.renamed(e, permutation) for e in np.eye(self.size)]).T

    def renamed(self, vector: Array, permutation: Integers) -> Array:
        """The vector (P,) with component p_k in slot k."""
        params = self.problem.family.from_vector(vector, self.like)
        return self.problem.family.to_vector(permute(params, permutation, self.free_axes))

    @property
    def free_axes(self) -> dict[str, tuple[int, ...]]:
        """Component axes of the fields that are not held."""
        family = self.problem.family
        return {name: axes for name, axes in family.component_axes.items() if name not in family.fixed}


def _joined(members: list[Integers], orders: Iterable[Any]) -> Integers:
    """A permutation of all components from one for each class."""
    found = np.empty(sum(map(len, members)), dtype=np.int64)
    for group, order in zip(members, orders, strict=True):
        found[group] = order
    return found


def unconstrained(problem: Problem, prior: Any = "default", seed: int = 0) -> Unconstrained:
    """The posterior of a problem on free coordinates.

    Raises
    ------
    InputError
        Where there is no such density: no prior, an improper one, a family without a density, or nothing free.
    """
    family = problem.family
    if "density" not in family.capabilities:
        raise InputError(f"there is no evidence: {family.absent['density']}")
    if prior is None:
        raise InputError("the evidence is an integral over the prior, and prior is None; use 'default', or give one.")
    proper = family.proper_prior(problem.prior(prior))
    like = problem.random_params(seed)
    if not len(family.to_vector(like)):
        raise InputError("every field is held fixed, so that the evidence is the likelihood; leave some field free.")
    classes = np.arange(family.n_components)
    if "components" in family.capabilities:
        classes = label_classes(family, problem.data, proper, like)
    return Unconstrained(problem, proper, like, classes)


def vectors(target: Unconstrained, draws: Mapping[str, Any]) -> Array:
    """Draws by field, (C, S, …) each, as free coordinates (C, S, P); held fields need no draws.

    Raises
    ------
    InputError
        Where a free field has no draws, or a draw is beyond the domain of its field.
    """
    family, record = target.problem.family, type(target.like)
    free = [name for name in record.__dataclass_fields__ if name not in family.fixed]
    for name in free:
        if name not in draws:
            raise InputError(f"the draws hold no {name}; give draws of the same model.")
    arrays = {name: np.asarray(draws[name], dtype=np.float64) for name in free}
    for name, array in arrays.items():
        expected = np.shape(getattr(target.like, name))
        if array.ndim != 2 + len(expected) or array.shape[2:] != expected:
            wanted = ", ".join(["chains", "draws", *map(str, expected)])
            raise InputError(f"draws of {name} must have shape ({wanted}); their shape is {array.shape}.")
    held = {name: getattr(target.like, name) for name in family.fixed}
    chains, size = next(iter(arrays.values())).shape[:2]
    found = np.empty((chains, size, target.size))
    for at in np.ndindex(chains, size):
        params = record(**held, **{name: array[at] for name, array in arrays.items()})
        with np.errstate(all="ignore"):
            try:
                found[at] = family.to_vector(params)
            except np.linalg.LinAlgError:
                found[at] = np.nan
    if not np.isfinite(found).all():
        chain, draw = np.argwhere(~np.isfinite(found).all(axis=-1))[0]
        raise InputError(
            f"draw {draw} of chain {chain} has no finite free coordinates (a value on its boundary, or missing); "
            "drop it."
        )
    return found


def tree_vectors(target: Unconstrained, posterior: Any) -> Array:
    """The draws of a DataTree as free coordinates, (C, S, P)."""
    if "posterior" not in getattr(posterior, "children", {}):
        raise InputError("the draws must be a DataTree with a posterior group, such as sample returns.")
    group = posterior["posterior"]
    for name, variable in group.data_vars.items():
        if missing := {"chain", "draw"} - set(variable.dims):
            raise InputError(
                f"{name} has no dimension {' and no '.join(sorted(missing))}; give draws as ArviZ keeps them, chain by "
                "chain."
            )
    return vectors(
        target, {name: variable.transpose("chain", "draw", ...).values for name, variable in group.data_vars.items()}
    )
