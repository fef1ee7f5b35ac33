"""A run of EM as JSON-ready values, and back; without its q, which the parameters and the data give again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emvsbayes.core.checks import real_array
from emvsbayes.core.records import plain
from emvsbayes.core.trace import Event, HalfStep, Run, Status, Trace


def run_to_dict(run: Run) -> dict[str, Any]:
    """A run without its q as plain values."""
    return {
        "status": run.status.name,
        "stopped_by": run.stopped_by,
        "remaining": run.remaining,
        "passes": run.passes,
        "log_likelihood": _or_null(run.log_likelihood),
        "log_prior": run.log_prior,
        "elbo": run.elbo,
        "params": plain(run.params),
        "start": plain(run.start),
        "events": [plain(event) for event in run.events],
        "trace": [{name: _or_null(value) for name, value in plain(step).items()} for step in run.trace],
    }


def _or_null(value: Any) -> Any:
    """None for NaN, which is no JSON: a score that a model without density does not have."""
    return None if value != value else value


def _or_nan(value: Any) -> Any:
    return float("nan") if value is None else value


def run_from_dict(raw: Mapping[str, Any], params: type) -> Run:
    """The inverse of `run_to_dict`, with parameters of this type."""

    def record(values: Mapping[str, Any]) -> Any:
        return params(**{name: real_array(value, name) for name, value in values.items()})

    return Run(
        start=record(raw["start"]),
        params=record(raw["params"]),
        q=None,
        log_likelihood=_or_nan(raw["log_likelihood"]),
        log_prior=raw["log_prior"],
        status=Status[raw["status"]],
        passes=raw["passes"],
        trace=Trace(tuple(HalfStep(**{name: _or_nan(value) for name, value in step.items()}) for step in raw["trace"])),
        events=tuple(Event(**{**event, "rows": tuple(event["rows"])}) for event in raw["events"]),
        stopped_by=raw["stopped_by"],
        remaining=raw["remaining"],
        elbo=raw["elbo"],
    )
