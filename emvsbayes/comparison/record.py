"""`Comparison`: two answers to one question as plain data, one sub-record per question, JSON in and out.

Everything a page prints or draws is a named field here; figures only draw. Series are thinned to at most 500 marks when
the record is made, so that `result.json` stays small. Numbers that do not exist (no posterior, labels unresolved, a
likelihood that is not finite) are None.

One long module, because it is one file format: whoever reads a `result.json` finds every field of it here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from emvsbayes.core.formats import of_this_format

MARKS = 500  # most marks a series may have
FORMAT = 2  # of result.json


@dataclass(frozen=True)
class Subject:
    """What was compared, in words a page can print.

    `prior` holds one sentence a field, `prior_note` says whether it looks at the data and on which quantity the mode
    depends; `notes` are the study's own sentences.
    """

    name: str
    title: str
    family: str
    summary: str
    n_components: int
    settings: dict[str, str]
    fixed: list[str]
    n_rows: int
    total_weight: float
    columns: list[str]
    source: str
    prior: list[str]
    prior_note: str
    notes: list[str]
    e_step: Literal["exact", "hard"] = "exact"


@dataclass(frozen=True)
class Parameter:
    """One scalar parameter from every side; component -1 belongs to no component.

    `ml`, `map`: EM; `pymc_map`: pm.find_MAP. `mean` … `mcse`: the posterior, after relabelling; None while labels are
    unresolved. `z_ml`, `z_map`: (estimate - mean) / sd.
    """

    name: str
    field: str
    component: int
    ml: float
    map: float
    pymc_map: float | None = None
    mean: float | None = None
    median: float | None = None
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None
    mcse: float | None = None
    z_ml: float | None = None
    z_map: float | None = None


@dataclass(frozen=True)
class Score:
    """The log-density of one estimate, in nats, and its information criteria (smaller is better).

    `log_prior` and `log_posterior` are None where the prior density is 0, as at an ML estimate on its boundary.
    """

    name: str
    log_likelihood: float
    log_prior: float | None
    log_posterior: float | None
    status: str
    passes: int | None = None
    bic: float | None = None
    icl: float | None = None


@dataclass(frozen=True)
class Marginal:
    """A posterior marginal as a histogram on the density scale, with the estimates to mark on it."""

    name: str
    edges: list[float]
    density: list[float]
    ml: float
    map: float


@dataclass(frozen=True)
class FitStarts:
    """The starts of one fit: the distinct optima they reached, best first, and how many collapsed."""

    objective: Literal["ml", "map"]
    n_starts: int
    n_singular: int
    optima: list[float]
    counts: list[int]


@dataclass(frozen=True)
class Points:
    """Question 1: where do the point estimates agree?"""

    parameters: list[Parameter]
    scores: list[Score]
    starts: list[FitStarts]
    marginals: list[Marginal]
    interval: str
    labels_resolved: bool
    unresolved_because: str


@dataclass(frozen=True)
class Convergence:
    """R-hat and bulk ESS of one scalar, before and after relabelling."""

    name: str
    rhat_before: float | None
    rhat_after: float | None
    ess_before: float | None
    ess_after: float | None


@dataclass(frozen=True)
class TraceSeries:
    """Draws of one scalar per component, by chain: draw numbers, and values [chain][component][draw]."""

    name: str
    draw: list[int]
    before: list[list[list[float]]]
    after: list[list[list[float]]]


@dataclass(frozen=True)
class Switching:
    """Question 2: did the sampler see one labelling or several?

    `labellings_possible` is K! where all labels are arbitrary, and less where known labels, held fields or the prior
    tell components apart: these are not renamed.

    `labelling_shares`: share of the draws by labelling, such as
    "1 0". By chain: `switches`, changes of labelling; `agreement`, the mean share of rows that a relabelled draw puts
    into the component of the pivot; `log_likelihood`, its mean over draws; `mode_log_posterior`, the log posterior of
    the mode that EM reaches from the chain's last draw (None where it reaches none).
    """

    method: str
    pivot: str
    chains: int
    draws: int
    switches: list[int]
    labellings_visited: int
    labellings_possible: int
    labelling_shares: dict[str, float]
    convergence: list[Convergence]
    trace: TraceSeries
    divergences: int
    diagnosis: list[str]
    agreement: list[float]
    log_likelihood: list[float]
    mode_log_posterior: list[float | None]


@dataclass(frozen=True)
class Start:
    """One random start and where it led: `status` is the name of a `core.trace.Status`, such as SINGULAR.

    `optimum` numbers distinct optima from the best (0), -1 where unusable. `rows` are at most eight of the
    `n_collapsed_rows` that a collapsed `component` sits on.
    """

    index: int
    status: str
    log_likelihood: float | None
    objective: float | None
    passes: int
    optimum: int
    component: int | None = None
    rows: list[int] = field(default_factory=list)
    n_collapsed_rows: int = 0


@dataclass(frozen=True)
class Path:
    """Log-likelihood by pass of one start; `status` as in `Start`."""

    index: int
    status: str
    passes: list[int]
    log_likelihood: list[float]


@dataclass(frozen=True)
class Optimum:
    """A distinct optimum: its objective, how many starts reached it, and the parameters of the first few."""

    number: int
    objective: float
    count: int
    params: dict[str, Any]


@dataclass(frozen=True)
class Restarts:
    """The same starts under one objective, best first; of the paths, the best start and collapsed ones."""

    objective: Literal["ml", "map"]
    starts: list[Start]
    optima: list[Optimum]
    n_singular: int
    paths: list[Path]


@dataclass(frozen=True)
class Singularity:
    """Question 3: how often does maximum likelihood collapse, and what does the prior do about it?

    `how` says what the starts are; `bounded` that the likelihood of this family cannot collapse at all.
    """

    how: str
    bounded: bool
    n_starts: int
    ml: Restarts
    map: Restarts


@dataclass(frozen=True)
class Step:
    """One half-step: `passes` M half-steps done, `half` E or M; `residual` is relative to max(1, |log_likelihood|)."""

    passes: float
    half: Literal["E", "M"]
    elbo: float
    kl: float
    log_likelihood: float
    log_prior: float
    residual: float


@dataclass(frozen=True)
class Climb:
    """A half-step trace, thinned; `largest_residual` is over all of its `n_half_steps`.

    Under a hard E-step q is one-hot, so that the bound never reaches the log-likelihood: KL stays open.
    """

    objective: Literal["ml", "map"]
    steps: list[Step]
    n_half_steps: int
    largest_residual: float
    rate: float | None
    e_step: Literal["exact", "hard"] = "exact"


@dataclass(frozen=True)
class Decomposition:
    """Question 4: does ln p(X|θ) = ELBO + KL hold at every half-step?"""

    climbs: list[Climb]


@dataclass(frozen=True)
class Band:
    """A curve y(x) between lower(x) and upper(x), such as a predictive mean with its 95 % band."""

    x: list[float]
    y: list[float]
    lower: list[float]
    upper: list[float]


@dataclass(frozen=True)
class Snapshot:
    """The model after `passes` passes of EM.

    Of components: weights (K,), centers (K, d), covariances (K, d, d) of p(x | z = k). A regression has none (K = 0),
    and a `band` instead.
    """

    passes: int
    weights: list[float]
    centers: list[list[float]]
    covariances: list[list[list[float]]]
    band: Band | None = None


@dataclass(frozen=True)
class Picture:
    """The data (first one or two columns, thinned), the component of each row, and EM at chosen passes."""

    columns: list[str]
    points: list[list[float]]
    labels: list[int]
    n_rows: int
    snapshots: list[Snapshot]


@dataclass(frozen=True)
class Sheet:
    """A table of a supplement; text is printed as it is, None as a dash, whole numbers whole.

    Other numbers have so many significant digits, or, where errors stand beside what they are errors of, `decimals`.
    """

    caption: str
    headers: list[str]
    rows: list[list[str | float | None]]
    note: str = ""
    digits: int = 4
    decimals: int | None = None


@dataclass(frozen=True)
class Series:
    """One layer of a plot. A band lies between `y` and `upper`, and so do bars; `component` -1 has no mark of one.

    Errors are lines: `intervals` upright at `x` from `y` to `upper`, `spans` level at `y` from `x` to `upper`.
    """

    name: str
    kind: Literal["line", "points", "centers", "band", "bars", "intervals", "spans"]
    x: list[float]
    y: list[float]
    upper: list[float] = field(default_factory=list)
    component: int = -1


@dataclass(frozen=True)
class Plot:
    """Layers on common axes.

    With `y_names` the heights 0, 1, … are these names, the first at the top; `whole_x` marks whole numbers only.
    """

    title: str
    x_label: str
    y_label: str
    series: list[Series]
    log_y: bool = False
    y_names: list[str] = field(default_factory=list)
    whole_x: bool = False


@dataclass(frozen=True)
class Raster:
    """A picture made of pixels: a PNG in base64, of `width` x `height` pixels, to be shown `scale` times as large."""

    caption: str
    png: str
    width: int
    height: int
    scale: int = 1


@dataclass(frozen=True)
class Supplement:
    """A section that only some families or studies have: words, tables, a grid of plots, rows of pictures."""

    title: str
    text: list[str]
    sheets: list[Sheet] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    rasters: list[list[Raster]] = field(default_factory=list)


@dataclass(frozen=True)
class Published:
    """A number in print beside ours: what it is, the values printed, ours, and whether they agree as printed.

    With `sampling_sds`, the print comes from another sample, and agreement is within 4 of them.
    """

    what: str
    name: str
    printed: list[float]
    ours: list[float]
    digits: int
    passed: bool
    sampling_sds: list[float] | None = None


@dataclass(frozen=True)
class Check:
    """A number held against its bound: `passed` is value <= bound; a value that does not exist (None) does not pass."""

    name: str
    value: float | None
    bound: float
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Listings:
    """`em` and `pymc` run as printed; `steps` is the source of the three methods that `em` calls."""

    em: str
    steps: str
    pymc: str


@dataclass(frozen=True)
class Provenance:
    """What is needed to do it again. `seconds` are the only fields that differ between equal runs."""

    command: str
    seed: int
    data_sha256: str
    versions: dict[str, str]
    sampler: str
    seconds: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """Two answers to one question. `switching` is None where nothing was sampled.

    `supplements` are the sections that only this study or family has; `further` those of every comparison that come
    after the four questions: standard errors, and what is asked of a posterior.
    """

    subject: Subject
    verdict: list[str]
    points: Points
    switching: Switching | None
    singularity: Singularity
    decomposition: Decomposition
    picture: Picture
    published: list[Published]
    checks: list[Check]
    listings: Listings
    provenance: Provenance
    supplements: list[Supplement] = field(default_factory=list)
    further: list[Supplement] = field(default_factory=list)
    format: int = FORMAT

    def to_json(self) -> bytes:
        """UTF-8 JSON, keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, text: bytes | str) -> Comparison:
        """The inverse of `to_json`; the error names the path of what does not fit."""
        return of_this_format(text, cls, FORMAT, "a comparison", "emvsbayes compare")
