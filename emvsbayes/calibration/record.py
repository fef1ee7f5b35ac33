"""`Calibration`: the ranks of a simulation-based calibration and their tests as plain data, JSON in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from emvsbayes.core.errors import unknown
from emvsbayes.core.formats import of_this_format

FORMAT = 2  # of result.json
REJECTED = 1e-3  # a p-value below this rejects a histogram


@dataclass(frozen=True)
class Histogram:
    """The ranks of one quantity.

    Attributes
    ----------
    name : of the quantity
    ranks : of the truth among the draws kept, one a simulation
    counts : in bins of equal width
    difference : ECDF of the ranks minus that of a uniform law, at every rank
    chi_square, ecdf : p-values of the two tests of uniformity
    control_chi_square, control_ecdf : the same for draws that were narrowed on purpose
    """

    name: str
    ranks: list[int]
    counts: list[int]
    difference: list[float]
    chi_square: float
    ecdf: float
    control_chi_square: float
    control_ecdf: float

    @property
    def p_value(self) -> float:
        """The smaller of the two."""
        return min(self.chi_square, self.ecdf)

    @property
    def rejected(self) -> bool:
        """Whether a test rejects."""
        return self.p_value < REJECTED


@dataclass(frozen=True)
class ModelResult:
    """One model's calibration.

    Attributes
    ----------
    name, title, statement, order : of the model; the scalar its components are sorted by
    likelihood : "fused" or "plain", which of two equal densities was sampled
    simulations : how many
    histograms : one a quantity, the log-likelihood last
    count_band : lower end, middle and upper end of one bin's count, 95 % each
    lower, upper : ends of the simultaneous 95 % band of the ECDF differences
    ess, r_hat : the smallest effective sample size and the largest R-hat of any simulation
    short : simulations that ended with fewer effective draws than asked for
    unmixed : simulations with an R-hat above 1.05
    diverged : simulations with a divergent transition
    longest : the most draws that a simulation took, all chains together
    seconds : of all simulations, without compiling
    """

    name: str
    title: str
    statement: str
    order: str
    likelihood: str
    simulations: int
    histograms: list[Histogram]
    count_band: tuple[float, float, float]
    lower: list[float]
    upper: list[float]
    ess: float
    r_hat: float
    short: int
    unmixed: int
    diverged: int
    longest: int
    seconds: float

    def histogram(self, name: str) -> Histogram:
        """That of one quantity."""
        for found in self.histograms:
            if found.name == name:
                return found
        raise unknown("quantity", name, [found.name for found in self.histograms])


@dataclass(frozen=True)
class Calibration:
    """Simulation-based calibration of several models.

    Attributes
    ----------
    models : one result each
    seed : int
    sampler : chains, tune, draws of a chain, the effective sample size asked for, the longest chain
    control : how much narrower the draws of the control are
    versions : of what the draws depend on
    command : that makes it again, where there was one
    """

    models: list[ModelResult]
    seed: int
    sampler: dict[str, int]
    control: float
    versions: dict[str, str]
    command: str = ""
    kind: Literal["sbc"] = "sbc"
    format: int = FORMAT

    def __getitem__(self, name: str) -> ModelResult:
        for found in self.models:
            if found.name == name:
                return found
        raise unknown("model", name, [found.name for found in self.models])

    @property
    def histograms(self) -> list[tuple[ModelResult, Histogram]]:
        """Every histogram with its model."""
        return [(model, histogram) for model in self.models for histogram in model.histograms]

    @property
    def rejected(self) -> list[tuple[ModelResult, Histogram]]:
        """The histograms that a test rejects."""
        return [(model, histogram) for model, histogram in self.histograms if histogram.rejected]

    @property
    def control_models(self) -> list[ModelResult]:
        """The models of which a test rejects at least one histogram of the narrowed draws."""
        return [
            model
            for model in self.models
            if any(min(h.control_chi_square, h.control_ecdf) < REJECTED for h in model.histograms)
        ]

    @property
    def verdict(self) -> list[str]:
        """What came out, in sentences."""
        total, model, lowest = len(self.histograms), *min(self.histograms, key=lambda pair: pair[1].p_value)
        where = f"{lowest.name} of {model.name}, p = {lowest.p_value:.2g}"
        if self.rejected:
            named = ", ".join(f"{histogram.name} of {model.name}" for model, histogram in self.rejected)
            verb = "is" if len(self.rejected) == 1 else "are"
            first = f"{len(self.rejected)} of {total} rank histograms {verb} rejected at {REJECTED:g}: {named}."
        else:
            first = f"None of {total} rank histograms is rejected at {REJECTED:g}; the smallest p-value is {where}."
        missed = [model.name for model in self.models if model not in self.control_models]
        second = (
            f"With draws narrowed by {100 * (1 - self.control):.0f} % on purpose the same tests reject a histogram of "
            f"{len(self.control_models)} of {len(self.models)} models"
            + (f", and miss it in {', '.join(missed)}: more simulations would be needed." if missed else ".")
        )
        worst = min(self.models, key=lambda model: model.ess)
        third = (
            f"The sampler: the smallest effective sample size behind {worst.simulations} x 99 kept draws is "
            f"{worst.ess:.0f} ({worst.name}), the largest R-hat {max(m.r_hat for m in self.models):.3f}; "
            f"{sum(m.short for m in self.models)} of {sum(m.simulations for m in self.models)} simulations ended with "
            f"fewer than the {self.sampler['enough']} asked for."
        )
        return [first, second, third]

    def summary(self) -> str:
        """The verdict and a line for every quantity, as text."""
        lines = list(self.verdict)
        for model in self.models:
            lines.append(f"{model.name}: {model.simulations} simulations, {model.seconds:.0f} s")
            width = max(len(h.name) for h in model.histograms)
            lines += [
                f"  {h.name:<{width}}  chi-square {h.chi_square:.4f}  ECDF {h.ecdf:.4f}"
                f"  narrowed {h.control_chi_square:.2g}, {h.control_ecdf:.2g}{'  REJECTED' if h.rejected else ''}"
                for h in model.histograms
            ]
        return "\n".join(lines)

    def to_json(self) -> bytes:
        """UTF-8 JSON, keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, text: bytes | str) -> Calibration:
        """The inverse of `to_json`; the error names the path of what does not fit."""
        return of_this_format(text, cls, FORMAT, "a calibration", "emvsbayes sbc")
