"""The benchmark: every table in turn, to a page and a file of numbers.

    make bench                                    everything, about a quarter of an hour
    make bench ARGS="gaussian kmeans"             these tables only, the others kept from the last run's results.json
    make bench ARGS=--quick OUT=/tmp/reports      small sizes, a few minutes: that it works, not how fast it is
    make bench ARGS=--page                        the page again, from the numbers there are

The run ends with 1 where a side ended at another objective than ours, and says which.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import msgspec

from bench import machine, page, peers, records
from bench.goals import goals, verdict
from bench.harness import disagreements
from bench.records import Results, Table, Value
from bench.registry import TABLES
from bench.words import amount, times
from emvsbayes.studies.saving import write_gallery, write_text

TITLE = "Speed: EM beside other packages"
RESULTS, PAGE = "results.json", "index.html"


def main(words: list[str] | None = None) -> int:
    """Measure, write, and say what was found."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"which tables: {', '.join(TABLES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--page", action="store_true", help="measure nothing, draw the page again")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder of the reports")
    asked = parser.parse_args(words)
    if unknown := [name for name in asked.tables if name not in TABLES]:
        parser.error(f"there is no table {unknown[0]}; there are {', '.join(TABLES)}.")
    folder = asked.out / records.KIND
    before = records.read(folder / RESULTS) if (folder / RESULTS).is_file() else None
    results = before
    if asked.page:
        if before is None:
            parser.error(f"{folder / RESULTS} does not exist; run the benchmark first.")
        results = msgspec.structs.replace(
            before, goals=(found := goals(before.tables, before.rates, before.quick)),
            verdict=verdict(found, before.tables, before.quick),
        )  # fmt: skip
        write_text(results.to_json().decode(), folder / RESULTS)
    else:
        for results in measured(asked.tables or list(TABLES), asked.quick, before if asked.tables else None):
            write_text(results.to_json().decode(), folder / RESULTS)  # an interrupted run keeps what it has
    assert results is not None  # there is at least one table
    print(f"page: {write_text(page.render(results), folder / PAGE)}")
    write_gallery(asked.out, print)
    for sentence in results.verdict:
        print(sentence)
    wrong = disagreements([row for table in results.tables for row in table.rows])
    wrong += [f"{t.name}: {line}" for t in results.tables for line in t.text if line.startswith("FAILED")]
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return 1 if wrong else 0


def measured(names: list[str], quick: bool, before: Results | None) -> Iterator[Results]:
    """The results so far after each table asked for, in the order of the page; the others from a run before."""
    tables = {t.name: t for t in before.tables} if before is not None and before.quick == quick else {}
    for name, why in peers.absent().items():
        print(f"{name}: {why}", flush=True)
    described = machine.described()
    print(f"the machine: {', '.join(described.values())}", flush=True)
    rates, run = machine.rates(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    for number, name in enumerate((name for name in TABLES if name in names), 1):
        print(f"{number}/{len(set(names))} {name}", flush=True)
        began = perf_counter()
        try:
            table = TABLES[name](quick)
        except Exception as error:  # the other tables are not thrown away for one
            traceback.print_exc()
            table = Table(name, name, [f"FAILED: {type(error).__name__}: {error}"])
        tables[name] = msgspec.structs.replace(table, took=round(perf_counter() - began, 1), run=run)
        report(tables[name])
        yield gathered([tables[t] for t in TABLES if t in tables], rates, described, quick)


def gathered(tables: list[Table], rates: list[Value], described: dict[str, str], quick: bool) -> Results:
    """Tables with their goals and all that the page says of the run."""
    found = goals(tables, rates, quick)
    return Results(
        title=TITLE,
        verdict=verdict(found, tables, quick),
        quick=quick,
        machine=described,
        versions=machine.versions(),
        absent=peers.absent(),
        rates=rates,
        tables=tables,
        goals=found,
    )


def report(table: Table) -> None:
    """The rows of a table as they come."""
    for row in table.rows:
        for side in row.sides:
            time = amount(side.time.median if side.time else None, row)
            ratio = f"  {times(side.ratio.median)} ours" if side.ratio else ""
            print(f"   {row.work}: {side.name}: {time}{ratio}  {side.note}".rstrip(), flush=True)
    print(f"   took {table.took:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
