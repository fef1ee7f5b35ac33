"""Sampling: the first posterior of a machine and of a process, effective draws a second, and what warm-up is worth.

    python tests/benchmarks/sampling.py first     Old Faithful, 4 x 1000 draws: empty caches, then a second process
    python tests/benchmarks/sampling.py rate      effective draws a second, compiled posterior beside the PyMC model
    python tests/benchmarks/sampling.py frames    warm-up with and without the information at the mode as mass matrix
    python tests/benchmarks/sampling.py one-pass  how long value, and value and gradient, take in a PyTensor function

Measured on two processors that other work shared, in November 2026:

    Old Faithful, first posterior    empty caches 22 s of processor, second process 6.2 s, 6.5 s wall (165 and 20 s when
                                     the PyMC model was sampled, and all functions of it were compiled)
    effective draws a second         Gaussians 20 000 x 2, K = 2: 1170 a second of processor, without a frame 58, plain
                                     4; Old Faithful: 2765 (the first in its process), 12 971 and 1836
    one evaluation at 20 000 x 2     value 0.15 ms, value and gradient 0.17 ms; plain 0.56 and 2.16 ms
    warm-up, ESS in 1000 gradients   of warm-up and draws, at 100 / 200 / 500 / 1000 steps of warm-up
        Old Faithful                 as it is 187 / 142 / 124 / 91, information 207 / 190 / 158 / 106
        two coins                    41 / 49 / 39 / 26, 45 / 43 / 31 / 27: no gain, the posterior is no normal
        Bernoulli 1000 x 12          48 / 49 / 35 / 26, 219 / 165 / 168 / 117
        Gaussians 20 000 x 2         16 / 14, 204 / 188 (at 100 and 200)

`first` and `rate` accept nine steps in ten, as `sample` does; `frames`, which asks nutpie itself, eight.

Acceptance is above 0.6 within two steps either way: nutpie's first mass matrix, from the gradient, is good enough, and
a diagonal from the information gains nothing, so that it was dropped. What the information adds is correlation.

Seconds of other work on the machine count in wall time; process time is printed beside it. `first` runs new processes
with a home, and caches of PyTensor and numba, of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

import emvsbayes as eb

OLD_FAITHFUL = Path(eb.__file__).parent / "studies" / "data" / "old_faithful.csv"
FIRST = """
import time
began = time.perf_counter()
import emvsbayes as eb
tree = eb.sample("gaussian_mixture", {path!r}, n_components=2, seed=0, fresh=True, likelihood={likelihood!r})
wall, sampling = time.perf_counter() - began, tree.attrs["sampling_seconds"]
print(f"{{wall:.1f}} s wall, {{time.process_time():.1f}} s of processor, of which sampling {{sampling:.1f}} s wall")
"""


def problems():
    """Name: (family, data, K)."""
    rng = np.random.default_rng(0)
    overlapping = np.where((rng.random(20_000) < 0.4)[:, None], [0.0, 0.0], [2.5, 1.0])
    overlapping = overlapping + rng.normal(size=(20_000, 2)) @ np.array([[1.0, 0.6], [0.0, 0.7]])
    of_rows = rng.random((1000, 1)) < 0.4
    bits = rng.random((1000, 12)) < np.where(of_rows, rng.uniform(0.1, 0.9, 12), rng.uniform(0.1, 0.9, 12))
    return {
        "Old Faithful": ("gaussian_mixture", np.loadtxt(OLD_FAITHFUL, delimiter=",", skiprows=1), 2),
        "two coins": ("coins", {"heads": [5, 9, 8, 4, 7], "tosses": [10] * 5}, 2),
        "Bernoulli 1000 x 12": ("bernoulli_mixture", bits.astype(float), 2),
        "Gaussians 20 000 x 2": ("gaussian_mixture", overlapping, 2),
    }


def first(likelihoods=("fused", "plain")):
    """New processes: caches empty, then as the first one left them."""
    for likelihood in likelihoods:
        with tempfile.TemporaryDirectory() as home:
            own = {
                "HOME": home,
                "NUMBA_CACHE_DIR": f"{home}/numba",
                "EMVSBAYES_CACHE": f"{home}/draws",
                "PYTENSOR_FLAGS": f"base_compiledir={home}/pytensor",
            }
            code = FIRST.format(path=str(OLD_FAITHFUL), likelihood=likelihood)
            for what in ("cold", "warm"):
                done = subprocess.run(
                    [sys.executable, "-c", code], env={**os.environ, **own}, capture_output=True, text=True, check=True
                )
                print(f"Old Faithful, {likelihood}, {what}: {done.stdout.strip()}", flush=True)


def posed(family, X, k):
    """Problem, prior, PyMC model and starting point."""
    from emvsbayes.bayes.likelihoods import starting_point
    from emvsbayes.problem import pose

    problem = pose(family, X, n_components=k)
    prior = problem.family.proper_prior(problem.prior("default"))
    about = starting_point(problem, 0)
    return problem, prior, about, problem.twin.build(problem.family, problem.data, prior, about)


def smallest_ess(posterior):
    """Bulk ESS of the worst parameter, and the largest R-hat."""
    import arviz as az

    return tuple(
        extreme(float(getattr(v, extreme.__name__)()) for v in of(posterior).data_vars.values())
        for of, extreme in ((az.ess, min), (az.rhat, max))
    )


def rate(names=("Old Faithful", "Gaussians 20 000 x 2"), draws=500, tune=500):
    """The same sampler, starts and seed: compiled posterior, the same without a frame, and the PyMC model.

    All chains start at one labelling of the MAP estimate, or their ESS would be that of the labels.
    """
    from emvsbayes.bayes import targets
    from emvsbayes.bayes.chains import run_chains
    from emvsbayes.bayes.likelihoods import nutpie_model
    from emvsbayes.bayes.twins import Unconstrained

    most = targets.MOST
    for name in names:
        problem, prior, about, model = posed(*problems()[name])
        family, X, k = problems()[name]
        mode = Unconstrained(model)(eb.fit(family, X, n_components=k, prior="default", record=False).params)
        starts, found = [mode] * 4, {}
        for label in ("fused", "fused, no frame", "plain"):
            began = perf_counter()
            code = nutpie_model(problem, prior, about, model, label.split(",")[0])
            compiling, began, used = perf_counter() - began, perf_counter(), process_time()
            targets.MOST = 0 if label.endswith("frame") else most
            posterior, stats = run_chains(code, starts, 1, draws=draws, tune=tune, show=False)
            wall, used = perf_counter() - began, process_time() - used
            ess, rhat = smallest_ess(posterior[[rv.name for rv in model.free_RVs]])
            found[label] = ess / wall, ess / used
            print(
                f"{name}, {label}: compiling {compiling:.1f} s, 4 x ({tune} + {draws}) steps in {wall:.2f} s "
                f"({used:.2f} of processor), {int(stats['n_steps'].sum())} gradients of draws; ESS {ess:.0f}, "
                f"{ess / wall:.0f} a second, {ess / used:.0f} a second of processor, "
                f"{ess / (wall + compiling):.1f} with compiling; R-hat {rhat:.3f}",
                flush=True,
            )
        print(
            f"{name}: fused / plain {found['fused'][0] / found['plain'][0]:.1f} by wall time, "
            f"{found['fused'][1] / found['plain'][1]:.1f} by processor time",
            flush=True,
        )


def frames(names=None):
    """Jittered starts at the MAP estimate; coordinates as they are, scaled, and in the frame of the information."""
    import nutpie
    import xarray as xr

    from emvsbayes.bayes.targets import information, target_model
    from emvsbayes.bayes.twins import Unconstrained

    for name in names or problems():
        family, X, k = problems()[name]
        problem, prior, about, model = posed(family, X, k)
        target = target_model(problem, prior, about, model)
        fit = eb.fit(family, X, n_components=k, prior="default", record=False)
        mode = Unconstrained(model)(fit.params)
        found = information(target.target, mode)
        scaled = np.diag(1 / np.sqrt(np.abs(np.diagonal(found))))
        options = {"none": None, "diagonal": scaled, "information": np.linalg.cholesky(np.linalg.inv(found))}
        for tune in (100, 200, 500, 1000):
            for label, frame in options.items():
                rng, parts, used = np.random.default_rng(1), [], process_time()
                for chain in range(4):
                    start = mode + 0.3 * scaled @ rng.standard_normal(len(mode))
                    begin = start if frame is None else np.linalg.solve(frame, start)
                    moved = target if frame is None else target.in_frame(frame)
                    moved = replace(moved, initial_point_func=lambda seed, begin=begin: begin.copy())
                    parts.append(
                        nutpie.sample(
                            moved, draws=1000, tune=tune, chains=1, cores=1, seed=7 + chain, progress_bar=False
                        )
                    )
                used = process_time() - used
                warm = sum(float(part["warmup_sample_stats"]["n_steps"].sum()) for part in parts)
                kept = sum(float(part["sample_stats"]["n_steps"].sum()) for part in parts)
                accepted = [np.asarray(part["warmup_sample_stats"]["mean_tree_accept"])[0] for part in parts]
                settled = np.mean([np.argmax(np.convolve(a, np.full(10, 0.1), "valid") > 0.6) for a in accepted])
                draws = [part["posterior"].to_dataset().assign_coords(chain=[i]) for i, part in enumerate(parts)]
                ess, rhat = smallest_ess(xr.concat(draws, dim="chain"))
                print(
                    f"{name}, tune {tune}, {label}: {settled:.1f} steps to acceptance 0.6; gradients {warm:.0f} of "
                    f"warm-up, {kept:.0f} of draws; ESS {ess:.0f}, {1000 * ess / (warm + kept):.0f} in 1000 gradients, "
                    f"{ess / used:.0f} a second of processor; R-hat {rhat:.3f}",
                    flush=True,
                )


def one_pass(name="Gaussians 20 000 x 2", times=30):
    """The Op: value alone, and value and gradient, in a compiled PyTensor function; the plain model's beside them."""
    import pytensor

    from emvsbayes.bayes.marginal import fused_model
    from emvsbayes.bayes.twins import Unconstrained

    problem, prior, about, model = posed(*problems()[name])
    point = dict(zip([v.name for v in model.value_vars], Unconstrained(model).values(about), strict=True))
    for label, built in (("one Op", fused_model(problem, prior, about)), ("plain", model)):
        height, values = built.logp(), built.value_vars
        for what, outputs in (("value", [height]), ("value and gradient", [height, *pytensor.grad(height, values)])):
            function = built.compile_fn(outputs, inputs=values)
            function(point)
            spent = []
            for _ in range(times):
                began = process_time()
                function(point)
                spent.append(process_time() - began)
            print(f"{name}, {label}, {what}: {1e3 * np.median(spent):.2f} ms", flush=True)


COMMANDS = {"first": first, "rate": rate, "frames": frames, "one-pass": one_pass}

if __name__ == "__main__":
    command, *names = sys.argv[1:] or ["first"]
    if command not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[command](*([names] if names else []))
