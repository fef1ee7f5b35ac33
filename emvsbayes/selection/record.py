"""`Selection`: the candidates of a choice between models as plain data, JSON in and out.

With p free parameters, W the total weight (N where rows count once) and r the exact posterior of the components,

    AIC = -2 ln p(X | θ) + 2 p                        Akaike (1974)
    BIC = -2 ln p(X | θ) + p ln W                     Schwarz (1978)
    ICL = BIC - 2 Σ_n w_n ln max_k r_nk               Biernacki, Celeux and Govaert (2000), IEEE PAMI 22, 719-725

all of them smaller for better; mclust prints BIC and ICL with the other sign. At a MAP estimate the log-likelihood
stands in them, without the prior (Fraley and Raftery 2007). A singular fit has no likelihood to rank and never wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import msgspec

from emvsbayes.core.errors import InputError, unknown

CRITERIA = ("aic", "bic", "icl")
FORMAT = 1  # of selection.json
ESTIMATES = {"ml": "ML", "map": "MAP"}
Estimate = Literal["ml", "map"]
SAME = 1e-6  # difference of a criterion below which two candidates are taken for one model


@dataclass(frozen=True)
class Candidate:
    """One fit among many.

    Attributes
    ----------
    n_components : K
    settings : the settings that were varied, by name
    estimate : "ml" or "map"
    status : the name of a `Status`, or REFUSED where the data or the settings do not allow this fit
    log_likelihood, log_posterior, n_parameters, aic, bic, icl : None where there is no fit to score
    passes : of the best start
    n_starts, n_collapsed : how many starts there were, and how many ended singular or not finite
    best : the criteria by which no candidate of the same estimate is better
    above : how far it is above that best, by criterion; empty where it cannot win
    remark : why it cannot win, with a remedy; empty where it can
    """

    n_components: int
    settings: dict[str, str]
    estimate: Estimate
    status: str
    log_likelihood: float | None = None
    log_posterior: float | None = None
    n_parameters: int | None = None
    aic: float | None = None
    bic: float | None = None
    icl: float | None = None
    passes: float | None = None
    n_starts: int = 0
    n_collapsed: int = 0
    best: tuple[str, ...] = ()
    above: dict[str, float] = field(default_factory=dict)
    remark: str = ""

    @property
    def structure(self) -> str:
        """The settings that were varied, in a word; empty where none was."""
        return ", ".join(self.settings.values())

    @property
    def words(self) -> str:
        """The candidate in words: full, K = 2."""
        return ", ".join(part for part in (self.structure, f"K = {self.n_components}") if part)

    def score(self, criterion: str) -> float | None:
        """Its value by a criterion, None where it cannot win."""
        return None if self.remark else getattr(self, criterion)


@dataclass(frozen=True)
class Selection:
    """Candidates and who wins, by which criterion.

    Attributes
    ----------
    candidates : one row a fit, in the order in which they were fitted
    criterion : the one asked for, of "aic", "bic", "icl"
    settings : the settings that all candidates share
    notes : what to know before choosing
    """

    family: str
    source: str
    n_rows: int
    total_weight: float
    columns: list[str]
    settings: dict[str, str]
    criterion: Literal["aic", "bic", "icl"]
    candidates: list[Candidate]
    seed: int
    notes: list[str] = field(default_factory=list)
    command: str = ""
    version: str = ""
    format: int = FORMAT

    @property
    def estimates(self) -> list[str]:
        """The estimates in the table, "ml" before "map"."""
        return [name for name in ESTIMATES if any(c.estimate == name for c in self.candidates)]

    @property
    def best(self) -> Candidate:
        """The best candidate by the criterion asked for: of ML where any can win, else of MAP.

        ML and MAP are not ranked against each other: of one model the ML estimate always has the higher likelihood.
        """
        for estimate in self.estimates:
            if (found := self.winner(estimate=estimate)) is not None:
                return found
        raise InputError("no candidate can win: every fit is singular or refused; use a prior, or a smaller K.")

    def winner(self, criterion: str | None = None, estimate: str = "ml") -> Candidate | None:
        """The best candidate by a criterion among those of one estimate; None where none can win."""
        ordered = self.ranked(criterion, estimate)
        return ordered[0] if ordered else None

    def ranked(self, criterion: str | None = None, estimate: str = "ml") -> list[Candidate]:
        """The candidates of one estimate that can win, best first; of equals the first fitted."""
        criterion = criterion or self.criterion
        if criterion not in CRITERIA:
            raise unknown("criterion", criterion, CRITERIA)
        if estimate not in ESTIMATES:
            raise unknown("estimate", estimate, ESTIMATES)
        able = [c for c in self.candidates if c.estimate == estimate and c.score(criterion) is not None]
        return sorted(able, key=lambda c: getattr(c, criterion))

    @property
    def verdict(self) -> list[str]:
        """One sentence an estimate and criterion: who wins, and by how much."""
        found = []
        for estimate in self.estimates:
            for criterion in CRITERIA:
                ordered = self.ranked(criterion, estimate)
                if not ordered:
                    continue
                name, value = criterion.upper(), getattr(ordered[0], criterion)
                sentence = f"{ESTIMATES[estimate]} by {name}: {ordered[0].words} ({value:.2f})"
                # names of one model, as EEE, VEE and VVV are at K = 1, share its score
                others = [c for c in ordered[1:] if getattr(c, criterion) - value > SAME]
                if others:
                    sentence += f"; next is {others[0].words}, {getattr(others[0], criterion) - value:.2f} higher"
                found.append(sentence + ".")
        return found

    def summary(self) -> str:
        """The table as text, a * behind the best value of each column."""
        headers = ["K"]
        if self.varied:
            headers.insert(0, ", ".join(self.varied))
        headers += ["", "log-likelihood", "p", "AIC", "BIC", "ICL", "collapsed", "status"]
        if "map" in self.estimates:
            headers.insert(headers.index("p"), "log posterior")
        rows = [self._row(c) for c in self.candidates]
        widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
        left = {0, len(headers) - 1} if self.varied else {len(headers) - 1}
        lines = [
            "  ".join(cell.ljust(widths[i]) if i in left else cell.rjust(widths[i]) for i, cell in enumerate(row))
            for row in [headers, *rows]
        ]
        shared = "".join(f", {name} {value}" for name, value in self.settings.items())
        title = f"{self.family}{shared}: {len(self.candidates)} candidates on {self.n_rows} rows; smaller is better"
        remarks = list(dict.fromkeys(c.remark for c in self.candidates if c.remark))
        return "\n".join([title, *(line.rstrip() for line in lines), *self.verdict, *remarks, *self.notes])

    @property
    def varied(self) -> list[str]:
        """The names of the settings that were varied."""
        return list(self.candidates[0].settings)

    def _row(self, c: Candidate) -> list[str]:
        def mark(name: str) -> str:
            return _fixed(getattr(c, name), 2) + ("*" if name in c.best else " ")

        scores = [_fixed(c.log_likelihood, 3)]
        scores += [_fixed(c.log_posterior if c.estimate == "map" else None, 3)] if "map" in self.estimates else []
        return [
            *([c.structure] if self.varied else []),
            str(c.n_components),
            ESTIMATES[c.estimate],
            *scores,
            _fixed(c.n_parameters, 0),
            *(mark(name) for name in CRITERIA),
            f"{c.n_collapsed}/{c.n_starts}" if c.n_starts else "-",
            c.status.lower().replace("_", " "),
        ]

    def to_json(self) -> bytes:
        """UTF-8 JSON, keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, text: bytes | str) -> Selection:
        """The inverse of `to_json`; the error names the path of what does not fit."""
        try:
            found = msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InputError(
                f"this is not a selection.json of format {FORMAT}: {error}; make it again with `emvsbayes select`."
            ) from None
        if found.format != FORMAT:
            raise InputError(
                f"this selection.json is of format {found.format}, and this version reads format {FORMAT}; "
                "make it again with `emvsbayes select`."
            )
        return found


def _fixed(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
