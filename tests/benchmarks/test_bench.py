"""The harness of the benchmark itself: turns, medians, agreement, goals and the page, on next to no data."""

import json
import re
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from bench import __main__ as command
from bench import floors, goals, harness, page, peers, records
from bench.harness import Absent, Entrant, contest, disagreements, interleave, quartiles, race
from bench.records import Quartiles, Results, Row, Side, Table, Trace, Value
from bench.tables import climb, memory, mixtures, out_of_core, sampling

from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.esteps import Hard
from emvsbayes.core.schedules import Batch
from emvsbayes.problem import pose
from emvsbayes.studies.saving import write_gallery
from emvsbayes.vb.fitting import adapt

RATES = [
    Value(floors.PRODUCTS, 100.0, "GFLOP/s"),
    Value(floors.SINGLES, 200.0, "GFLOP/s"),
    Value(floors.MEMORY, 20.0, "GB/s"),
    Value(floors.EXP, 0.5, "ns an element"),
]


def exactly(value):
    return Quartiles(value, value, value)


def entrant(name, objective, calls=None):
    return Entrant(name, lambda: calls.append(name) if calls is not None else None, lambda _: objective)


def row(work, ratio, sizes=None, name=peers.SKLEARN, **more):
    sides = [Side(peers.OURS, exactly(0.001)), Side(name, exactly(0.001 * ratio), exactly(ratio), 0.0)]
    return Row(work, sizes or {"N": 100_000, "D": 8, "K": 8}, sides, repeats=5, **more)


def results(tables, quick=False):
    return command.gathered(tables, RATES, {"processor": "a test"}, quick)


def test_sides_run_in_turn_and_each_repeat_begins_with_the_next():
    calls = []
    works = [lambda side=side: calls.append(side) for side in "abc"]
    times = interleave(works, 4)
    assert times.shape == (4, 3)
    assert "".join(calls) == "abcbcacababc"


def test_ratios_are_medians_of_the_repeats_and_not_ratios_of_medians(monkeypatch):
    seconds = np.array([[1.0, 10.0], [2.0, 12.0], [4.0, 16.0], [1.0, 30.0], [2.0, 40.0]])
    monkeypatch.setattr(harness, "interleave", lambda works, repeats: seconds)
    ours, theirs = race([entrant("ours", -7.0), entrant("theirs", -7.0)], passes=2, per_observation=10)
    assert (ours.time.median, theirs.time.median) == (1.0, 8.0)
    assert (theirs.ratio.low, theirs.ratio.median, theirs.ratio.high) == (6.0, 10.0, 20.0)  # of 10 6 4 30 20
    assert theirs.difference == 0
    assert ours.ratio is None
    assert quartiles([3.0, 1.0, 2.0, 5.0, 4.0], 2.0) == Quartiles(6.0, 4.0, 8.0)


@pytest.mark.parametrize("off", [2e-9, -2e-9, np.nan, np.inf])
def test_a_side_that_ends_elsewhere_is_given_no_time(off):
    calls = []
    found = contest("work", {"N": 10}, [entrant("ours", -7.0), entrant("theirs", -7.0 + 10 * off, calls)], 1)
    assert found.side("theirs").time is None
    assert found.side("theirs").ratio is None
    assert len(calls) == (2 if harness.PROCESSORS > 1 else 1)  # it ran to be compared, and was never timed
    assert all(sentence.startswith("work: theirs DISAGREES") for sentence in disagreements([found]))
    assert len(disagreements([found])) == len(calls)
    assert contest("work", {"N": 10}, [entrant("ours", -7.0), entrant("theirs", -7.0 + 5e-9)], 1).sides[1].ratio


def test_numbers_of_numpy_are_written_as_numbers():
    found = contest("work", {"N": 10}, [entrant("ours", np.float64(-7.0)), entrant("theirs", np.float64(-7.0))], 1)
    text = results([Table("structures", "", [], [found], [Value("one", np.float64(1.5), "")])]).to_json()
    assert json.loads(text)["tables"][0]["values"][0]["value"] == 1.5


def test_a_peer_that_breaks_or_is_missing_is_a_row_and_ours_is_an_error(monkeypatch):
    def breaks():
        raise ValueError("no start")

    sides = [entrant("ours", 1.0), Entrant("theirs", breaks, float), Absent("other", "not installed (no module)")]
    found = contest("work", {"N": 10}, sides, 1, single=False)
    assert found.side("theirs").note == "FAILED: ValueError: no start"
    assert found.side("other").note == "not installed (no module)"
    assert disagreements([found]) == ["work: theirs FAILED: ValueError: no start"]  # a missing peer is no failure
    with pytest.raises(ValueError, match="no start"):
        contest("work", {"N": 10}, [Entrant("ours", breaks, float)], 1)
    monkeypatch.setitem(peers.MODULES, "Nobody", "no_such_module_at_all")
    assert isinstance(peers.present("Nobody", lambda: entrant("Nobody", 0.0)), Absent)
    assert "no_such_module_at_all" in peers.absent()["Nobody"]


def test_threads_are_set_for_everything_and_put_back():
    import numba
    from threadpoolctl import threadpool_info

    from emvsbayes.core.threads import threads

    def now():
        return {m["num_threads"] for m in threadpool_info()}, numba.get_num_threads(), threads()

    before = now()
    with harness.on_threads(1):
        assert now() == ({1}, 1, 1)
    assert now() == before


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_scikit_learn_makes_the_same_passes_from_the_same_start(covariance):
    X, means = mixtures.clouds(400, 3, 2, seed=1)
    problem, start = mixtures.posed(X, means, covariance)
    ours, theirs = peers.ours(problem, start, 4), peers.sklearn_mixture(X, start, covariance, 4)
    height = ours.objective(ours.work())
    assert theirs.objective(theirs.work()) == pytest.approx(height, abs=1e-9)
    fewer = peers.sklearn_mixture(X, start, covariance, 3)
    assert abs(fewer.objective(fewer.work()) - height) > 1e-4  # the check can tell one pass


def test_variational_bayes_of_scikit_learn_ends_where_ours_does():
    X, _ = mixtures.clouds(300, 2, 3, seed=1)
    problem, prior = pose("gaussian_mixture", X, n_components=3), mixtures.vague(X)
    adapter = adapt(problem, prior)
    start, theirs = peers.sklearn_variational(X, problem, adapter, prior, 6, seed=0)
    run = run_em(adapter, problem.data, start, stop=Stop(tol=0, max_passes=6), record=False)
    assert theirs.objective(theirs.work()) == pytest.approx(run.log_likelihood, abs=1e-8)
    later = run_em(adapter, problem.data, start, stop=Stop(tol=0, max_passes=7), record=False)
    assert later.log_likelihood > run.log_likelihood + 1e-4  # the check can tell one pass


@pytest.mark.parametrize("algorithm", ["lloyd", "elkan"])
def test_k_means_of_scikit_learn_ends_where_ours_does(algorithm):
    X, _ = mixtures.clouds(500, 2, 4, seed=1)
    problem = pose("kmeans", X, n_components=4, settings={"variance": 1.0})
    start = problem.family.complete_start({"centers": X[:4]}, problem.data)
    stop = Stop(tol=0, max_passes=4)
    run = run_em(problem.family, problem.data, start, schedule=Batch(Hard()), stop=stop, record=False)
    theirs = peers.sklearn_kmeans(X, X[:4], 4, algorithm)
    assert theirs.objective(theirs.work()) == pytest.approx(problem.family.distortion(run.params, problem.data))


def test_the_operations_of_the_floor_are_those_of_two_triangles():
    d, counted = 5, 0
    for i in range(d):
        for _ in range(i + 1):
            counted += 2 * 2  # a product and a sum, in the density and in the moments
    parts = floors.gaussian({"N": 7, "D": d, "K": 3}, RATES)
    assert parts["products"] == pytest.approx(7 * 3 * counted / 100e9)
    assert parts["exp"] == pytest.approx(7 * 3 * 0.5e-9 / harness.PROCESSORS)
    assert parts["reading"] == pytest.approx(7 * 5 * 8 / 20e9)
    assert floors.least({"products": 2.0, "exp": 1.0, "reading": 2.5}) == 3.0
    assert floors.least({"products": 2.0, "exp": 1.0, "reading": 4.0}) == 4.0


def test_goals_are_decided_by_the_worst_row_and_say_what_bounds_a_missed_one():
    rows = [row("a", 30.0), row("b", 12.0, {"N": 100_000, "D": 64, "K": 10})]
    good, beside = goals.gaussian(Table("gaussian", "", [], rows), RATES)
    assert (good.reached, good.bound, beside.reached) == (True, "", None)
    bad = goals.gaussian(Table("gaussian", "", [], [rows[0], row("b", 3.9, rows[1].sizes)]), RATES)[0]
    assert bad.reached is False  # 10.8 on average, 3.9 at the least
    assert "D = 64" in bad.measured
    assert "the products alone take 83.2\u00a0ms" in bad.bound  # 2 · 10⁵ · 10 · 64 · 65 / 10¹¹ s
    alone = msgspec.structs.replace(rows[0], single=rows[1].sides)
    both = goals.gaussian(Table("gaussian", "", [], [alone]), RATES)[0].measured
    assert both.endswith("one thread each: 12 times, least 12 times")
    assert goals.gaussian(Table("gaussian", "", [], [row("a", 9.9)]), RATES)[0].reached is False
    assert goals.gaussian(Table("gaussian", "", [], [row("a", 5.0, name=peers.MIXLE)]), RATES)[1].reached is None
    slow = Table("small", "", [], [row("fit", 3.0, unit="a fit")], [Value("a pass of a long run", 41e-6, "s")])
    assert [g.reached for g in goals.small(slow, RATES)] == [False, True]
    line = Table(
        "large", "", [], [], [Value("memory above a chunk", 499.0, "MB"), Value("R² of a straight line", 0.98, "")]
    )
    assert [g.reached for g in goals.large(line, RATES)] == [True, False]
    assert all(g.reached is None for g in goals.goals([line], RATES, quick=True))
    assert len(goals.goals([], RATES, quick=False)) == 13


def test_the_verdict_counts_goals_and_names_the_missed_in_a_few_words():
    sentences = small_results().verdict
    assert sentences[0] == (
        "1 of 2 goals that were measured are reached. Missed: Gaussian mixture, at least 10 times faster than "
        "scikit-learn (geometric mean), no row under 4: 6 times. Not measured: 11."
    )
    assert sentences[2].startswith("To the optimum where EM is slow")
    assert small_results(quick=True).verdict == ["A quick run on small data: ratios are shown, and no goal is decided."]


def test_the_call_is_no_part_of_the_time_of_an_element():
    """Bug: at 1000 elements most of the time was that of the call, and the floor by look-up five times too high."""
    from time import perf_counter

    from bench.machine import LONG, SHORT, per_element

    def slow(near, out):
        end = perf_counter() + 3e-6 + near.size * 5e-9
        while perf_counter() < end:
            pass

    assert 4e-9 < per_element(slow) < 7.5e-9
    assert LONG * 16 < 32_000
    assert SHORT < LONG


def test_sums_under_masks_take_some_time_and_no_more_than_additions_one_by_one():
    from bench.tables.others import per_masked_addition

    assert 1e-12 < per_masked_addition() < 5e-9


def test_the_bernoulli_floor_is_the_lowest_of_three():
    work = Row("one pass", {"N": 1}, [Side(peers.OURS, exactly(0.024)), Side("products", exactly(0.1), exactly(4.2))])
    values = [
        Value("logits by look-up", 0.003, "s"),
        Value("statistics by look-up", 0.006, "s"),
        Value("statistics under masks", 0.020, "s"),
        Value("operations of two products", 4e9, "operations"),  # 20 ms at 200 GFLOP/s
        Value("exponentials", 0.001, "s"),
        Value("bytes read", 1e6, "bytes"),
    ]
    first, second = goals.bernoulli(Table("bernoulli", "", [], [work], values), RATES)
    assert first.reached
    assert second.reached  # 24 ms are 2.4 times 9 + 1
    assert second.measured.startswith("2.40 times the floor of 10")
    masked = [Value(v.name, v.value / 10, v.unit) if "masks" in v.name else v for v in values]
    missed = goals.bernoulli(Table("bernoulli", "", [], [work], masked), RATES)[1]
    assert missed.measured.startswith("4 times the floor of 6")  # 3 + 2 + 1
    assert not missed.reached


def test_a_climb_is_stamped_sweep_by_sweep_and_ends_at_the_gap():
    X = climb.triangle(600)
    problem, start = mixtures.posed(X, np.array([[0.2, 0.1], [1.2, 0.2], [0.7, 1.1]]))
    target = run_em(problem.family, problem.data, start, stop=Stop(tol=0, max_passes=30)).log_likelihood
    paths = climb.stamps(problem, start, None, target - 1e-9, 100)
    assert len(paths) == climb.REPEATS
    assert {len(path) for path in paths} == {31}  # the E-step at the start, and 30 passes
    steps = run_em(problem.family, problem.data, start, stop=Stop(tol=0, max_passes=30)).trace
    explicit = [step.log_likelihood for step in steps if step.half == "E"]
    assert [height for _, height in paths[0]] == pytest.approx(explicit, abs=1e-8)
    short = climb.stamps(problem, start, None, target, 10)
    assert len(short) == 1  # too far away: not repeated
    assert climb.arrival(short[0], target) is None
    drawn = climb.trace("plain", paths, target, 600)
    assert (drawn.passes, drawn.arrived) == (30, sorted(p[-1][0] for p in paths)[2])
    assert climb.thinned(5) == [0, 1, 2, 3, 4]
    assert len(climb.thinned(100_000)) <= climb.POINTS


def test_tables_of_a_later_run_are_named():
    results = small_results()
    assert "later run" not in page.render(results)
    again = [msgspec.structs.replace(t, run="2000-01-02 10:00" if i else "2000-01-01 10:00")
             for i, t in enumerate([*results.tables, *results.tables])]  # fmt: skip
    named = page.later_runs(msgspec.structs.replace(results, tables=again))
    assert again[1].name in named
    assert named in page.render(msgspec.structs.replace(results, tables=again))


def test_samplers_are_compared_by_a_moment_that_knows_no_label():
    rng = np.random.default_rng(0)
    weights, means = rng.dirichlet([2.0, 2.0, 2.0], (2, 40)), rng.normal(size=(2, 40, 3, 2))
    roots = rng.normal(size=(2, 40, 3, 2, 2))
    found = {"weights": weights, "means": means, "covariances": roots @ np.swapaxes(roots, -1, -2)}
    moment = sampling.second_moment(found)
    assert moment.shape == (2, 40)
    turned = {name: values[:, :, [2, 0, 1]] for name, values in found.items()}
    assert sampling.second_moment(turned) == pytest.approx(moment)
    of = rng.choice(3, 400_000, p=weights[0, 0])  # rows of the mixture of the first draw
    rows = means[0, 0][of] + np.einsum("nij,nj->ni", roots[0, 0][of], rng.normal(size=(400_000, 2)))
    assert (rows**2).sum(axis=1).mean() == pytest.approx(moment[0, 0], rel=0.01)
    assert sampling.ess(rng.normal(size=(4, 500))) == pytest.approx(2000, rel=0.2)
    slow = np.repeat(rng.normal(size=(4, 50)), 10, axis=1)  # every draw ten times
    assert sampling.least_ess(np.stack([slow, rng.normal(size=(4, 500))], axis=-1)) < 500


def test_a_sampler_of_another_posterior_is_given_no_time():
    def side(name, height, cost):
        return sampling.Sampler(name, 1.0, lambda seed: sampling.Drawn(cost, height + 0.01 * seed, 0.1))

    near = sampling.contest([side("ours", 3.0, 0.1), side("plain", 3.2, 0.7)], 100, 5)
    assert near.sides[1].ratio.median == pytest.approx(7.0)
    assert near.sides[1].difference == pytest.approx(0.2)  # five standard errors of five runs each: 0.32
    far = sampling.contest([side("ours", 3.0, 0.1), side("plain", 3.4, 0.7)], 100, 5)
    assert far.sides[1].time is None
    assert len(disagreements([far])) == 1
    alone = sampling.contest([Absent("ours", "not here"), side("plain", 3.0, 0.7)], 100, 5)
    assert alone.sides[1].ratio is None
    assert goals.sampling(Table("sampling", "", [], [alone]), RATES)[2].reached is None


def test_memory_is_compared_only_at_the_same_objective():
    found = {peers.OURS: (100.0, -5.0), peers.SKLEARN: (300.0, -5.0), peers.MIXLE: (50.0, -4.0)}
    made = memory.row(found, 10)
    assert made.side(peers.SKLEARN).ratio == exactly(3.0)
    assert made.side(peers.MIXLE).time is None
    assert len(disagreements([made])) == 1


def test_the_peak_of_a_child_is_its_own_and_not_that_of_a_large_parent():
    held = np.ones(60_000_000)  # 480 MB
    code = (
        "from bench.resident import forget, peak; high = bytes(60_000_000).replace(b'\\0', b'1'); del high; forget(); "
        "a = peak(); low = bytearray(40_000_000); low[::4096] = low[::4096].replace(b'\\0', b'1'); print(a, peak())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=memory.HERE, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert held.sum() > 0
    assert before < 60e6  # neither the parent's nor what was there and is gone
    assert after - before == pytest.approx(40e6, rel=0.1)


def test_a_straight_line_is_told_from_a_bent_one():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert out_of_core.straight(x, 3 * x + 1) == pytest.approx((3.0, 1.0, 1.0))
    assert out_of_core.straight(x, x**3)[2] == pytest.approx(np.corrcoef(x, x**3)[0, 1] ** 2)


def small_results(quick=False):
    grown = [row("n", 10.0, {"N": n, "D": 2, "K": 3}) for n in (1_000, 10_000)]
    tables = [
        Table("gaussian", "Full covariances", ["Some <rows>."], [row("full", 12.0), row("wide", 3.0)], took=1.5),
        Table("rows", "Against N", ["D = 2."], grown, x="N"),
        Table(
            "climb",
            "Time to the optimum",
            ["Far."],
            [row("to the gap", 25.0, unit="to the gap")],
            [Value("optimum", -12.5, "nats")],
            [
                Trace("Anderson", [0.0, 0.1, 0.2], [1.0, 1e-4, 1e-9], 3, 0.2),
                Trace("plain EM", [0.0, 1.0], [1, 0.1], 2, None),
            ],
        ),
        Table("memory", "Peak memory", [], [row("rows", 2.0, unit="bytes")]),
    ]
    return results(tables, quick)


def test_the_page_is_drawn_from_the_numbers_alone(tmp_path):
    made = small_results()
    path = tmp_path / "results.json"
    path.write_bytes(made.to_json())
    read = records.read(path)
    assert read == made
    text = page.render(read)
    assert text == page.render(made)
    assert all(sentence in text for sentence in made.verdict)
    assert "Some &lt;rows&gt;." in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert text.count("<svg ") == 3  # growth, climb, memory
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert text.count('class="bad">no') == sum(g.reached is False for g in made.goals) == 1
    assert text.count('class="good">yes') == sum(g.reached is True for g in made.goals) == 1
    assert "The floor of a pass" in text
    assert "not idle" not in text
    busy = msgspec.structs.replace(made, machine={"other work": "the machine was not idle (load average 2.0)"})
    assert "The machine was not idle" in page.render(busy)


def test_a_disagreement_fails_the_run_and_is_on_the_page(tmp_path, monkeypatch, capsys):
    sides = [Side(peers.OURS, exactly(1.0)), Side(peers.MIXLE, note="DISAGREES: off by 3")]
    monkeypatch.setattr(
        command,
        "TABLES",
        {"gaussian": lambda quick: Table("gaussian", "G", [], [Row("w", {"N": 1, "D": 1, "K": 1}, sides)])},
    )
    monkeypatch.setattr(command.machine, "rates", lambda: RATES)
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "w: emvsbayes" in (told := capsys.readouterr()).out
    assert told.err == "w: mixle DISAGREES: off by 3\n"
    assert "DISAGREES: off by 3" in (tmp_path / "benchmarks" / "index.html").read_text()
    assert "./benchmarks/index.html" in (tmp_path / "index.html").read_text()


def test_a_table_that_breaks_fails_the_run_and_keeps_the_others(tmp_path, monkeypatch, capsys):
    def breaks(quick):
        raise RuntimeError("no memory")

    fine = Table("small", "S", ["Fine."], [row("w", 2.0)])
    monkeypatch.setattr(command, "TABLES", {"gaussian": breaks, "small": lambda quick: fine})
    monkeypatch.setattr(command.machine, "rates", lambda: RATES)
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "gaussian: FAILED: RuntimeError: no memory" in capsys.readouterr().err
    kept = records.read(tmp_path / "benchmarks" / "results.json")
    assert [t.name for t in kept.tables] == ["gaussian", "small"]
    monkeypatch.setitem(command.TABLES, "gaussian", lambda quick: Table("gaussian", "G", ["Now."], [row("w", 2.0)]))
    assert command.main(["gaussian", "--out", str(tmp_path)]) == 0  # the other table is kept
    kept = records.read(tmp_path / "benchmarks" / "results.json")
    assert [t.text for t in kept.tables] == [["Now."], ["Fine."]]
    assert command.main(["--page", "--out", str(tmp_path)]) == 0
    with pytest.raises(SystemExit):
        command.main(["no-such-table"])
    assert "there is no table no-such-table" in capsys.readouterr().err


def test_the_gallery_leaves_out_numbers_that_it_cannot_read(tmp_path):
    for name, text in (("good", json.dumps({"title": "Speed", "verdict": ["Fast."], "more": 1})), ("bad", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(text)
    said = []
    text = write_gallery(tmp_path, said.append).read_text()
    assert "Speed" in text
    assert "Fast." in text
    assert len(said) == 1
    assert said[0].startswith("gallery: bad is left out")


def test_results_are_a_kind_of_their_own():
    assert isinstance(small_results(), Results)
    assert records.KIND == "benchmarks" == small_results().kind
