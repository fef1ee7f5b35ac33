"""The numbers to reach, held against what was measured; where one is missed, what bounds it, by rates of the same run.

Ratios are those of both sides on all processors, as medians over the repeats. A goal is about the sizes that it names:
in a quick run, whose sizes are smaller, none is decided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from statistics import geometric_mean

import msgspec

from bench import floors, peers
from bench.records import Goal, Row, Side, Table, Value
from bench.tables.others import BITS
from bench.tables.sampling import FUSED, PLAIN
from bench.words import duration, times
from emvsbayes.report import format as fmt

MISSING = "not measured"


def goals(tables: Sequence[Table], rates: Sequence[Value], quick: bool) -> list[Goal]:
    """Every goal, in the order in which they were set."""
    by_name = {table.name: table for table in tables}
    found = [goal for name, decide in DECIDED.items() for goal in _decided(by_name.get(name), decide, rates)]
    return [msgspec.structs.replace(g, reached=None) for g in found] if quick else found


def _decided(table: Table | None, decide: Callable[..., list[Goal]], rates: Sequence[Value]) -> list[Goal]:
    return decide(table or Table("", "", []), rates)


def gaussian(table: Table, rates: Sequence[Value]) -> list[Goal]:
    """Ten times on average and four in every row; four times mixle at (8, 8)."""
    work = "Gaussian mixture, full, a pass, N = 100 000, (D, K) = (1, 2) (2, 3) (8, 8) (16, 10) (64, 10)"
    ratios = [(row, side.ratio.median) for row in table.rows if (side := row.side(peers.SKLEARN)) and side.ratio]
    wanted = "at least 10 times faster than scikit-learn (geometric mean), no row under 4"
    beside = "at least 4 times faster than mixle at (8, 8)"
    if not ratios or len(ratios) < len(table.rows):
        return [Goal(work, wanted, MISSING, None), Goal(work, beside, MISSING, None)]
    mean, (worst, least) = geometric_mean([ratio for _, ratio in ratios]), min(ratios, key=lambda pair: pair[1])
    reached = mean >= 10 and least >= 4
    measured = f"{times(mean)}; least {times(least)}, at D = {worst.sizes['D']}, K = {worst.sizes['K']}"
    alone = [s.ratio.median for row in table.rows if (s := row.side(peers.SKLEARN, single=True)) and s.ratio]
    measured += f"; one thread each: {times(geometric_mean(alone))}, least {times(min(alone))}" if alone else ""
    first = Goal(work, wanted, measured, reached, "" if reached else bound(worst, rates))
    mixle = next((r.side(peers.MIXLE) for r in table.rows if (r.sizes["D"], r.sizes["K"]) == (8, 8)), None)
    if mixle is None or mixle.ratio is None:
        return [first, Goal(work, beside, (mixle.note if mixle else "") or MISSING, None)]
    return [first, Goal(work, beside, times(mixle.ratio.median), mixle.ratio.median >= 4)]


def bound(row: Row, rates: Sequence[Value]) -> str:
    """How far each side is from the floor of this row: no method can be faster than scikit-learn by more than that."""
    parts = floors.gaussian(row.sizes, rates)
    above = [side.time.median / floors.least(parts) for side in row.sides[:2] if side.time is not None]
    return (
        f"At D = {row.sizes['D']}, K = {row.sizes['K']} the products alone take {duration(parts['products'])} at this "
        f"machine's rate for large ones, the exponentials {duration(parts['exp'])} and reading "
        f"{duration(parts['reading'])}. Our pass takes {times(above[0])} that floor, scikit-learn's {times(above[1])}: "
        "no method could be faster than it by more than the latter."
    )


def climb(table: Table, rates: Sequence[Value]) -> list[Goal]:
    """Twenty times, accelerated."""
    work = "to within 10⁻⁸ nats per observation of the optimum, three Gaussians 1.5 sd apart, N = 100 000, accelerated"
    row = next((row for row in table.rows if row.unit == "to the gap"), None)
    side = row.side(peers.SKLEARN) if row else None
    return [_ratio(work, "at least 20 times faster than scikit-learn", side, 20)]


def bernoulli(table: Table, rates: Sequence[Value]) -> list[Goal]:
    """Four times two products, and 2.5 times the lowest of three floors."""
    work = "Bernoulli mixture, 60 000 x 784, K = 10, a pass"
    row = table.rows[0] if table.rows else None
    side = row.sides[1] if row else None
    first = _ratio(work, "at least 4 times faster than two plain float64 products in NumPy", side, 4)
    wanted = "within 2.5 times of its own floor"
    parts = {name: value for name in floors.BERNOULLI if (value := table.value(name)) is not None}
    if row is None or row.sides[0].time is None or len(parts) < len(floors.BERNOULLI):
        return [first, Goal(work, wanted, MISSING, None)]
    by_look_up, by_masks, by_products = floors.bernoulli(parts, rates)
    floor = min(by_look_up, by_masks, by_products)
    above = row.sides[0].time.median / floor
    measured = (
        f"{times(above)} the floor of {duration(floor)}: the lowest of {duration(by_look_up)} for the additions of a "
        f"method that looks {BITS} bits up at a time, {duration(by_masks)} where the statistics are added under masks "
        f"of {BITS} bits, and {duration(by_products)} for both products in float32, each with the exponentials"
    )
    read = (table.value("bytes read") or 0.0) / floors.rate(rates, floors.MEMORY)
    why = (
        f"Reading the bits takes {duration(read)} and bounds nothing. No floor counts what feeds the additions or "
        "products: loading tables, masks and sums, or unpacking bits and products with few columns."
    )
    return [first, Goal(work, wanted, measured, above <= 2.5, "" if above <= 2.5 else why)]


def kmeans(table: Table, rates: Sequence[Value]) -> list[Goal]:
    """Not slower, at whichever algorithm of theirs is quicker."""
    work, wanted = "K-means, 200 000 x 16, K = 20, same start and iterations", "not slower than scikit-learn"
    found = [(side.ratio.median, row, side) for row in table.rows for side in row.sides[1:] if side.ratio]
    if not found:
        return [Goal(work, wanted, MISSING, None)]
    least, row, side = min(found, key=lambda item: item[0])
    measured = f"their time is {times(least)} ours at the least ({row.work}, {side.name})"
    alone = [s.ratio.median for row in table.rows for s in row.single[1:] if s.ratio]
    measured += f"; one thread each: {times(min(alone))} at the least" if alone else ""
    n, d, k = (row.sizes[name] for name in "NDK")
    distances, ours = 2.0 * n * d * k / floors.rate(rates, floors.PRODUCTS), row.sides[0].time
    why = (
        f"All distances alone take {duration(distances)} at the rate of large products, reading the rows "
        f"{duration(8.0 * n * d / floors.rate(rates, floors.MEMORY))}; our pass takes "
        f"{duration(ours.median if ours else None)}, and theirs computes distances as a product."
    )
    return [Goal(work, wanted, measured, least >= 1, "" if least >= 1 else why)]


def small(table: Table, rates: Sequence[Value]) -> list[Goal]:
    """Forty microseconds a pass, a tenth of a second a fit."""
    work, a_pass = "small data, 272 x 2, K = 2", table.value("a pass of a long run")
    fits = next((row.sides[0].time for row in table.rows if row.unit == "a fit"), None)
    parts = floors.gaussian({"N": 272, "D": 2, "K": 2}, rates)
    why = (
        f"Products and exponentials of a pass take {duration(parts['products'] + parts['exp'])}: the rest is what "
        "calls from Python cost."
    )
    return [
        _below(work, "a pass under 40 µs", a_pass, 40e-6, why),
        _below(work, "a fit of 20 starts under 0.1 s", fits.median if fits else None, 0.1, why),
    ]


def large(table: Table, rates: Sequence[Value]) -> list[Goal]:
    """Memory of a chunk, and a straight line."""
    work = "a chunked fit of 10⁷ x 8 rows"
    above, r2 = table.value("memory above a chunk"), table.value("R² of a straight line")
    held, linear = "under 500 MB above the chunk", "time linear in N (R² > 0.99)"
    return [
        Goal(work, held, MISSING if above is None else f"{above:.0f} MB", None if above is None else above < 500),
        Goal(work, linear, MISSING if r2 is None else f"R² = {r2:.4f}", None if r2 is None else r2 > 0.99),
    ]


def sampling(table: Table, rates: Sequence[Value]) -> list[Goal]:
    """The first posterior, and effective draws."""
    work = "Old Faithful, first posterior of 4 x 1000 draws"
    cold, warm = (next((v for v in table.values if v.name == f"first posterior, {kind} caches"), None)
                  for kind in ("cold", "warm"))  # fmt: skip
    side = table.rows[0].side(PLAIN) if table.rows and table.rows[0].sides[0].name == FUSED else None
    return [
        _below(work, "under 30 s with cold caches", cold.value if cold else None, 30.0, cold.note if cold else ""),
        _below(work, "under 8 s with warm caches", warm.value if warm else None, 8.0, warm.note if warm else ""),
        _ratio("ESS per second at N = 20 000, D = 2, K = 2", "at least 5 times the plain twin", side, 5),
    ]


def _ratio(work: str, wanted: str, side: Side | None, least: float) -> Goal:
    if side is None or side.ratio is None:
        return Goal(work, wanted, (side.note if side else "") or MISSING, None)
    ratio = side.ratio
    measured = f"{times(ratio.median)} (quartiles {fmt.number(ratio.low, 3)} to {fmt.number(ratio.high, 3)})"
    return Goal(work, wanted, measured, ratio.median >= least)


def _below(work: str, wanted: str, value: float | None, most: float, why: str) -> Goal:
    if value is None:
        return Goal(work, wanted, MISSING, None)
    return Goal(work, wanted, duration(value), value < most, "" if value < most else why)


DECIDED = {
    "gaussian": gaussian,
    "climb": climb,
    "bernoulli": bernoulli,
    "kmeans": kmeans,
    "small": small,
    "large": large,
    "sampling": sampling,
}


def verdict(found: Sequence[Goal], tables: Sequence[Table], quick: bool) -> list[str]:
    """What the page says first."""
    decided = [g for g in found if g.reached is not None]
    missed = [g for g in decided if not g.reached]
    open_ = [g for g in found if g.reached is None]
    if quick:
        return ["A quick run on small data: ratios are shown, and no goal is decided."]
    sentences = [f"{len(decided) - len(missed)} of {len(decided)} goals that were measured are reached."]
    if missed:
        words = (f"{g.work.split(',')[0]}, {g.goal}: {headline(g)}" for g in missed)
        sentences[0] += f" Missed: {'; '.join(words)}."
    if open_:
        sentences[0] += f" Not measured: {len(open_)}."
    for beginning, words in FIRST.items():
        goal = next((g for g in decided if g.work.startswith(beginning)), None)
        sentences += [f"{words}: {goal.measured}."] if goal else []
    return sentences


def headline(goal: Goal) -> str:
    """The number of a goal, without what explains it."""
    return re.split(r"[;:(]", goal.measured)[0].strip()


FIRST = {
    "Gaussian mixture": "A pass of a Gaussian mixture, their time over ours beside scikit-learn",
    "to within": "To the optimum where EM is slow, accelerated, their time over ours beside scikit-learn",
}
