"""What a relabelling did: R-hat and ESS before and after, the costs, the trace; and files of draws."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import emvsbayes as eb
from emvsbayes.relabelling import relabelling_report
from emvsbayes.relabelling.files import read_draws, write_draws

SAMPLE = ("chain", "draw")


def stuck(draws=800):
    """Four chains, two of them under exchanged labels: R-hat is far from 1 until they are relabelled."""
    rng = np.random.default_rng(0)
    means = np.array([0.0, 6.0])[:, None] * [1.0, 0.2] + rng.normal(size=(4, draws, 2, 2))
    means[2:] = means[2:, :, ::-1]
    variables = {
        "means": ((*SAMPLE, "component", "feature"), means),
        "total": (SAMPLE, rng.normal(size=(4, draws))),
        "held": ((*SAMPLE, "component"), np.ones((4, draws, 2))),
        "on": ((*SAMPLE, "component"), means[..., 0] > 3),
        "rows": ((*SAMPLE, "row"), rng.normal(size=(4, draws, 201))),
    }
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})


def test_r_hat_measures_labels_before_and_convergence_after():
    import arviz_stats as azs

    tree = stuck()
    after = eb.relabel(tree)
    report = relabelling_report(tree, after)
    by_name = {s.name: s for s in report.scalars}
    assert set(by_name) == {"total", *(f"means[{k}, {d}]" for k in range(2) for d in range(2))}
    one = by_name["means[0, 0]"]
    assert one.rhat_before > 1.5
    assert one.rhat_after < 1.01
    assert one.ess_before < 10 < 2000 < one.ess_after
    theirs = azs.rhat(after["posterior"].to_dataset()[["means"]])["means"].values
    assert one.rhat_after == pytest.approx(theirs[0, 0], rel=1e-6)
    assert by_name["total"].rhat_before == by_name["total"].rhat_after
    assert report.converged is True
    assert report.moved == 0.5
    assert set(report.left_out) == {"on", "rows"}
    worst = [s.rhat_after for s in report.scalars]
    assert worst == sorted(worst, reverse=True)
    json.dumps(report.to_dict())
    text = report.summary()
    assert "50.0% of the draws renamed" in text
    assert "Every R-hat is at most 1.01" in text


def test_flags_move_with_their_components():
    tree = stuck()
    after = eb.relabel(tree)["posterior"]
    np.testing.assert_array_equal(after["on"], after["means"].values[..., 0] > 3)
    assert after["on"].dtype == bool


def test_the_trace_is_of_the_coordinate_that_separates_best():
    tree = stuck()
    report = relabelling_report(tree, eb.relabel(tree))
    trace = report.trace
    assert trace.name == "means[k, 0]"
    assert np.shape(trace.before) == np.shape(trace.after) == (4, 2, len(trace.draw))
    assert 2 * len(trace.draw) <= 500
    at = trace.draw[7]
    assert trace.before[3][0][7] == tree["posterior"]["means"].values[3, at, 0, 0]
    assert trace.after[3][0][7] == tree["posterior"]["means"].values[3, at, 1, 0]


def test_chains_too_short_for_r_hat():
    tree = stuck(draws=3)
    report = relabelling_report(tree, eb.relabel(tree))
    assert report.converged is None
    assert "R-hat is" not in report.summary()


def test_a_path_of_costs_is_told():
    rng = np.random.default_rng(1)
    r = rng.dirichlet([0.3, 0.3], (2, 50, 20))
    variables = {"p": ((*SAMPLE, "row", "component"), r), "m": ((*SAMPLE, "component"), r.mean(axis=2))}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})
    report = relabelling_report(tree, eb.relabel(tree, probabilities="p"))
    assert len(report.costs) > 1
    assert min(report.start_costs) == pytest.approx(report.costs[-1])
    assert len(report.start_costs) == 4
    assert f"in {len(report.costs)} passes; 4 starts ended between" in report.summary()
    assert len(report.agreement) == 2


def test_files_of_draws_come_back(tmp_path):
    tree = eb.relabel(stuck(draws=20))
    tree.attrs["who"] = "someone"
    path = write_draws(tree, tmp_path / "new" / "draws.nc")
    again = read_draws(path)
    xr.testing.assert_identical(again["posterior"].to_dataset(), tree["posterior"].to_dataset())
    assert again.attrs == tree.attrs
    write_draws(again, path)  # over itself
    xr.testing.assert_identical(read_draws(path)["posterior"].to_dataset(), tree["posterior"].to_dataset())
    for wrong in ("nothing.nc", "."):
        with pytest.raises(eb.InputError, match="not a file"):
            read_draws(tmp_path / wrong)
