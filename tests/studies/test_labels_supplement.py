"""The study of labels: draws whose labels are known, so that every table has an answer."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from emvsbayes.core.alignment import permute
from emvsbayes.core.records import record_fields
from emvsbayes.problem import pose
from emvsbayes.relabelling import METHODS
from emvsbayes.studies import STUDIES
from emvsbayes.studies.assembly import fit_both
from emvsbayes.studies.supplements import SUPPLEMENTS

CHAINS, DRAWS = 2, 60
TURN = np.array([1, 2, 0])


@pytest.fixture(scope="module")
def asked():
    """Three clusters far apart; draws near the MAP estimate, of which the second half of chain 1 has other names."""
    study = STUDIES["labels"]
    rng = np.random.default_rng(0)
    x = np.repeat([-9.0, 0.0, 9.0], [10, 20, 30]) + 0.5 * rng.normal(size=60)
    problem = pose("gaussian_mixture", x, n_components=3, settings=study.settings)
    fits = fit_both(problem, study, problem.prior(study.prior))
    draws = {name: [] for name in record_fields(fits.map.params)}
    for s in range(CHAINS * DRAWS):
        at = fits.map.family.from_vector(
            problem.family.to_vector(fits.map.params) + 0.05 * rng.normal(size=6), fits.map.params
        )
        at = permute(at, TURN, problem.family.component_axes) if s >= 1.5 * DRAWS else at
        for name, value in record_fields(at).items():
            draws[name].append(value)
    dims = {"weights": ["component"], "means": ["component", "feature"], "covariances": ["feature", "feature_bis"]}
    posterior = xr.Dataset(
        {
            name: (["chain", "draw", *dims[name]], np.array(value).reshape(CHAINS, DRAWS, *value[0].shape))
            for name, value in draws.items()
        }
    )
    observed = xr.Dataset({"X": (["obs_id", "feature"], problem.data.X)})
    raw = xr.DataTree.from_dict({"posterior": posterior, "observed_data": observed})
    return problem, study, fits, SimpleNamespace(raw=raw)


@pytest.fixture(scope="module")
def sections(asked):
    return SUPPLEMENTS["labels"](*asked)


def test_no_posterior_no_sections(asked):
    assert SUPPLEMENTS["labels"](*asked[:3], None) == []


def test_the_partition_is_that_of_the_clusters(sections):
    occupied, partitions = sections[0].sheets
    assert occupied.rows == [["0.000", "0.000", "1.000"]]
    assert [row[1:3] for row in partitions.rows] == [["3", "30, 20, 10"]] * 2
    for plot in sections[0].plots:
        assert sorted(len(series.x) for series in plot.series) == [10, 20, 30]
        assert all(y > 0.99 for series in plot.series for y in series.y)
    ((matrix,),) = sections[0].rasters
    assert (matrix.width, matrix.height) == (60, 60)


def test_the_one_switch_is_found(sections):
    chains, shares, signs = sections[1].sheets
    assert [row[:3] for row in chains.rows] == [["0", "0", "0"], ["1", "1", "0"]]
    assert sorted(row[1] for row in shares.rows) == [25, 75]
    assert all(row[1] < 1e-6 for row in signs.rows)


def test_every_algorithm_undoes_it(asked, sections):
    (table,) = sections[2].sheets
    means = asked[2].map.params.means.ravel()
    rows = {row[0]: row for row in table.rows}
    for method in METHODS:
        assert rows[method][3] == 0
        np.testing.assert_allclose([float(cell.split(" ")[0]) for cell in rows[method][4:]], means, atol=0.06)
    assert float(rows["as drawn"][2]) > 1.5
    spread = [float(cell.split(" ± ")[1]) for cell in rows["random"][4:]]
    assert min(spread) > 5
    assert [plot.title for plot in sections[2].plots] == ["random labels", "constraint", "ecr", "stephens"]
