"""`emvsbayes relabel` on files that this package did not write: diagnosis, cure, report, exit codes."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from cases import OLD_FAITHFUL

SAMPLE = ("chain", "draw")
CHAINS, DRAWS, K, N = 2, 1000, 3, 12
STAN = ["--dim", "mu_dim_0", "--dim", "theta_dim_0", "--dim", "p_dim_1"]


def stan(seed=0, drift=0.0):
    """Draws of three components as `az.from_dict` names them, switched at random; with a drift the chains disagree."""
    import arviz_base as az

    rng = np.random.default_rng(seed)
    turns = np.array([rng.permutation(K) for _ in range(CHAINS * DRAWS)]).reshape(CHAINS, DRAWS, K)
    mu = 10.0 * np.arange(K) + rng.normal(size=(CHAINS, DRAWS, K)) + drift * np.arange(CHAINS)[:, None, None]
    theta = rng.dirichlet([30.0, 20.0, 10.0], (CHAINS, DRAWS))
    p = np.eye(K)[np.arange(N) % K] * 0.9 + rng.dirichlet(np.ones(K), (CHAINS, DRAWS, N)) * 0.1
    z = p.argmax(axis=-1)
    slots = np.argsort(turns, axis=-1)
    posterior = {
        "mu": np.take_along_axis(mu, turns, axis=2),
        "theta": np.take_along_axis(theta, turns, axis=2),
        "p": np.take_along_axis(p, turns[:, :, None], axis=3),
        "z": np.take_along_axis(slots[:, :, None], z[..., None], axis=3)[..., 0] + 1,
    }
    return az.from_dict({"posterior": posterior, "sample_stats": {"lp": rng.normal(size=(CHAINS, DRAWS))}}), mu


@pytest.fixture
def file(here):
    stan()[0].to_netcdf(here / "stan.nc", engine="h5netcdf")
    return here / "stan.nc"


def order(path):
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return tree.load().copy(deep=True)


def test_a_file_that_arviz_wrote_comes_back_under_one_labelling(call, file, here):
    words = ["--probabilities", "p", "--allocations", "z", "--method", "stephens"]
    words += ["--out", "sub/new.nc", "--json", "r.json"]
    done = call("relabel", file, *STAN, *words)
    assert done.exit_code == 0, done.output
    before, after = done.stdout.index("labels of 2 x 1000 draws"), done.stdout.index("relabelled by stephens")
    assert before < after
    for text in ("labellings occur", "cost ", "agreement by chain", "R-hat before", "Every R-hat"):
        assert text in done.stdout
    new, mu = order(here / "sub" / "new.nc"), stan()[1]
    names = np.argsort(np.argsort(new["posterior"]["mu"].values[0, 0]))
    np.testing.assert_allclose(new["posterior"]["mu"], mu[:, :, names])
    rows = new["posterior"]["z"].values - 1
    np.testing.assert_array_equal(rows, new["posterior"]["p"].values.argmax(axis=-1))
    assert new["relabelling"].attrs["method"] == "stephens"
    record = json.loads((here / "r.json").read_text())
    assert record["diagnosis"]["level"] == "switched"
    assert record["report"]["converged"] is True
    assert record["report"]["costs"][-1] <= record["report"]["costs"][0]
    names = {s["name"] for s in record["report"]["scalars"]}
    assert names == {f"{v}[{k}]" for v in ("mu", "theta") for k in range(K)}
    assert set(record["report"]["left_out"]) == {"p", "z"}
    raw = [s["rhat_before"] for s in record["report"]["scalars"]]
    assert all(value is not None for value in raw)


def test_the_same_file_without_groups(call, here):
    tree, _ = stan()
    tree["posterior"].to_dataset().to_netcdf(here / "flat.nc", engine="h5netcdf")
    done = call("relabel", "flat.nc", *STAN, "--probabilities", "p", "--out", "new.nc")
    assert done.exit_code == 0, done.output
    assert "permutation" in order(here / "new.nc")["relabelling"]
    tree["posterior"].to_dataset().drop_attrs().to_netcdf(here / "classic.nc", engine="scipy")
    again = call("relabel", "classic.nc", *STAN, "--probabilities", "p")
    assert again.stdout.splitlines() == done.stdout.splitlines()[:-1]


def test_chains_that_disagree_are_not_converged(call, here):
    stan(drift=30.0)[0].to_netcdf(here / "stan.nc", engine="h5netcdf")
    done = call("relabel", "stan.nc", *STAN, "--probabilities", "p")
    assert done.exit_code == 3
    assert "2 modes that are no relabellings of one another" in done.stdout
    assert "or do not agree" in done.stdout


def test_towards_a_fit_of_other_data(call, here):
    """Draws without data about an EM fit of data.csv: the fit names the components."""
    import emvsbayes as eb

    x = np.loadtxt(OLD_FAITHFUL, delimiter=",", skiprows=1)
    fit = eb.fit("gaussian_mixture", x, n_components=2, prior="default", settings={"covariance": "diag"})
    rng, sets = np.random.default_rng(1), {}
    for name, dims in {"weights": (), "means": ("d",), "covariances": ("d",)}.items():
        value = getattr(fit.params, name)
        draws = value * np.exp(0.01 * rng.normal(size=(CHAINS, DRAWS, *value.shape)))
        draws[1] = draws[1][:, ::-1]
        sets[name] = ((*SAMPLE, "component", *dims), draws / draws.sum(axis=2, keepdims=True) if not dims else draws)
    xr.DataTree.from_dict({"posterior": xr.Dataset(sets)}).to_netcdf(here / "draws.nc", engine="h5netcdf")
    words = ["-f", "gaussian_mixture", "--set", "covariance=diag", "--data", "data.csv", "--out", "new.nc"]
    done = call("relabel", "draws.nc", *words)
    assert done.exit_code == 0, done.output
    assert "relabelled by ecr" in done.stdout
    assert "EM from its end" in done.stdout
    new = order(here / "new.nc")["posterior"]["means"].values.mean(axis=(0, 1))
    np.testing.assert_allclose(new, fit.params.means, rtol=0.01)
    assert call("relabel", "draws.nc", "-f", "gaussian_mixture").exit_code == 2  # no data anywhere


def test_the_page_shows_both_and_needs_no_file(call, file, here):
    done = call("relabel", file, *STAN, "--probabilities", "p", "--page", "labels.html")
    assert done.exit_code == 0, done.output
    page = (here / "labels.html").read_text()
    for text in ("<svg", "Labels of stan.nc", "chain 1, after", "Relabel before summarising", "R‑hat before"):
        assert text in page
    assert "http" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize("method", ["data-based", "sjw"])
def test_rows_of_their_own_for_the_methods_that_look_at_them(method, call, file, here):
    (here / "rows.csv").write_text("x\n" + "\n".join(str(10.0 * (n % K)) for n in range(N)) + "\n")
    done = call(
        "relabel", file, *STAN, "--allocations", "z", "--method", method, "--data", "rows.csv", "--out", "new.nc"
    )
    assert done.exit_code == 0, done.output
    new, mu = order(here / "new.nc"), stan()[1]
    names = np.argsort(np.argsort(new["posterior"]["mu"].values[0, 0]))
    np.testing.assert_allclose(new["posterior"]["mu"], mu[:, :, names])
    (here / "rows.csv").write_text("x\n1\n2\n")
    done = call("relabel", file, *STAN, "--allocations", "z", "--method", method, "--data", "rows.csv")
    assert done.exit_code == 2
    assert "each of the 12 allocated rows" in done.stderr


def test_it_never_imports_a_sampler(process, file):
    words = ["relabel", str(file), *STAN, "--probabilities", "p"]
    code = f"""
import sys
from emvsbayes.cli import main
try:
    main({words!r})
except SystemExit as end:
    assert end.code == 0, end.code
print([name for name in ("pymc", "nutpie", "pytensor", "matplotlib") if name in sys.modules])
"""
    done = process(code=code)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


BAD = {
    "no file": (["none.nc"], ["none.nc", "does not exist"]),
    "no NetCDF": (["data.csv"], ["data.csv", "not a NetCDF file"]),
    "no posterior": (["empty.nc"], ["empty.nc", "prior", "neither"]),
    "no dimension": (["stan.nc"], ["'component'", "mu_dim_0 (3)", "with dim"]),
    "an unknown method": (["stan.nc", *STAN, "--method", "stephen"], ["did you mean 'stephens'?"]),
    "nothing to look at": (["stan.nc", *STAN, "--method", "ecr"], ["ecr", "allocated"]),
    "an unknown variable": (["stan.nc", *STAN, "--probabilities", "q"], ["'q'", "theta"]),
    "data without a family": (["stan.nc", *STAN, "--data", "data.csv"], ["--data", "-f"]),
    "an unknown family": (["stan.nc", *STAN, "-f", "gaussian"], ["did you mean 'gaussian_mixture'?"]),
    "another model": (["stan.nc", *STAN, "-f", "coins", "--data", "data.csv"], []),
    "a folder for a file": (["stan.nc", *STAN, "--out", "."], ["folder"]),
    "starts": (["stan.nc", *STAN, "--probabilities", "p", "--starts", "0"], ["n_starts", "0"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_in_one_sentence_and_writes_nothing(name, call, file, here, listing):
    xr.DataTree.from_dict({"prior": xr.Dataset({"m": ("x", [1.0])})}).to_netcdf(here / "empty.nc", engine="h5netcdf")
    words, expected = BAD[name]
    before = listing()
    done = call("relabel", *words, *([] if "--out" in words else ["--out", "new.nc"]))
    assert done.exit_code == 2, done.output
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("Error: ")
    for word in expected:
        assert word in message, message
    assert "Traceback" not in done.output
    assert listing() == before


def test_what_cannot_be_written_leaves_the_old_file(call, file, here, monkeypatch):
    """No room, and a writer that fails half-way: the old file stays, and nothing else is left."""
    old = file.read_bytes()
    with monkeypatch.context() as full:
        full.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
        done = call("relabel", file, *STAN, "--probabilities", "p", "--out", file)
        assert done.exit_code == 2
        assert "1,000 are free" in done.stderr

    def broken(tree, path, **options):
        with open(path, "wb") as part:
            part.write(b"half of it")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(xr.DataTree, "to_netcdf", broken)
    done = call("relabel", file, *STAN, "--probabilities", "p", "--out", file)
    assert done.exit_code == 2
    assert "No space left" in done.stderr
    assert file.read_bytes() == old
    assert not list(here.glob("*.part"))


def test_the_file_may_be_written_over(call, file):
    assert call("relabel", file, *STAN, "--probabilities", "p", "--out", file).exit_code == 0
    again = call("relabel", file, *STAN, "--probabilities", "p")
    assert "All draws are under one labelling" in again.stdout
