"""Draws on disk: found again only by exactly what produced them; whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from cases import FIVE_TRIALS, blobs

import emvsbayes as eb
from emvsbayes.bayes import cache
from emvsbayes.problem import pose

SETTINGS = {"draws": 10, "tune": 10, "chains": 2, "seed": 0, "sampler": "nutpie", "likelihood": "fused"}
X = blobs(n=20)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path / "cache"))


def name(X=X, prior="default", settings=SETTINGS, **options):
    options = {"n_components": 2, **options}
    problem = pose("gaussian_mixture", X, **options)
    return cache.key(problem, problem.family.proper_prior(problem.prior(prior)), settings)


def prior(location=0.0, strength=1.0, dof=4.0, scale=1.0, concentration=1.0):
    return {
        "means": {"location": [location, 0.0], "strength": strength},
        "covariances": {"dof": dof, "scale": scale},
        "weights": {"concentration": concentration},
    }


def tree(value=1.0):
    posterior = xr.Dataset({"probs": (("chain", "draw", "component"), np.full((2, 5, 2), value))})
    return xr.DataTree.from_dict({"posterior": posterior})


def test_the_same_question_has_the_same_name():
    assert name() == name()
    assert name(X.copy()) == name(X.tolist())
    assert name(prior=prior()) == name(prior=prior(location=0))
    assert name(fixed={"weights": [0.5, 0.5]}) == name(settings=SETTINGS, fixed={"weights": np.array([0.5, 0.5])})


def test_every_difference_has_another_name(monkeypatch):
    moved = X.copy()
    moved[3, 1] = np.nextafter(moved[3, 1], np.inf)
    found = [
        name(),
        name(moved),
        name(X[::-1]),
        name({"a": X[:, 0], "b": X[:, 1]}),
        name(n_components=3),
        *(name(settings={**SETTINGS, key: "plain" if key == "likelihood" else 7}) for key in SETTINGS),
        name(settings={**SETTINGS, "map_start": [0.1]}),
        name(prior=prior()),
        name(prior=prior(location=1e-300)),
        name(prior=prior(strength=1 + 1e-15)),
        name(prior=prior(dof=5)),
        name(prior=prior(scale=2)),
        name(prior=prior(concentration=2)),
        name(prior=prior(concentration=[2, 2])),
        name(labels=np.full(20, -1)),
        name(labels=np.r_[0, np.full(19, -1)]),
        name(sample_weight=np.r_[2.0, np.ones(19)]),
        name(fixed={"weights": [0.5, 0.5]}),
        name(fixed={"weights": [0.4, 0.6]}),
        name(fixed={"means": X[:2]}),
        *(_with_covariance(c) for c in ("tied", "diag", "spherical", "EII")),
    ]
    monkeypatch.setattr(cache, "versions", lambda: {"pymc": "0.0"})
    found.append(name())
    assert len(set(found)) == len(found)


def _with_covariance(covariance):
    problem = pose("gaussian_mixture", X, n_components=2, settings={"covariance": covariance})
    return cache.key(problem, problem.prior("default"), SETTINGS)


def test_the_name_depends_on_the_code_of_the_model(monkeypatch):
    before = name()
    monkeypatch.setattr(cache, "_source", lambda module: b"other")
    assert name() != before


def test_the_name_of_fused_draws_depends_on_the_compiled_code(monkeypatch):
    """Which the draws of the PyMC model have nothing to do with."""
    from emvsbayes.densities.kernels import compiling

    plain = {**SETTINGS, "likelihood": "plain"}
    before = name(), name(settings=plain)
    monkeypatch.setattr(compiling, "SOURCES", "of tomorrow")
    assert name() != before[0]
    assert name(settings=plain) == before[1]


def test_the_folder(monkeypatch, tmp_path):
    assert cache.folder() == tmp_path / "cache"
    monkeypatch.delenv("EMVSBAYES_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "xdg" / "emvsbayes"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache.folder() == Path.home() / ".cache" / "emvsbayes"


def test_what_was_kept_is_found(tmp_path):
    assert cache.load("a") is None
    cache.save("a", tree(0.25))
    found = cache.load("a")
    xr.testing.assert_identical(found["posterior"].to_dataset(), tree(0.25)["posterior"].to_dataset())
    cache.save("a", tree(0.5))
    assert float(cache.load("a")["posterior"]["probs"].mean()) == 0.5
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["a.nc"]


@pytest.mark.parametrize("damage", ["empty", "text", "one byte", "half", "all but the end", "zeros in the middle"])
def test_a_damaged_file_counts_as_absent(tmp_path, damage):
    cache.save("a", tree())
    path = tmp_path / "cache" / "a.nc"
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"this is no netCDF\n" * 100,
            "one byte": whole[:1],
            "half": whole[: len(whole) // 2],
            "all but the end": whole[:-10],
            "zeros in the middle": whole[:600] + bytes(1200) + whole[1800:],
        }[damage]
    )
    assert cache.load("a") is None
    cache.save("a", tree(3.0))
    assert float(cache.load("a")["posterior"]["probs"].mean()) == 3.0


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fails(self, path, **options):
        Path(path).write_bytes(b"half of")
        raise OSError("disk full")

    cache.save("a", tree(1.0))
    monkeypatch.setattr(xr.DataTree, "to_netcdf", fails)
    cache.save("a", tree(2.0))  # a cache that cannot be written is no reason to stop
    cache.save("b", tree(2.0))
    monkeypatch.undo()
    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path / "cache"))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["a.nc"]
    assert float(cache.load("a")["posterior"]["probs"].mean()) == 1.0


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path / "file" / "below"))
    cache.save("a", tree())
    assert cache.load("a") is None


def test_sample_takes_kept_draws_and_says_so(capsys):
    """Draws made up and put where the question would look for its answer."""
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    kept = cache.key(problem, problem.family.proper_prior(problem.prior("default")), SETTINGS)
    cache.save(kept, tree(0.125))
    options = {key: value for key, value in SETTINGS.items() if key != "sampler"}
    found = eb.sample("coins", FIVE_TRIALS, n_components=2, **options)
    assert float(found["posterior"]["probs"].mean()) == 0.125
    said = capsys.readouterr()
    assert said.out == ""
    assert "cached" in said.err
