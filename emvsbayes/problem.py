"""From loose input to typed records: a name and settings become a family, a file becomes data, a mapping a prior.

Everything public goes through `pose` once, and nothing behind it looks at loose input again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import labels_below, real_array, whole_number
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.records import record_fields
from emvsbayes.core.sources import stand_in
from emvsbayes.core.twin import Free, Twin
from emvsbayes.families import FAMILIES
from emvsbayes.sources.opening import CHUNK, as_reader, by_chunks, only_by_chunks
from emvsbayes.sources.record import open_source


@dataclass(frozen=True)
class Problem:
    """A family and data that fit each other, with the values of the fields that are held."""

    twin: Twin
    family: Any
    data: Any
    held: Mapping[str, Any]

    def prior(self, value: Any) -> Any:
        """None, "default", a mapping or a record, as a checked prior record or None."""
        if value is None:
            return None
        if isinstance(value, str):
            if value != "default":
                raise unknown("prior", value, ["default"])
            return self.family.default_prior(stand_in(self.data))
        return self.family.check_prior(self.twin.prior.read(value), stand_in(self.data))

    def start(self, value: Any) -> Any:
        """A mapping or a record of parameters, as checked parameters with held fields at their held values."""
        if is_dataclass(value) and not isinstance(value, type):
            value = record_fields(value)
        if not isinstance(value, Mapping):
            raise InputError(f"start must be a mapping of parameter fields or a parameter record; it is {value!r}.")
        for name in value:
            if name not in self.fields:
                raise unknown("field in start:", name, self.fields)
        params = self.family.complete_start({**value, **self.held}, stand_in(self.data))
        if self.data.labels is None:
            self._refuse_equal_components(params)
        return params

    def _refuse_equal_components(self, params: Any) -> None:
        """Components that start equal, but for their weights, stay equal for ever."""
        axes = {name: a for name, a in self.family.component_axes.items() if name != "weights"}
        rows = [np.moveaxis(getattr(params, n), a[0], 0).reshape(self.family.n_components, -1) for n, a in axes.items()]
        if not rows or self.family.fixed >= set(axes):
            return
        joined = np.hstack(rows)
        for i, j in combinations(range(self.family.n_components), 2):
            if (joined[i] == joined[j]).all():
                raise InputError(
                    f"components {i} and {j} start equal: a saddle that EM cannot leave; make them differ."
                )

    @property
    def hold(self) -> Callable[[Any], Any]:
        """Puts the held fields into drawn starting values; it travels without the data."""
        return partial(_with_fields, self.held)

    def random_params(self, seed: int, spread: float = 0.3) -> Any:
        """Parameters in general position: a random start, moved by normal noise in its free coordinates."""
        rng = np.random.default_rng(seed)
        start = self.hold(self.family.init(stand_in(self.data), rng, "random_rows"))
        centre = self.family.to_vector(start)
        return self.family.from_vector(centre + spread * rng.normal(size=centre.size), start)

    @property
    def fields(self) -> list[str]:
        return [f.name for f in fields(self.twin.record(self.family))]


def pose(
    family: Any,
    X: Any,
    *,
    n_components: int | None = None,
    settings: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    larger: bool = False,
    chunk: int | None = None,
    watch: Any = None,
) -> Problem:
    """A `Problem` from what users write.

    Where data may be `larger` than memory, those that are to be read a chunk at a time become a source; `watch` is told
    of the pass that surveys them. Elsewhere they are read whole, and what cannot be is refused.

    Raises
    ------
    InputError
        For anything that cannot be used, in one sentence.
    """
    name, settings, k = identify(family, settings, n_components, fixed)
    twin = FAMILIES[name]
    chosen, shorthand = read_settings(name, twin, settings)
    held = {**{field: np.full(k, 1 / k) for field in shorthand}, **(fixed or {})}
    built = twin.family(n_components=k, fixed=frozenset(held), **chosen)
    known_fields = [f.name for f in fields(twin.record(built))]
    for field in held:
        if field not in known_fields:
            raise unknown("fixed field", field, known_fields)

    if not larger and only_by_chunks(X):
        raise InputError("blocks of rows are read by fit and by Stream; give all rows at once here.")
    if larger and by_chunks(X, chunk):
        require_rowwise(built)
        reader = as_reader(X, labels=labels, sample_weight=sample_weight)
        data = open_source(reader, twin.data, chunk or CHUNK, watch)
        labels_below(np.array([data.surveyed.largest_label]), k)
    else:
        data = twin.data.read(X, labels, sample_weight)
    built.check(stand_in(data))
    if resolved := getattr(built, "resolved", None):  # what it takes from the training data becomes a setting
        built = resolved(data)
    problem = Problem(twin, built, data, {field: real_array(value, field) for field, value in held.items()})
    if held:  # every held value is checked against the others, once
        neutral = built.init(stand_in(data), np.random.default_rng(0), "k-means++")
        completed = built.complete_start({**record_fields(neutral), **problem.held}, stand_in(data))
        problem = replace(problem, held={field: getattr(completed, field) for field in held})
    return problem


def _with_fields(held: Mapping[str, Any], params: Any) -> Any:
    return replace(params, **held) if held else params


def require_rowwise(family: Any) -> None:
    """Raise where statistics do not add up over rows that come a chunk at a time."""
    if "rowwise" not in family.capabilities:
        raise InputError(
            f"{family.name} cannot be fitted a chunk at a time; give all rows in memory. {family.absent['rowwise']}"
        )
    if getattr(family, "schedule", None) is not None:
        raise InputError(
            f"this method of {family.name} takes its rows one by one, in an order of its own; use the method batch for "
            "data that are read a chunk at a time."
        )


def require_twin(problem: Problem) -> None:
    """Raise, with the reason, where this family with these settings has no PyMC side."""
    if "twin" not in problem.family.capabilities:
        raise InputError(problem.family.absent["twin"])


def identify(
    family: Any, settings: Mapping[str, Any] | None, n_components: int | None, fixed: Mapping[str, Any] | None
) -> tuple[str, dict[str, Any], int]:
    """The family's name, its settings and K, from a name or a family object."""
    for what, value in (("settings", settings), ("fixed", fixed)):
        if value is not None and not isinstance(value, Mapping):
            raise InputError(f"{what} must be a mapping; it is {value!r}.")
    settings = dict(settings or {})
    name = family if isinstance(family, str) else getattr(family, "name", None)
    if name not in FAMILIES:
        if isinstance(family, str):
            raise unknown("family", family, FAMILIES)
        raise InputError(f"family must be a name or a family object; it is {family!r}.")
    if not isinstance(family, str):
        settings = {**{setting: getattr(family, setting) for setting in FAMILIES[name].settings}, **settings}
        n_components = family.n_components if n_components is None else n_components
        for field in sorted(family.fixed - set(fixed or {})):
            raise InputError(f"the family holds {field} fixed but has no values for it; give fixed={{{field!r}: ...}}.")
    if not FAMILIES[name].components:
        if n_components not in (None, 1):
            raise InputError(f"{name} has no components; leave n_components out (it is {n_components!r}).")
        return name, settings, 1
    if n_components is None:
        raise InputError(f"{name} needs n_components, the number of components K >= 1.")
    return name, settings, whole_number(n_components, 1, "n_components")


def read_settings(name: str, twin: Twin, settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings of the family, checked, and the fields that a shorthand such as weights: fixed holds."""
    chosen, shorthand = {}, []
    for setting, value in settings.items():
        choices = twin.settings.get(setting) or twin.shorthand.get(setting)
        if choices is None:
            raise unknown(f"setting of {name}:", setting, [*twin.settings, *twin.shorthand])
        if isinstance(choices, Free):
            chosen[setting] = choices.read(value)
            continue
        if value not in list(choices):
            raise unknown(setting, value, choices)
        if setting not in twin.shorthand:
            chosen[setting] = value
        elif field := twin.shorthand[setting][value]:
            shorthand.append(field)
    return chosen, shorthand
