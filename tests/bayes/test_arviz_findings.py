"""What ArviZ finds in a posterior: the sentences, and variables that cannot move."""

import numpy as np
import xarray as xr

from emvsbayes.bayes.diagnosis import diagnose


def tree(**variables):
    coords = {"chain": np.arange(2), "draw": np.arange(200)}
    posterior = {name: (("chain", "draw", *"kl"[: v.ndim - 2]), v) for name, v in variables.items()}
    stats = {"diverging": (("chain", "draw"), np.zeros((2, 200), dtype=bool))}
    return xr.DataTree.from_dict(
        {"posterior": xr.Dataset(posterior, coords), "sample_stats": xr.Dataset(stats, coords)}
    )


def test_a_variable_that_never_moves_is_no_finding_and_no_warning():
    rng = np.random.default_rng(0)
    given = tree(weights=np.ones((2, 200, 1)), means=rng.normal(size=(2, 200)))
    assert diagnose(given) == []
    assert list(given["posterior"].data_vars) == ["weights", "means"]


def test_chains_apart_are_named():
    rng = np.random.default_rng(0)
    apart = rng.normal(size=(2, 200)) + np.array([[0.0], [5.0]])
    found = diagnose(tree(weights=np.ones((2, 200, 1)), means=apart))
    assert any("R-hat" in sentence and "means" in sentence for sentence in found)
