"""What is the matter with the labels of some draws, and whether relabelling can mend it: plain data and sentences.

Four findings, each of which asks for something else:

    switches   labels changed within chains, or chains sit under different ones       relabel, then summarise
    modes      chains sit in modes that are no relabellings of one another            more or longer chains
    overlap    components exchange places so smoothly that no labelling is right      summaries without labels
    nothing    one labelling, clear margins                                           summarise

Overlap is seen by two signs, because either alone can be quiet: the doubt in the margins of one algorithm (`margins`)
and the disagreement of two algorithms that look at different things, parameters and allocations (`disagreement`).

The limits come from 150 simulated posteriors of known labels (reports/benchmarks/relabelling.md; K = 2 to 6, neighbours
1 to 3 deviations apart). Where the doubt was at most 0.01 and the disagreement at most 0.05 (`CLEAR`), nine cases in
ten had at most 1 % of their draws under a wrong label, and means off by at most 0.04 posterior standard deviations;
where one of them reached 0.05 or 0.10 (`LOST`), half of the cases had 61 % wrong labels or more, and a mean off by 0.8
or more. Between the two were six cases, with 9 % and 0.25 at the median.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

CLEAR_DOUBT, CLEAR_DISAGREEMENT = 0.01, 0.05
LOST_DOUBT, LOST_DISAGREEMENT = 0.05, 0.10
SPOILED, APART = 1.05, 1.0  # times further apart; and so far that it is no noise about one place
SHOWN = 6  # labellings listed in a summary


@dataclass(frozen=True)
class LabelDiagnosis:
    """Labels of S = chains x draws draws of K components, before any cure; every list is by chain or by slot.

    Attributes
    ----------
    method : the algorithm whose permutations are described
    chains, draws, components : their numbers; draws is by chain
    switches : changes of the labelling from one draw to the next, by chain
    labellings_visited, labellings_possible : of K!, or of the product over classes
    labelling_shares : shares of the 24 most frequent labellings, "1 0 2": slot 0 holds raw component 1
    modes : the mode of each chain by a number; chains of one number are relabellings of one another
    gaps : the largest distance of a coordinate between two chains after the best renaming, in deviations within a chain
    log_posterior : mean log posterior of each chain (up to a constant), where it is known
    mode_log_posterior : where EM ends from each chain's last draw, in nats, where a fit was given; None for no end
    disagreements : share of draws that two algorithms label differently, by "a / b"
    slot_disagreements : the same for each slot of `method`, the largest over algorithms
    doubt, slot_doubts : expected share of draws under a wrong label, by the margins
    ties : share of draws whose second-best labelling has a probability of 0.1 or more
    raw_separations, separations : how far apart each chain's components are by the labels of the sampler, and of
        `method`: standard deviation of their means over that of the draws, for the clearest coordinate
    """

    method: str
    chains: int
    draws: int
    components: int
    switches: list[int]
    labellings_visited: int
    labellings_possible: int
    labelling_shares: dict[str, float]
    modes: list[int]
    gaps: list[list[float]]
    log_posterior: list[float] | None
    mode_log_posterior: list[float | None] | None
    disagreements: dict[str, float]
    slot_disagreements: list[float]
    doubt: float
    slot_doubts: list[float]
    ties: float
    raw_separations: list[float]
    separations: list[float]

    @property
    def level(self) -> str:
        """In a word: one component, modes, overlap, blurred, switched, settled."""
        worst = max(self.disagreements.values(), default=0.0)
        if self.labellings_possible == 1:
            return "one component" if self.components == 1 else "settled"
        if len(set(self.modes)) > 1:
            return "modes"
        if self.doubt >= LOST_DOUBT or worst >= LOST_DISAGREEMENT:
            return "overlap"
        if self.doubt > CLEAR_DOUBT or worst > CLEAR_DISAGREEMENT:
            return "blurred"
        return "switched" if self.labellings_visited > 1 else "settled"

    @property
    def confused(self) -> list[int]:
        """Slots that exchange places: more doubt or disagreement than a clear labelling has."""
        pairs = zip(self.slot_doubts, self.slot_disagreements, strict=True)
        return [k for k, (d, a) in enumerate(pairs) if d > CLEAR_DOUBT or a > CLEAR_DISAGREEMENT]

    @property
    def sentences(self) -> list[str]:
        """What was found, and what to do about it."""
        if self.components == 1:
            return ["One component: there are no labels to switch, and nothing to do."]
        if self.labellings_possible == 1:
            return ["Every component is of a class of its own: no label is arbitrary, and nothing is to be renamed."]
        return [self._seen(), *self._worse(), *self._in_modes(), *self._in_overlap(), self._advice()]

    @property
    def spoiled(self) -> list[int]:
        """Chains whose components the sampler's own labels keep further apart than `method` does."""
        pairs = zip(self.raw_separations, self.separations, self.switches, strict=True)
        return [chain for chain, (raw, new, moved) in enumerate(pairs) if moved and raw > max(APART, SPOILED * new)]

    def summary(self) -> str:
        """A few lines to print."""
        what = f"{self.chains} x {self.draws} draws of {_counted(self.components, 'component')}"
        lines = [f"labels of {what}, by {self.method}"]
        if self.labellings_possible > 1:
            lines += ["  chain  switches  mode" + ("  mean log posterior" if self.log_posterior else "")]
            for chain in range(self.chains):
                height = f"  {self.log_posterior[chain]:.2f}" if self.log_posterior else ""
                end = self.mode_log_posterior[chain] if self.mode_log_posterior else None
                top = "" if end is None else f"  (EM from its end: {end:.2f})"
                lines.append(f"  {chain:>5}  {self.switches[chain]:>8}  {self.modes[chain]:>4}{height}{top}")
            shares = list(self.labelling_shares.items())
            listed = ", ".join(f"[{name}] {share:.1%}" for name, share in shares[:SHOWN])
            more = f", and {self.labellings_visited - SHOWN} more" if self.labellings_visited > SHOWN else ""
            lines.append(f"  labellings: {listed}{more}")
            pairs = ", ".join(f"{pair} {share:.1%}" for pair, share in self.disagreements.items())
            lines.append(f"  expected share of wrong labels {self.doubt:.2%}, ties {self.ties:.2%}")
            lines += [f"  disagreement of algorithms: {pairs}"] if pairs else []
        return "\n".join([*lines, *(f"  {sentence}" for sentence in self.sentences)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the level and the sentences."""
        return {
            **asdict(self),
            "level": self.level,
            "confused": self.confused,
            "spoiled": self.spoiled,
            "sentences": self.sentences,
        }

    def _seen(self) -> str:
        visited = f"{self.labellings_visited} of the {self.labellings_possible} labellings occur"
        moved = [chain for chain, count in enumerate(self.switches) if count]
        if self.labellings_visited == 1:
            return "All draws are under one labelling; no chain changed it."
        if not moved:
            return f"No chain changed its labelling, and {visited}: the chains sit under different labels."
        total, chains = sum(self.switches), _counted(len(moved), "chain")
        return f"By {self.method} the labelling changed {_counted(total, 'time')} within {chains}; {visited}."

    def _worse(self) -> list[str]:
        if not self.spoiled:
            return []
        where = f"chain{'' if len(self.spoiled) == 1 else 's'} {', '.join(map(str, self.spoiled))}"
        return [
            f"In {where} the sampler's own labels keep the components further apart than {self.method} does: there the "
            f"labels did not switch, and it is {self.method} that errs. Use another method, or name the allocations."
        ]

    def _in_modes(self) -> list[str]:
        if len(set(self.modes)) == 1:
            return []
        parts = []
        for mode in sorted(set(self.modes)):
            members = [chain for chain, m in enumerate(self.modes) if m == mode]
            name = f"{'chain' if len(members) == 1 else 'chains'} {', '.join(map(str, members))}"
            parts.append(name + self._height(members))
        return [
            f"{len(set(self.modes))} modes that are no relabellings of one another: {'; '.join(parts)}. These draws "
            "cannot say how much of the posterior lies in each."
        ]

    def _height(self, members: list[int]) -> str:
        ends = [self.mode_log_posterior[c] for c in members] if self.mode_log_posterior else []
        known = [end for end in ends if end is not None]
        if known:
            return f" (EM from there ends at a log posterior of {max(known):.2f})"
        if self.log_posterior is None:
            return ""
        return f" (mean log posterior {sum(self.log_posterior[c] for c in members) / len(members):.2f})"

    def _in_overlap(self) -> list[str]:
        worst = max(self.disagreements, key=lambda pair: self.disagreements[pair], default="")
        share = self.disagreements.get(worst, 0.0)
        if self.doubt <= CLEAR_DOUBT and share <= CLEAR_DISAGREEMENT:
            return []
        which = f"Components {_listed(self.confused)} overlap" if len(self.confused) > 1 else "Components overlap"
        signs = [f"at least {self.doubt:.1%} of the draws must be expected to bear a wrong label"]
        if worst:
            signs.append(f"{worst.replace(' / ', ' and ')} label {share:.1%} of the draws differently")
        return [f"{which}: {', and '.join(signs)}."]

    def _advice(self) -> str:
        return {
            "modes": "Means over all chains mean nothing, relabelled or not: run more or longer chains, and look at "
            "each mode by itself.",
            "overlap": "Component-wise means mean little even after relabelling: report the density, the co-clustering "
            "matrix and a point partition, which need no labels, or use fewer components or a prior that tells them "
            "apart.",
            "blurred": "Relabel, and read the means of these components with care: they are drawn towards one another.",
            "switched": "Relabel before summarising by component; the margins are clear, and the algorithms agree.",
            "settled": "Component-wise summaries can be read as they are.",
        }[self.level]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _listed(slots: list[int]) -> str:
    return f"{', '.join(map(str, slots[:-1]))} and {slots[-1]}"
