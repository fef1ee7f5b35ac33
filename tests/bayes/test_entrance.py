"""A nutpie that cannot be given C functions: the PyMC model is sampled, and it is said; or a refusal with a remedy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cases import FIVE_TRIALS

from emvsbayes.bayes import cache, compiled, entrance, sampling
from emvsbayes.bayes.compiled import compile_twin
from emvsbayes.bayes.likelihoods import sampled_likelihood
from emvsbayes.bayes.sampling import sample
from emvsbayes.core.errors import InputError
from emvsbayes.problem import pose


@pytest.fixture(autouse=True)
def _asked_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path))
    entrance.closed.cache_clear()
    yield
    entrance.closed.cache_clear()


class Changed:
    """nutpie's compiled part with one thing changed: left out, or called in another way."""

    def __init__(self, name, put):
        self._name, self._put, self._real = name, put, entrance._compiled()

    def __getattr__(self, name):
        if name != self._name:
            return getattr(self._real, name)
        if self._put is None:
            raise AttributeError(f"module 'nutpie._lib' has no attribute {name!r}")
        return self._put


def one_argument(model):
    return model


CHANGES = {
    "no LogpFunc": ("LogpFunc", None),
    "another ExpandFunc": ("ExpandFunc", one_argument),
    "another PyMcModel": ("PyMcModel", one_argument),
    "no sampler of PyMC models": ("PySampler", SimpleNamespace()),
    "another sampler": ("PySampler", SimpleNamespace(from_pymc=one_argument)),
    "other variables": ("PyVariable", SimpleNamespace(new_variables=one_argument)),
}


def change(monkeypatch, how):
    if how == "another version":
        monkeypatch.setattr(entrance, "version", lambda name: "0.17.0")
        return
    changed = Changed(*CHANGES[how])
    monkeypatch.setattr(entrance, "_compiled", lambda: changed)


def test_the_nutpie_that_is_installed_is_open():
    assert entrance.closed() is None


@pytest.mark.parametrize("how", [*CHANGES, "another version"])
def test_whatever_is_missing_is_found_before_anything_is_sampled(how, monkeypatch):
    change(monkeypatch, how)
    said = []
    assert sampled_likelihood("fused", "auto", said.append) == "plain"
    (sentence,) = said
    assert sentence.startswith("NUTS: the PyMC model is sampled, more slowly, for nutpie 0.1")
    assert "pip install 'nutpie>=0.16,<0.17'" in sentence
    with pytest.raises(InputError, match=r"no fused likelihood can be sampled, for nutpie .*likelihood='plain'"):
        sampled_likelihood("fused", "fused", said.append)
    assert sampled_likelihood("plain", "plain", said.append) == "plain"
    assert len(said) == 1


def test_sample_takes_the_plain_twin_and_keeps_its_draws_under_that_name(monkeypatch, capsys):
    """Up to the call of the sampler; what it would have been called with says which."""
    change(monkeypatch, "another version")
    asked = []

    def draw(problem, prior, map_start, say, **request):
        asked.append(request["likelihood"])
        raise InterruptedError

    monkeypatch.setattr(sampling, "_draw", draw)
    options: Any = {"n_components": 2, "draws": 10, "tune": 10, "chains": 2}
    with pytest.raises(InterruptedError):
        sample("coins", FIVE_TRIALS, **options)
    assert asked == ["plain"]
    assert "nutpie 0.17.0 is not among the versions" in capsys.readouterr().err
    with pytest.raises(InputError, match="no fused likelihood"):
        sample("coins", FIVE_TRIALS, **options, likelihood="fused")
    names = []
    monkeypatch.setattr(cache, "load", lambda name: names.append(name))
    for likelihood in ("auto", "plain"):
        with pytest.raises(InterruptedError):
            sample("coins", FIVE_TRIALS, **options, likelihood=likelihood)
    assert names[-1] == names[-2] != names[0], "the draws of the plain twin are found by both"


def test_a_twin_compiled_once_does_likewise(monkeypatch, capsys):
    change(monkeypatch, "no LogpFunc")
    asked = []
    monkeypatch.setattr(compiled, "nutpie_model", lambda *arguments: asked.append(arguments[-1]))
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    compile_twin(problem, problem.prior("default"))
    assert asked == ["plain"]
    assert "has no entrance for compiled functions" in capsys.readouterr().err
    with pytest.raises(InputError, match="no fused likelihood"):
        compile_twin(problem, problem.prior("default"), "fused")


def test_the_versions_entered_are_those_that_are_required():
    """What `pip install` may bring is what has been tried."""
    import tomllib
    from pathlib import Path

    listed = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["dependencies"]
    major, minor = np.max(entrance.TRIED, axis=0)
    least = min(entrance.TRIED)
    assert f"nutpie>={least[0]}.{least[1]},<{major}.{minor + 1}" in listed


def test_where_no_coordinate_is_free_nothing_is_sampled():
    """Bug: a traceback of PyTensor's, after the sampling of a posterior without coordinates."""
    for fixed in ({"probs": [0.5]}, {"probs": [0.5], "weights": [1.0]}):
        with pytest.raises(InputError, match="nothing is left to sample"):
            sample("coins", FIVE_TRIALS, n_components=1, fixed=fixed)


@pytest.mark.parametrize("likelihood", ["auto", "plain"])
def test_where_numba_may_not_compile_it_is_said(likelihood, monkeypatch):
    """Bug: NUMBA_DISABLE_JIT, which people set to debug other code, ended in tracebacks of numba's or PyTensor's."""
    from numba import config

    monkeypatch.setattr(config, "DISABLE_JIT", True)
    with pytest.raises(InputError, match="NUMBA_DISABLE_JIT turns it off; unset that variable"):
        sample("coins", FIVE_TRIALS, n_components=2, likelihood=likelihood)
