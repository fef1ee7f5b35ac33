"""Supplements: sections of a page that only one family, or one study, has.

A supplement is a function (problem, study, fits, posterior) -> list of `Supplement` records; `posterior` is None where
nothing was sampled. Those named after a family belong to every comparison of that family; a study names others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

WHERE = {
    "kmeans": "kmeans:supplements",
    "medoids": "kmeans:medoids",
    "linear_evidence": "predictions:supplements",
    "evidence": "evidence:supplements",
    "variational": "variational:supplements",
    "completion": "completion:completion",
    "segmentation": "images:segmentation",
    "quantisation": "images:quantisation",
    "cures": "cures:cures",
    "labels": "labels:supplements",
    "variants": "variants:supplements",
    "ladder": "ladder:supplements",
    "weakening": "weakening:supplements",
}


class _Supplements(Mapping[str, Callable[..., list[Any]]]):
    """The functions by name, imported on first use."""

    def __getitem__(self, name: str) -> Callable[..., list[Any]]:
        module, function = WHERE[name].split(":")
        return getattr(import_module(f"{__name__}.{module}"), function)

    def __iter__(self) -> Iterator[str]:
        return iter(WHERE)

    def __len__(self) -> int:
        return len(WHERE)


SUPPLEMENTS = _Supplements()
