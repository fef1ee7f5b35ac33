"""All relabelling algorithms on draws of known labels: how many come back, what that does to means, and the seconds.

    python tests/benchmarks/relabelling.py > reports/benchmarks/relabelling.md

Draws are those of `label_known_draws`, every one under a random label; none of the algorithms is told which. A draw is
recovered where its labels are those it had, up to one renaming of all draws together. The shift is the largest distance
between a component-wise posterior mean after relabelling and that of the straight draws, in posterior standard
deviations. The
first two tables decide the default of `relabel`; on the third rest the limits of `diagnose_labels`.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from time import perf_counter

import numpy as np
from label_known_draws import Case, crossed, simulate
from scipy.special import softmax

from emvsbayes.core.alignment import assignment
from emvsbayes.core.checks import Array, Integers
from emvsbayes.relabelling import METHODS, diagnose_draws, relabel_draws
from emvsbayes.relabelling.disagreement import disagreement

APART = (1.0, 1.25, 1.5, 2.0, 3.0)
SHAPES = [(k, rows * k, equal) for k in (2, 3, 4, 5, 6) for rows, equal in ((15, True), (50, True), (50, False))]
SEEDS = (1, 2)
ALL = {
    "constraint": {},
    "pra": {},
    "ecr, best draw": {"method": "ecr"},
    "ecr, EM fit": {"method": "ecr"},
    "ecr-iterative-1": {},
    "ecr-iterative-2": {},
    "stephens": {},
    "stephens, EM fit": {"method": "stephens"},
    "data-based": {},
    "sjw, moments": {"method": "sjw"},
    "sjw, parameters": {"method": "sjw"},
}
GOALS = {"constraint": 0.1, "pra": 0.1, "data-based": 10.0, "sjw": 10.0}


def relabelled(name: str, case: Case) -> Integers:
    """Permutations by one algorithm."""
    options = {"method": name, **ALL[name], **case.arguments()}
    if name.endswith("EM fit"):
        options["pivot"] = case.fit.responsibilities
    if name == "sjw, parameters":
        options["probabilities_at"] = case.probabilities_at
    return relabel_draws(**options).permutations


def wrong(case: Case, permutations: Integers) -> float:
    """The share of draws that are not recovered."""
    back = np.take_along_axis(case.turns, permutations, axis=1)
    return disagreement(back, np.broadcast_to(np.arange(back.shape[1]), back.shape))[0]


def shift(case: Case, permutations: Integers) -> float:
    """The largest shift of a component-wise mean, in posterior standard deviations, under the best renaming."""
    back = np.take_along_axis(case.turns, permutations, axis=1)
    s, k = back.shape
    straight = np.concatenate([value.reshape(s, k, -1) for value in case.straight.values()], axis=2)
    found = np.take_along_axis(straight, back[..., None], axis=1).mean(axis=0)
    apart = np.abs(found[:, None] - straight.mean(axis=0)) / straight.std(axis=0)
    slots = assignment(-(apart**2).sum(axis=2))
    return float(apart[slots, np.arange(k)].max())


def accuracy() -> tuple[dict[str, dict[float, list[tuple[float, float]]]], list[tuple[float, ...]]]:
    """(wrong, shift) of every algorithm by distance; and (doubt, disagreement, wrong, shift) of every case."""
    found = {name: {apart: [] for apart in APART} for name in ALL}
    signs = []
    for k, rows, equal in SHAPES:
        for apart in APART:
            for seed in SEEDS:
                case = simulate(k, apart, rows, equal=equal, draws=300, seed=seed)
                moves = {name: relabelled(name, case) for name in ALL}
                for name, permutations in moves.items():
                    found[name][apart].append((wrong(case, permutations), shift(case, permutations)))
                said = diagnose_draws(**{n: v for n, v in case.arguments().items() if n not in ("data", "allocations")})
                stephens = moves["stephens"]
                doubts = (said.doubt, max(said.disagreements.values()), wrong(case, stephens), shift(case, stephens))
                signs.append(doubts)
    return found, signs


def shapes() -> dict[str, list[float]]:
    """Shares recovered of two crossed components, by algorithm."""
    cases = [crossed(rows, seed=seed) for rows in (60, 200) for seed in SEEDS]
    return {name: [1 - wrong(case, relabelled(name, case)) for case in cases] for name in ALL}


def timed(draws: int = 4000, rows: int = 1000, k: int = 5) -> dict[str, float]:
    """Seconds of one start of every method on draws of the size that the goals name; medians of five."""
    rng = np.random.default_rng(0)
    means = 3.0 * np.arange(k)[:, None] + rng.normal(size=(draws, k, 2)) * 0.2
    x = 3.0 * (np.arange(rows) % k)[:, None] + rng.normal(size=(rows, 2))
    turns = np.array([rng.permutation(k) for _ in range(draws)])
    means = np.take_along_axis(means, turns[..., None], axis=1)
    r = np.empty((draws, rows, k))
    for s in range(draws):
        r[s] = softmax(-0.5 * ((x[:, None] - means[s]) ** 2).sum(axis=2), axis=1)
    z = (r.cumsum(axis=2) < rng.random((draws, rows, 1))).sum(axis=2).clip(0, k - 1)
    given = {"probabilities": r, "allocations": z, "data": x, "n_starts": 1}
    out = {}
    for name in METHODS:
        seconds = []
        for _ in range(5):
            start = perf_counter()
            relabel_draws({"means": means}, method=name, **given)
            seconds.append(perf_counter() - start)
        out[name] = float(np.median(seconds))
    return out


def print_shapes() -> None:
    print("\n## Two components about one centre, correlated 0.9 and -0.9 (60 and 200 rows, two data sets each)\n")
    print("| algorithm | recovered, mean | worst |")
    print("| --- | ---: | ---: |")
    for name, right in shapes().items():
        print(f"| {name} | {np.mean(right):.1%} | {min(right):.1%} |")


def quantile(values: list[float], share: float) -> float:
    return float(np.quantile(values, share))


def main() -> None:
    """Print the page."""
    found, signs = accuracy()
    cases = len(SHAPES) * len(SEEDS)
    print("# Relabelling: eight algorithms on draws of known labels\n")
    print(
        "Mixtures of K = 2 to 6 unit normals in the plane, neighbours on a ring 1 to 3 standard deviations apart, of\n"
        f"15 or 50 rows a component, equal and unequal weights: {cases} cases at each distance, 300 draws each, from\n"
        "the normal approximation to the posterior at the MAP fit (one copy: labels are known), under random labels.\n"
    )
    print("## Share of draws recovered (mean over cases; in brackets the worst tenth)\n")
    print("| algorithm | " + " | ".join(f"{apart:g} sd" for apart in APART) + " | mean shift of a mean, sd |")
    print("| --- |" + " ---: |" * (len(APART) + 1))
    for name, by in found.items():
        cells = []
        for apart in APART:
            right = [1 - w for w, _ in by[apart]]
            cells.append(f"{np.mean(right):.1%} ({quantile(right, 0.1):.0%})")
        cells.append(f"{np.mean([s for apart in APART for _, s in by[apart]]):.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    print_shapes()
    print("\n## The signs of overlap (stephens, beside pra)\n")
    print("| doubt, disagreement | cases | wrong labels, median (90 %) | shift of a mean in sd, median (90 %) |")
    print("| --- | ---: | ---: | ---: |")
    table = np.array(signs)
    lost = (table[:, 0] >= 0.05) | (table[:, 1] >= 0.10)
    clear = (table[:, 0] <= 0.01) & (table[:, 1] <= 0.05)
    rows: list[tuple[str, Array]] = [
        ("at most 0.01 and at most 0.05: clear", clear),
        ("between", ~clear & ~lost),
        ("0.05 or more, or 0.10 or more: overlap", lost),
    ]
    for name, which in rows:
        w, s = table[which, 2].tolist(), table[which, 3].tolist()
        print(
            f"| {name} | {which.sum()} | {quantile(w, 0.5):.1%} ({quantile(w, 0.9):.1%}) | "
            f"{quantile(s, 0.5):.2f} ({quantile(s, 0.9):.2f}) |"
        )
    print("\n## Seconds for one start: 4000 draws, N = 1000, K = 5, one thread\n")
    print("| method | seconds (median of 5) | goal |")
    print("| --- | ---: | ---: |")
    for name, seconds in timed().items():
        print(f"| {name} | {seconds:.2f} | {GOALS.get(name, 2.0):g} |")
    names = ("numpy", "scipy", "emvsbayes")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(
        f"\nPython {platform.python_version()}, {versions}, {platform.machine()}; the machine did other work at the "
        "same time:\nseconds are upper bounds.\n`python tests/benchmarks/relabelling.py` makes this page."
    )


if __name__ == "__main__":
    main()
