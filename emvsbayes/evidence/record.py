"""`Evidence`: log evidences of one model from several sources, one row each, as plain data, JSON in and out.

All are on one scale, nats of ln p(X) with every constant, and none is what another is:

    exact            the number itself
    estimate         of the number, with a standard error that more work makes smaller
    bound            below the number, by KL(q ‖ posterior)
    approximation    near the number where the posterior is nearly normal, and nothing says how near

A bound is one half of a decomposition of the log evidence, the second of this package:

    ln p(X) = ELBO(q) + KL(q ‖ posterior)                q over parameters: variational Bayes, ADVI
    ln p(X | θ) = ELBO(q, θ) + KL(q ‖ p(Z | X, θ))       q over latents, at one θ: EM

An E-step closes the KL of EM; nothing closes the other, which is what q is short of the posterior. Variational Bayes
has q(Z) q(θ), so that its KL is over latents and parameters. By the chain rule of the divergence it splits,

    KL(q(Z) q(θ) ‖ p(Z, θ | X)) = KL(q(θ) ‖ p(θ | X)) + E_q(θ)[KL(q(Z) ‖ p(Z | X, θ))]

and the last term is EM's, averaged over q(θ): `collapsed` takes it off, and leaves the KL over parameters alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from emvsbayes.core.errors import InputError, unknown

FORMAT = 1  # of evidence.json
Kind = Literal["exact", "estimate", "bound", "approximation"]

METHODS: dict[str, tuple[str, Kind, str]] = {
    "enumeration": (
        "enumeration",
        "exact",
        "The sum over every allocation of rows to components, parameters integrated out: the number itself.",
    ),
    "bridge": (
        "bridge sampling",
        "estimate",
        "The ratio of the posterior's mass to a normal's, from draws of both; every label is in it.",
    ),
    "smc": (
        "sequential Monte Carlo",
        "estimate",
        "Draws of the prior made draws of the posterior in stages, the mean weight of each stage multiplied; every "
        "label is in it.",
    ),
    "laplace_free": (
        "Laplace, free coordinates",
        "approximation",
        "The mass of a normal with the height and curvature of one mode of the posterior, on coordinates without "
        "bounds.",
    ),
    "laplace_natural": (
        "Laplace at MAP",
        "approximation",
        "The same at the MAP estimate, on the scale of the prior.",
    ),
    "vb": (
        "ELBO of variational Bayes",
        "bound",
        "The best bound of a distribution that makes latents and parameters independent; it covers one labelling.",
    ),
    "vb_collapsed": (
        "VB, latents summed out",
        "bound",
        "The bound of its q(θ) alone: the ELBO, and the KL of EM averaged over q(θ) added to it.",
    ),
    "vb_symmetric": (
        "VB, every labelling",
        "bound",
        "The bound of that q(θ) averaged over all labellings: ln of their number more, less what the copies overlap.",
    ),
    "advi_meanfield": (
        "ELBO of ADVI, mean field",
        "bound",
        "The best bound, found by noisy gradients, of independent normals on free coordinates; latents summed out.",
    ),
    "advi_fullrank": (
        "ELBO of ADVI, full rank",
        "bound",
        "The same of one normal with correlations.",
    ),
    "bic": (
        "-BIC/2",
        "approximation",
        "The maximum log-likelihood less p/2 ln N; it knows no prior, and its error does not vanish as rows come in.",
    ),
}
OVER = {  # what the q of a bound is a distribution of
    "vb": "latents and parameters",
    "vb_collapsed": "parameters",
    "vb_symmetric": "parameters, every labelling",
    "advi_meanfield": "parameters",
    "advi_fullrank": "parameters",
}
APART = (
    "It is not that of EM, whose KL is over the latents at one value of the parameters, and which an E-step closes; "
    "this one stays open, for q is of a simpler form than the posterior."
)
REFERENCES = ("enumeration", "bridge", "smc")  # what others are measured from: the first there is


@dataclass(frozen=True)
class Row:
    """The log evidence by one method.

    Attributes
    ----------
    method : a key of `METHODS`
    value : in nats; None where there is none, and `remark` says why
    se : its standard error, where it is an estimate
    log_copies : what is in `value` for copies of the posterior that were counted by number
    remark : what a reader must know of this one
    kl : KL(q ‖ posterior) in nats, ln p(X) less the value, of a bound whose reference is known
    kl_se : its standard error, of both sides; None where both are exact
    """

    method: str
    value: float | None = None
    se: float | None = None
    log_copies: float = 0.0
    remark: str = ""
    kl: float | None = None
    kl_se: float | None = None

    @property
    def words(self) -> str:
        """The method in words."""
        return METHODS[self.method][0]

    @property
    def kind(self) -> Kind:
        return METHODS[self.method][1]

    @property
    def meaning(self) -> str:
        """What the number is, in a sentence."""
        return METHODS[self.method][2]


@dataclass(frozen=True)
class Evidence:
    """One model's log evidence by every method that was asked for.

    Attributes
    ----------
    rows : in the order of `METHODS`
    prior : in words, one sentence a field
    copies : labellings under which the posterior is the same; 1 where labels, held fields or the prior differ
    overlap : nats by which these copies overlap, from 0 to ln copies; None where it was not measured
    separate : whether the copies were shown to be apart, so that their number may be counted
    notes : what to know, in sentences
    """

    family: str
    n_components: int
    n_rows: int
    rows: list[Row]
    prior: list[str]
    copies: int
    overlap: float | None
    separate: bool
    seed: int
    notes: list[str] = field(default_factory=list)
    version: str = ""
    format: int = FORMAT

    def row(self, method: str) -> Row:
        """The row of one method."""
        for row in self.rows:
            if row.method == method:
                return row
        raise unknown("method of the evidence", method, [row.method for row in self.rows])

    @property
    def reference(self) -> Row | None:
        """What the others are measured from: enumeration, else bridge sampling, else SMC; None where there is none."""
        able = {row.method: row for row in self.rows if row.value is not None}
        return next((able[method] for method in REFERENCES if method in able), None)

    @property
    def log_evidence(self) -> float:
        """The value of the reference, in nats."""
        if self.reference is None or self.reference.value is None:
            raise InputError("there is no estimate of the evidence; pass draws as posterior, or smc=True.")
        return self.reference.value

    def gap(self, method: str) -> float | None:
        """ln p(X) by the reference less the value of this row, None where one is missing."""
        value = self.row(method).value
        return None if value is None or self.reference is None else self.log_evidence - value

    @property
    def bounds(self) -> list[Row]:
        """The rows of a distribution q, with their KL."""
        return [row for row in self.rows if row.kind == "bound" and row.value is not None]

    @property
    def decomposition(self) -> str:
        """The second decomposition in a sentence; empty where there is no bound, or nothing to measure it from."""
        found = [row for row in self.bounds if row.kl is not None]
        if not found:
            return ""
        parts = [f"{row.words} {row.value:.4f} + {row.kl:.4f} over {OVER[row.method]}" for row in found]
        return (
            f"The second decomposition, ln p(X) = ELBO(q) + KL(q ‖ posterior) = {self.log_evidence:.4f}: "
            f"{'; '.join(parts)}. {APART}"
        )

    def summary(self) -> str:
        """The table as text, one sentence a row on what it is."""
        table, reference = [["", "ln p(X)", "± se", "short by", "KL(q ‖ posterior)", ""]], self.reference
        found = [row for row in self.rows if row.value is not None]
        for row in found:
            gap = None if row == reference or row.kind == "bound" else self.gap(row.method)
            kl = _number(row.kl, 4) + ("" if row.kl_se is None else f" ± {row.kl_se:.4f}")
            table.append([row.words, _number(row.value, 4), _number(row.se, 4), _number(gap, 4), kl, row.kind])
        widths = [max(len(row[i]) for row in table) for i in range(6)]
        lines = [
            "  ".join(
                c.ljust(w) if i in (0, 4, 5) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        components = "" if self.n_components == 1 else f", K = {self.n_components}"
        title = f"{self.family}{components}: the log evidence on {self.n_rows} rows, in nats"
        remarks = [f"{row.words}: {row.remark}" for row in self.rows if row.remark]
        if reference is not None:
            title += f"; others are measured from {reference.words}"
        meanings = [f"{row.words}: {row.meaning}" for row in found]
        body = [line.rstrip() for line in lines]
        prior = [f"prior: {line}" for line in self.prior]
        second = [self.decomposition] if self.decomposition else []
        return "\n".join([title, *prior, *body, *second, *meanings, *self.notes, *remarks])

    def to_json(self) -> bytes:
        """UTF-8 JSON, keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, text: bytes | str) -> Evidence:
        """The inverse of `to_json`; the error names the path of what does not fit."""
        try:
            found = msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InputError(
                f"this is not the JSON of an evidence record: {error}; write one with to_json()."
            ) from None
        if found.format != FORMAT:
            raise InputError(
                f"this evidence record is of format {found.format}, and this version reads {FORMAT}; make it again."
            )
        for row in found.rows:
            if row.method not in METHODS:
                raise unknown("method of the evidence", row.method, METHODS)
        return found


def decomposed(rows: list[Row]) -> list[Row]:
    """The rows with KL(q ‖ posterior) of every bound, measured from the first of `REFERENCES` that is there."""
    able = {row.method: row for row in rows if row.value is not None}
    reference = next((able[method] for method in REFERENCES if method in able), None)
    if reference is None or reference.value is None:
        return rows
    found = []
    for row in rows:
        if row.kind == "bound" and row.value is not None:
            errors = [se for se in (reference.se, row.se) if se is not None]
            se = math.hypot(*errors) if errors else None
            row = replace(row, kl=reference.value - row.value, kl_se=se)
        found.append(row)
    return found


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"
