"""Twin: what binds the two sides of a family.

The EM side and the PyMC side share records and nothing else. The PyMC builder is named by its import path and resolved
on first use, so that no one pays for PyMC who does not sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Twin:
    """One model, two sides.

    Attributes
    ----------
    summary : str
        The family in one line, for lists.
    family : callable
        (n_components=…, fixed=…, **settings) -> Family.
    data, params, prior : types
        The records both sides agree on.
    builder : str
        "module:function" of the PyMC side, (family, data, prior, held) -> pm.Model.
    prior_on : mapping
        The quantity each field's prior is a density on: a mode depends on it.
    settings : mapping
        Names of the family's settings and the values they may take; the first is the default.
    shorthand : mapping
        Settings that stand for a held field, such as weights: fixed.
    """

    summary: str
    family: Callable[..., Any]
    data: Any
    params: Any
    prior: Any
    builder: str
    prior_on: Mapping[str, str]
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shorthand: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def build(self, family: Any, data: Any, prior: Any, held: Any) -> Any:
        """The same model with the same prior as a `pm.Model`; `held` are parameters for the fields held fixed."""
        module, function = self.builder.split(":")
        return getattr(import_module(module), function)(family, data, prior, held)
