"""Draws of PyMC itself: diagnosed, relabelled, shuffled, and through a file."""

from __future__ import annotations

import numpy as np
import pytest
from cases import FIVE_TRIALS
from click.testing import CliRunner

import emvsbayes as eb
from emvsbayes.cli import main
from emvsbayes.relabelling import diagnose_labels, permute_at_random, relabelling_report
from emvsbayes.relabelling.files import write_draws


@pytest.mark.sampling
def test_sampled_coins_are_diagnosed_relabelled_and_shuffled(tmp_path):
    """Two coins, 50 tosses: PyMC stays in either copy, and EM's fit names them."""
    options = {"n_components": 2, "prior": "default", "seed": 3}
    tree = eb.sample("coins", FIVE_TRIALS, draws=500, chains=4, **options)
    fit = eb.fit("coins", FIVE_TRIALS, **options)
    said = diagnose_labels(tree, pivot=fit)
    assert said.labellings_possible == 2
    assert len(said.switches) == 4
    assert said.mode_log_posterior is not None
    assert max(said.mode_log_posterior) == pytest.approx(fit.log_posterior, abs=1e-2)
    after = eb.relabel(tree, pivot=fit)
    report = relabelling_report(tree, after)
    assert {s.name for s in report.scalars} >= {"probs[0]", "probs[1]"}
    shuffled = permute_at_random(after, seed=0)
    means = shuffled["posterior"]["probs"].mean(("chain", "draw")).values
    spread = float(after["posterior"]["probs"].std())
    assert abs(means[0] - means[1]) < 5 * spread / np.sqrt(500)  # the copies are alike
    again = eb.relabel(shuffled, pivot=fit)["posterior"]["probs"]
    np.testing.assert_array_equal(again, after["posterior"]["probs"])
    path = write_draws(tree, tmp_path / "draws.nc")
    done = CliRunner().invoke(main, ["relabel", str(path), "-f", "coins", "--out", str(tmp_path / "new.nc")])
    assert done.exit_code in (0, 3), done.output
    assert done.stdout.index("labels of 4 x 500 draws") < done.stdout.index("relabelled by ecr")
    assert (tmp_path / "new.nc").exists()
