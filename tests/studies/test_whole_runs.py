"""Both studies from end to end, as `make report` runs them: every bound of the report holds."""

from __future__ import annotations

import pytest
import xarray as xr
from click.testing import CliRunner

from emvsbayes.cli import main
from emvsbayes.comparison.verdict import CERTIFICATE, RESIDUAL, RHAT
from emvsbayes.studies.saving import read_result

pytestmark = pytest.mark.sampling


@pytest.fixture(scope="module", params=["two-coins", "old-faithful"])
def report(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMVSBAYES_CACHE", str(tmp_path_factory.mktemp("draws")))
        done = CliRunner().invoke(main, ["run", request.param, "--out", str(out)])
        again = CliRunner().invoke(main, ["run", request.param, "--out", str(out)])
    return request.param, out, done, again


def test_the_run_is_fine(report):
    name, out, done, again = report
    assert done.exit_code == 0, done.output
    assert str(out / name / "index.html") in done.stdout
    assert "CHECK FAILED" not in done.output
    assert again.exit_code == 0
    assert "cached" in again.stderr
    assert "compiling" not in again.stderr
    assert done.stdout == again.stdout
    assert {path.name for path in (out / name).iterdir()} == {"index.html", "result.json", "posterior.nc"}
    assert name in (out / "index.html").read_text(encoding="utf-8")


def test_every_bound_of_the_record(report):
    name, out, _, _ = report
    record = read_result(out / name / "result.json")
    assert (RHAT, CERTIFICATE, RESIDUAL) == (1.01, 1e-8, 1e-10)
    assert record.points.labels_resolved
    assert record.points.unresolved_because == ""
    assert record.switching.convergence
    for c in record.switching.convergence:
        assert c.rhat_after < 1.01, c
        assert c.ess_after > 400, c
    by_name = {check.name: check for check in record.checks}
    assert by_name["certificate of the twin"].value < 1e-8
    assert by_name["residual of the decomposition"].value < 1e-10
    assert all(check.passed for check in record.checks)
    assert all(climb.largest_residual < 1e-10 for climb in record.decomposition.climbs)
    assert record.switching.divergences == 0
    assert record.switching.diagnosis == []
    for p in record.points.parameters:
        assert p.sd > 0
        assert p.lower < p.median < p.upper
        assert p.pymc_map == pytest.approx(p.map, abs=0.05 * p.sd)
    assert (out / name / "result.json").stat().st_size < 1_500_000
    assert (out / name / "index.html").stat().st_size < 1_500_000


def test_the_posterior_on_disk_is_the_relabelled_one(report):
    name, out, _, _ = report
    record = read_result(out / name / "result.json")
    with xr.open_datatree(out / name / "posterior.nc", engine="h5netcdf") as tree:
        assert "relabelling" in tree.children
        for p in record.points.parameters:
            values = tree["posterior"][p.field]
            index = [p.component] if p.component >= 0 else []
            index += [i.strip() for i in p.name[:-1].split("[")[1].split(",")][len(index) :]
            at = values.isel(component=p.component) if p.component >= 0 else values
            for dim, label in zip(at.dims[2:], index[1:] if p.component >= 0 else index, strict=True):
                at = at.sel({dim: label})
            assert float(at.mean()) == pytest.approx(p.mean, rel=1e-10)
