"""`ModelChoice`: models of one data set, each with four scores, as plain data, JSON in and out.

All four are sums over the data in nats, larger is better, and each asks a question of its own:

    log evidence    ln ∫ p(X | θ) p(θ) dθ                      how probable were the data, before they were seen?
    elpd            Σ_n ln p(x_n | all rows but n)             how well is a row foreseen from the others?
    -BIC/2          ln p(X | θ̂) - p/2 ln N                     the evidence, if the prior is worth one row
    -ICL/2          -BIC/2 + Σ_n ln max_k r_nk                 are there as many clusters, told apart?

The evidence is a sum too, Σ_n ln p(x_n | x_1 … x_n-1): it scores predictions from few rows too, which are the prior's;
elpd scores those from all the others. A vague prior therefore costs evidence and hardly any elpd.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import msgspec

from emvsbayes.core.errors import InputError, unknown

FORMAT = 1
ASKS = {
    "log_evidence": (
        "log evidence",
        "how probable the data were before they were seen. It weighs the fit by the prior: the wider the prior, the "
        "dearer each component.",
    ),
    "elpd": (
        "elpd, PSIS-LOO",
        "how well each row is foreseen from all the others. A component too many that predicts as well costs next to "
        "nothing, and the prior matters little.",
    ),
    "half_bic": (
        "-BIC/2",
        "what the evidence would be under a prior worth one row, at a regular maximum. It knows no prior; a component "
        "too many is no regular maximum, and costs more here than it should.",
    ),
    "half_icl": (
        "-ICL/2",
        "what -BIC/2 asks, less the doubt about which row is whose. It asks for clusters, not for a density.",
    ),
}
BARELY = 1.0  # nats of evidence: a ratio of e, not worth more than a bare mention (Kass and Raftery 1995)
HARDLY = 2.0  # standard errors of a difference: less, and two models are not told apart


@dataclass(frozen=True)
class ModelScore:
    """One model by every criterion; None where there is none, and a remark says why.

    Attributes
    ----------
    n_components : K
    settings : those that were varied
    log_evidence, evidence_se : in nats; se None where it is exact
    evidence_by : the method in words, a key of `evidence.record.METHODS`
    elpd, elpd_se, p_loo : by PSIS-LOO, latents summed out; p_loo the effective number of parameters
    pareto_k : rows whose k is above what the draws allow, and whose term cannot be trusted
    elpd_behind, elpd_behind_se : how far elpd is below the best one, and the standard error of that difference
    half_bic, half_icl : -BIC/2 and -ICL/2 of the ML fit
    elbo : of variational Bayes
    log_likelihood, n_parameters : of the ML fit
    remarks : what to know of this model, in sentences
    """

    n_components: int
    settings: dict[str, str]
    log_evidence: float | None = None
    evidence_se: float | None = None
    evidence_by: str = ""
    elpd: float | None = None
    elpd_se: float | None = None
    p_loo: float | None = None
    pareto_k: int = 0
    elpd_behind: float | None = None
    elpd_behind_se: float | None = None
    half_bic: float | None = None
    half_icl: float | None = None
    elbo: float | None = None
    log_likelihood: float | None = None
    n_parameters: int | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """The model in words: full, K = 2."""
        return ", ".join([*self.settings.values(), f"K = {self.n_components}"])


@dataclass(frozen=True)
class ModelChoice:
    """Models side by side.

    Attributes
    ----------
    models : in the order in which they were scored
    prior : of every model in words, by its words
    """

    family: str
    source: str
    n_rows: int
    settings: dict[str, str]
    models: list[ModelScore]
    prior: dict[str, list[str]]
    seed: int
    notes: list[str] = field(default_factory=list)
    command: str = ""
    version: str = ""
    format: int = FORMAT

    def best(self, criterion: str) -> ModelScore | None:
        """The model with the largest score; None where fewer than two have one, of several models."""
        if criterion not in ASKS:
            raise unknown("criterion", criterion, ASKS)
        able = [model for model in self.models if getattr(model, criterion) is not None]
        if len(able) < min(2, len(self.models)):
            return None
        return max(able, key=lambda model: getattr(model, criterion))

    @property
    def shares(self) -> list[float | None]:
        """Posterior probability of each model, equally probable before; None while one has no evidence."""
        values = [model.log_evidence for model in self.models]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return [None] * len(values)
        found = [math.exp(value - max(known)) for value in known]
        return [share / sum(found) for share in found]

    @property
    def verdict(self) -> list[str]:
        """One sentence a criterion: which model, by how much, and what was asked; then why they may differ."""
        lines, winners = [], []
        for criterion, (words, asks) in ASKS.items():
            best = self.best(criterion)
            if best is None:
                continue
            winners.append(best.words)
            lines.append(f"By {words}: {best.words}{self._ahead(criterion, best)}. It asks {asks}")
        if len(set(winners)) > 1:
            lines.append("The criteria choose different models because they ask different questions; none is at fault.")
        return lines

    def _ahead(self, criterion: str, best: ModelScore) -> str:
        """By how much the best is ahead of the next, and whether that is more than the error."""
        others = [m for m in self.models if m is not best and getattr(m, criterion) is not None]
        if not others:
            return ""
        top: Any = getattr(best, criterion)
        second = max(others, key=lambda m: getattr(m, criterion))
        gap = top - getattr(second, criterion)
        se = None
        if criterion == "elpd":
            se = second.elpd_behind_se
        elif criterion == "log_evidence":
            errors = [s for s in (best.evidence_se, second.evidence_se) if s is not None]
            se = sum(s**2 for s in errors) ** 0.5 if errors else None
        text = f", {gap:.2f} nats ahead of {second.words}"
        if criterion == "log_evidence" and gap < BARELY:
            text += " (not worth more than a bare mention)"
        elif se is not None:
            text += f" (± {se:.2f}{': hardly told apart' if gap < HARDLY * se else ''})"
        missing = [model.words for model in self.models if getattr(model, criterion) is None]
        return text + (f"; {', '.join(missing)} without" if missing else "")

    def summary(self) -> str:
        """The table as text, a * behind the largest of each column."""
        headers = [*(["model"] if self.models[0].settings else ["K"]), "log evidence", "± se", "by", "share"]
        headers += ["elpd", "behind", "± se", "bad k", "-BIC/2", "-ICL/2", "ELBO", "p"]
        rows = [self._row(model, share) for model, share in zip(self.models, self.shares, strict=True)]
        widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
        lines = [
            "  ".join(c.ljust(w) if i in (0, 3) else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True)))
            for r in [headers, *rows]
        ]
        shared = "".join(f", {name} {value}" for name, value in self.settings.items())
        title = f"{self.family}{shared}: {len(self.models)} models of {self.n_rows} rows, in nats; larger is better"
        remarks = [f"{model.words}: {remark}" for model in self.models for remark in model.remarks]
        return "\n".join([title, *(line.rstrip() for line in lines), *self.verdict, *self.notes, *remarks])

    def _row(self, model: ModelScore, share: float | None) -> list[str]:
        def mark(name: str) -> str:
            return _fixed(getattr(model, name), 2) + ("*" if model is self.best(name) else " ")

        return [
            model.words if model.settings else str(model.n_components),
            mark("log_evidence"),
            _fixed(model.evidence_se, 2, "" if model.log_evidence is not None else "-"),
            model.evidence_by or "-",
            "-" if share is None else f"{share:.3f}",
            mark("elpd"),
            _fixed(model.elpd_behind, 2),
            _fixed(model.elpd_behind_se, 2),
            "-" if model.elpd is None else str(model.pareto_k),
            mark("half_bic"),
            mark("half_icl"),
            _fixed(model.elbo, 2),
            "-" if model.n_parameters is None else str(model.n_parameters),
        ]

    def to_json(self) -> bytes:
        """UTF-8 JSON, keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, text: bytes | str) -> ModelChoice:
        """The inverse of `to_json`; the error names the path of what does not fit."""
        try:
            found = msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InputError(
                f"this is not the JSON of a choice of models: {error}; write one with to_json()."
            ) from None
        if found.format != FORMAT:
            raise InputError(
                f"this choice of models is of format {found.format}, and this version reads {FORMAT}; make it again."
            )
        return found


def _fixed(value: float | None, decimals: int, none: str = "-") -> str:
    return none if value is None else f"{value:.{decimals}f}"
