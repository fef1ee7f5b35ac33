"""`VariationalFit`: the best q(Z) q(θ) of several runs, what it says of θ, and its way to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.em import Stop
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.records import plain, record_fields
from emvsbayes.core.starts import Restart
from emvsbayes.core.trace import HalfStep, Run, Status, Trace
from emvsbayes.families import FAMILIES

LITTLE = 0.5  # rows: a component that accounts for fewer is named in the summary


@dataclass(frozen=True)
class VariationalFit:
    """The best of several runs of variational Bayes, and what became of the others.

    Attributes
    ----------
    posterior : the family's prior record
        q(θ): its hyperparameters, with component axes; groups of held fields are None.
    elbo : float
        In nats, every constant included: a lower bound of the log evidence ln p(X).
    elbo_relabelled : float
        ELBO + ln K!: q sits on one of K! equal copies of the posterior. An approximation of the log evidence and no
        bound: it is exact for the other copies only where copies do not overlap.
    log_symmetry : float
        The ln K! added; less where labels, held fields or the prior tell components apart.
    means, sds : the family's parameter record
        Of θ under q; infinite where they do not exist, and sds 0 where a field is held.
    q : q(Z); None for a fit read from JSON
    status, passes, trace, restarts : as in `Fit`; in the trace `elbo` is the ELBO after each half-step, `kl` what q(Z)
        falls short of the best, and `log_likelihood` their sum
    """

    family: Any
    run: Run
    restarts: tuple[Restart, ...]
    prior: Any
    held: Mapping[str, Array]
    log_symmetry: float
    stop: Stop
    seed: int
    total_weight: float
    columns: tuple[str, ...] = field(default=(), repr=False)

    @property
    def posterior(self) -> Any:
        return self.run.params

    @property
    def elbo(self) -> float:
        return self.run.log_likelihood

    @property
    def elbo_relabelled(self) -> float:
        return self.elbo + self.log_symmetry

    @property
    def q(self) -> Any:
        return self.run.q

    @property
    def status(self) -> Status:
        return self.run.status

    @property
    def passes(self) -> int | float:
        return self.run.passes

    @property
    def trace(self) -> Trace:
        return self.run.trace

    @property
    def means(self) -> Any:
        return self.conjugate.means(self.posterior)

    @property
    def sds(self) -> Any:
        return self.conjugate.sds(self.posterior)

    @property
    def conjugate(self) -> Any:
        """The family's conjugate pieces, under the prior of the fit."""
        make = FAMILIES[self.family.name].conjugate
        assert make is not None
        return make(self.family, self.prior, self.held)

    @property
    def responsibilities(self) -> Array:
        """q(z_n = k), (N, K)."""
        if "components" not in self.family.capabilities:
            raise InputError(f"{self.family.name} has no components, and so no responsibilities.")
        if self.q is None:
            raise InputError(
                "a fit read from JSON, or made with record=False, holds no responsibilities; fit the data again."
            )
        return self.q.responsibilities

    @property
    def optima(self) -> list[tuple[float, int]]:
        """Distinct optima of the restarts: the ELBO, and how many starts reached it, best first."""
        numbers = [r.optimum for r in self.restarts if r.optimum >= 0]
        best = {r.optimum: r.run.objective for r in reversed(self.restarts)}
        return [(best[number], numbers.count(number)) for number in sorted(set(numbers))]

    def summary(self) -> str:
        """The fit in a few lines of text."""
        optima = ", ".join(f"{elbo:.4f} ({count})" for elbo, count in self.optima[:8])
        rest = self.run.remaining
        lines = [
            f"{self.family.name}, K = {self.family.n_components}, variational Bayes",
            self.status.value,
            f"ELBO {self.elbo:.6f}, a lower bound of the log evidence",
        ]
        if "components" in self.family.capabilities:
            copies = round(float(np.exp(self.log_symmetry)))
            lines.append(
                f"ELBO + ln {copies} = {self.elbo_relabelled:.6f} for {copies} equal labelling(s): an approximation, "
                "no bound"
            )
        lines += [
            f"{self.passes} passes; still to gain: " + ("unknown" if rest is None else f"about {rest:.1g} nats"),
            f"{len(self.restarts)} start(s); optima (and starts that reached them): {optima or 'none'}"
            f"{', …' if len(self.optima) > 8 else ''}",
        ]
        means, sds = record_fields(self.means), record_fields(self.sds)
        for name, value in means.items():
            held = name in self.family.fixed
            lines.append(f"{name}, held:" if held else f"{name}, mean of q:")
            lines += _rows(value)
            if not held:
                lines += [f"{name}, standard deviation of q:", *_rows(sds[name])]
        return "\n".join([*lines, *self._remarks()])

    def _remarks(self) -> list[str]:
        """Components that the data left to the prior."""
        if self.q is None or "components" not in self.family.capabilities:
            return []
        n = self.responsibilities.sum(axis=0)
        return [
            f"note: component {k} accounts for {n[k]:.2g} rows: its q is little more than the prior."
            for k in np.flatnonzero(n < LITTLE)
        ]

    def to_json(self) -> str:
        """The fit as JSON: q(θ), its moments, scores, trace and restarts; neither data nor responsibilities."""
        return json.dumps(self.to_dict(), indent=1)

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes, as a mapping; null where a moment does not exist."""
        settings = {name: getattr(self.family, name) for name in FAMILIES[self.family.name].settings}
        return {
            "method": "variational Bayes",
            "family": self.family.name,
            "n_components": self.family.n_components,
            "settings": settings,
            "held": plain(self.held),
            "prior": plain(self.prior),
            "stop": plain(self.stop),
            "seed": self.seed,
            "total_weight": self.total_weight,
            "columns": list(self.columns),
            "elbo_relabelled": self.elbo_relabelled,
            "log_symmetry": self.log_symmetry,
            "means": _finite(plain(self.means)),
            "sds": _finite(plain(self.sds)),
            "fit": _run_to_dict(self.run),
            "restarts": [
                {"index": r.index, "how": r.how, "optimum": r.optimum, **_run_to_dict(r.run)} for r in self.restarts
            ],
        }

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`; `q` is None."""
        try:
            raw = json.loads(text)
            name = raw["family"]
            if name not in FAMILIES:
                raise unknown("family", name, FAMILIES)
            twin = FAMILIES[name]
            held = {field: np.asarray(value, dtype=np.float64) for field, value in raw["held"].items()}
            family = twin.family(n_components=raw["n_components"], fixed=frozenset(held), **raw["settings"])
            found = [
                Restart(r["index"], r["how"], _run_from_dict(r, twin.prior), r["optimum"]) for r in raw["restarts"]
            ]
            return cls(
                family,
                _run_from_dict(raw["fit"], twin.prior),
                tuple(found),
                _record(raw["prior"], twin.prior),
                held,
                raw["log_symmetry"],
                Stop(**raw["stop"]),
                raw["seed"],
                raw["total_weight"],
                tuple(raw["columns"]),
            )
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise InputError("this is not the JSON of a variational fit; write one with its to_json().") from None


def _rows(value: Array) -> list[str]:
    return ["  " + row for row in np.array2string(value, precision=6, suppress_small=True).splitlines()]


def _finite(value: Any) -> Any:
    """None for infinity, which is no JSON."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value if np.isfinite(value) else None


def _record(raw: Mapping[str, Any], prior: Any) -> Any:
    return prior.read({name: group for name, group in raw.items() if group is not None})


def _run_to_dict(run: Run) -> dict[str, Any]:
    return {
        "status": run.status.name,
        "stopped_by": run.stopped_by,
        "remaining": run.remaining,
        "passes": run.passes,
        "elbo": run.log_likelihood,
        "posterior": plain(run.params),
        "start": plain(run.start),
        "trace": [
            {"passes": step.passes, "half": step.half, "elbo": step.elbo, "kl": step.kl, "best": step.log_likelihood}
            for step in run.trace
        ],
    }


def _run_from_dict(raw: Mapping[str, Any], prior: Any) -> Run:
    steps = [HalfStep(s["passes"], s["half"], s["elbo"], s["kl"], s["best"], 0.0) for s in raw["trace"]]
    return Run(
        start=_record(raw["start"], prior),
        params=_record(raw["posterior"], prior),
        q=None,
        log_likelihood=raw["elbo"],
        log_prior=0.0,
        status=Status[raw["status"]],
        passes=raw["passes"],
        trace=Trace(tuple(steps)),
        stopped_by=raw["stopped_by"],
        remaining=raw["remaining"],
    )
