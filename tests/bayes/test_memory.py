"""What nutpie is given are addresses: the memory behind them is there for as long as a chain runs."""

from __future__ import annotations

import contextlib
import copy
import gc
import threading

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs

from emvsbayes.bayes import chains as chains_module
from emvsbayes.bayes.chains import run_chains
from emvsbayes.bayes.likelihoods import starting_point
from emvsbayes.bayes.targets import TargetModel, target_model, value_and_gradient
from emvsbayes.bayes.twins import Unconstrained
from emvsbayes.problem import pose

FREED = 1e300  # what freed memory is overwritten with, so that who reads it notices


def model_and_start(family="gaussian_mixture", X=None, seed=0):
    X = blobs(n=40) if X is None else X
    problem = pose(family, X, n_components=2)
    prior = problem.family.proper_prior(problem.prior("default"))
    about = starting_point(problem, seed)
    plain = problem.twin.build(problem.family, problem.data, prior, about)
    found = target_model(problem, prior, about, plain)
    assert isinstance(found, TargetModel)
    return found, Unconstrained(plain)(about)


def test_a_copy_has_addresses_of_its_own():
    """Bug: addresses were kept as numbers, and a copy of the record held those of the first one's arrays."""
    model, start = model_and_start()
    model = model.in_frame(0.5 * np.eye(len(start)))
    expected = value_and_gradient(model.target, start, model.words)[0]
    other = copy.deepcopy(model)
    assert not set(other.words[:, 0]) & set(model.words[:3, 0])
    for array in (*model.target.arrays, model.frame):
        if array is not None and array.flags.writeable:
            array[...] = 0
    assert value_and_gradient(other.target, start, other.words)[0] == expected


@pytest.mark.sampling
def test_nothing_is_freed_while_chains_run():
    """All references of ours are gone while nutpie's threads work, and freed memory is written over."""
    expected, _ = run_chains(*chains_of(), 3, draws=1500, tune=500, show=False)
    model, starts = chains_of()
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            gc.collect()
            for size in (4, 11, 16 * 4, 40, 80, 121):
                np.full(size, FREED)

    worker = threading.Thread(target=churn)
    worker.start()
    try:
        samplers = begun(model, starts)
        del model
        gc.collect()
        trees = [sampler.wait() for sampler in samplers]
    finally:
        stop.set()
        worker.join()
    for chain, tree in enumerate(trees):
        np.testing.assert_array_equal(tree["posterior"]["means"].values[0], expected["means"].values[chain])


def chains_of():
    model, start = model_and_start()
    return model, [start, start + 0.1]


def begun(model, starts):
    """The samplers of `run_chains`, running, with nothing else that refers to the model."""
    import nutpie

    found, real = [], nutpie.sample

    class Begun(Exception):
        pass

    def sample(given, **options):
        found.append(real(given, **options))
        if len(found) == len(starts):
            raise Begun
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nutpie, "sample", sample)
        with contextlib.suppress(Begun):
            run_chains(model, starts, 3, draws=1500, tune=500, show=False)
    return found


@pytest.mark.sampling
def test_two_samplings_at_once_are_those_of_one_after_the_other():
    requests = {"gaussian_mixture": blobs(n=40), "coins": FIVE_TRIALS}
    found = {}

    def run(label, family):
        model, start = model_and_start(family, requests[family])
        found[label, family] = run_chains(model, [start, start], 1, draws=300, tune=200, show=False)[0]

    for family in requests:
        run("alone", family)
    workers = [threading.Thread(target=run, args=(n, family)) for n in range(2) for family in requests]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for (_, family), posterior in found.items():
        for name in posterior:
            np.testing.assert_array_equal(posterior[name], found["alone", family][name])
    assert len(found) == 6


@pytest.mark.sampling
def test_after_an_exception_chains_end_and_the_next_sampling_is_sound(monkeypatch):
    model, start = model_and_start()
    expected, _ = run_chains(model, [start, start], 1, draws=200, tune=200, show=False)
    before = threading.active_count()

    def broken(begin):
        def point(seed):
            raise ValueError("no start")

        return point

    with monkeypatch.context() as patch:
        patch.setattr(chains_module, "_begin_at", broken)
        with pytest.raises(Exception, match="no start"):
            run_chains(model, [start, start], 1, draws=10**6, tune=200, show=False)
    gc.collect()
    again, _ = run_chains(model, [start, start], 1, draws=200, tune=200, show=False)
    np.testing.assert_array_equal(again["means"], expected["means"])
    assert threading.active_count() == before
