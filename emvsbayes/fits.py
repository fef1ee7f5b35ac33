"""`Fit`: the best of several runs of EM, what became of the others, and its way to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from emvsbayes.core.checks import Array, whole_number
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.records import plain, record_fields
from emvsbayes.core.runs import run_from_dict, run_to_dict
from emvsbayes.core.starts import SHORT_PASSES, Restart
from emvsbayes.core.stopping import Stop
from emvsbayes.core.trace import Event, Run, Status, Trace
from emvsbayes.families import FAMILIES
from emvsbayes.plan import Plan
from emvsbayes.problem import read_settings
from emvsbayes.sources.note import ChunksRead
from emvsbayes.sources.opening import records_of
from emvsbayes.tables import Table, as_table
from emvsbayes.workers.collections import reader_of


@dataclass(frozen=True)
class Fit:
    """The best of several runs of EM, and what became of the others.

    Attributes
    ----------
    params : the family's parameter record
    log_likelihood, log_prior, log_posterior : float
        At `params`, in nats; log_prior is 0.0 under maximum likelihood, and log_posterior is their sum (unnormalised).
    q : the posterior of the latents at `params`; None for a fit read from JSON, under a chunked schedule, and with
        record=False where the family has a compiled pass
    status, events, passes, trace : how the run went; `trace` iterates over half-steps
    restarts : every start and where it led, best first
    prior : the prior record, or None for maximum likelihood
    total_weight : sum of the sample weights (N where there are none)
    certainty : Σ_n w_n ln max_k r_nk at `params`, r the exact posterior; None without components or density
    chunks : how data larger than memory were read, and searched for starts; None of data in memory
    """

    family: Any
    run: Run
    restarts: tuple[Restart, ...]
    prior: Any
    stop: Stop
    seed: int
    total_weight: float
    columns: tuple[str, ...] = field(default=(), repr=False)
    plan: Plan = field(default_factory=Plan)
    certainty: float | None = None
    chunks: ChunksRead | None = None

    @property
    def e_step(self) -> str:
        """Which q the E half-steps chose from."""
        return self.plan.e_step

    @property
    def params(self) -> Any:
        return self.run.params

    @property
    def q(self) -> Any:
        return self.run.q

    @property
    def start(self) -> Any:
        return self.run.start

    @property
    def status(self) -> Status:
        return self.run.status

    @property
    def events(self) -> tuple[Event, ...]:
        return self.run.events

    @property
    def trace(self) -> Trace:
        return self.run.trace

    @property
    def passes(self) -> int | float:
        return self.run.passes

    @property
    def log_likelihood(self) -> float:
        return self.run.log_likelihood

    @property
    def log_prior(self) -> float:
        return self.run.log_prior

    @property
    def log_posterior(self) -> float:
        return self.run.log_likelihood + self.run.log_prior

    @property
    def responsibilities(self) -> Array:
        """q(z_n = k), (N, K): the posterior at `params`, or one-hot under a hard E-step."""
        if self.q is None:
            raise InputError(
                "this fit holds no responsibilities: it was read from JSON, or made with record=False or a chunked "
                "schedule; use fit.predict(X)."
            )
        self._require_components()
        return self.q.responsibilities

    @property
    def n_parameters(self) -> int:
        """Number of free coordinates p."""
        return len(self.family.to_vector(self.params))

    @property
    def bic(self) -> float:
        """-2 ln p(X | θ) + p ln(total weight); smaller is better."""
        return -2 * self.log_likelihood + self.n_parameters * float(np.log(self.total_weight))

    @property
    def aic(self) -> float:
        """-2 ln p(X | θ) + 2 p; smaller is better."""
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def icl(self) -> float:
        """BIC - 2 Σ_n w_n ln max_k r_nk, r the exact posterior; smaller is better (Biernacki, Celeux, Govaert 2000).

        The rows' own certainty is added to BIC: a component that splits a cluster costs what it leaves undecided.
        """
        self._require_components()
        if self.certainty is None:
            raise InputError("this fit was written without its ICL; fit again.")
        return self.bic - 2 * self.certainty

    def params_for(self, family: Any) -> Any:
        """The parameters, where they are those of this family with these settings: what a warm start goes on from."""
        mine, theirs = self.family, family
        names = ["name", "n_components", *FAMILIES[mine.name].settings] if mine.name == theirs.name else ["name"]
        for name in names:
            ours, asked = getattr(mine, name), getattr(theirs, name)
            if ours != asked and asked is not None:
                what = "family" if name == "name" else name
                raise InputError(
                    f"the fit to start from has {what} {ours!r}, and this one asks for {asked!r}; "
                    "give a start of the same model, or the parameters as a mapping."
                )
        return self.params

    def predict(self, X: Any, *, chunk: int | None = None) -> Any:
        """Responsibilities (M, K) of the components for new data; one-hot under a hard E-step.

        With `chunk`, an iterator of them for so many rows at a time, of whatever `fit` reads so.
        """
        self._require_components()
        if chunk is None:
            return self._responsibilities(self._read(X))
        every = records_of(reader_of(X), FAMILIES[self.family.name].data, chunk, self.columns)
        return (self._responsibilities(rows) for rows in every)

    def _responsibilities(self, data: Any) -> Array:
        q = self.family.e_step(self.params, data)
        return (q.hardened() if self.e_step == "hard" else q).responsibilities

    def _require_components(self) -> None:
        if "components" not in self.family.capabilities:
            raise InputError(f"{self.family.name} has no components, and so no responsibilities.")

    def log_score(self, X: Any, *, chunk: int | None = None) -> float:
        """Mean log-density ln p(x | params) of the rows of new data, in nats; -inf where one of them is impossible.

        Where one latent is shared by all rows, as the weights of a regression, ln p(t | x, training data, params). With
        `chunk`, so many rows are read at a time, of whatever `fit` reads so.
        """
        if chunk is not None:
            if "rowwise" not in self.family.capabilities:
                raise InputError(self.family.absent["rowwise"])
            every = records_of(reader_of(X), FAMILIES[self.family.name].data, chunk, self.columns)
            parts = [(self.family.log_likelihood(self.params, rows), rows.n_rows) for rows in every]
            return float(sum(height for height, _ in parts) / sum(n_rows for _, n_rows in parts))
        data = self._read(X)
        if shared := getattr(self.family, "log_predictive", None):
            if self.q is None:
                raise InputError(
                    "a fit read from JSON holds no posterior to predict with; fit the training data again."
                )
            return shared(self.q, self.params, data) / float(data.row_weights.sum())
        return self.family.log_likelihood(self.params, data) / float(data.row_weights.sum())

    def _read(self, X: Any) -> Any:
        """New data, with their columns in the order of the fit's; each row counts once and no label is known."""
        return self.data_of(X)

    def data_of(self, X: Any, labels: Any = None, sample_weight: Any = None) -> Any:
        """Data as the family's record, with their columns in the order of the fit's."""
        if "density" not in self.family.capabilities:
            raise InputError(self.family.absent["density"])
        data = FAMILIES[self.family.name].data
        if isinstance(X, Mapping) and any(np.ndim(value) == 2 for value in X.values()):
            return data.read(X, labels, sample_weight)
        table = getattr(data, "table", as_table)(X)
        unnamed = table.columns == tuple(f"x{i}" for i in range(len(table.columns)))
        if self.columns and not unnamed and set(self.columns) <= set(table.columns):
            table = table.select(self.columns)  # by name, in whatever order they come
        elif self.columns and len(self.columns) != len(table.columns):
            raise InputError(f"the fit has {len(self.columns)} columns; {table.source} has {len(table.columns)}.")
        return data.read(table, labels, sample_weight)

    def simulate(self, like: Any, seed: int = 0) -> Table:
        """Ancestral sampling: for each row of `like` draw a component by the weights, then the row from it.

        Parameters
        ----------
        like : array, DataFrame, path or mapping
            Data of the shape wanted: their number of rows, and for coins their tosses, are kept; no value is used.
        seed : int

        Returns
        -------
        Table
            The columns of the family's data, and `component` where the model has components.
        """
        whole_number(seed, 0, "seed")
        drawn, z = self.family.simulate(self.params, self._read(like), np.random.default_rng(seed))
        latent = {"component": z} if "components" in self.family.capabilities else {}
        return Table((*drawn.columns, *latent), (*drawn.matrix().T, *latent.values()), "simulated data")

    @property
    def optima(self) -> list[tuple[float, int]]:
        """Distinct optima of the restarts: the objective, and how many starts reached it, best first."""
        numbers = [r.optimum for r in self.restarts if r.optimum >= 0]
        best = {r.optimum: r.run.objective for r in reversed(self.restarts)}
        return [(best[number], numbers.count(number)) for number in sorted(set(numbers))]

    def summary(self) -> str:
        """The fit in a few lines of text."""
        kind = "maximum likelihood" if self.prior is None else "MAP"
        kind += f", {self.plan.words}" if self.plan.words else ""
        components = f"K = {self.family.n_components}, " if "components" in self.family.capabilities else ""
        singular = sum(not r.run.status.usable for r in self.restarts)
        optima = ", ".join(f"{objective + 0.0:.4f} ({count})" for objective, count in self.optima[:8])
        lines = [
            f"{self.family.name}, {components}{kind}",
            self._status_sentence(),
            *([] if self.chunks is None else self.chunks.sentences()),
            *self._scores(),
            f"{self.passes} passes; still to gain: "
            + ("unknown" if self.run.remaining is None else f"about {self.run.remaining:.1g} nats"),
            f"{len(self.restarts)} start(s){self._given_up()}; optima (and starts that reached them): "
            f"{optima or 'none'}"
            f"{', …' if len(self.optima) > 8 else ''}; singular or not finite: {singular}",
        ]
        for name, value in record_fields(self.params).items():
            lines.append(f"{name}:")
            lines += ["  " + row for row in np.array2string(value, precision=6, suppress_small=True).splitlines()]
        if remarks := getattr(self.family, "remarks", None):
            lines += remarks(self.run, self.total_weight, self.e_step)
        lines += [f"note: {event}" for event in self.events]
        return "\n".join(lines)

    def _given_up(self) -> str:
        """How many starts were given up after a short run, and the passes of all; empty where none was."""
        if self.chunks is not None and self.chunks.starts:
            count = len(self.restarts) - sum(r.given_up for r in self.restarts)
            return f", {count} of them over all rows"
        count = sum(r.given_up for r in self.restarts)
        passes = sum(r.run.passes for r in self.restarts)
        return f", {count} given up after {SHORT_PASSES} passes, {passes:g} passes in all" if count else ""

    def _status_sentence(self) -> str:
        """The status with its remedy, in the words of the family where it has its own."""
        if self.status is Status.MAX_PASSES and any(e.kind == "boundary" and e.component < 0 for e in self.events):
            return "A boundary estimate: the optimum lies at infinity, and passes only near it; see the note."
        if self.status is Status.CONVERGED and self.run.stopped_by:
            return f"Converged: {self.run.stopped_by}."
        return getattr(self.family, "status_sentences", {}).get(self.status.name, self.status.value)

    def _scores(self) -> list[str]:
        """The scores in a line; none for a model without density."""
        if "density" not in self.family.capabilities:
            return []
        bound = "" if self.run.elbo is None else f"bound {self.run.elbo:.6f}, "
        return [
            f"{bound}log-likelihood {self.log_likelihood:.6f}, log prior {self.log_prior:.6f}, BIC {self.bic:.3f}, "
            f"{self.n_parameters} free parameters"
        ]

    def to_json(self) -> str:
        """The fit as JSON: estimates, scores, trace and restarts; neither data nor responsibilities."""
        return json.dumps(self.to_dict(), indent=1)

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes, as a mapping."""
        settings = {name: getattr(self.family, name) for name in FAMILIES[self.family.name].settings}
        return {
            "family": self.family.name,
            "n_components": self.family.n_components,
            "settings": settings,
            "fixed": sorted(self.family.fixed),
            "prior": plain(self.prior),
            "stop": plain(self.stop),
            "seed": self.seed,
            "total_weight": self.total_weight,
            "columns": list(self.columns),
            "plan": plain(self.plan),
            "certainty": self.certainty,
            "chunks": None if self.chunks is None else plain(self.chunks),
            "fit": run_to_dict(self.run),
            "restarts": [
                {
                    "index": r.index,
                    "how": r.how,
                    "optimum": r.optimum,
                    "given_up": r.given_up,
                    **run_to_dict(r.run),
                }
                for r in self.restarts
            ],
        }

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`; `q` is None."""
        try:
            return cls.from_dict(json.loads(text))
        except json.JSONDecodeError:
            raise InputError("this is not the JSON of a fit; write one with fit.to_json().") from None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; `q` is None."""
        try:
            name = raw["family"]
            if name not in FAMILIES:
                raise unknown("family", name, FAMILIES)
            twin = FAMILIES[name]
            chosen, _ = read_settings(name, twin, raw["settings"])
            k = whole_number(raw["n_components"], 1, "n_components")
            family = twin.family(n_components=k, fixed=frozenset(raw["fixed"]), **chosen)
            prior = raw["prior"] and twin.prior.read({k: v for k, v in raw["prior"].items() if v is not None})
            found = [
                Restart(r["index"], r["how"], run_from_dict(r, twin.record(family)), r["optimum"], r["given_up"])
                for r in raw["restarts"]
            ]
            best = run_from_dict(raw["fit"], twin.record(family))
            if best.status.usable:  # a collapsed fit keeps what it had
                family.check_params(best.params)
            return cls(
                family,
                best,
                tuple(found),
                prior,
                Stop(**raw["stop"]),
                raw["seed"],
                raw["total_weight"],
                tuple(raw["columns"]),
                Plan(**raw["plan"]),
                raw["certainty"],
                ChunksRead(**raw["chunks"]) if raw.get("chunks") else None,
            )
        except InputError as error:
            raise InputError(f"this fit cannot be used: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError("this is not the JSON of a fit; write one with fit.to_json().") from None
